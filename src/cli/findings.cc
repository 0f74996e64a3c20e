#include "cli/findings.h"

#include <array>

#include "base/check.h"

namespace baton::cli {
namespace {

using C = DoctorCheck;
using F = FindingId;
using S = FindingSeverity;

constexpr FindingEntry kFindings[] = {
    {F::kEngineDown, "engine_down", C::kDaemon, S::kProblem,
     "The daemon answers, but the part of it that speaks VRRP does not run: this host takes no address.",
     "See `journalctl -u baton` for why it ended, and start it again: `systemctl restart baton`."},
    {F::kOtherNamespace, "other_namespace", C::kDaemon, S::kProblem,
     "The daemon runs in another network namespace than this command: interfaces, rules and frames of another network "
     "were looked at.",
     "Run the command where the daemon runs."},
    {F::kCapabilityMissing, "capability_missing", C::kDaemon, S::kProblem,
     "The engine needs CAP_NET_ADMIN to set addresses and CAP_NET_RAW to speak VRRP, and does not have both.",
     "Start it by its unit; a drop-in must not take them from CapabilityBoundingSet=."},
    {F::kAlarm, "alarm", C::kDaemon, S::kWarning, "The daemon itself says that something is wrong.",
     "Each alarm has its own meaning and remedy in baton-messages(7)."},
    {F::kOldProgram, "old_program", C::kDaemon, S::kWarning,
     "The file of the running program was replaced: what was upgraded is not what runs.",
     "`batonctl reexec`: the daemon goes over to the new one, without a failover."},
    {F::kDeletedLibraries, "deleted_libraries", C::kDaemon, S::kWarning,
     "It runs on libraries that were replaced on disk since, as after a security update.",
     "`batonctl reexec`: the daemon starts anew on those on disk, without a failover."},
    {F::kVersionDiffers, "version_differs", C::kDaemon, S::kNote, "The daemon is of another version than this command.",
     "`batonctl reexec`: the daemon goes over to the program on disk."},
    {F::kConfigWarnings, "config_warnings", C::kDaemon, S::kNote,
     "The configuration is valid, but something in it is rarely meant.", "`batonctl check` shows each with its help."},
    {F::kRuntimeOnDisk, "runtime_on_disk", C::kDaemon, S::kWarning,
     "The runtime directory is on a disk. The engine writes down there which addresses it holds before it takes them: "
     "while the disk is busy, that holds up a failover, and the adverts around a reexec, by up to seconds.",
     "Let it be in a tmpfs, as /run is on all common systems."},

    {F::kInterfaceMissing, "interface_missing", C::kInterface, S::kProblem,
     "There is no interface of this name: the instance waits until there is.",
     "Correct `interface`, or see why the system does not make it; `ip link` lists what there is."},
    {F::kInterfaceDown, "interface_down", C::kInterface, S::kProblem,
     "The interface is switched off: the instance cannot be Active here.", "Switch it on."},
    {F::kNoCarrier, "no_carrier", C::kInterface, S::kProblem,
     "The interface is on, but nothing is at the other end of the cable: the instance cannot be Active here.",
     "Look at the cable, the switch's port, or the virtual machine's network card."},
    {F::kInterfaceIsPort, "interface_is_port", C::kInterface, S::kProblem,
     "The interface is a port of a bridge, bond or team: what arrives goes to that one, and addresses on the port do "
     "not work.",
     "Name the bridge or bond itself in `interface`."},
    {F::kNoArp, "no_arp", C::kInterface, S::kProblem,
     "The interface does no ARP: nobody can learn that the address has moved here.", "Switch ARP on."},
    {F::kMtuTooSmall, "mtu_too_small", C::kInterface, S::kProblem,
     "An advert with all its addresses does not fit: it is never fragmented, so it cannot be sent.",
     "Raise the MTU on all hosts and the switch, or move addresses to `extra_address`."},

    {F::kNoSourceAddress, "no_source_address", C::kAddress, S::kProblem,
     "The interface has no usable address of its own in the family of the virtual address: adverts have no source.",
     "Give the interface an address of that family (IPv6: a link-local one, or a global one where unicast peers have "
     "global ones)."},
    {F::kSourceAddressMissing, "source_address_missing", C::kAddress, S::kProblem,
     "The address that the configuration names as the source is not on the interface.",
     "Correct source_address or unicast_source, or add the address to the host's network configuration."},
    {F::kAddressTentative, "address_tentative", C::kAddress, S::kProblem,
     "Duplicate address detection has not accepted the address, or has refused it: another host has it.",
     "Find the other host (`ip -6 neigh`), or switch detection off where the network breaks it (accept_dad)."},
    {F::kVipForeign, "vip_foreign", C::kAddress, S::kProblem,
     "The virtual address is on this host, but Baton has not put it there: it stays when the role goes, and then two "
     "hosts answer.",
     "Remove it, and its line in the host's network configuration (/etc/network/interfaces, netplan, a cloud-init "
     "template, keepalived). Baton adds it when this host is Active."},
    {F::kVipInNetworkFile, "vip_in_network_file", C::kAddress, S::kProblem,
     "systemd-networkd is told to set the virtual address on this host, whoever is Active.",
     "Remove the Address= line and run `networkctl reload`."},
    {F::kVipOutsidePrefix, "vip_outside_prefix", C::kAddress, S::kWarning,
     "No address of the interface has a prefix that holds the virtual address: hosts of that network may not reach it.",
     "Correct the address or the interface; a prefix length of /32 or /128 says that it is meant."},

    {F::kIpv6Disabled, "ipv6_disabled", C::kKernel, S::kProblem,
     "The instance has IPv6 addresses, but the kernel has IPv6 switched off on its interface.", "Switch it on."},
    {F::kGroupNotJoined, "group_not_joined", C::kKernel, S::kProblem,
     "The daemon has not joined the VRRP group on the interface: a switch that snoops on memberships sends it no "
     "adverts.",
     "See the alarms of `batonctl status`; sysctl net.ipv4.igmp_max_memberships limits how many there may be."},
    {F::kRpFilter, "rp_filter", C::kKernel, S::kWarning,
     "Strict reverse path filtering: the kernel drops what arrives on the interface from addresses that it would "
     "answer by another one. Clients behind a router do not reach the virtual address.",
     "Use the loose mode (2), or route the answers by the same interface. The greater of `all` and the interface's own "
     "value counts."},
    {F::kArpIgnore, "arp_ignore", C::kKernel, S::kProblem,
     "With this arp_ignore the kernel does not answer ARP for the virtual address: once the announcement is forgotten, "
     "nobody finds it.",
     "Set it to 0 or 1. The greater of `all` and the interface's own value counts."},
    {F::kArpFlux, "arp_flux", C::kKernel, S::kWarning,
     "Another interface is on the same network: with arp_ignore 0 the kernel answers ARP for the virtual address "
     "there, "
     "too, with the wrong MAC.",
     "Set arp_ignore to 1 and arp_announce to 2 on both."},
    {F::kNonlocalBind, "nonlocal_bind", C::kKernel, S::kNote,
     "Programs may use addresses that the host does not have (ip_nonlocal_bind): a service can listen on the virtual "
     "address before it is here, and a client program can wrongly send from it.",
     "Nothing, if a service needs it. Else have the service listen on 0.0.0.0 or [::] and set it to 0."},

    {F::kFirewallDrops, "firewall_drops", C::kFirewall, S::kProblem,
     "A rule of this host's packet filter drops the adverts: the hosts do not hear each other, and two become Active.",
     "Accept IP protocol 112 before that rule."},
    {F::kFirewallMayDrop, "firewall_may_drop", C::kFirewall, S::kWarning,
     "A rule of this host's packet filter may drop the adverts; it depends on what cannot be foreseen.",
     "Accept IP protocol 112 before that rule."},
    {F::kFirewallPassedBy, "firewall_passed_by", C::kFirewall, S::kNote,
     "A rule of this host's packet filter drops VRRP, but not Baton's: Baton sends to the group and receives by packet "
     "sockets, before that filter. It would stop unicast adverts, and any other VRRP program on this host.",
     "Nothing, for this instance."},
    {F::kFirewallPeerChannel, "firewall_drops_peer_channel", C::kFirewall, S::kProblem,
     "A rule of this host's packet filter drops what the hosts tell each other: no common status, no switchover "
     "without "
     "loss, no consent of the peer.",
     "Accept UDP with the port of the peer channel (peer_port, 5112) from and to the peers."},
    {F::kFirewallLegacy, "firewall_legacy", C::kFirewall, S::kNote,
     "There are rules of the old iptables, which were not looked into.",
     "Look for rules about protocol 112 in `iptables-legacy-save`."},

    {F::kSameVridHere, "same_vrid_here", C::kWire, S::kProblem,
     "Another program on this host sends adverts with this instance's VRID: two speakers for one virtual router, which "
     "set and remove its addresses against each other.",
     "Stop the other program (keepalived: `systemctl disable --now keepalived`), or give one of them another VRID."},
    {F::kSameVridElsewhere, "same_vrid_elsewhere", C::kWire, S::kProblem,
     "A host that is no [peer] sends adverts with this instance's VRID: another cluster uses it on this network, or "
     "the "
     "host is missing in the configuration.",
     "Choose a VRID that nobody uses here, or name the host in a [peer] section."},
    {F::kTwoActives, "two_actives", C::kWire, S::kProblem,
     "More than one host sends adverts as the Active: both have the virtual address.",
     "They do not hear each other in one direction: look for a firewall, a switch that filters multicast, different "
     "passwords or versions; the alarms on both hosts name more."},
    {F::kOwnAddressHeard, "own_address_heard", C::kWire, S::kProblem,
     "Adverts come in from outside with an address or MAC of this host: a loop in the network, a cloned virtual "
     "machine, "
     "or the same address on two hosts.",
     "Look for the other host with that address; for a loop look at the switch."},
    {F::kNobodySpeaks, "nobody_speaks", C::kWire, S::kProblem,
     "This host is Backup and no adverts were heard: nobody has the virtual address, or they do not arrive.",
     "`batonctl explain` says why this host does not take it. On the Active host run `batonctl doctor`, too."},
    {F::kUnreadableAdverts, "unreadable_adverts", C::kWire, S::kWarning,
     "Adverts with this instance's VRID arrive, but cannot be decoded: wrong version, type, length or checksum.",
     "Compare `version` and `checksum` with the other host's configuration; `batonctl status --json` counts what is "
     "wrong."},
    {F::kOtherSpeakerHere, "other_speaker_here", C::kWire, S::kNote,
     "Another program on this host has sockets for VRRP. With VRIDs of its own both may run.",
     "See that no VRID is used twice on an interface."},
    {F::kForeignVrid, "foreign_vrid", C::kWire, S::kNote,
     "Other virtual routers are on the network. They have VRIDs of their own and are no concern.",
     "Do not use these VRIDs on this network."},

    {F::kMulticastEaten, "multicast_eaten", C::kPeers, S::kProblem,
     "The peer answers on the peer channel, but adverts do not pass between the hosts: a switch or filter eats the "
     "multicast (224.0.0.18, ff02::12), as with IGMP snooping without a querier.",
     "Have the network pass the group, or use unicast: unicast_source and unicast_peer on both hosts."},
    {F::kPeerLost, "peer_lost", C::kPeers, S::kWarning,
     "The peer does not answer on the peer channel: this host does not know how it is.",
     "See that it runs, has the same key, and that UDP port 5112 passes in both directions."},

    {F::kNetworkdRemoves, "networkd_removes", C::kManagers, S::kWarning,
     "systemd-networkd manages the interface and removes addresses that it has not set, when it is restarted, reloaded "
     "or renews a lease. Baton puts them back within a moment, but connections may break.",
     "Add KeepConfiguration=yes to the [Network] section of its .network file (not `static`: Baton's addresses have a "
     "lifetime) and run `networkctl reload`. With netplan: a drop-in in /etc/systemd/network/FILE.network.d/."},
    {F::kNetworkManager, "network_manager", C::kManagers, S::kNote,
     "NetworkManager manages the interface: it removes the virtual addresses when the connection is activated or "
     "reapplied. Baton puts them back within a moment.",
     "Nothing, if connections stay as they are; else set managed=0 for the interface."},

    {F::kClockDiffers, "clock_differs", C::kClock, S::kWarning,
     "The wall clocks of the hosts differ by a second or more. No decision of Baton's uses them, but their logs and "
     "histories cannot be laid side by side, and certificates may be valid on one of them only.",
     "Run chrony or systemd-timesyncd on both."},
    {F::kClockUnsynchronised, "clock_unsynchronised", C::kClock, S::kNote,
     "The kernel does not hold the clock for synchronised. No decision of Baton's uses it, but the logs of the hosts "
     "cannot be laid side by side.",
     "Run chrony or systemd-timesyncd. In a container the host's clock counts."},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(kFindings); ++i) {
    if (static_cast<std::size_t>(kFindings[i].id) != i) return false;
  }
  return true;
}
static_assert(in_order(), "finding_entry() looks up by number");
static_assert(std::size(kFindings) == static_cast<std::size_t>(F::kClockUnsynchronised) + 1);

struct CheckWords {
  std::string_view word;
  std::string_view words;
};
constexpr std::array<CheckWords, kDoctorChecks> kChecks{{
    {"daemon", "the running daemon: its alarms, rights, program and libraries"},
    {"interface", "interfaces: there, up, with carrier, large enough"},
    {"address", "addresses to send from, and the virtual ones"},
    {"kernel", "the kernel's settings"},
    {"firewall", "this host's packet filter"},
    {"wire", "who speaks VRRP on the network"},
    {"peers", "the other hosts, by the peer channel"},
    {"managers", "network managers that remove addresses"},
    {"clock", "the clock"},
}};

}  // namespace

std::string_view check_word(DoctorCheck check) { return kChecks[static_cast<std::size_t>(check)].word; }
std::string_view check_words(DoctorCheck check) { return kChecks[static_cast<std::size_t>(check)].words; }

std::string_view severity_word(FindingSeverity severity) {
  switch (severity) {
    case S::kOk: return "ok";
    case S::kNote: return "note";
    case S::kWarning: return "warning";
    case S::kProblem: return "problem";
  }
  return "";
}

std::span<const FindingEntry> finding_table() { return kFindings; }

const FindingEntry& finding_entry(FindingId id) {
  CHECK(static_cast<std::size_t>(id) < std::size(kFindings));
  return kFindings[static_cast<std::size_t>(id)];
}

}  // namespace baton::cli
