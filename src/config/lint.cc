#include "config/lint.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "config/effective.h"
#include "config/protection.h"

namespace baton::config {
namespace {

constexpr std::size_t kMaxGroupRouters = 64;
constexpr std::size_t kMaxAdvertAddresses = 255;  ///< the count is one byte (RFC 9568 §5.2.5)
constexpr std::size_t kMaxAddresses = 16384;      ///< of one instance, extra ones included
constexpr std::uint32_t kDefaultMtu = 1500;

std::string quoted(std::string_view text) { return "`" + std::string(text) + "`"; }
std::string_view family_name(Family family) { return family == Family::kIpv6 ? "IPv6" : "IPv4"; }

std::size_t count_family(const std::vector<Prefix>& prefixes, Family family) {
  return static_cast<std::size_t>(std::count_if(
      prefixes.begin(), prefixes.end(), [&](const Prefix& prefix) { return prefix.address.family() == family; }));
}

class HostLint {
 public:
  HostLint(const Document& document, const Config& config, const std::optional<std::vector<InterfaceFact>>& interfaces,
           Report& report)
      : document_(document), config_(config), report_(report) {
    if (!interfaces) return;
    known_interfaces_ = true;
    for (const InterfaceFact& fact : *interfaces) interfaces_.emplace(fact.name, &fact);
  }

  void run() {
    for (const Peer& peer : config_.peers) {
      for (const IpAddress& address : peer.addresses) hosts_.emplace(address, peer.host);
    }
    for (const Instance& instance : config_.instances) {
      section_ = document_.find(SectionType::kInstance, instance.name);
      check_vrid(instance);
      check_limits(instance);
      check_link_local(instance);
      check_version(instance);
      check_owner(instance);
      check_unicast(instance);
      check_taken(instance);
      check_twice(instance);
      check_interface(instance);
      if (instance.group.empty()) check_election(*section_, instance.election);
    }
    for (const Group& group : config_.groups) {
      check_election(*document_.find(SectionType::kGroup, group.name), group.election);
      check_group(group);
    }
    lint_promotion_times(document_, config_, report_);
  }

 private:
  Place key_place(std::string_view key) const {
    const Entry* entry = section_->find(key, config_.host);
    return entry == nullptr ? section_->place : entry->key_place;
  }
  Place value_place(std::string_view key) const {
    const Entry* entry = section_->find(key, config_.host);
    return entry == nullptr ? section_->place : entry->value_place;
  }
  /// Where a list names `address`; the section if nowhere (the derived one).
  Place item_place(std::string_view key, const IpAddress& address) const {
    for (const Entry* entry : section_->list(key, config_.host)) {
      const auto prefix = Prefix::parse(entry->value.substr(0, entry->value.find_first_of(" \t")));
      if (prefix && prefix->address == address) return entry->value_place;
    }
    return section_->place;
  }
  Place address_place(const Instance& instance, const IpAddress& address) const {
    const bool is_extra = std::any_of(instance.extra_addresses.begin(), instance.extra_addresses.end(),
                                      [&](const Prefix& prefix) { return prefix.address == address; });
    return item_place(is_extra ? "extra_address" : "address", address);
  }
  std::string on_host() const { return config_.peers.empty() ? std::string() : " on host " + config_.host; }

  template <class Use>
  static void each_address(const Instance& instance, Use use) {
    for (const Prefix& prefix : instance.addresses) use(prefix);
    for (const Prefix& prefix : instance.extra_addresses) use(prefix);
  }

  void check_vrid(const Instance& instance) {
    if (instance.interface.empty() || section_->find("virtual_router_id", config_.host) == nullptr) return;
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      if (count_family(instance.addresses, family) == 0) continue;
      const auto [first, is_new] =
          vrids_.emplace(std::tuple(instance.interface, instance.vrid.value(), family), &instance);
      if (is_new) continue;
      report_.add(Code::kVridTwice, value_place("virtual_router_id"),
                  "virtual_router_id " + std::to_string(instance.vrid.value()) + " is used on " + instance.interface +
                      " for " + std::string(family_name(family)) + " by [instance " + first->second->name +
                      "] too, at " + first->second->defined_at,
                  "choose another one, from 1 to 255");
    }
  }

