#include "steward/documents.h"

#include <gtest/gtest.h>

#include "posix/file.h"
#include "tests/steward/views.h"

namespace baton::steward {
namespace {

using namespace test;

Json parse(const char* text) { return Json::parse(text); }

/// Expected against actual as indented text, so that a difference can be read.
void expect_same(const Json& actual, const Json& expected) { EXPECT_EQ(actual.dump(1), expected.dump(1)); }

TEST(StatusDocumentTest, ActiveInstanceHasExactlyTheDocumentedShape) {
  HostView host = host_db1();
  InstanceView web = web_active();
  ports::RouterCounters& counters = web.routers[0].counters;
  counters = numbered_counters();
  web.routers[0].state.checksum_form = 1;
  host.instances = {web};
  host.vrid_errors = 17;
  expect_same(status_document(host, ""), parse(R"json({
    "host": "db1",
    "time": "2026-11-21T03:00:00.000Z",
    "version": "0.1.0",
    "running_old_binary": false,
    "config_hash": "c0ffee",
    "engine": "running",
    "engine_deaths": 0,
    "degraded": false,
    "drained": false,
    "frozen": false,
    "frozen_for_ms": null,
    "confirm_within_ms": null,
    "rolled_back": false,
    "config_path": "/etc/baton/baton.conf",
    "events_lost": 0,
    "alarms": [],
    "alarm_details": [],
    "statistics": {"checksum-errors": 10, "version-errors": 11, "vrid-errors": 17, "ip-ttl-errors": 12},
    "instances": [{
      "name": "web",
      "group": false,
      "members": [],
      "role": "active",
      "holding": "held",
      "addresses": ["10.0.0.50/24"],
      "addresses_wanted": 1,
      "addresses_held": 1,
      "active": {"this_host": true, "host": "db1", "address": "10.0.0.1", "priority": 100},
      "configured_priority": 100,
      "effective_priority": 100,
      "since": "2026-11-21T02:57:47.000Z",
      "since_ms": 133000,
      "reason": "active_down_expired",
      "why": "no Active was heard for Active_Down_Interval (3.609 s)",
      "eligible": true,
      "against": [],
      "checks": [],
      "follow_up": {"state": "none", "plugins": [], "done": 0, "count": 0},
      "alarms": [],
      "alarm_details": [],
      "transitions": 2,
      "virtual-routers": [{
        "interface": "eth0",
        "address-family": "ipv4",
        "vrid": 51,
        "version": "vrrp-v3",
        "state": "master",
        "is-owner": false,
        "last-adv-source": null,
        "up-datetime": "2026-11-21T02:57:43.000Z",
        "master-down-interval": 360,
        "skew-time": 609375,
        "last-event": "vrrp-event-master-timeout",
        "new-master-reason": "no-response",
        "source-address": "10.0.0.1",
        "checksum-form": "pseudo-header",
        "statistics": {
          "master-transitions": 1,
          "advertisement-rcvd": 2,
          "advertisement-sent": 133,
          "interval-errors": 4,
          "priority-zero-pkts-rcvd": 5,
          "priority-zero-pkts-sent": 6,
          "invalid-type-pkts-rcvd": 7,
          "address-list-errors": 8,
          "packet-length-errors": 9,
          "checksum-errors": 10,
          "version-errors": 11,
          "ip-ttl-errors": 12,
          "other-discards": 13,
          "message-only-rcvd": 14,
          "pseudo-header-rcvd": 15,
          "answers-suppressed": 16
        }
      }]
}],
"peers": [],
"checks": []
})json"));
}

TEST(StatusDocumentTest, BackupNamesTheActiveThatItHears) {
  HostView host = host_db1();
  host.instances = {instance_web()};
  hear_db2(host.instances[0].routers[0], 110);
  const Json instance = status_document(host, "")["instances"][0];
  expect_same(
      instance["active"],
      parse(R"json({"this_host":false,"host":"db2","address":"10.0.0.2","priority":110,"heard_ms_ago":420})json"));
  expect_same(instance["virtual-routers"][0]["last-adv-source"], parse(R"json("10.0.0.2")json"));
  expect_same(instance["virtual-routers"][0]["state"], parse(R"json("backup")json"));
}

TEST(StatusDocumentTest, AlarmsAreTokensAndDetails) {
  HostView host = host_db1();
  host.instances = {web_active()};
  ports::Report report;
  report.alarm = ports::Alarm::kEqualPriority;
  report.other = ip("10.0.0.2");
  host.instances[0].alarms = alarms_in_force(std::uint64_t{1} << 6, {{report.alarm, report}});
  const Json document = status_document(host, "");
  EXPECT_TRUE(document["degraded"].get<bool>());
  expect_same(document["instances"][0]["alarms"], parse(R"json(["equal_priority"])json"));
  expect_same(document["instances"][0]["alarm_details"], parse(R"json([{
    "alarm": "equal_priority",
    "text": "db2 (10.0.0.2) has the same priority as this host",
    "advice": "The greater source address decides. Give the hosts distinct priorities.",
    "other": "10.0.0.2",
    "address": null
  }])json"));
}

TEST(StatusDocumentTest, FrozenSaysForHowLongAndDrainedIsSeen) {
  HostView host = host_db1();
  host.instances = {instance_web()};
  ReasonSet against;
  against.set(Reason::kFrozen);
  against.set(Reason::kDrained);
  host.instances[0].state.against = against.bits();
  host.instances[0].state.yielded_until_ns = ns(kNow + 2h);
  const Json document = status_document(host, "");
  EXPECT_EQ(document["frozen_for_ms"], 7'200'000);
  EXPECT_TRUE(document["drained"].get<bool>());
  EXPECT_FALSE(document["instances"][0]["eligible"].get<bool>());
}

TEST(StatusDocumentTest, AReloadThatWaitsSaysForHowLongAndOneThatWasRolledBackSaysSo) {
  HostView host = host_db1();
  host.confirm_by = kNow + 37s;
  EXPECT_EQ(status_document(host, "")["confirm_within_ms"], 37'000);
  host.confirm_by = kNow - 1s;  // the guardian is about to
  EXPECT_EQ(status_document(host, "")["confirm_within_ms"], 0);
  host.confirm_by.reset();
  host.rolled_back = true;
  EXPECT_TRUE(status_document(host, "")["rolled_back"].get<bool>());
}

TEST(StatusDocumentTest, EveryLastEventOfRfc8347HasItsName) {
  const char* const kNames[] = {"none",
                                "startup",
                                "shutdown",
                                "higher-priority-backup",
                                "master-timeout",
                                "interface-up",
                                "interface-down",
                                "no-primary-ip-address",
                                "primary-ip-address",
                                "no-virtual-ip-addresses",
                                "virtual-ip-addresses",
                                "preempt-hold-timeout",
                                "lower-priority-master",
                                "owner-preempt"};
  const HostView host = host_db1();
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    InstanceView web = instance_web();
    web.routers[0].state.last_event = static_cast<ports::LastEvent>(i);
    EXPECT_EQ(virtual_router_document(web.routers[0], web, host)["last-event"], std::string{"vrrp-event-"} + kNames[i]);
  }
}

TEST(StatusDocumentTest, NewMasterReasonsOfRfc8347) {
  const char* const kNames[] = {"not-master", "priority", "preempted", "no-response"};
  const HostView host = host_db1();
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    InstanceView web = instance_web();
    web.state.new_master_reason = static_cast<ports::NewMasterReason>(i);
    EXPECT_EQ(virtual_router_document(web.routers[0], web, host)["new-master-reason"], kNames[i]);
  }
}

