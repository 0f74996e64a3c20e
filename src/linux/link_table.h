// What the kernel holds on its interfaces, seen through the links that the engine watches by name. Takes parsed netlink
// messages and dumps, gives facts. Names are resolved at every event: an interface may be deleted, re-created, renamed
// away or into the name, or come late. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "linux/ownership.h"
#include "linux/route_socket.h"
#include "ports/facts.h"

namespace baton::linux {

class LinkFacts {
 public:
  virtual ~LinkFacts() = default;
  virtual void link_changed(const ports::LinkState& state) = 0;
  /// `ifindex` is the interface that the link is now.
  virtual void address_changed(const ports::AddressFact& fact, int ifindex) = 0;
  virtual void dump_begins() = 0;
  virtual void dump_ends() = 0;
};

class LinkTable {
 public:
  LinkTable(LinkFacts& facts, bool kernel_marks) : facts_(facts), kernel_marks_(kernel_marks) {}

  /// From now on facts about `name` are given; what is known already follows with tell_new().
  void watch(ports::LinkId link, const std::string& name);
  void forget(ports::LinkId link);
  /// Gives all facts of links watched since the last call. Before the first dump nothing is known, and the dump will
  /// tell.
  void tell_new();
  /// Like a link that is watched anew.
  void tell_again(ports::LinkId link) { new_.insert(link); }
  bool has_new() const { return !new_.empty() && complete_; }
  /// 0: not there.
  int ifindex(ports::LinkId link) const;
  const std::string& name(ports::LinkId link) const;

  void apply(const RouteMessage& message);

  /// Between these two, events are remembered: they are newer than what the dump says about the same thing.
  void expect_dump();
  void apply_dump(const Dump& dump);

  /// Without kernel marks: an address that we are about to add counts as ours from the first event on.
  void claim(const Holding& holding);
  void disclaim(const Holding& holding);

 private:
  struct Address {
    bool marked = false;
    bool tentative = false;
    bool dad_failed = false;
    bool operator==(const Address&) const = default;
  };
  struct PrefixHash {
    std::size_t operator()(const Prefix& prefix) const { return IpAddressHash{}(prefix.address) + prefix.length; }
  };
  struct Interface {
    LinkMessage link;  ///< an empty name: only addresses are known yet
    std::unordered_map<Prefix, Address, PrefixHash> addresses;
  };
  struct Watched {
    std::string name;
    ports::LinkState told;
  };

  void apply_link(const LinkMessage& link);
  void apply_address(const AddressMessage& address);
  void apply_forwarding(const ForwardingMessage& message);
  void merge_links(const Dump& dump, std::map<int, Interface>& merged);
  void merge_addresses(const Dump& dump, std::map<int, Interface>& merged);
  void reconsider(const std::string& name);
  void tell(ports::LinkId link, Watched& watched, bool everything);
  void tell_address(ports::LinkId link, int ifindex, const Prefix& prefix, const Address& address, bool present);
  ports::LinkState state_of(ports::LinkId link, const std::string& name) const;
  void tell_watchers(const Holding& holding, const Address& address, bool present);
  static Address address_of(const AddressMessage& message);

  LinkFacts& facts_;
  const bool kernel_marks_;
  std::map<int, Interface> interfaces_;
  std::map<std::string, int> by_name_;
  std::map<ports::LinkId, Watched> watched_;
  std::set<ports::LinkId> new_;
  std::unordered_set<Holding, HoldingHash> claimed_;
  bool complete_ = false;  ///< a dump has been applied
  bool expecting_ = false;
  std::set<int> touched_links_;
  std::set<int> touched_forwarding_;
  std::unordered_set<Holding, HoldingHash> touched_addresses_;
};

}  // namespace baton::linux