  /// RFC 9568 §5.2.5 and the MTU: adverts are never fragmented.
  void check_limits(const Instance& instance) {
    const std::size_t total = instance.addresses.size() + instance.extra_addresses.size();
    if (total > kMaxAddresses) {
      report_.add(Code::kTooMany, section_->place,
                  "there are " + std::to_string(total) + " addresses; at most " + std::to_string(kMaxAddresses) +
                      " are possible");
    }
    std::uint32_t mtu = kDefaultMtu;
    if (const auto fact = interfaces_.find(instance.interface); fact != interfaces_.end()) mtu = fact->second->mtu;
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      const std::size_t count = count_family(instance.addresses, family);
      const std::size_t overhead =
          (family == Family::kIpv6 ? 40 : 20) + vrrp::message_size(instance.version, family, 0);
      const std::size_t each = family == Family::kIpv6 ? 16 : 4;
      const std::size_t fits = mtu > overhead ? (mtu - overhead) / each : 0;
      const std::size_t most = std::min(kMaxAdvertAddresses, fits);
      if (count <= most) continue;
      const std::string limit =
          fits < kMaxAdvertAddresses ? "within an MTU of " + std::to_string(mtu) : "by its count byte";
      report_.add(Code::kTooManyAddresses, excess_place(instance, family, most),
                  "an advert holds at most " + std::to_string(most) + " " + std::string(family_name(family)) +
                      " addresses " + limit + ", but there are " + std::to_string(count),
                  "write the others as extra_address: held and announced just the same, only not named in the advert");
    }
  }

  /// The first address of `family` that is too many.
  Place excess_place(const Instance& instance, Family family, std::size_t most) const {
    std::size_t seen = 0;
    for (const Prefix& prefix : instance.addresses) {
      if (prefix.address.family() == family && seen++ == most) return item_place("address", prefix.address);
    }
    return section_->place;
  }

  /// RFC 9568 §5.2.9 (F-02).
  void check_link_local(const Instance& instance) {
    const Prefix* first = nullptr;
    for (const Prefix& prefix : instance.addresses) {
      if (!prefix.address.is_ipv6()) continue;
      if (first == nullptr) first = &prefix;
      if (first->address.is_link_local() || !prefix.address.is_link_local()) continue;
      report_.add(Code::kLinkLocalFirst, item_place("address", prefix.address),
                  "address: the link-local address must be the first IPv6 address",
                  "write it above " + first->text() + ", or leave it out to get one from the VRID");
      return;
    }
    if (first != nullptr && instance.owner && !first->address.is_link_local()) {
      report_.add(Code::kLinkLocalFirst, item_place("address", first->address),
                  "address: an owner's first IPv6 address must be the link-local address that it has",
                  "write the interface's own fe80:: address above it; all hosts then use that one");
    }
  }

  void check_version(const Instance& instance) {
    const auto refuse = [&](std::string_view key, std::string message, std::string help) {
      report_.add(Code::kVersionMismatch, key_place(key), std::move(message), std::move(help));
    };
    if (instance.version == vrrp::Version::kV2) {
      each_v6_in_v2(instance);
      if (instance.checksum != Checksum::kAuto) {
        refuse("checksum", "checksum: VRRPv2 has one checksum form only", "remove the line");
      }
      if (!instance.password_file.empty()) {
        report_.add(Code::kClearPassword, key_place("password_file"),
                    "the password travels in clear text in every advert",
                    "it protects against mistakes, not against an attacker");
      }
    } else if (!instance.password_file.empty()) {
      refuse("password_file", "password_file: VRRPv3 has no password", "remove the line, or write version = 2");
    }
  }