TEST(StatusDocumentTest, VersionTwoSkewIsNotScaledByTheInterval) {
  InstanceView web = instance_web();
  web.routers[0].state.version = 2;
  web.routers[0].state.machine.active_adver_interval_ns = 5'000'000'000;
  const Json router = virtual_router_document(web.routers[0], web, host_db1());
  EXPECT_EQ(router["version"], "vrrp-v2");
  EXPECT_EQ(router["skew-time"], 609375);           // (256 - 100) / 256 s
  EXPECT_EQ(router["master-down-interval"], 1560);  // 15.609 s in cs, cut
}

TEST(StatusDocumentTest, OneInstanceCanBeChosen) {
  HostView host = host_db1();
  host.instances = {instance_web(), instance_web()};
  set_text(host.instances[1].state.name, "db\0");
  host.instances[1].state.name[2] = '\0';
  EXPECT_EQ(status_document(host, "web")["instances"].size(), 1u);
  EXPECT_EQ(status_document(host, "db")["instances"][0]["name"], "db");
}

TEST(EventDocumentTest, TransitionHasRolesReasonAndText) {
  ports::Report report;
  report.kind = ports::EventKind::kTransition;
  report.from = vrrp::State::kActive;
  report.to = vrrp::State::kBackup;
  report.reason = Reason::kHigherPriority;
  report.other = ip("10.0.0.2");
  report.priority = 110;
  expect_same(event_document(report, "web", 7, kWallClock, host_db1().names), parse(R"json({
    "sequence": 7,
    "time": "2026-11-21T03:00:00.000Z",
    "instance": "web",
    "event": "transition",
    "from": "active",
    "to": "backup",
    "reason": "higher_priority",
    "other": "10.0.0.2",
    "priority": 110,
    "text": "Active -> Backup: a router of higher priority is Active: db2 (10.0.0.2), 110"
  })json"));
}

