// What follows from the facts about interfaces, addresses, the kernel's settings, network managers and the clock.
#include "cli/doctor.h"

#include <algorithm>
#include <cstdlib>

#include "config/wire.h"
#include "vrrp/packet.h"

namespace baton::cli {
namespace {

/// A packet that waits for a busy steward looks like a clock that is behind.
constexpr std::int64_t kClockToleranceMs = 1000;
constexpr Family kFamilies[] = {Family::kIpv4, Family::kIpv6};

/// All that it would put on the interface.
std::vector<Prefix> vips_of(const config::Instance& instance) {
  std::vector<Prefix> all = instance.addresses;
  all.insert(all.end(), instance.extra_addresses.begin(), instance.extra_addresses.end());
  return all;
}

bool is_vip(const DoctorFacts& facts, const IpAddress& address) {
  for (const config::Instance& instance : facts.config.instances) {
    if (instance.owner) continue;  // there it is the host's own
    for (const Prefix& prefix : vips_of(instance)) {
      if (prefix.address == address) return true;
    }
  }
  return false;
}

bool usable_source(const DoctorFacts& facts, const config::Instance& instance, const linux::SurveyedAddress& address) {
  if (address.ours || address.tentative || address.dad_failed) return false;
  return config::may_be_source(instance, address.prefix.address) && !is_vip(facts, address.prefix.address);
}

std::optional<IpAddress> wanted_source(const config::Instance& instance, Family family) {
  for (const IpAddress& address : instance.unicast_source) {
    if (address.family() == family) return address;
  }
  return family == Family::kIpv6 ? instance.source_address_v6 : instance.source_address_v4;
}

bool has_address(const linux::SurveyedInterface& interface, const IpAddress& address) {
  return std::any_of(interface.addresses.begin(), interface.addresses.end(),
                     [&](const auto& one) { return one.prefix.address == address; });
}

void judge_size(const config::Instance& instance, const linux::SurveyedInterface& interface,
                std::vector<Finding>& findings) {
  for (const Family family : kFamilies) {
    const auto count = static_cast<std::size_t>(
        std::count_if(instance.addresses.begin(), instance.addresses.end(),
                      [&](const Prefix& prefix) { return prefix.address.family() == family; }));
    if (count == 0) continue;
    const std::size_t header = family == Family::kIpv6 ? 40 : 20;
    const std::size_t size = header + vrrp::message_size(instance.version, family, count);
    if (size <= interface.mtu) continue;
    findings.push_back({FindingId::kMtuTooSmall, instance.name,
                        "an " + family_word(family) + " advert has " + std::to_string(size) + " bytes, the MTU of " +
                            interface.name + " is " + std::to_string(interface.mtu)});
  }
}

/// What kind of address it needs to send from.
std::string source_word(const config::Instance& instance, Family family) {
  if (family == Family::kIpv4) return "IPv4";
  return config::may_be_source(instance, *IpAddress::parse("fe80::1")) ? "IPv6 link-local" : "global IPv6";
}

/// The interface's sources of one family: what is wrong with them.
void judge_source(const DoctorFacts& facts, const config::Instance& instance, Family family,
                  const linux::SurveyedInterface& interface, std::vector<Finding>& findings) {
  const auto wanted = wanted_source(instance, family);
  if (wanted && !has_address(interface, *wanted)) {
    findings.push_back(
        {FindingId::kSourceAddressMissing, instance.name, wanted->text() + " is not on " + interface.name});
    return;
  }
  if (wanted || source_of(facts, instance, family)) return;
  const auto waiting = std::find_if(interface.addresses.begin(), interface.addresses.end(), [&](const auto& one) {
    return one.prefix.address.family() == family && (one.tentative || one.dad_failed) && !one.ours;
  });
  if (waiting != interface.addresses.end()) {
    findings.push_back({FindingId::kAddressTentative, instance.name,
                        waiting->prefix.text() + " on " + interface.name + " is " +
                            (waiting->dad_failed ? "a duplicate" : "tentative")});
    return;
  }
  findings.push_back({FindingId::kNoSourceAddress, instance.name,
                      interface.name + " has no " + source_word(instance, family) + " address of its own"});
}

void judge_foreign_vips(const DoctorFacts& facts, const config::Instance& instance, std::vector<Finding>& findings) {
  if (!facts.host.kernel_marks || instance.owner) return;
  for (const Prefix& vip : vips_of(instance)) {
    for (const linux::SurveyedInterface& interface : facts.host.interfaces) {
      for (const linux::SurveyedAddress& address : interface.addresses) {
        if (address.ours || address.prefix.address != vip.address) continue;
        findings.push_back({FindingId::kVipForeign, instance.name,
                            vip.address.text() + " is on " + interface.name + " without Baton's mark",
                            "ip address del " + address.prefix.text() + " dev " + interface.name});
      }
    }
  }
}

void judge_network_file(const config::Instance& instance, const linux::SurveyedInterface& interface,
                        std::vector<Finding>& findings) {
  for (const std::string& text : interface.manager.static_addresses) {
    const auto set = Prefix::parse(text);
    if (!set) continue;
    for (const Prefix& vip : vips_of(instance)) {
      if (instance.owner || vip.address != set->address) continue;
      findings.push_back(
          {FindingId::kVipInNetworkFile, instance.name, "Address=" + text + " in " + interface.manager.network_file});
    }
  }
}

void judge_prefixes(const DoctorFacts& facts, const config::Instance& instance,
                    const linux::SurveyedInterface& interface, std::vector<Finding>& findings) {
  for (const Prefix& vip : vips_of(instance)) {
    if (vip.address.is_link_local() || vip.length == vip.address.max_prefix()) continue;
    const bool inside = std::any_of(interface.addresses.begin(), interface.addresses.end(), [&](const auto& own) {
      return !own.ours && !is_vip(facts, own.prefix.address) && own.prefix.contains(vip.address);
    });
    if (inside) continue;
    findings.push_back(
        {FindingId::kVipOutsidePrefix, instance.name, vip.text() + " is in no prefix of " + interface.name});
  }
}

void judge_rp_filter(const DoctorFacts& facts, const config::Instance& instance,
                     const linux::SurveyedInterface& interface, std::vector<Finding>& findings) {
  const auto& routes = facts.host.default_routes;
  const bool by_others = !routes.empty() && std::find(routes.begin(), routes.end(), interface.name) == routes.end();
  if (interface.rp_filter != 1 || !by_others || !speaks(instance, Family::kIpv4)) return;
  findings.push_back(
      {FindingId::kRpFilter, interface.name,
       "rp_filter of " + interface.name + " is 1 (strict), but the default route is by " + routes.front(),
       "sysctl net.ipv4.conf." + interface.name + ".rp_filter=2"});
}

void judge_arp_ignore(const config::Instance& instance, const linux::SurveyedInterface& interface,
                      std::vector<Finding>& findings) {
  const int value = interface.arp_ignore.value_or(0);
  // 2 answers only who is in the address' own subnet, and a /32 has none. 8 answers nobody. 4 to 7 mean nothing.
  const auto all = vips_of(instance);
  const bool has_v4 = std::any_of(all.begin(), all.end(), [](const Prefix& vip) { return !vip.address.is_ipv6(); });
  const bool has_host_prefix =
      std::any_of(all.begin(), all.end(), [](const Prefix& vip) { return !vip.address.is_ipv6() && vip.length == 32; });
  if (!has_v4 || (value != 8 && !(value == 2 && has_host_prefix))) return;
  findings.push_back({FindingId::kArpIgnore, interface.name,
                      "arp_ignore of " + interface.name + " is " + std::to_string(value) +
                          (value == 2 ? ", and there are /32 addresses" : ""),
                      "sysctl net.ipv4.conf." + interface.name + ".arp_ignore=1"});
}

void judge_arp_flux(const DoctorFacts& facts, const config::Instance& instance,
                    const linux::SurveyedInterface& interface, std::vector<Finding>& findings) {
  for (const linux::SurveyedInterface& other : facts.host.interfaces) {
    if (other.name == interface.name || !other.up || !other.carrier || other.upper == interface.name) continue;
    if (other.arp_ignore.value_or(0) != 0 || other.no_arp) continue;
    for (const Prefix& vip : instance.addresses) {
      const bool same_network = std::any_of(other.addresses.begin(), other.addresses.end(), [&](const auto& own) {
        return !own.ours && !own.prefix.address.is_ipv6() && own.prefix.length < 31 && own.prefix.contains(vip.address);
      });
      if (!same_network) continue;
      findings.push_back(
          {FindingId::kArpFlux, interface.name,
           other.name + " has an address in the network of " + vip.text() +
               ", too, and its arp_ignore "
               "is 0",
           "sysctl net.ipv4.conf." + other.name + ".arp_ignore=1 net.ipv4.conf." + other.name + ".arp_announce=2"});
      break;
    }
  }
}

void judge_membership(const DoctorFacts& facts, const config::Instance& instance,
                      const linux::SurveyedInterface& interface, std::vector<Finding>& findings) {
  if (!facts.daemon || !facts.daemon->config_is_its_own || facts.daemon->other_namespace || instance.unicast) return;
  if (!interface.up || facts.daemon->engine != "running") return;
  for (const Family family : kFamilies) {
    const bool joined = family == Family::kIpv6 ? interface.group_v6 : interface.group_v4;
    if (joined || !speaks(instance, family)) continue;
    findings.push_back(
        {FindingId::kGroupNotJoined, interface.name,
         std::string{family == Family::kIpv6 ? "ff02::12" : "224.0.0.18"} + " is not joined on " + interface.name});
  }
}

/// Calls `judge_one` for each chosen instance whose interface there is.
template <class Judge>
void each_instance(const DoctorFacts& facts, Judge judge_one) {
  for (const config::Instance* instance : chosen_instances(facts)) {
    if (const auto* interface = interface_named(facts, instance->interface)) judge_one(*instance, *interface);
  }
}

}  // namespace

std::vector<const config::Instance*> chosen_instances(const DoctorFacts& facts) {
  std::vector<const config::Instance*> list;
  for (const config::Instance& instance : facts.config.instances) {
    if (facts.chosen.contains(instance.name)) list.push_back(&instance);
  }
  return list;
}

const linux::SurveyedInterface* interface_named(const DoctorFacts& facts, const std::string& name) {
  for (const linux::SurveyedInterface& interface : facts.host.interfaces) {
    if (interface.name == name) return &interface;
  }
  return nullptr;
}

bool speaks(const config::Instance& instance, Family family) {
  return std::any_of(instance.addresses.begin(), instance.addresses.end(),
                     [&](const Prefix& prefix) { return prefix.address.family() == family; });
}

const InstanceFacts* status_of(const DoctorFacts& facts, const config::Instance& instance) {
  if (!facts.daemon) return nullptr;
  const std::string& name = instance.group.empty() ? instance.name : instance.group;
  for (const InstanceFacts& one : facts.daemon->instances) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

std::optional<IpAddress> source_of(const DoctorFacts& facts, const config::Instance& instance, Family family) {
  const linux::SurveyedInterface* interface = interface_named(facts, instance.interface);
  if (interface == nullptr) return std::nullopt;
  if (const auto wanted = wanted_source(instance, family)) {
    return has_address(*interface, *wanted) ? wanted : std::nullopt;
  }
  for (const linux::SurveyedAddress& address : interface->addresses) {
    if (address.prefix.address.family() == family && usable_source(facts, instance, address)) {
      return address.prefix.address;
    }
  }
  return std::nullopt;
}

std::string family_word(Family family) { return family == Family::kIpv6 ? "IPv6" : "IPv4"; }

void judge_interfaces(const DoctorFacts& facts, std::vector<Finding>& findings) {
  for (const config::Instance* instance : chosen_instances(facts)) {
    const linux::SurveyedInterface* interface = interface_named(facts, instance->interface);
    if (interface == nullptr) {
      findings.push_back(
          {FindingId::kInterfaceMissing, instance->name, "there is no interface " + instance->interface});
      continue;
    }
    const std::string& name = interface->name;
    if (!interface->up) {
      findings.push_back({FindingId::kInterfaceDown, name, name + " is down", "ip link set " + name + " up"});
    } else if (!interface->carrier) {
      findings.push_back({FindingId::kNoCarrier, name, name + " has no carrier"});
    }
    if (!interface->upper.empty()) {
      findings.push_back({FindingId::kInterfaceIsPort, name, name + " is a port of " + interface->upper});
    }
    if (interface->no_arp && speaks(*instance, Family::kIpv4)) {
      findings.push_back({FindingId::kNoArp, name, name + " has the flag NOARP", "ip link set " + name + " arp on"});
    }
    judge_size(*instance, *interface, findings);
  }
}

void judge_addresses(const DoctorFacts& facts, std::vector<Finding>& findings) {
  each_instance(facts, [&](const config::Instance& instance, const linux::SurveyedInterface& interface) {
    for (const Family family : kFamilies) {
      const bool possible = family == Family::kIpv4 || !interface.ipv6_disabled;
      if (interface.up && possible && speaks(instance, family) && !instance.owner) {
        judge_source(facts, instance, family, interface, findings);
      }
    }
    judge_network_file(instance, interface, findings);
    judge_prefixes(facts, instance, interface, findings);
  });
  for (const config::Instance* instance : chosen_instances(facts)) judge_foreign_vips(facts, *instance, findings);
}

void judge_kernel(const DoctorFacts& facts, std::vector<Finding>& findings) {
  bool ipv4 = false;
  bool ipv6 = false;
  each_instance(facts, [&](const config::Instance& instance, const linux::SurveyedInterface& interface) {
    ipv4 |= speaks(instance, Family::kIpv4);
    ipv6 |= speaks(instance, Family::kIpv6);
    if (speaks(instance, Family::kIpv6) && interface.ipv6_disabled) {
      findings.push_back({FindingId::kIpv6Disabled, interface.name, "IPv6 is disabled on " + interface.name,
                          "sysctl net.ipv6.conf." + interface.name + ".disable_ipv6=0"});
    }
    judge_membership(facts, instance, interface, findings);
    judge_rp_filter(facts, instance, interface, findings);
    judge_arp_ignore(instance, interface, findings);
    judge_arp_flux(facts, instance, interface, findings);
  });
  if (ipv4 && facts.host.nonlocal_bind_v4) {
    findings.push_back({FindingId::kNonlocalBind, "", "net.ipv4.ip_nonlocal_bind is 1"});
  }
  if (ipv6 && facts.host.nonlocal_bind_v6) {
    findings.push_back({FindingId::kNonlocalBind, "", "net.ipv6.ip_nonlocal_bind is 1"});
  }
}

void judge_managers(const DoctorFacts& facts, std::vector<Finding>& findings) {
  each_instance(facts, [&](const config::Instance&, const linux::SurveyedInterface& interface) {
    const linux::InterfaceManager& manager = interface.manager;
    const bool keeps = manager.keep_configuration == "yes" || manager.keep_configuration == "true" ||
                       manager.keep_configuration == "1" || manager.keep_configuration == "on";
    if (manager.networkd && !keeps) {
      findings.push_back(
          {FindingId::kNetworkdRemoves, interface.name,
           "systemd-networkd manages " + interface.name + " by " +
               (manager.network_file.empty() ? "an unknown file" : manager.network_file) +
               (manager.keep_configuration.empty() ? ", which sets no KeepConfiguration="
                                                   : ", with KeepConfiguration=" + manager.keep_configuration)});
    }
    if (manager.network_manager) {
      findings.push_back({FindingId::kNetworkManager, interface.name, "NetworkManager manages " + interface.name,
                          "nmcli device set " + interface.name + " managed no"});
    }
  });
}

void judge_clock(const DoctorFacts& facts, std::vector<Finding>& findings) {
  if (facts.host.clock_synchronised == false) {
    findings.push_back({FindingId::kClockUnsynchronised, "", "the clock of this host is not synchronised"});
  }
  if (!facts.daemon) return;
  for (const PeerFacts& peer : facts.daemon->peers) {
    const std::int64_t ahead = peer.clock_ahead_ms.value_or(0);
    if (std::abs(ahead) < kClockToleranceMs) continue;
    findings.push_back({FindingId::kClockDiffers, peer.host,
                        "the clock of " + peer.host + " is " + std::to_string(std::abs(ahead)) + " ms " +
                            (ahead > 0 ? "ahead of" : "behind") + " this host's"});
  }
}

FindingSeverity severity_of(const Finding& finding) { return finding_entry(finding.id).severity; }

std::vector<Finding> judge(const DoctorFacts& facts) {
  std::vector<Finding> findings;
  for (const auto part : {judge_daemon, judge_interfaces, judge_addresses, judge_kernel, judge_firewall, judge_wire,
                          judge_peers, judge_managers, judge_clock}) {
    part(facts, findings);
  }
  // Two instances on one interface find the same.
  std::vector<Finding> once;
  for (Finding& finding : findings) {
    if (std::find(once.begin(), once.end(), finding) == once.end()) once.push_back(std::move(finding));
  }
  std::stable_sort(once.begin(), once.end(), [](const Finding& one, const Finding& other) {
    if (severity_of(one) != severity_of(other)) return severity_of(one) > severity_of(other);
    return one.id < other.id;
  });
  return once;
}

int doctor_exit(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& one) { return severity_of(one) >= FindingSeverity::kWarning; })
             ? 1
             : 0;
}

}  // namespace baton::cli
