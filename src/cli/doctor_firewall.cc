// What follows from the packet filter: packets as Baton would send and receive them are walked through its rules.
//
// Which hooks see them: adverts to the group leave by a packet socket, so only `netdev egress` does; unicast ones leave
// by a raw socket, through `output`, `postrouting` and `egress`. All adverts are received by packet sockets, behind
// `ingress` and before `prerouting` and `input`. If the interface is a bridge, the bridge family sees all of them. The
// peer channel is ordinary UDP.
#include <algorithm>

#include "cli/doctor.h"
#include "vrrp/frame.h"

namespace baton::cli {
namespace {

using linux::FilterBytes;
using linux::FilterFamily;
using linux::FilterHook;
using linux::FilterOutcome;
using linux::ProbePacket;
using Fate = FilterOutcome::Fate;

constexpr std::uint8_t kUdp = 17;
constexpr MacAddress kSomeMac{{0x02, 0, 0, 0, 0, 1}};

void append(FilterBytes& bytes, ConstBytes more) { bytes.insert(bytes.end(), more.begin(), more.end()); }

FilterBytes ip_header(const IpAddress& from, const IpAddress& to, std::uint8_t protocol, std::size_t payload) {
  FilterBytes bytes;
  if (from.is_ipv6()) {
    bytes = {0x6C, 0, 0, 0, static_cast<std::uint8_t>(payload >> 8), static_cast<std::uint8_t>(payload), protocol, 255};
  } else {
    const std::size_t size = payload + 20;
    bytes = {
        0x45, 0xC0, static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size), 0, 0, 0, 0, 255, protocol,
        0,    0};
  }
  append(bytes, from.bytes());
  append(bytes, to.bytes());
  return bytes;
}

/// One way of a conversation, as it would be at some hook.
struct Way {
  const linux::SurveyedInterface& interface;
  bool incoming = false;
  IpAddress from, to;
  std::uint8_t protocol = vrrp::kIpProtocol;
  FilterBytes transport;
};

ProbePacket packet_of(const Way& way, FilterHook hook, FilterFamily seen_by) {
  ProbePacket packet;
  packet.hook = hook;
  packet.ipv6 = way.from.is_ipv6();
  packet.protocol = way.protocol;
  packet.multicast = way.to.is_multicast();
  // In the bridge family the interface of what comes in is a port of the bridge: which one is not known.
  const bool by_port = seen_by == FilterFamily::kBridge;
  if (way.incoming) {
    packet.interface_in = by_port ? std::string{linux::kSomeInterface} : way.interface.name;
    packet.index_in = static_cast<std::uint32_t>(way.interface.ifindex);
  } else {
    packet.interface_out = by_port ? std::string{linux::kSomeInterface} : way.interface.name;
    packet.index_out = static_cast<std::uint32_t>(way.interface.ifindex);
  }
  const MacAddress group = vrrp::multicast_mac(way.from.family());
  append(packet.link, packet.multicast ? group.bytes : way.incoming ? way.interface.mac.bytes : kSomeMac.bytes);
  append(packet.link, way.incoming ? kSomeMac.bytes : way.interface.mac.bytes);
  append(packet.link, packet.ipv6 ? FilterBytes{0x86, 0xDD} : FilterBytes{0x08, 0x00});
  packet.network = ip_header(way.from, way.to, way.protocol, way.transport.size());
  packet.transport = way.transport;
  return packet;
}

/// A hook, as far as chains of these families stand there.
struct Station {
  FilterHook hook;
  FilterFamily family;
};

/// The worst that happens at one of the stations.
FilterOutcome walk(const linux::Ruleset& ruleset, const Way& way, const std::vector<Station>& stations) {
  FilterOutcome worst;
  for (const Station& station : stations) {
    std::vector<FilterFamily> families{station.family};
    if (station.family == FilterFamily::kInet) {
      families.push_back(way.from.is_ipv6() ? FilterFamily::kIpv6 : FilterFamily::kIpv4);
    }
    const FilterOutcome one = linux::trace(ruleset, packet_of(way, station.hook, station.family), families);
    if (one.fate > worst.fate) worst = one;
  }
  return worst;
}

std::vector<Station> link_stations(const linux::SurveyedInterface& interface, bool incoming) {
  std::vector<Station> stations{{incoming ? FilterHook::kIngress : FilterHook::kEgress, FilterFamily::kNetdev}};
  if (incoming) stations.push_back({FilterHook::kIngress, FilterFamily::kInet});
  if (!interface.bridge) return stations;
  stations.push_back({incoming ? FilterHook::kPrerouting : FilterHook::kOutput, FilterFamily::kBridge});
  stations.push_back({incoming ? FilterHook::kInput : FilterHook::kPostrouting, FilterFamily::kBridge});
  return stations;
}

std::vector<Station> ip_stations(bool incoming) {
  if (incoming) return {{FilterHook::kPrerouting, FilterFamily::kInet}, {FilterHook::kInput, FilterFamily::kInet}};
  return {{FilterHook::kOutput, FilterFamily::kInet}, {FilterHook::kPostrouting, FilterFamily::kInet}};
}

std::string place_words(const FilterOutcome& outcome) {
  std::string words = "table " + std::string{linux::filter_family_word(outcome.family)} + " " + outcome.table +
                      ", chain " + outcome.chain;
  if (outcome.handle != 0) words += ", handle " + std::to_string(outcome.handle);
  return words + ": " + outcome.rule;
}

std::string mend(const FilterOutcome& outcome, const std::string& match) {
  return "nft " + std::string{outcome.handle == 0 ? "add" : "insert"} + " rule " +
         std::string{linux::filter_family_word(outcome.family)} + " " + outcome.table + " " + outcome.chain +
         (outcome.handle == 0 ? " " : " handle " + std::to_string(outcome.handle) + " ") + match + " accept";
}

void tell(std::vector<Finding>& findings, FindingId id, const std::string& subject, const std::string& what,
          const FilterOutcome& outcome, const std::string& match) {
  const bool certain = outcome.fate == Fate::kDropped;
  std::string text = what + (certain ? " dropped by " : " perhaps dropped by ") + place_words(outcome);
  if (!certain && !outcome.unforeseen.empty()) text += "; it depends on " + outcome.unforeseen;
  const bool harmless = id == FindingId::kFirewallPassedBy;
  findings.push_back({id, subject, std::move(text), harmless ? "" : mend(outcome, match)});
}

/// One way that adverts go; `stations`: where Baton's own pass.
void judge_adverts(const linux::Ruleset& ruleset, const config::Instance& instance, const Way& way,
                   std::vector<Station> stations, std::vector<Finding>& findings) {
  const std::string what = (way.incoming ? "adverts that come in by " : "adverts that leave by ") + way.interface.name +
                           (way.to.is_multicast() ? " are"
                            : way.incoming        ? " from " + way.from.text() + " are"
                                                  : " to " + way.to.text() + " are");
  const FilterOutcome hit = walk(ruleset, way, stations);
  if (hit.fate != Fate::kPasses) {
    const FindingId id = hit.fate == Fate::kDropped ? FindingId::kFirewallDrops : FindingId::kFirewallMayDrop;
    return tell(findings, id, instance.name, what, hit, "meta l4proto 112");
  }
  if (!way.incoming && !way.to.is_multicast()) return;  // all stations were looked at
  const FilterOutcome passed = walk(ruleset, way, ip_stations(way.incoming));
  if (passed.fate == Fate::kDropped) tell(findings, FindingId::kFirewallPassedBy, instance.name, what, passed, "");
}

/// What it is sent to, in one family.
std::vector<IpAddress> destinations(const DoctorFacts& facts, const config::Instance& instance, Family family) {
  if (!instance.unicast) return {vrrp::multicast_group(family)};
  std::vector<IpAddress> list;
  for (const config::UnicastPeer& peer : instance.unicast_peers) {
    const bool own = std::any_of(facts.host.interfaces.begin(), facts.host.interfaces.end(), [&](const auto& one) {
      return std::any_of(one.addresses.begin(), one.addresses.end(),
                         [&](const auto& each) { return each.prefix.address == peer.address; });
    });
    if (peer.address.family() == family && !own) list.push_back(peer.address);
  }
  return list;
}

/// Who its adverts come from: the peers of the interface's network. IPv6 ones come from link-local addresses, which are
/// not known: then a host like this one.
std::vector<IpAddress> senders(const DoctorFacts& facts, const linux::SurveyedInterface& interface,
                               const IpAddress& own) {
  std::vector<IpAddress> list;
  for (const config::Peer& peer : facts.config.peers) {
    if (peer.host == facts.config.host || own.is_ipv6()) continue;
    for (const IpAddress& address : peer.addresses) {
      const bool near = std::any_of(interface.addresses.begin(), interface.addresses.end(), [&](const auto& one) {
        return !one.ours && one.prefix.contains(address) && one.prefix.address != address;
      });
      if (near) list.push_back(address);
    }
  }
  if (list.empty()) list.push_back(own);
  return list;
}

void judge_instance(const DoctorFacts& facts, const config::Instance& instance, std::vector<Finding>& findings) {
  const linux::SurveyedInterface* interface = interface_named(facts, instance.interface);
  if (interface == nullptr) return;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const auto own = source_of(facts, instance, family);
    if (!speaks(instance, family) || !own) continue;
    const FilterBytes message{static_cast<std::uint8_t>(static_cast<int>(instance.version) << 4 | 1),
                              instance.vrid.value(),
                              instance.election.priority.value(),
                              1,
                              0,
                              100,
                              0,
                              0};
    for (const IpAddress& to : destinations(facts, instance, family)) {
      auto leaving = link_stations(*interface, /*incoming=*/false);
      if (!to.is_multicast()) {
        const auto more = ip_stations(/*incoming=*/false);
        leaving.insert(leaving.begin(), more.begin(), more.end());
      }
      judge_adverts(*facts.ruleset, instance, {*interface, false, *own, to, vrrp::kIpProtocol, message}, leaving,
                    findings);
      for (const IpAddress& from : to.is_multicast() ? senders(facts, *interface, *own) : std::vector{to}) {
        const Way coming{*interface, true, from, to.is_multicast() ? to : *own, vrrp::kIpProtocol, message};
        judge_adverts(*facts.ruleset, instance, coming, link_stations(*interface, /*incoming=*/true), findings);
      }
    }
  }
}

