#include "steward/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "tests/steward/views.h"

namespace baton::steward {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::IsEmpty;

/// The rows of one family, without HELP, TYPE and UNIT.
std::vector<std::string> rows(const std::string& text, const std::string& name) {
  std::vector<std::string> found;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t end = line.find_first_of("{ ");
    if (line.substr(0, end) == name) found.push_back(line.substr(name.size()));
  }
  return found;
}

std::string openmetrics(const HostView& host) { return metrics_text(host, {}); }

/// db1 with "web" Active.
HostView active_host() {
  HostView host = host_db1();
  host.instances = {web_active()};
  host.configured_wall_ns = kWallClock - 500'000'000;
  return host;
}

TEST(MetricsTest, TextBeginsAndEndsAsOpenMetricsWants) {
  const std::string text = openmetrics(active_host());
  EXPECT_THAT(text, testing::StartsWith("# HELP baton_up 1: the daemon answers. 0 is what `batonctl metrics "
                                        "--textfile` writes when none does.\n"
                                        "# TYPE baton_up gauge\n"
                                        "baton_up 1\n"
                                        "# HELP baton_build The running daemon's version.\n"
                                        "# TYPE baton_build info\n"
                                        "baton_build_info{version=\"0.1.0\"} 1\n"));
  EXPECT_THAT(text, testing::EndsWith("\n# EOF\n"));
  EXPECT_THAT(text, testing::HasSubstr("# TYPE baton_adverts_sent counter\nbaton_adverts_sent_total{"));
  EXPECT_THAT(text, testing::HasSubstr("# TYPE baton_last_transition_timestamp_seconds gauge\n"
                                       "# UNIT baton_last_transition_timestamp_seconds seconds\n"));
}

TEST(MetricsTest, OlderFormatNamesSamplesAndKnowsNoInfoUnitOrEnd) {
  const std::string text = metrics_text(active_host(), {.format = MetricsFormat::kText});
  EXPECT_THAT(text, testing::HasSubstr("# TYPE baton_build_info gauge\nbaton_build_info{version=\"0.1.0\"} 1\n"));
  EXPECT_THAT(text, testing::HasSubstr("# TYPE baton_adverts_sent_total counter\nbaton_adverts_sent_total{"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("# UNIT")));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("# EOF")));
}

TEST(MetricsTest, StateHasOneRowForEachStateSoThatTransitionsMakeNoSeries) {
  EXPECT_THAT(rows(openmetrics(active_host()), "baton_instance_state"),
              ElementsAre(R"({instance="web",interface="eth0",vrid="51",af="ipv4",state="initialize"} 0)",
                          R"({instance="web",interface="eth0",vrid="51",af="ipv4",state="backup"} 0)",
                          R"({instance="web",interface="eth0",vrid="51",af="ipv4",state="active"} 1)"));
  EXPECT_THAT(
      rows(openmetrics(active_host()), "baton_virtual_router_info"),
      ElementsAre(R"({instance="web",interface="eth0",vrid="51",af="ipv4",version="3",address="10.0.0.50/24"} 1)"));
}

TEST(MetricsTest, HostAndConfigurationSayWhatTheyAre) {
  HostView host = active_host();
  host.engine_deaths = 3;
  host.events_lost = 4;
  host.vrid_errors = 5;
  host.old_binary = true;
  host.reload_succeeded = false;
  const std::string text = openmetrics(host);
  EXPECT_THAT(rows(text, "baton_host_info"), ElementsAre(R"({host="db1"} 1)"));
  EXPECT_THAT(rows(text, "baton_config_hash_info"), ElementsAre(R"({hash="c0ffee"} 1)"));
  EXPECT_THAT(rows(text, "baton_config_last_reload_success"), ElementsAre(" 0"));
  EXPECT_THAT(rows(text, "baton_config_last_reload_success_timestamp_seconds"), ElementsAre(" 1795229999.5"));
  EXPECT_THAT(rows(text, "baton_engine_deaths_total"), ElementsAre(" 3"));
  EXPECT_THAT(rows(text, "baton_events_lost_total"), ElementsAre(" 4"));
  EXPECT_THAT(rows(text, "baton_adverts_unknown_vrid_total"), ElementsAre(" 5"));
  EXPECT_THAT(rows(text, "baton_running_old_binary"), ElementsAre(" 1"));
  EXPECT_THAT(rows(text, "baton_engine_state"),
              ElementsAre(R"({state="running"} 1)", R"({state="restarting"} 0)", R"({state="given_up"} 0)"));
  EXPECT_THAT(rows(text, "baton_degraded"), ElementsAre(" 0"));
}

