// What this host has that decides whether VRRP works here: interfaces with their settings, routes, memberships, who
// manages the interfaces, the clock. Reads netlink, /proc, /sys and /run; changes nothing. For batonctl, not for the
// daemon: it blocks and allocates as it likes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/error.h"

namespace baton::linux {

struct SurveyedAddress {
  Prefix prefix;
  bool ours = false;  ///< with Baton's mark (ownership.h); without kernel marks never
  bool tentative = false;
  bool dad_failed = false;
  bool operator==(const SurveyedAddress&) const = default;
};

/// What network manager has the interface, and whether it removes addresses that it did not set.
struct InterfaceManager {
  bool networkd = false;
  std::string network_file;                   ///< the .network file that networkd applies
  std::string keep_configuration;             ///< KeepConfiguration= of it and its drop-ins; "" = not set
  std::vector<std::string> static_addresses;  ///< Address= of the same, as written
  bool network_manager = false;               ///< NetworkManager has it among the devices that it manages
  bool operator==(const InterfaceManager&) const = default;
};

struct SurveyedInterface {
  std::string name;
  int ifindex = 0;
  bool up = false;       ///< administratively
  bool carrier = false;  ///< operational
  bool no_arp = false;
  bool bridge = false;
  std::string upper;  ///< the bridge, bond or team that it is a port of; "" = none
  std::uint32_t mtu = 1500;
  MacAddress mac;
  std::vector<SurveyedAddress> addresses;
  /// Effective values as the kernel combines `all` and the interface's own; nullopt: could not be read.
  std::optional<int> rp_filter;
  std::optional<int> arp_ignore;
  std::optional<int> arp_announce;
  bool ipv6_disabled = false;
  bool group_v4 = false;  ///< 224.0.0.18 is joined
  bool group_v6 = false;  ///< ff02::12
  InterfaceManager manager;
};

struct HostSurvey {
  std::vector<SurveyedInterface> interfaces;
  bool kernel_marks = true;                    ///< false: an address' owner cannot be told
  std::vector<std::string> default_routes;     ///< interfaces with an IPv4 default route
  std::map<IpAddress, MacAddress> neighbours;  ///< IPv4, from the ARP table
  bool nonlocal_bind_v4 = false;
  bool nonlocal_bind_v6 = false;
  bool legacy_iptables = false;  ///< tables of the old kernel interface, which nftables does not show
  std::optional<bool> clock_synchronised;
};

Result<HostSurvey> survey_host();

// The readers of single texts; pure, lines that do not fit are passed over.

/// The interfaces of default routes in /proc/net/route.
std::vector<std::string> default_route_interfaces(std::string_view text);
/// IPv4 addresses with their MAC in /proc/net/arp; incomplete entries are left out.
std::map<IpAddress, MacAddress> arp_neighbours(std::string_view text);
/// Interfaces that joined 224.0.0.18, in /proc/net/igmp; ff02::12, in /proc/net/igmp6.
std::vector<std::string> joined_vrrp_v4(std::string_view igmp);
std::vector<std::string> joined_vrrp_v6(std::string_view igmp6);
/// The last KeepConfiguration= and all Address= of the [Network] and [Address] sections of a .network file.
void read_network_file(std::string_view text, InterfaceManager& manager);
/// NAME=VALUE lines, as networkd writes its state.
std::string state_value(std::string_view text, std::string_view name);

}  // namespace baton::linux
