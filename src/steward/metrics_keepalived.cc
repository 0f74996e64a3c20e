// The names of keepalived-exporter, so that its dashboards and alerts go on working on the day of the migration. Left
// out: its `state` label on counters, which makes new series at each transition; gratuitous_arp_delay_total, a setting
// that it exports as a counter; and authentication_*_total, which Baton does not count apart.
#include <algorithm>
#include <array>

#include "steward/metrics.h"

namespace baton::steward {

std::span<const MetricFamily> keepalived_families();

namespace {

using Text = MetricsText;
using Counters = ports::RouterCounters;

constexpr MetricType kGauge = MetricType::kGauge;
constexpr MetricType kCounter = MetricType::kCounter;
constexpr std::string_view kOfRouter = "iname, intf, vrid";

bool same_place(const RouterView& left, const RouterView& right) {
  return left.state.vrid == right.state.vrid && left.interface() == right.interface();
}

/// Once for each interface and VRID: keepalived has one instance a family, Baton one for both.
template <class Write>
void each_place(const HostView& host, Write write) {
  for (const InstanceView& instance : host.instances) {
    const std::string name = instance.name();
    for (auto router = instance.routers.begin(); router != instance.routers.end(); ++router) {
      const auto is_same = [&](const RouterView& other) { return same_place(*router, other); };
      if (std::any_of(instance.routers.begin(), router, is_same)) continue;
      const std::string interface = router->interface();
      const std::string vrid = std::to_string(router->state.vrid);
      write(instance, *router, Text::Label{"iname", name}, Text::Label{"intf", interface}, Text::Label{"vrid", vrid});
    }
  }
}

/// Both families' together.
template <std::uint64_t Counters::*kOne>
void counter(const HostView& host, Text& out) {
  each_place(host, [&](const InstanceView& instance, const RouterView& router, auto... labels) {
    std::uint64_t sum = 0;
    for (const RouterView& each : instance.routers) sum += same_place(each, router) ? each.counters.*kOne : 0;
    out.row({labels...}, sum);
  });
}

void become_master(const HostView& host, Text& out) {
  each_place(host, [&](const InstanceView&, const RouterView& router, auto... labels) {
    out.row({labels...}, router.counters.master_transitions);
  });
}

void release_master(const HostView& host, Text& out) {
  each_place(host, [&](const InstanceView&, const RouterView& router, auto... labels) {
    const std::uint64_t begun = router.counters.master_transitions;
    const bool now = router.state.machine.state == vrrp::State::kActive;
    out.row({labels...}, begun - (now && begun > 0 ? 1 : 0));
  });
}

/// 0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT. FAULT is what keeps a host from the role without an operator's word.
std::uint64_t state_number(const InstanceView& instance) {
  if (instance.state.state == vrrp::State::kActive) return 2;
  ReasonSet faults = instance.against();
  for (const Reason word : {Reason::kDrained, Reason::kSwitchover, Reason::kFrozen, Reason::kStartupDelay}) {
    faults.set(word, false);
  }
  if (!faults.empty()) return 3;
  return instance.state.state == vrrp::State::kBackup ? 1 : 0;
}

/// As keepalived prints it: the length of a single host is left out.
std::string printed(const std::string& prefix) {
  for (const std::string_view length : {"/32", "/128"}) {
    if (prefix.ends_with(length)) return prefix.substr(0, prefix.size() - length.size());
  }
  return prefix;
}

void vrrp_state(const HostView& host, Text& out) {
  for (const InstanceView& instance : host.instances) {
    const std::string name = instance.name();
    for (std::size_t i = 0; i < instance.addresses.size() && i < instance.places.size(); ++i) {
      const std::string vrid = std::to_string(instance.places[i].vrid);
      const std::string address = printed(instance.addresses[i]);
      out.row({{"iname", name}, {"intf", instance.places[i].interface}, {"vrid", vrid}, {"ip_address", address}},
              state_number(instance));
    }
  }
}

constexpr std::array kFamilies{
    MetricFamily{{"keepalived_up", kGauge, "", "", "Status"}, [](const HostView&, Text& out) { out.row({}, 1); }},
    MetricFamily{{"keepalived_vrrp_state", kGauge, "", "iname, intf, vrid, ip_address",
                  "State of vrrp: 0 init, 1 backup, 2 master, 3 fault"},
                 vrrp_state},
    MetricFamily{{"keepalived_advertisements_received", kCounter, "", kOfRouter, "Advertisements received"},
                 counter<&Counters::advertisement_rcvd>},
    MetricFamily{{"keepalived_advertisements_sent", kCounter, "", kOfRouter, "Advertisements sent"},
                 counter<&Counters::advertisement_sent>},
    MetricFamily{{"keepalived_become_master", kCounter, "", kOfRouter, "Became master"}, become_master},
    MetricFamily{{"keepalived_release_master", kCounter, "", kOfRouter, "Released master"}, release_master},
    MetricFamily{{"keepalived_packet_length_errors", kCounter, "", kOfRouter, "Packet length errors"},
                 counter<&Counters::packet_length_errors>},
    MetricFamily{
        {"keepalived_advertisements_interval_errors", kCounter, "", kOfRouter, "Advertisement interval errors"},
        counter<&Counters::interval_errors>},
    MetricFamily{{"keepalived_ip_ttl_errors", kCounter, "", kOfRouter, "TTL errors"},
                 counter<&Counters::ip_ttl_errors>},
    MetricFamily{{"keepalived_invalid_type_received", kCounter, "", kOfRouter, "Invalid type errors"},
                 counter<&Counters::invalid_type_pkts_rcvd>},
    MetricFamily{{"keepalived_address_list_errors", kCounter, "", kOfRouter, "Address list errors"},
                 counter<&Counters::address_list_errors>},
    MetricFamily{{"keepalived_priority_zero_received", kCounter, "", kOfRouter, "Priority zero received"},
                 counter<&Counters::priority_zero_pkts_rcvd>},
    MetricFamily{{"keepalived_priority_zero_sent", kCounter, "", kOfRouter, "Priority zero sent"},
                 counter<&Counters::priority_zero_pkts_sent>},
    MetricFamily{{"keepalived_script_status", kGauge, "", "name", "Tracker Script Status: 1 good, 0 bad"},
                 [](const HostView& host, Text& out) {
                   for (const CheckView& check : host.checks) out.row_flag({{"name", check.name}}, check.passes());
                 }},
    MetricFamily{{"keepalived_script_state", kGauge, "", "name",
                  "Tracker Script State: 0 idle; a probe of Baton is a process that stays"},
                 [](const HostView& host, Text& out) {
                   for (const CheckView& check : host.checks) out.row({{"name", check.name}}, 0);
                 }},
};

}  // namespace

std::span<const MetricFamily> keepalived_families() { return kFamilies; }

}  // namespace baton::steward