  void each_v6_in_v2(const Instance& instance) {
    each_address(instance, [&](const Prefix& prefix) {
      const Place place = address_place(instance, prefix.address);
      if (!prefix.address.is_ipv6() || place.line == section_->place.line) return;
      report_.add(Code::kVersionMismatch, place, "VRRPv2 knows IPv4 only, and " + prefix.address.text() + " is IPv6",
                  "write version = 3, or another instance for IPv6");
    });
  }

  void check_owner(const Instance& instance) {
    if (!instance.owner) return;
    const Entry* owner = section_->find("owner", config_.host);
    const auto ignored = [&](std::string_view key, std::string message) {
      const Entry* entry = section_->find(key, config_.host);
      // A general `priority` beside `owner@HOST` is for the other hosts.
      if (entry == nullptr || (entry->host.empty() && !owner->host.empty())) return;
      report_.add(Code::kPriorityIgnored, entry->key_place, std::move(message));
    };
    ignored("priority", "priority: the owner sends 255 whatever is written here");
    if (!instance.election.preempt) ignored("preempt", "preempt: the owner always preempts (RFC 9568 section 6.1)");
    if (!instance.election.checks.empty()) {
      report_.add(Code::kOwner, key_place("check"), "check: an owner sends priority 255 whatever its checks say",
                  "remove the checks, or owner = yes");
    }
    if (!instance.group.empty()) {
      report_.add(Code::kMembership, owner->key_place,
                  "owner: a member of [group " + instance.group + "] cannot be an owner: the group has one priority");
    }
  }

