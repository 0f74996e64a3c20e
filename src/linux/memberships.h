// Which multicast groups the links are to be in, and the sockets that hold the memberships: joined by the worker, or
// inherited from a predecessor. Protocol thread; itself makes no slow call.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "linux/sink.h"
#include "linux/worker.h"
#include "posix/fd.h"

namespace baton::linux {

class Memberships {
 public:
  explicit Memberships(Worker& worker) : worker_(worker) {}

  void adopt(const std::string& interface, Family family, posix::Fd socket);
  /// The link is this interface now (0: none) and wants these groups. Joins what is missing, leaves what is no longer
  /// right.
  void want(ports::LinkId link, const std::string& interface, int ifindex, bool ipv4, bool ipv6);
  void on_joined(Instant now, JoinEvent event, NetworkSink& sink);
  /// Tries failed ones again.
  void retry(Instant now);
  std::optional<Instant> retry_at() const { return retry_at_; }
  /// Closes what was adopted and never wanted.
  void drop_unused();
  /// Groups that were left since the last call (MembershipSocket with fd -1).
  bool has_left() const { return !left_.empty(); }
  void tell_left(Instant now, NetworkSink& sink);

 private:
  struct Key {
    ports::LinkId link = 0;
    Family family = Family::kIpv4;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    std::string interface;
    int ifindex = 0;
    posix::Fd socket;
    bool asked = false;  ///< the worker is at it
    bool failed = false;
  };
  struct Adopted {
    std::string interface;
    Family family = Family::kIpv4;
    posix::Fd socket;
  };
  void want_one(const Key& key, const std::string& interface, int ifindex, bool wanted);
  posix::Fd take_adopted(const std::string& interface, Family family, int ifindex);
  void join(const Key& key, Entry& entry);
  void leave(const std::string& interface, Family family, posix::Fd socket);

  Worker& worker_;
  std::map<Key, Entry> entries_;
  std::vector<Adopted> adopted_;
  std::vector<MembershipSocket> left_;
  std::optional<Instant> retry_at_;
  bool in_trouble_ = false;
};

}  // namespace baton::linux