TEST(MetricsTest, AdvertCountersStandUnderTheirReasons) {
  HostView host = active_host();
  host.instances[0].routers[0].counters = numbered_counters();
  const std::string text = openmetrics(host);
  const std::string web = R"({instance="web",interface="eth0",vrid="51",af="ipv4")";
  EXPECT_THAT(rows(text, "baton_adverts_sent_total"), ElementsAre(web + "} 133"));
  EXPECT_THAT(rows(text, "baton_adverts_received_total"), ElementsAre(web + "} 2"));
  EXPECT_THAT(
      rows(text, "baton_adverts_rejected_total"),
      ElementsAre(web + R"(,reason="checksum"} 10)", web + R"(,reason="version"} 11)", web + R"(,reason="type"} 7)",
                  web + R"(,reason="ttl"} 12)", web + R"(,reason="length"} 9)", web + R"(,reason="other"} 13)"));
  EXPECT_THAT(rows(text, "baton_adverts_mismatched_total"),
              ElementsAre(web + R"(,what="addresses"} 8)", web + R"(,what="interval"} 4)"));
  EXPECT_THAT(rows(text, "baton_adverts_priority_zero_sent_total"), ElementsAre(web + "} 6"));
  EXPECT_THAT(rows(text, "baton_adverts_priority_zero_received_total"), ElementsAre(web + "} 5"));
  EXPECT_THAT(rows(text, "baton_adverts_checksum_form_received_total"),
              ElementsAre(web + R"(,form="message_only"} 14)", web + R"(,form="pseudo_header"} 15)"));
  EXPECT_THAT(rows(text, "baton_adverts_suppressed_total"), ElementsAre(web + "} 16"));
  EXPECT_THAT(rows(text, "baton_advert_interval_seconds"), ElementsAre(web + "} 1"));
}

TEST(MetricsTest, InstanceTellsPrioritiesAddressesAndWhatSpeaksAgainstIt) {
  HostView host = active_host();
  InstanceView& web = host.instances[0];
  web.state.effective_priority = 80;
  web.state.addresses_wanted = 2;
  ReasonSet against;
  against.set(Reason::kCheckFailed);
  against.set(Reason::kFrozen);
  web.state.against = against.bits();
  web.state.yielded_until_ns = ns(kNow + 90s);
  web.alarms[ports::Alarm::kRival] = {};
  host.alarms[ports::Alarm::kPeerLost] = {};
  const std::string text = openmetrics(host);
  EXPECT_THAT(rows(text, "baton_instance_priority"),
              ElementsAre(R"({instance="web",kind="base"} 100)", R"({instance="web",kind="effective"} 80)"));
  EXPECT_THAT(rows(text, "baton_instance_eligible"), ElementsAre(R"({instance="web"} 0)"));
  EXPECT_THAT(rows(text, "baton_instance_ineligible"),
              ElementsAre(R"({instance="web",reason="check_failed"} 1)", R"({instance="web",reason="frozen"} 1)"));
  EXPECT_THAT(rows(text, "baton_vip_present"), ElementsAre(R"({instance="web"} 0)"));
  EXPECT_THAT(rows(text, "baton_vips_held"), ElementsAre(R"({instance="web"} 1)"));
  EXPECT_THAT(rows(text, "baton_vips_wanted"), ElementsAre(R"({instance="web"} 2)"));
  EXPECT_THAT(rows(text, "baton_instance_transitions_total"), ElementsAre(R"({instance="web"} 2)"));
  EXPECT_THAT(rows(text, "baton_last_transition_timestamp_seconds"), ElementsAre(R"({instance="web"} 1795229867)"));
  EXPECT_THAT(rows(text, "baton_frozen"), ElementsAre(" 1"));
  EXPECT_THAT(rows(text, "baton_frozen_until_timestamp_seconds"), ElementsAre(" 1795230090"));
  EXPECT_THAT(rows(text, "baton_alarm"),
              ElementsAre(R"({instance="",alarm="peer_lost"} 1)", R"({instance="web",alarm="rival"} 1)"));
}

TEST(MetricsTest, WholeAddressesArePresentAndNoneAreNot) {
  HostView host = active_host();
  EXPECT_THAT(rows(openmetrics(host), "baton_vip_present"), ElementsAre(R"({instance="web"} 1)"));
  host.instances[0].state.addresses_held = 0;
  host.instances[0].state.addresses_wanted = 0;
  EXPECT_THAT(rows(openmetrics(host), "baton_vip_present"), ElementsAre(R"({instance="web"} 0)"));
}