  void check_unicast(const Instance& instance) {
    if (!instance.unicast) return;
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      const bool used = count_family(instance.addresses, family) != 0;
      const auto of_family = [&](const UnicastPeer& peer) { return peer.address.family() == family; };
      const auto peer = std::find_if(instance.unicast_peers.begin(), instance.unicast_peers.end(), of_family);
      const std::string name{family_name(family)};
      if (used && peer == instance.unicast_peers.end()) {
        const bool has_key = section_->find("unicast_peer", config_.host) != nullptr;
        report_.add(Code::kUnicastPeers, key_place(has_key ? "unicast_peer" : "unicast_source"),
                    "there is no " + name + " unicast_peer for the " + name + " addresses" + on_host(),
                    "name the other hosts' addresses; this host's own are passed over");
      }
      if (!used && peer != instance.unicast_peers.end()) {
        report_.add(Code::kUnicastPeers, item_place("unicast_peer", peer->address),
                    "an " + name + " unicast_peer without any " + name + " address to advertise");
      }
    }
    const bool authenticated = instance.version == vrrp::Version::kV2 && !instance.password_file.empty();
    if (!authenticated) {
      const bool has_key = section_->find("unicast_peer", config_.host) != nullptr;
      report_.add(Code::kUnauthenticated, key_place(has_key ? "unicast_peer" : "unicast_source"),
                  "unicast adverts are not authenticated",
                  "keep the path between the hosts private; multicast does not leave the link");
    }
    for (const UnicastPeer& peer : instance.unicast_peers) {
      if (peer.min_ttl == 255) continue;
      report_.add(Code::kLowTtl, item_place("unicast_peer", peer.address),
                  "min_ttl=" + std::to_string(peer.min_ttl) + " accepts adverts that were routed, from anywhere",
                  "leave min_ttl out if the hosts share a link");
    }
  }

  /// A virtual address that is the real address of a host.
  void check_taken(const Instance& instance) {
    each_address(instance, [&](const Prefix& prefix) {
      const auto host = hosts_.find(prefix.address);
      if (host != hosts_.end() && !is_owner_somewhere(host->second)) {
        report_.add(Code::kAddressTaken, address_place(instance, prefix.address),
                    prefix.address.text() + " is the address of host " + host->second,
                    "a floating address belongs to no host; or write owner@" + host->second + " = yes");
      }
      const bool own_source = prefix.address == instance.source_address_v4 ||
                              prefix.address == instance.source_address_v6 ||
                              std::find(instance.unicast_source.begin(), instance.unicast_source.end(),
                                        prefix.address) != instance.unicast_source.end();
      if (own_source && !instance.owner) {
        report_.add(Code::kAddressTaken, address_place(instance, prefix.address),
                    prefix.address.text() + " is the source address of the adverts, which must stay on this host");
      }
    });
  }

  bool is_owner_somewhere(std::string_view host) const {
    const Entry* owner = section_->find("owner", host);
    return owner != nullptr && (owner->value == "yes" || owner->value == "on" || owner->value == "true");
  }

  void check_twice(const Instance& instance) {
    each_address(instance, [&](const Prefix& prefix) {
      // A link-local address may be on every link.
      const std::string link =
          prefix.address.is_ipv6() && prefix.address.is_link_local() ? instance.interface : std::string();
      const auto [first, is_new] = addresses_.emplace(std::pair(prefix.address, link), &instance);
      if (is_new || first->second == &instance) return;
      report_.add(Code::kAddressTwice, address_place(instance, prefix.address),
                  prefix.address.text() + " is an address of [instance " + first->second->name + "] too, at " +
                      first->second->defined_at);
    });
  }

  void check_interface(const Instance& instance) {
    if (!known_interfaces_ || instance.interface.empty()) return;
    const auto found = interfaces_.find(instance.interface);
    if (found == interfaces_.end()) {
      report_.add(Code::kInterfaceMissing, value_place("interface"),
                  "there is no interface " + quoted(instance.interface) + " on this host now",
                  "the instance waits until it appears");
      return;
    }
    const std::vector<Prefix>& present = found->second->prefixes;
    each_address(instance, [&](const Prefix& prefix) {
      const bool is_own =
          std::any_of(present.begin(), present.end(), [&](const Prefix& p) { return p.address == prefix.address; });
      if (is_own && !instance.owner) {
        report_.add(Code::kOwnAddress, address_place(instance, prefix.address),
                    prefix.address.text() + " is on " + instance.interface + " already and is not Baton's",
                    "remove it from the network configuration: Baton adds it when this host becomes Active");
      }
      if (prefix.length == prefix.address.max_prefix()) return;
      const bool inside = std::any_of(present.begin(), present.end(), [&](const Prefix& p) {
        return p.length != p.address.max_prefix() && p.contains(prefix.address);
      });
      if (inside) return;
      const std::string host_prefix = prefix.address.is_ipv6() ? "/128" : "/32";
      report_.add(Code::kOutsidePrefix, address_place(instance, prefix.address),
                  prefix.address.text() + " lies outside every prefix of " + instance.interface,
                  "if that is meant, write " + prefix.address.text() + host_prefix);
    });
  }

  bool has_ping(const Election& election) const {
    return std::any_of(election.checks.begin(), election.checks.end(), [&](const CheckReference& check) {
      return std::any_of(config_.plugins.begin(), config_.plugins.end(),
                         [&](const Plugin& plugin) { return plugin.name == check.plugin && plugin.module == "ping"; });
    });
  }

  /// Of a group or of an instance that is in none.
  void check_election(const Section& section, const Election& election) {
    const auto without_effect = [&](std::string_view key, std::string_view needed) {
      const Entry* entry = section.find(key, config_.host);
      if (entry == nullptr || entry->value == entry->spec->default_text) return;
      report_.add(Code::kNoEffect, entry->key_place, quoted(key) + " does nothing without " + quoted(needed));
    };
    if (!election.preempt && election.preempt_delay != Nanos{0}) {
      report_.add(Code::kNoPreemptDelay, section.find("preempt_delay", config_.host)->key_place,
                  "preempt_delay: with preempt = no this host never preempts");
    }
    if (election.checks.empty()) {
      for (const std::string_view key : {"min_gap", "on_unknown"}) without_effect(key, "check");
    }
    if (!has_ping(election)) without_effect("on_isolation", "check = a section of module ping");
    if (election.grant != Grant::kWitness) without_effect("witness", "grant = witness");
    if (!election.promote.empty()) return check_promotion(section, election);
    for (const std::string_view key :
         {"takeover_wait", "on_isolation", "resume_alone", "cooldown", "promotion_budget", "grant", "fence"}) {
      without_effect(key, "promote");
    }
  }

  void check_promotion(const Section& section, const Election& election) {
    const Entry* promote = section.find("promote", config_.host);
    const Entry* grant = section.find("grant", config_.host);
    const Entry* preempt = section.find("preempt", config_.host);
    if (election.grant == Grant::kNone) {
      report_.add(Code::kGrant, promote->key_place, "promote: no `grant` says which host alone may promote",
                  "grant = witness, peer, manual, follow or unsafe");
      return;
    }
    if (election.grant == Grant::kPeer && config_.daemon.peer_key_files.empty()) {
      report_.add(Code::kGrant, grant->value_place, "grant: `peer` needs hosts that talk to each other",
                  "peer_key_file = FILE in [daemon]");
    }
    if (election.grant == Grant::kWitness && election.witness.empty()) {
      report_.add(Code::kGrant, grant->value_place, "grant: `witness` needs a witness", "witness = NAME of a plugin");
    }
    if (election.grant == Grant::kFollow) return;
    if (election.preempt && preempt != nullptr) {
      report_.add(Code::kGrant, preempt->value_place,
                  "preempt: every return of the preferred host would move the database",
                  "preempt = no, and `batonctl switchover` when it is to move");
    }
    if (election.grant == Grant::kUnsafe) {
      report_.add(Code::kWeakGrant, grant->value_place,
                  "grant: on a cut network both hosts promote, and what one of them was told is lost",
                  "grant = witness");
    }
  }

  void check_group(const Group& group) {
    std::size_t routers = 0;
    for (const std::string& name : group.members) {
      const auto member = std::find_if(config_.instances.begin(), config_.instances.end(),
                                       [&](const Instance& instance) { return instance.name == name; });
      if (member == config_.instances.end()) continue;
      for (const Family family : {Family::kIpv4, Family::kIpv6}) {
        routers += count_family(member->addresses, family) != 0 ? 1 : 0;
      }
    }
    if (routers <= kMaxGroupRouters) return;
    report_.add(Code::kTooMany, document_.find(SectionType::kGroup, group.name)->place,
                "the group has " + std::to_string(routers) + " virtual routers; at most " +
                    std::to_string(kMaxGroupRouters) + " are possible",
                "put more addresses into fewer instances");
  }

  const Document& document_;
  const Config& config_;
  Report& report_;
  const Section* section_ = nullptr;
  bool known_interfaces_ = false;
  std::map<std::string, const InterfaceFact*> interfaces_;
  std::map<IpAddress, std::string> hosts_;
  std::map<std::tuple<std::string, std::uint8_t, Family>, const Instance*> vrids_;
  std::map<std::pair<IpAddress, std::string>, const Instance*> addresses_;
};