TEST(EventDocumentTest, AlarmCarriesAdviceAndNoReason) {
  ports::Report report;
  report.kind = ports::EventKind::kAlarm;
  report.alarm = ports::Alarm::kStall;
  report.duration_ns = 10'000'000'000;
  expect_same(event_document(report, "", 1, 0, {}), parse(R"json({
    "sequence": 1,
    "time": null,
    "instance": null,
    "event": "alarm",
    "alarm": "stall",
    "duration_ms": 10000,
    "text": "alarm: the engine did not run for longer than a Backup waits (10 s)",
    "advice": "A paused virtual machine, SIGSTOP, or an overloaded host. It stepped down before it sent anything."
})json"));
}

TEST(AnswerLineTest, EnvelopesAreOneLine) {
  EXPECT_EQ(answer_line(Verb::kVersion, {{"version", "0.1.0"}}),
            R"json({"ok":true,"exit":0,"verb":"version","result":{"version":"0.1.0"}})json");
  EXPECT_EQ(refusal_line(ExitCode::kNotPermitted, "no\nentry"), R"json({"ok":false,"exit":4,"error":"no\nentry"})json");
  EXPECT_EQ(event_line({{"sequence", 3}}), R"json({"event":{"sequence":3}})json");
}

TEST(AnswerLineTest, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(refusal_line(ExitCode::kFailed, "a\xff"), "{\"ok\":false,\"exit\":1,\"error\":\"a\xef\xbf\xbd\"}");
}

TEST(ExplainDocumentTest, BackupComparesBothSidesAndSaysWhatWouldChangeIt) {
  HostView host = host_db1();
  host.instances = {instance_web()};
  hear_db2(host.instances[0].routers[0], 110);
  expect_same(explain_document(host, "web"), parse(R"json({
    "host": "db1",
    "instances": [{
      "name": "web",
      "role": "backup",
      "why": "a router of higher priority is Active: db2 (10.0.0.2), 110 against 100 here",
      "data_role": null,
      "addresses_held": 0,
      "waits_for": null,
      "rule": "Backup: a greater priority wins. RFC 9568 6.4.2.",
      "last_transition": {
        "time": "2026-11-21T02:57:47.000Z",
        "ms_ago": 133000,
        "reason": "startup",
        "text": "started; listening for an Active first"
      },
      "configured_priority": 100,
      "effective_priority": 100,
      "preempt": true,
      "compared": [{
        "interface": "eth0",
        "address-family": "ipv4",
        "vrid": 51,
        "priority": 100,
        "source_address": "10.0.0.1",
        "heard": {"address": "10.0.0.2", "host": "db2", "priority": 110, "ms_ago": 420},
        "active_adver_interval_ms": 1000,
        "skew_us": 609375,
        "active_down_interval_us": 3609375,
        "next_advert_ms": null,
        "down_timer_ms": 3189
      }],
      "against": [],
      "checks": [],
      "would_change": [
        "db2 (10.0.0.2) is not heard for Active_Down_Interval (3.609 s)",
        "db2 (10.0.0.2) resigns (switchover, drain or stop there): taken over after Skew_Time (609 ms)",
        "the priority here becomes greater than 110"
      ]
}]
})json"));
}