TEST(MetricsTest, HistogramCountsAllBelowEachBound) {
  HostView host = active_host();
  host.counters.advert_lateness.note(80us);
  host.counters.advert_lateness.note(200us);
  host.counters.advert_lateness.note(2min);
  EXPECT_THAT(rows(openmetrics(host), "baton_advert_lateness_seconds_bucket"),
              ElementsAre(R"({le="0.0001"} 1)", R"({le="0.00025"} 2)", R"({le="0.0005"} 2)", R"({le="0.001"} 2)",
                          R"({le="0.0025"} 2)", R"({le="0.005"} 2)", R"({le="0.01"} 2)", R"({le="0.025"} 2)",
                          R"({le="0.05"} 2)", R"({le="0.1"} 2)", R"({le="0.25"} 2)", R"({le="0.5"} 2)",
                          R"({le="1.0"} 2)", R"({le="2.5"} 2)", R"({le="5.0"} 2)", R"({le="10.0"} 2)",
                          R"({le="30.0"} 2)", R"({le="60.0"} 2)", R"({le="+Inf"} 3)"));
  EXPECT_THAT(rows(openmetrics(host), "baton_advert_lateness_seconds_count"), ElementsAre(" 3"));
  EXPECT_THAT(rows(openmetrics(host), "baton_advert_lateness_seconds_sum"), ElementsAre(" 120.00028"));
}

TEST(MetricsTest, LateTurnsAndStallsOfTheEngineAreTold) {
  HostView host = active_host();
  host.counters.loop_stall.note(3ms);
  host.counters.loop_stall.note(700ms);
  host.counters.stalls = 4;
  const std::string text = openmetrics(host);
  EXPECT_THAT(rows(text, "baton_loop_stall_seconds_bucket"),
              ElementsAre(R"({le="0.0001"} 0)", R"({le="0.00025"} 0)", R"({le="0.0005"} 0)", R"({le="0.001"} 0)",
                          R"({le="0.0025"} 0)", R"({le="0.005"} 1)", R"({le="0.01"} 1)", R"({le="0.025"} 1)",
                          R"({le="0.05"} 1)", R"({le="0.1"} 1)", R"({le="0.25"} 1)", R"({le="0.5"} 1)",
                          R"({le="1.0"} 2)", R"({le="2.5"} 2)", R"({le="5.0"} 2)", R"({le="10.0"} 2)",
                          R"({le="30.0"} 2)", R"({le="60.0"} 2)", R"({le="+Inf"} 2)"));
  EXPECT_THAT(rows(text, "baton_loop_stall_seconds_count"), ElementsAre(" 2"));
  EXPECT_THAT(rows(text, "baton_loop_stall_seconds_sum"), ElementsAre(" 0.703"));
  EXPECT_THAT(rows(text, "baton_stalls_total"), ElementsAre(" 4"));
}

TEST(MetricsTest, WhatReportsAddedUpToIsTold) {
  HostView host = active_host();
  using vrrp::State;
  host.tallies.transitions[{"web", State::kBackup, State::kActive, Reason::kActiveDownExpired}] = 2;
  host.tallies.promotions[{"web", VerbStatus::kRefused}] = 1;
  host.tallies.restarts[{"jobs", ipc::HostKind::kAct}] = 7;
  host.tallies.vip.note(2ms);
  const std::string text = openmetrics(host);
  EXPECT_THAT(rows(text, "baton_transitions_total"),
              ElementsAre(R"({instance="web",from="backup",to="active",reason="active_down_expired"} 2)"));
  EXPECT_THAT(rows(text, "baton_promotion_total"), ElementsAre(R"({instance="web",result="refused"} 1)"));
  EXPECT_THAT(rows(text, "baton_plugin_restarts_total"), ElementsAre(R"({plugin="jobs",kind="act"} 7)"));
  EXPECT_THAT(
      rows(text, "baton_failover_duration_seconds_sum"),
      ElementsAre(R"({phase="detect"} 0)", R"({phase="vip"} 0.002)", R"({phase="garp"} 0)", R"({phase="promote"} 0)"));
}

CheckView health() {
  CheckView check;
  check.name = "health";
  check.module = "http";
  check.state.pending = false;
  check.state.state = ProbeState::kFail;
  check.state.warning = true;
  check.latest = ipc::ProbeOutcome{};
  check.latest->started = kNow - 1530ms;
  check.latest->finished = kNow - 1500ms;
  return check;
}