/// What the checks can make of a priority at the worst and at the best: a positive `prefer` counts while the check
/// passes, a negative one while it does not.
struct Reach {
  int least = 0;
  int most = 0;
};
Reach reach(const Election& election) {
  Reach reach{election.priority.value(), election.priority.value()};
  for (const CheckReference& check : election.checks) {
    if (check.use == CheckUse::kPrefer) (check.prefer < 0 ? reach.least : reach.most) += check.prefer;
  }
  return {std::clamp(reach.least, 1, 254), std::clamp(reach.most, 1, 254)};
}

/// Checks that can never take the role from the host that is preferred without them.
void lint_preference(const Section& section, const std::vector<std::pair<std::string, const Election*>>& hosts,
                     Report& report) {
  const auto entry = std::find_if(section.entries.begin(), section.entries.end(), [](const Entry& one) {
    return one.key == "check" && one.value.find("prefer=") != std::string_view::npos;
  });
  if (entry == section.entries.end()) return;
  const auto first = std::max_element(
      hosts.begin(), hosts.end(), [](const auto& a, const auto& b) { return a.second->priority < b.second->priority; });
  // Of several Backups it still chooses the one that takes over. A database's role has other ways to move.
  const bool pair = hosts.size() == 2 && first->second->promote.empty();
  if (const auto& second = hosts[first == hosts.begin() ? hosts.size() - 1 : 0]; pair && !second.second->preempt) {
    report.add(Code::kNoEffect, entry->value_place,
               "check: `prefer` takes the role from no working Active while preempt = no on " + second.first,
               "preempt = yes, or let the check be `required`");
    return;
  }
  int gap = -254;
  for (auto other = hosts.begin(); other != hosts.end(); ++other) {
    if (other != first) gap = std::max(gap, reach(*other->second).most - reach(*first->second).least);
  }
  const int needed = std::max(first->second->min_gap, 1);
  if (gap >= needed) return;
  const std::string lead = gap > 0 ? "only " + std::to_string(gap) + " ahead" : "not even ahead";
  report.add(
      Code::kNoEffect, entry->value_place,
      "check: if all that is preferred is lost on " + first->first + ", no other host takes over: it is " + lead +
          ", and min_gap is " + std::to_string(first->second->min_gap),
      "prefer by " + std::to_string(needed - gap) + " more, or lower min_gap or the difference of the priorities");
}

}  // namespace