/// The interface and own address by which a host of the same network is reached.
std::optional<Way> way_to(const DoctorFacts& facts, const IpAddress& peer) {
  for (const linux::SurveyedInterface& interface : facts.host.interfaces) {
    for (const linux::SurveyedAddress& own : interface.addresses) {
      if (own.ours || !own.prefix.contains(peer) || own.prefix.address == peer) continue;
      return Way{interface, false, own.prefix.address, peer, kUdp, {}};
    }
  }
  return std::nullopt;
}

bool is_heard(const DoctorFacts& facts, const std::string& host) {
  if (!facts.daemon) return false;
  return std::any_of(facts.daemon->peers.begin(), facts.daemon->peers.end(),
                     [&](const PeerFacts& peer) { return peer.host == host && peer.heard; });
}

void judge_peer_channel(const DoctorFacts& facts, const config::Peer& peer, const IpAddress& address,
                        std::vector<Finding>& findings) {
  auto leaving = way_to(facts, address);
  if (!leaving) return;  // by a router: any interface may be the one
  const std::uint16_t port = facts.config.daemon.peer_port;
  const auto high = static_cast<std::uint8_t>(port >> 8);
  const auto low = static_cast<std::uint8_t>(port);
  leaving->transport = {high, low, high, low, 0, 8, 0, 0};
  Way coming{leaving->interface, true, leaving->to, leaving->from, kUdp, leaving->transport};
  for (const Way* way : {&*leaving, &coming}) {
    auto stations = ip_stations(way->incoming);
    const auto more = link_stations(way->interface, way->incoming);
    stations.insert(stations.end(), more.begin(), more.end());
    const FilterOutcome hit = walk(*facts.ruleset, *way, stations);
    if (hit.fate == Fate::kPasses || (hit.fate == Fate::kMayBeDropped && is_heard(facts, peer.host))) continue;
    tell(findings, FindingId::kFirewallPeerChannel, peer.host,
         std::string{way->incoming ? "what comes from " : "what goes to "} + peer.host + " (" + address.text() +
             ", UDP port " + std::to_string(port) + ") is",
         hit, "udp dport " + std::to_string(port));
  }
}

}  // namespace

void judge_firewall(const DoctorFacts& facts, std::vector<Finding>& findings) {
  if (facts.host.legacy_iptables)
    findings.push_back({FindingId::kFirewallLegacy, "", "tables of iptables-legacy are in use"});
  if (!facts.ruleset) return;
  for (const config::Instance* instance : chosen_instances(facts)) judge_instance(facts, *instance, findings);
  if (facts.config.daemon.peer_key_files.empty()) return;  // there is no peer channel
  for (const config::Peer& peer : facts.config.peers) {
    if (peer.host == facts.config.host) continue;
    for (const IpAddress& address : peer.addresses) judge_peer_channel(facts, peer, address, findings);
  }
}

}  // namespace baton::cli