TEST(MetricsTest, ChecksTellStateAndTimes) {
  HostView host = active_host();
  host.checks = {health()};
  host.tallies.timeouts["health"] = 9;
  const std::string text = openmetrics(host);
  EXPECT_THAT(rows(text, "baton_check_up"), ElementsAre(R"({check="health"} 0)"));
  EXPECT_THAT(rows(text, "baton_check_state"),
              ElementsAre(R"({check="health",state="pass"} 0)", R"({check="health",state="fail"} 1)",
                          R"({check="health",state="unknown"} 0)", R"({check="health",state="pending"} 0)"));
  EXPECT_THAT(rows(text, "baton_check_warning"), ElementsAre(R"({check="health"} 1)"));
  EXPECT_THAT(rows(text, "baton_check_flapping"), ElementsAre(R"({check="health"} 0)"));
  EXPECT_THAT(rows(text, "baton_check_duration_seconds"), ElementsAre(R"({check="health"} 0.03)"));
  EXPECT_THAT(rows(text, "baton_check_last_probe_timestamp_seconds"), ElementsAre(R"({check="health"} 1795229998.5)"));
  EXPECT_THAT(rows(text, "baton_check_timeouts_total"), ElementsAre(R"({check="health"} 9)"));
}

TEST(MetricsTest, DatabasesTellRoleLagAndGrant) {
  HostView host = active_host();
  CheckView check = health();
  check.latest->role = ApplicationRole::kReplica;
  check.latest->lag_ms = 1250;
  host.checks = {check};
  InstanceView& web = host.instances[0];
  web.data = &host.checks[0];
  web.state.data_role = ports::DataRole::kStandby;
  web.state.generation = 12;
  web.state.granted_until_ns = ns(kNow + 9s);
  const std::string text = openmetrics(host);
  EXPECT_THAT(rows(text, "baton_db_role"),
              ElementsAre(R"({instance="web",role="none"} 0)", R"({instance="web",role="primary"} 0)",
                          R"({instance="web",role="replica"} 1)"));
  EXPECT_THAT(rows(text, "baton_db_lag_seconds"), ElementsAre(R"({instance="web"} 1.25)"));
  EXPECT_THAT(rows(text, "baton_db_lag_bytes"), IsEmpty());
  EXPECT_THAT(rows(text, "baton_data_generation"), ElementsAre(R"({instance="web"} 12)"));
  EXPECT_THAT(rows(text, "baton_grant_expires_timestamp_seconds"), ElementsAre(R"({instance="web"} 1795230009)"));
  EXPECT_EQ(rows(text, "baton_data_role").size(), 7u);
  EXPECT_EQ(rows(text, "baton_data_role").front(), R"({instance="web",role="standby"} 1)");
  EXPECT_THAT(rows(openmetrics(active_host()), "baton_db_role"), IsEmpty()) << "web without promote has no database";
}

TEST(MetricsTest, PeersTellWhetherAndWhenTheyAreHeard) {
  HostView host = active_host();
  PeerView db2;
  db2.host = "db2";
  db2.heard_ever = true;
  db2.heard_at = kNow - 250ms;
  db2.paths = 2;
  db2.alive = 1;
  db2.config_hash = "other";
  PeerView db3;
  db3.host = "db3";
  db3.lost = true;
  host.peers = {db2, db3};
  const std::string text = openmetrics(host);
  EXPECT_THAT(rows(text, "baton_peer_up"), ElementsAre(R"({peer="db2"} 1)", R"({peer="db3"} 0)"));
  EXPECT_THAT(rows(text, "baton_peer_seen_timestamp_seconds"), ElementsAre(R"({peer="db2"} 1795229999.75)"));
  EXPECT_THAT(rows(text, "baton_peer_config_match"), ElementsAre(R"({peer="db2"} 0)"));
  EXPECT_THAT(rows(text, "baton_peer_paths"), ElementsAre(R"({peer="db2"} 2)", R"({peer="db3"} 0)"));
  EXPECT_THAT(rows(text, "baton_peer_paths_heard"), ElementsAre(R"({peer="db2"} 1)", R"({peer="db3"} 0)"));
}

TEST(MetricsTest, ValuesOfLabelsAreEscaped) {
  HostView host = active_host();
  host.host = "a\"b\\c\nd";
  EXPECT_THAT(rows(openmetrics(host), "baton_host_info"), ElementsAre(R"({host="a\"b\\c\nd"} 1)"));
}

