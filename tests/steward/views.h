// Fixed views for the tests of this room: host db1 at a fixed instant, with numbers that can be checked by hand.
#pragma once

#include <algorithm>
#include <string>

#include "steward/view.h"

namespace baton::steward::test {

using namespace std::chrono_literals;

inline const Instant kNow = Instant{1000s};
/// 2026-11-21T03:00:00Z.
inline constexpr std::int64_t kWallClock = 1'795'230'000'000'000'000;
inline std::int64_t ns(Instant instant) { return instant.time_since_epoch().count(); }

inline IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

template <std::size_t N>
void set_text(std::array<char, N>& target, const std::string& text) {
  std::copy(text.begin(), text.end(), target.begin());
}
inline void set_address(std::array<std::uint8_t, 16>& target, const IpAddress& address) {
  std::copy(address.bytes().begin(), address.bytes().end(), target.begin());
}

inline HostView host_db1() {
  HostView host;
  host.host = "db1";
  host.config_path = "/etc/baton/baton.conf";
  host.config_hash = "c0ffee";
  host.names = HostNames{{{ip("10.0.0.1"), "db1"}, {ip("10.0.0.2"), "db2"}}};
  host.now = kNow;
  host.wall_clock_ns = kWallClock;
  return host;
}

/// Each counter its own number: its place, but 133 for what was sent.
inline ports::RouterCounters numbered_counters() {
  return {.master_transitions = 1,
          .advertisement_rcvd = 2,
          .advertisement_sent = 133,
          .interval_errors = 4,
          .priority_zero_pkts_rcvd = 5,
          .priority_zero_pkts_sent = 6,
          .invalid_type_pkts_rcvd = 7,
          .address_list_errors = 8,
          .packet_length_errors = 9,
          .checksum_errors = 10,
          .version_errors = 11,
          .ip_ttl_errors = 12,
          .other_discards = 13,
          .message_only_rcvd = 14,
          .pseudo_header_rcvd = 15,
          .answers_suppressed = 16};
}

/// VRID 51 on eth0, IPv4, 1 s, from 10.0.0.1; Backup that hears nobody.
inline RouterView router_eth0() {
  RouterView router;
  router.state.vrid = 51;
  set_text(router.state.interface, "eth0");
  set_address(router.state.primary, ip("10.0.0.1"));
  router.state.machine.state = vrrp::State::kBackup;
  router.state.machine.active_adver_interval_ns = 1'000'000'000;
  return router;
}

/// "web", one address, priority 100, Backup since 133 s.
inline InstanceView instance_web() {
  InstanceView instance;
  set_text(instance.state.name, "web");
  instance.state.state = vrrp::State::kBackup;
  instance.state.reason = Reason::kStartup;
  instance.state.configured_priority = 100;
  instance.state.effective_priority = 100;
  instance.state.router_count = 1;
  instance.state.addresses_wanted = 1;
  instance.state.since_ns = ns(kNow - 133s);
  instance.addresses = {"10.0.0.50/24"};
  instance.places = {{"eth0", 51}};
  instance.routers = {router_eth0()};
  return instance;
}

/// The router hears 10.0.0.2 with this priority, 420 ms ago; its timer ends in 3 s 189.375 ms.
inline void hear_db2(RouterView& router, std::uint8_t priority) {
  set_address(router.state.heard_source, ip("10.0.0.2"));
  router.state.heard_priority = priority;
  router.state.heard_at_ns = ns(kNow - 420ms);
  router.state.machine.down_deadline_ns = ns(kNow + 3'189'375us);
}

inline InstanceView web_active() {
  InstanceView instance = instance_web();
  instance.state.state = vrrp::State::kActive;
  instance.state.holding = ports::HoldingState::kHeld;
  instance.state.addresses_held = 1;
  instance.state.reason = Reason::kActiveDownExpired;
  instance.state.new_master_reason = ports::NewMasterReason::kNoResponse;
  instance.state.transitions = 2;
  instance.up_ns = ns(kNow - 137s);
  instance.routers[0].state.machine.state = vrrp::State::kActive;
  instance.routers[0].state.machine.adver_deadline_ns = ns(kNow + 250ms);
  instance.routers[0].state.last_event = ports::LastEvent::kMasterTimeout;
  return instance;
}

}  // namespace baton::steward::test