void lint_host(const Document& document, const Config& config,
               const std::optional<std::vector<InterfaceFact>>& interfaces, Report& report) {
  HostLint(document, config, interfaces, report).run();
}

void lint_hosts(const Document& document, const std::vector<Config>& configs, Report& report) {
  if (configs.size() < 2) return;
  const auto check = [&](SectionType type, std::size_t index, const auto& list_of) {
    const Config& first = configs.front();
    const auto& object = list_of(first)[index];
    const bool equal = std::all_of(configs.begin(), configs.end(), [&](const Config& config) {
      return list_of(config)[index].election.priority == object.election.priority;
    });
    if (!equal) return;
    const Section& section = *document.find(type, object.name);
    const Entry* entry = section.any("priority");
    report.add(
        Code::kEqualPriorities, entry == nullptr ? section.place : entry->key_place,
        "[" + section.title() + "] has priority " + std::to_string(object.election.priority.value()) + " on every host",
        "give the preferred host more: priority@" + first.host + " = " +
            std::to_string(std::min(254, object.election.priority.value() + 10)));
  };
  const auto preference = [&](SectionType type, std::size_t index, const auto& list_of) {
    std::vector<std::pair<std::string, const Election*>> hosts;
    for (const Config& config : configs) hosts.emplace_back(config.host, &list_of(config)[index].election);
    lint_preference(*document.find(type, list_of(configs.front())[index].name), hosts, report);
  };
  for (std::size_t i = 0; i < configs.front().instances.size(); ++i) {
    const bool has_owner =
        std::any_of(configs.begin(), configs.end(), [&](const Config& config) { return config.instances[i].owner; });
    if (!configs.front().instances[i].group.empty() || has_owner) continue;
    check(SectionType::kInstance, i,
          [](const Config& config) -> const std::vector<Instance>& { return config.instances; });
    preference(
        SectionType::kInstance, i, [](const Config& config) -> const auto& { return config.instances; });
  }
  for (std::size_t i = 0; i < configs.front().groups.size(); ++i) {
    check(SectionType::kGroup, i, [](const Config& config) -> const std::vector<Group>& { return config.groups; });
    preference(
        SectionType::kGroup, i, [](const Config& config) -> const auto& { return config.groups; });
  }
}

void lint_document(const Document& document, Report& report) {
  std::set<std::string_view> referred;
  for (const Section& section : document.sections) {
    for (const Entry& entry : section.entries) {
      if (entry.spec != nullptr && entry.spec->type == ValueType::kReference) {
        referred.insert(entry.value.substr(0, entry.value.find_first_of(" \t")));
      }
    }
  }
  for (const Section& section : document.sections) {
    if (section.type == SectionType::kDaemon && section.entries.empty()) {
      report.add(Code::kUnused, section.place, "the section is empty");
    }
    if (section.type == SectionType::kPlugin && !referred.contains(section.name)) {
      report.add(Code::kUnused, section.place, "nothing refers to [" + section.title() + "]");
    }
  }
}

}  // namespace baton::config
