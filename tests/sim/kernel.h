// The fake kernel of one host, as far as the engine can tell: links that come and go, addresses with owners and
// lifetimes, and the address worker's queue in front of them. Time is the world's; not_after is compared by the
// caller's clock.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "ports/facts.h"
#include "ports/ports.h"

namespace baton::sim {

struct KernelAddress {
  Prefix prefix;
  bool ours = false;
  Nanos expires = Nanos::max();
};

struct KernelLink {
  bool present = true;
  bool up = true;
  int ifindex = 0;
  MacAddress mac;
  std::vector<KernelAddress> addresses;
  std::vector<Prefix> own;  ///< the host's own, which come back with the link

  KernelAddress* find(const Prefix& prefix);
  const KernelAddress* find_address(const IpAddress& address) const;
};

/// A change of the address table, for the monitor and the checkers.
struct KernelChange {
  int link = 0;
  Prefix prefix;
  bool present = false;
  bool ours = false;
  bool by_worker = false;
  bool expired = false;
};

class Kernel {
 public:
  using Watcher = std::function<void(const KernelChange&)>;
  explicit Kernel(Watcher watcher) : watcher_(std::move(watcher)) {}

  std::vector<KernelLink> links;
  bool refuse_installs = false;  ///< a fault: EPERM

  /// What the worker does with one command; `now` is the world's time, `late` that not_after has passed on the host's
  /// clock.
  ports::AddressResult execute(const ports::AddressCommand& command, int link, Nanos now, bool late);

  void add(int link, const Prefix& prefix, bool ours, Nanos expires);
  void remove(int link, const Prefix& prefix);
  /// Removes what is due; returns when the next one is.
  Nanos expire(Nanos now);
  Nanos next_expiry() const;
  /// Removes all addresses that are ours: a machine that loses its power, or `batonctl cleanup`.
  void remove_ours();
  /// All addresses go, as with a deleted interface; with `ipv6_only` as with an interface that is set down.
  void flush(int link, bool ipv6_only);
  void restore_own(int link);
  /// A pause of the machine does not age anything.
  void postpone_expiry(Nanos by);

 private:
  void changed(int link, const KernelAddress& address, bool present, bool by_worker = false, bool expired = false) {
    watcher_({link, address.prefix, present, address.ours, by_worker, expired});
  }

  Watcher watcher_;
};

/// Commands wait here in the order of ports.h: those for one address keep theirs, a remove overtakes refreshes of
/// others.
class CommandQueue {
 public:
  void push(const ports::AddressCommand& command);
  bool empty() const { return commands_.empty(); }
  std::size_t size() const { return commands_.size(); }
  void clear() { commands_.clear(); }
  /// Up to `most` from the front.
  std::vector<ports::AddressCommand> take(std::size_t most);
  /// The last command waiting for this address; nullptr if none.
  const ports::AddressCommand* last_for(ports::LinkId link, const Prefix& prefix) const;

 private:
  std::deque<ports::AddressCommand> commands_;
};

}  // namespace baton::sim