/// A group whose members have one VRID on two links, each in both families: what must not become one series twice.
HostView group_host() {
  HostView host = active_host();
  InstanceView& group = host.instances[0];
  group.state.is_group = true;
  group.routers.clear();
  for (const char* interface : {"eth0", "eth1"}) {
    for (const auto family : {std::uint8_t{4}, std::uint8_t{6}}) {
      RouterView router = router_eth0();
      router.state.interface = {};
      set_text(router.state.interface, interface);
      router.state.family = family;
      router.counters.advertisement_sent = family;
      router.counters.master_transitions = 3;
      router.state.machine.state = vrrp::State::kActive;
      group.routers.push_back(router);
    }
  }
  group.addresses = {"10.0.0.50/32", "fd00::50/64", "10.1.0.50/24"};
  group.places = {{"eth0", 51}, {"eth0", 51}, {"eth1", 51}};
  host.checks = {health()};
  return host;
}

TEST(MetricsTest, NoSeriesComesTwiceAndEveryFamilyStandsTogether) {
  for (const MetricNames names : {MetricNames::kBaton, MetricNames::kKeepalivedExporter}) {
    for (const MetricsFormat format : {MetricsFormat::kOpenMetrics, MetricsFormat::kText}) {
      std::istringstream lines{metrics_text(group_host(), {names, format})};
      std::set<std::string> series;
      std::set<std::string> families;
      std::string family;
      for (std::string line; std::getline(lines, line);) {
        if (line.rfind("# HELP ", 0) == 0) {
          family = line.substr(7, line.find(' ', 7) - 7);
          EXPECT_TRUE(families.insert(family).second) << family;
        }
        if (line[0] == '#') continue;
        EXPECT_EQ(line.rfind(family, 0), 0u) << line << " under " << family;
        EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
      }
      EXPECT_GT(series.size(), 20u);
    }
  }
}

TEST(MetricsTest, EachMemberOfAGroupHasItsOwnFirstAddress) {
  const std::string text = openmetrics(group_host());
  const auto found = rows(text, "baton_virtual_router_info");
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[1], R"({instance="web",interface="eth0",vrid="51",af="ipv6",version="3",address="fd00::50/64"} 1)");
  EXPECT_EQ(found[2], R"({instance="web",interface="eth1",vrid="51",af="ipv4",version="3",address="10.1.0.50/24"} 1)");
}

TEST(KeepalivedMetricsTest, OneInstanceForBothFamiliesUnderTheExportersNames) {
  const std::string text = metrics_text(group_host(), {.names = MetricNames::kKeepalivedExporter});
  EXPECT_THAT(rows(text, "keepalived_up"), ElementsAre(" 1"));
  EXPECT_THAT(rows(text, "keepalived_vrrp_state"),
              ElementsAre(R"({iname="web",intf="eth0",vrid="51",ip_address="10.0.0.50"} 2)",
                          R"({iname="web",intf="eth0",vrid="51",ip_address="fd00::50/64"} 2)",
                          R"({iname="web",intf="eth1",vrid="51",ip_address="10.1.0.50/24"} 2)"));
  EXPECT_THAT(rows(text, "keepalived_advertisements_sent_total"),
              ElementsAre(R"({iname="web",intf="eth0",vrid="51"} 10)", R"({iname="web",intf="eth1",vrid="51"} 10)"));
  EXPECT_THAT(rows(text, "keepalived_become_master_total"),
              ElementsAre(R"({iname="web",intf="eth0",vrid="51"} 3)", R"({iname="web",intf="eth1",vrid="51"} 3)"));
  EXPECT_THAT(rows(text, "keepalived_release_master_total"),
              ElementsAre(R"({iname="web",intf="eth0",vrid="51"} 2)", R"({iname="web",intf="eth1",vrid="51"} 2)"));
  EXPECT_THAT(rows(text, "keepalived_script_status"), ElementsAre(R"({name="health"} 0)"));
}