TEST(ExplainDocumentTest, WhatSpeaksAgainstIsNamedWithItsRemedy) {
  HostView host = host_db1();
  host.instances = {instance_web()};
  ReasonSet against;
  against.set(Reason::kSwitchover);
  host.instances[0].state.against = against.bits();
  hear_db2(host.instances[0].routers[0], 90);
  const Json web = explain_document(host, "")["instances"][0];
  expect_same(web["against"],
              parse(R"json([{"reason": "switchover", "text": "gave up on request and stays yielded"}])json"));
  EXPECT_EQ(web["would_change"][0],
            "gave up on request and stays yielded: `batonctl undrain`, or the loss of the other host");
  EXPECT_EQ(web["rule"],
            "Backup and not eligible: it listens, but does not take over while something speaks against it.");
}

TEST(ExplainDocumentTest, NoPreemptSaysThatTheLowerPriorityKeepsTheRole) {
  HostView host = host_db1();
  host.instances = {instance_web()};
  host.instances[0].preempt = false;
  hear_db2(host.instances[0].routers[0], 90);
  const Json web = explain_document(host, "")["instances"][0];
  EXPECT_EQ(web["rule"],
            "Backup: preempt = no, so a working Active of lower priority keeps the role. RFC 9568 6.1 Preempt_Mode.");
  EXPECT_EQ(web["would_change"][2], "preempt = yes here: then the higher priority 100 wins");
}

TEST(ExplainDocumentTest, ActiveSaysWhoCouldTakeIt) {
  HostView host = host_db1();
  host.instances = {web_active()};
  const Json web = explain_document(host, "")["instances"][0];
  EXPECT_EQ(web["would_change"][0],
            "another router advertises a priority greater than 100, or 100 from an address greater than 10.0.0.1");
  EXPECT_EQ(web["compared"][0]["next_advert_ms"], 250);
  EXPECT_TRUE(web["compared"][0]["down_timer_ms"].is_null());
}

/// Every key of the document stands in the page, as code or in quotes.
void expect_documented(const Json& document, const std::string& page) {
  if (document.is_array()) {
    for (const Json& element : document) expect_documented(element, page);
  }
  if (!document.is_object()) return;
  for (const auto& [key, value] : document.items()) {
    const bool found =
        page.find("`" + key + "`") != std::string::npos || page.find("\"" + key + "\"") != std::string::npos;
    EXPECT_TRUE(found) << key << " is not in CONTROL.md";
    expect_documented(value, page);
  }
}

TEST(ControlPageTest, NamesEveryFieldOfEveryDocument) {
  const auto bytes = posix::read_file(BATON_SOURCE_DIR "/src/steward/CONTROL.md", 1 << 20);
  ASSERT_TRUE(bytes);
  const std::string page{bytes->begin(), bytes->end()};
  ASSERT_GT(page.size(), 1000u);
  HostView host = host_db1();
  host.instances = {instance_web(), web_active()};
  hear_db2(host.instances[0].routers[0], 110);
  host.instances[0].state.against = std::uint64_t{1} << static_cast<unsigned>(Reason::kDrained);
  host.instances[0].alarms = alarms_in_force(2, {});
  expect_documented(status_document(host, ""), page);
  expect_documented(explain_document(host, ""), page);
  ports::Report report;
  report.kind = ports::EventKind::kTransition;
  report.other = ip("10.0.0.2");
  report.other_mac = MacAddress::parse("02:00:00:00:00:07").value();
  report.address = ip("10.0.0.50");
  report.priority = 1;
  report.sys_errno = 1;
  report.duration_ns = 1;
  expect_documented(event_document(report, "web", 1, 1, host.names), page);
  report.kind = ports::EventKind::kAlarm;
  report.alarm = ports::Alarm::kRival;
  expect_documented(event_document(report, "web", 1, 1, host.names), page);
}

}  // namespace
}  // namespace baton::steward
