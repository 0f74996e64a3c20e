// Interfaces and addresses, and what of them concerns a watched link.
#include "linux/link_table.h"

#include <linux/if_addr.h>
#include <net/if.h>

#include <utility>
#include <vector>

namespace baton::linux {
namespace {

// net/if.h and linux/if.h do not mix; only the latter has this one.
constexpr std::uint32_t kIffLowerUp = 1u << 16;

}  // namespace

void LinkTable::watch(ports::LinkId link, const std::string& name) {
  watched_[link] = Watched{name, {}};
  new_.insert(link);
}

void LinkTable::forget(ports::LinkId link) {
  watched_.erase(link);
  new_.erase(link);
}

void LinkTable::tell_new() {
  if (!complete_) return;
  for (const ports::LinkId link : std::exchange(new_, {})) tell(link, watched_.at(link), true);
}

int LinkTable::ifindex(ports::LinkId link) const {
  const auto watched = watched_.find(link);
  if (watched == watched_.end()) return 0;
  const auto known = by_name_.find(watched->second.name);
  return known == by_name_.end() ? 0 : known->second;
}

const std::string& LinkTable::name(ports::LinkId link) const {
  static const std::string kNone;
  const auto watched = watched_.find(link);
  return watched == watched_.end() ? kNone : watched->second.name;
}

void LinkTable::apply(const RouteMessage& message) {
  if (const auto* link = std::get_if<LinkMessage>(&message)) apply_link(*link);
  if (const auto* address = std::get_if<AddressMessage>(&message)) apply_address(*address);
  if (const auto* forwarding = std::get_if<ForwardingMessage>(&message)) apply_forwarding(*forwarding);
}

void LinkTable::apply_link(const LinkMessage& link) {
  if (expecting_) touched_links_.insert(link.ifindex);
  Interface& interface = interfaces_[link.ifindex];
  const std::string old_name = interface.link.name;
  if (const auto old = by_name_.find(old_name); old != by_name_.end() && old->second == link.ifindex) {
    by_name_.erase(old);
  }
  if (link.removed) {
    interfaces_.erase(link.ifindex);
  } else {
    const auto forwarding = interface.link.forwarding_v6;
    interface.link = link;
    if (!interface.link.forwarding_v6) interface.link.forwarding_v6 = forwarding;
    by_name_[link.name] = link.ifindex;
  }
  if (!complete_) return;
  if (!old_name.empty() && old_name != link.name) reconsider(old_name);
  reconsider(link.name);
}

LinkTable::Address LinkTable::address_of(const AddressMessage& message) {
  return {.marked = message.proto == kMark,
          .tentative = (message.flags & IFA_F_TENTATIVE) != 0,
          .dad_failed = (message.flags & IFA_F_DADFAILED) != 0};
}

void LinkTable::apply_address(const AddressMessage& message) {
  const Holding holding{message.ifindex, message.prefix};
  if (expecting_) touched_addresses_.insert(holding);
  const Address address = address_of(message);
  if (message.removed) {
    const auto interface = interfaces_.find(message.ifindex);
    const bool known = interface != interfaces_.end() && interface->second.addresses.erase(message.prefix) != 0;
    claimed_.erase(holding);
    if (known) tell_watchers(holding, address, false);
    return;
  }
  auto& addresses = interfaces_[message.ifindex].addresses;
  const auto [place, added] = addresses.try_emplace(message.prefix, address);
  // A mere refresh of the lifetime is no news.
  if (!added && place->second == address) return;
  place->second = address;
  tell_watchers(holding, address, true);
}

void LinkTable::apply_forwarding(const ForwardingMessage& message) {
  const auto interface = interfaces_.find(message.ifindex);
  if (interface == interfaces_.end()) return;
  if (expecting_) touched_forwarding_.insert(message.ifindex);
  interface->second.link.forwarding_v6 = message.forwarding;
  if (complete_) reconsider(interface->second.link.name);
}

void LinkTable::expect_dump() {
  expecting_ = true;
  touched_links_.clear();
  touched_forwarding_.clear();
  touched_addresses_.clear();
}

void LinkTable::merge_links(const Dump& dump, std::map<int, Interface>& merged) {
  for (const LinkMessage& link : dump.links) {
    if (touched_links_.contains(link.ifindex)) continue;
    merged[link.ifindex].link = link;
    const auto known = interfaces_.find(link.ifindex);
    if (touched_forwarding_.contains(link.ifindex) && known != interfaces_.end()) {
      merged[link.ifindex].link.forwarding_v6 = known->second.link.forwarding_v6;
    }
  }
  for (const auto& [ifindex, interface] : interfaces_) {
    const bool newer = touched_links_.contains(ifindex) && !interface.link.name.empty();
    const bool missed = dump.interrupted && !merged.contains(ifindex) && !touched_links_.contains(ifindex);
    if (newer || missed) merged[ifindex].link = interface.link;
  }
}

void LinkTable::merge_addresses(const Dump& dump, std::map<int, Interface>& merged) {
  for (const AddressMessage& address : dump.addresses) {
    const Holding holding{address.ifindex, address.prefix};
    if (!kernel_marks_ && address.proto == kMark) claimed_.insert(holding);
    const auto interface = merged.find(address.ifindex);
    if (interface == merged.end() || touched_addresses_.contains(holding)) continue;
    interface->second.addresses[address.prefix] = address_of(address);
  }
  for (const auto& [ifindex, interface] : interfaces_) {
    const auto place = merged.find(ifindex);
    if (place == merged.end()) continue;
    for (const auto& [prefix, address] : interface.addresses) {
      const bool newer = touched_addresses_.contains({ifindex, prefix});
      if (newer || dump.interrupted) place->second.addresses.try_emplace(prefix, address);
    }
  }
}

void LinkTable::apply_dump(const Dump& dump) {
  std::map<int, Interface> merged;
  merge_links(dump, merged);
  merge_addresses(dump, merged);
  interfaces_ = std::move(merged);
  by_name_.clear();
  for (const auto& [ifindex, interface] : interfaces_) by_name_[interface.link.name] = ifindex;
  expecting_ = false;
  complete_ = true;
  new_.clear();
  facts_.dump_begins();
  for (auto& [link, watched] : watched_) tell(link, watched, true);
  facts_.dump_ends();
}

void LinkTable::claim(const Holding& holding) {
  if (!kernel_marks_) claimed_.insert(holding);
}

void LinkTable::disclaim(const Holding& holding) {
  if (claimed_.erase(holding) == 0) return;
  const auto interface = interfaces_.find(holding.ifindex);
  if (interface == interfaces_.end()) return;
  const auto address = interface->second.addresses.find(holding.prefix);
  if (address != interface->second.addresses.end()) tell_watchers(holding, address->second, true);
}

void LinkTable::reconsider(const std::string& name) {
  for (auto& [link, watched] : watched_) {
    if (watched.name == name && !new_.contains(link)) tell(link, watched, false);
  }
}

ports::LinkState LinkTable::state_of(ports::LinkId link, const std::string& name) const {
  ports::LinkState state;
  state.link = link;
  const auto known = by_name_.find(name);
  if (known == by_name_.end()) return state;
  const LinkMessage& facts = interfaces_.at(known->second).link;
  constexpr std::uint32_t kWorking = IFF_UP | IFF_RUNNING | kIffLowerUp;
  state.present = true;
  state.up = (facts.flags & kWorking) == kWorking;
  state.ifindex = facts.ifindex;
  state.mtu = facts.mtu;
  state.mac = facts.mac;
  state.arp = (facts.flags & IFF_NOARP) == 0;
  state.forwarding_v6 = facts.forwarding_v6.value_or(false);
  return state;
}

/// What is new about a link; with `everything` also what was told before. Another interface under the same name is
/// another link state: the old one goes first, with its addresses.
void LinkTable::tell(ports::LinkId link, Watched& watched, bool everything) {
  const ports::LinkState state = state_of(link, watched.name);
  const ports::LinkState told = std::exchange(watched.told, state);
  const bool replaced = state.ifindex != told.ifindex;
  if (replaced && told.present) {
    ports::LinkState gone;
    gone.link = link;
    facts_.link_changed(gone);
    const auto old = interfaces_.find(told.ifindex);
    if (old != interfaces_.end()) {
      for (const auto& [prefix, address] : old->second.addresses) {
        tell_address(link, told.ifindex, prefix, address, false);
      }
    }
  }
  if (everything || (state.present && state != told)) facts_.link_changed(state);
  if (!state.present || !(replaced || everything)) return;
  // A copy of the keys is not needed: the receiver cannot change the table from inside a call.
  for (const auto& [prefix, address] : interfaces_.at(state.ifindex).addresses) {
    tell_address(link, state.ifindex, prefix, address, true);
  }
}

void LinkTable::tell_watchers(const Holding& holding, const Address& address, bool present) {
  for (const auto& [link, watched] : watched_) {
    if (watched.told.present && watched.told.ifindex == holding.ifindex) {
      tell_address(link, holding.ifindex, holding.prefix, address, present);
    }
  }
}

void LinkTable::tell_address(ports::LinkId link, int ifindex, const Prefix& prefix, const Address& address,
                             bool present) {
  const bool ours = kernel_marks_ ? address.marked : claimed_.contains({ifindex, prefix});
  facts_.address_changed({.link = link,
                          .prefix = prefix,
                          .present = present,
                          .ours = ours,
                          .tentative = address.tentative,
                          .dad_failed = address.dad_failed},
                         ifindex);
}

}  // namespace baton::linux