TEST(KeepalivedMetricsTest, EachCounterStandsUnderItsNameWithBothFamiliesTogether) {
  HostView host = active_host();
  host.checks = {health()};
  std::vector<RouterView>& routers = host.instances[0].routers;
  routers[0].counters = numbered_counters();
  routers.push_back(router_eth0());
  routers[1].state.family = 6;
  routers[1].counters = {.master_transitions = 100,
                         .advertisement_rcvd = 200,
                         .advertisement_sent = 300,
                         .interval_errors = 400,
                         .priority_zero_pkts_rcvd = 500,
                         .priority_zero_pkts_sent = 600,
                         .invalid_type_pkts_rcvd = 700,
                         .address_list_errors = 800,
                         .packet_length_errors = 900,
                         .ip_ttl_errors = 1200};
  const std::string text = metrics_text(host, {.names = MetricNames::kKeepalivedExporter});
  const auto value = [&](const std::string& name) {
    const auto found = rows(text, "keepalived_" + name + "_total");
    const std::string place = R"({iname="web",intf="eth0",vrid="51"} )";
    EXPECT_THAT(found, ElementsAre(testing::StartsWith(place))) << name;
    return found.empty() ? std::string{} : found[0].substr(place.size());
  };
  EXPECT_EQ(value("advertisements_received"), "202");
  EXPECT_EQ(value("advertisements_sent"), "433");
  EXPECT_EQ(value("packet_length_errors"), "909");
  EXPECT_EQ(value("advertisements_interval_errors"), "404");
  EXPECT_EQ(value("ip_ttl_errors"), "1212");
  EXPECT_EQ(value("invalid_type_received"), "707");
  EXPECT_EQ(value("address_list_errors"), "808");
  EXPECT_EQ(value("priority_zero_received"), "505");
  EXPECT_EQ(value("priority_zero_sent"), "606");
  // Both families move as one: a transition is counted once. It is Active still, so that none was released.
  EXPECT_EQ(value("become_master"), "1");
  EXPECT_EQ(value("release_master"), "0");
  EXPECT_THAT(rows(text, "keepalived_script_state"), ElementsAre(R"({name="health"} 0)"));
}

TEST(KeepalivedMetricsTest, FaultIsWhatKeepsAHostFromTheRoleWithoutAnOperatorsWord) {
  const auto state = [](const InstanceView& instance) {
    HostView host = host_db1();
    host.instances = {instance};
    const auto found = rows(metrics_text(host, {.names = MetricNames::kKeepalivedExporter}), "keepalived_vrrp_state");
    return found.empty() ? std::string{} : found[0].substr(found[0].rfind(' ') + 1);
  };
  const auto with = [](InstanceView instance, Reason reason) {
    ReasonSet against;
    against.set(reason);
    instance.state.against = against.bits();
    return instance;
  };
  EXPECT_EQ(state(instance_web()), "1");
  EXPECT_EQ(state(web_active()), "2");
  EXPECT_EQ(state(with(instance_web(), Reason::kCheckFailed)), "3");
  EXPECT_EQ(state(with(instance_web(), Reason::kDrained)), "1");
  InstanceView initialize = instance_web();
  initialize.state.state = vrrp::State::kInitialize;
  EXPECT_EQ(state(initialize), "0");
  EXPECT_EQ(state(with(initialize, Reason::kInterfaceDown)), "3");
}

TEST(MetricsTableTest, NamesAndUnitsAreWhatOpenMetricsAndPrometheusExpect) {
  std::set<std::string_view> names;
  for (const MetricNames set : {MetricNames::kBaton, MetricNames::kKeepalivedExporter}) {
    for (const MetricFamily& family : metric_families(set)) {
      const MetricSpec& spec = family.spec;
      EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
      EXPECT_TRUE(spec.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos) << spec.name;
      for (const std::string_view suffix : {"_total", "_info", "_count", "_sum", "_bucket"}) {
        EXPECT_FALSE(spec.name.ends_with(suffix)) << spec.name;
      }
      const std::string unit = spec.unit.empty() ? "" : "_" + std::string{spec.unit};
      EXPECT_TRUE(spec.name.ends_with(unit)) << spec.name;
      EXPECT_EQ(spec.name.ends_with("_seconds"), spec.unit == "seconds") << spec.name;
      EXPECT_FALSE(spec.help.empty()) << spec.name;
      EXPECT_TRUE(spec.help.find_first_of("\\\n") == std::string_view::npos) << spec.name;
    }
  }
}

TEST(SecondsTextTest, IsExactAndWithoutExponent) {
  EXPECT_EQ(seconds_text(0), "0");
  EXPECT_EQ(seconds_text(1), "0.000000001");
  EXPECT_EQ(seconds_text(1'500'000'000), "1.5");
  EXPECT_EQ(seconds_text(1'795'230'000'000'000'000), "1795230000");
  EXPECT_EQ(seconds_text(-1'250'000'000), "-1.25");
}

}  // namespace
}  // namespace baton::steward
