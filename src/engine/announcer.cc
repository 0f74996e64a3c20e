#include "engine/announcer.h"

#include "vrrp/frame.h"

namespace baton::engine {

void Announcer::enqueue(VipTable& vips, std::uint32_t index) {
  if (vips[index].queued) return;
  vips[index].queued = true;
  if (next_ > vips.size()) {  // never empty for long: what was sent must not pile up
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(next_));
    next_ = 0;
  }
  queue_.push_back(index);
}

void Announcer::clear(VipTable& vips) {
  for (; next_ < queue_.size(); ++next_) vips[queue_[next_]].queued = false;
  queue_.clear();
  next_ = 0;
  not_before_ = {};
}

/// RFC 9568 §6.4.2, §8.1.2, §8.2.2: gratuitous ARP for IPv4 (V-03), unsolicited NA for IPv6 (N-04).
void Announcer::announce(const Vip& vip, const config::Instance& instance, const Link& link, ports::FramePort& port) {
  const IpAddress& address = vip.prefix.address;
  if (link.state.mac.is_zero()) return;
  if (address.is_ipv6()) {
    port.send_frame(vip.link, vrrp::unsolicited_na(link.state.mac, address, link.state.forwarding_v6));
    return;
  }
  if (!link.state.arp) return;
  if (instance.announce != config::Announce::kReply) {
    port.send_frame(vip.link, vrrp::gratuitous_arp(link.state.mac, address, vrrp::ArpForm::kRequest));
  }
  if (instance.announce != config::Announce::kRequest) {
    port.send_frame(vip.link, vrrp::gratuitous_arp(link.state.mac, address, vrrp::ArpForm::kReply));
  }
}

Instant Announcer::pump(Instant now, VipTable& vips, const std::vector<config::Instance>& members,
                        const LinkTable& links, ports::FramePort& port) {
  if (idle()) return kNever;
  if (now < not_before_) return not_before_;
  for (std::size_t sent = 0; !idle(); ++sent) {
    if (sent >= kBurst) {
      not_before_ = now + kPacedPause;
      return not_before_;
    }
    Vip& vip = vips[queue_[next_++]];
    vip.queued = false;
    // Only what is up is announced (I3, V-05): it may have gone while it waited.
    if (vip.state != VipState::kInstalled || vip.announcements_left == 0) continue;
    --vip.announcements_left;
    const config::Instance& instance = members[vip.member];
    announce(vip, instance, links[vip.link], port);
    const Nanos pause = instance.announce_interval.value_or(Nanos{0});
    if (pause == Nanos{0}) continue;
    not_before_ = now + pause;  // also for what is queued next: addresses come one by one
    if (!idle()) return not_before_;
  }
  queue_.clear();
  next_ = 0;
  return kNever;
}

}  // namespace baton::engine
