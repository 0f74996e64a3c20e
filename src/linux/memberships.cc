// Wanted against held, one entry a link and family.
#include "linux/memberships.h"

#include <algorithm>
#include <utility>

#include "linux/membership.h"

namespace baton::linux {
namespace {

constexpr Nanos kRetry = std::chrono::seconds{1};

}  // namespace

void Memberships::adopt(const std::string& interface, Family family, posix::Fd socket) {
  adopted_.push_back({interface, family, std::move(socket)});
}

/// Whoever keeps a duplicate must hear of it: it would keep the membership alive.
void Memberships::leave(const std::string& interface, Family family, posix::Fd socket) {
  if (!socket.valid()) return;
  left_.push_back({interface, family, membership_ifindex(socket.get(), family), -1});
  worker_.post(CloseJob{std::move(socket)});
}

void Memberships::tell_left(Instant now, NetworkSink& sink) {
  for (const MembershipSocket& left : std::exchange(left_, {})) sink.on_membership(now, left);
}

posix::Fd Memberships::take_adopted(const std::string& interface, Family family, int ifindex) {
  const auto found = std::find_if(adopted_.begin(), adopted_.end(), [&](const Adopted& adopted) {
    return adopted.interface == interface && adopted.family == family;
  });
  if (found == adopted_.end()) return posix::Fd{};
  posix::Fd socket = std::move(found->socket);
  adopted_.erase(found);
  if (membership_ifindex(socket.get(), family) == ifindex) return socket;
  leave(interface, family, std::move(socket));  // of an interface of that name that is gone
  return posix::Fd{};
}

void Memberships::drop_unused() {
  for (Adopted& adopted : std::exchange(adopted_, {})) {
    leave(adopted.interface, adopted.family, std::move(adopted.socket));
  }
}

void Memberships::want(ports::LinkId link, const std::string& interface, int ifindex, bool ipv4, bool ipv6) {
  want_one({link, Family::kIpv4}, interface, ifindex, ipv4);
  want_one({link, Family::kIpv6}, interface, ifindex, ipv6);
}

void Memberships::want_one(const Key& key, const std::string& interface, int ifindex, bool wanted) {
  const auto found = entries_.find(key);
  const bool right =
      found != entries_.end() && found->second.ifindex == ifindex && found->second.interface == interface;
  if (wanted && ifindex != 0 && right) {
    if (found->second.failed) join(key, found->second);  // the interface changed: a good moment
    return;
  }
  if (found != entries_.end()) {
    leave(found->second.interface, key.family, std::move(found->second.socket));
    entries_.erase(found);
  }
  if (!wanted || ifindex == 0) return;
  Entry& entry = entries_[key];
  entry.interface = interface;
  entry.ifindex = ifindex;
  entry.socket = take_adopted(interface, key.family, ifindex);
  if (!entry.socket.valid()) join(key, entry);
}

void Memberships::join(const Key& key, Entry& entry) {
  if (std::exchange(entry.asked, true)) return;
  entry.failed = false;
  worker_.post(JoinJob{key.link, entry.ifindex, key.family});
}

void Memberships::on_joined(Instant now, JoinEvent event, NetworkSink& sink) {
  const auto found = entries_.find({event.link, event.family});
  if (found == entries_.end() || found->second.ifindex != event.ifindex) {
    if (event.socket.valid()) worker_.post(CloseJob{std::move(event.socket)});  // nobody has seen it
    return;
  }
  Entry& entry = found->second;
  entry.asked = false;
  entry.failed = event.sys_errno != 0;
  if (entry.failed) {
    retry_at_ = now + kRetry;
    if (!std::exchange(in_trouble_, true)) sink.on_trouble(now, Trouble::kMembership, event.sys_errno);
    return;
  }
  entry.socket = std::move(event.socket);
  sink.on_membership(now, {entry.interface, event.family, entry.ifindex, entry.socket.get()});
  const bool any_failed =
      std::any_of(entries_.begin(), entries_.end(), [](const auto& each) { return each.second.failed; });
  if (!any_failed && std::exchange(in_trouble_, false)) sink.on_trouble(now, Trouble::kMembership, 0);
}

void Memberships::retry(Instant now) {
  if (!retry_at_ || now < *retry_at_) return;
  retry_at_.reset();
  for (auto& [key, entry] : entries_) {
    if (entry.failed) join(key, entry);
  }
}

}  // namespace baton::linux
