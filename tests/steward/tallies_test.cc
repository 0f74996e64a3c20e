#include "steward/tallies.h"

#include <gtest/gtest.h>

#include "tests/steward/views.h"

namespace baton::steward {
namespace {

using namespace test;
using vrrp::State;

ipc::ReportMessage message(const char* instance, const ports::Report& report) {
  return {.instance = instance, .sequence = 1, .dropped = 0, .report = report};
}

ports::Report became_active(Reason reason) {
  ports::Report report;
  report.kind = ports::EventKind::kTransition;
  report.from = State::kBackup;
  report.to = State::kActive;
  report.reason = reason;
  report.at = kNow;
  return report;
}

TEST(TalliesTest, TransitionsAreCountedByInstanceRolesAndReason) {
  Tallies tallies;
  tallies.note_report(message("web", became_active(Reason::kActiveDownExpired)), {});
  tallies.note_report(message("web", became_active(Reason::kActiveDownExpired)), {});
  tallies.note_report(message("web", became_active(Reason::kPreemptLower)), {});
  tallies.note_report(message("pg", became_active(Reason::kPreemptLower)), {});
  using Key = Tallies::TransitionKey;
  EXPECT_EQ(tallies.transitions.size(), 3u);
  EXPECT_EQ((tallies.transitions[Key{"web", State::kBackup, State::kActive, Reason::kActiveDownExpired}]), 2u);
  EXPECT_EQ((tallies.transitions[Key{"pg", State::kBackup, State::kActive, Reason::kPreemptLower}]), 1u);
}

TEST(TalliesTest, DetectionCountsFromTheLastAdvertOfALostActiveOnly) {
  Tallies tallies;
  tallies.note_report(message("web", became_active(Reason::kActiveDownExpired)), kNow - 3'609'375us);
  EXPECT_EQ(tallies.detect.counts[14], 1u);  // up to 5 s
  EXPECT_EQ(tallies.detect.sum_ns, 3'609'375'000u);
  tallies.note_report(message("web", became_active(Reason::kActiveDownExpired)), {});
  tallies.note_report(message("web", became_active(Reason::kPreemptLower)), kNow - 1s);
  EXPECT_EQ(tallies.detect.sum_ns, 3'609'375'000u);
}

TEST(TalliesTest, HoldingAndPromotingTakeTheirReportsTimes) {
  Tallies tallies;
  ports::Report report;
  report.kind = ports::EventKind::kHolding;
  report.to = State::kActive;
  report.duration_ns = 2'000'000;
  tallies.note_report(message("pg", report), {});
  report.to = State::kBackup;
  tallies.note_report(message("pg", report), {});
  EXPECT_EQ(tallies.vip.counts[4], 1u);  // up to 2.5 ms
  EXPECT_EQ(tallies.vip.sum_ns, 2'000'000u);
  report.kind = ports::EventKind::kAnnounced;
  report.duration_ns = 40'000'000;
  tallies.note_report(message("pg", report), {});
  EXPECT_EQ(tallies.garp.counts[8], 1u);  // up to 50 ms
  EXPECT_EQ(tallies.garp.sum_ns, 40'000'000u);
  EXPECT_EQ(tallies.vip.sum_ns, 2'000'000u);
  report.kind = ports::EventKind::kActed;
  report.verb = PluginVerb::kPromote;
  report.duration_ns = 700'000'000;
  tallies.note_report(message("pg", report), {});
  report.outcome = VerbStatus::kRefused;
  tallies.note_report(message("pg", report), {});
  report.verb = PluginVerb::kDemote;
  tallies.note_report(message("pg", report), {});
  EXPECT_EQ(tallies.promote.counts[12], 1u);  // up to 1 s
  EXPECT_EQ((tallies.promotions[{"pg", VerbStatus::kOk}]), 1u);
  EXPECT_EQ((tallies.promotions[{"pg", VerbStatus::kRefused}]), 1u);
  EXPECT_EQ(tallies.promotions.size(), 2u);
}

TEST(TalliesTest, WhatIsNoLongerConfiguredIsForgotten) {
  Tallies tallies;
  tallies.note_report(message("web", became_active(Reason::kPreemptLower)), {});
  tallies.note_report(message("old", became_active(Reason::kPreemptLower)), {});
  tallies.note_plugin_down("health", ipc::HostKind::kProbe, true);
  tallies.note_plugin_down("gone", ipc::HostKind::kAct, false);
  config::Config config;
  config.instances.resize(1);
  config.instances[0].name = "web";
  config.plugins.resize(1);
  config.plugins[0].name = "health";
  tallies.keep(config);
  EXPECT_EQ(tallies.transitions.size(), 1u);
  EXPECT_EQ(tallies.restarts.size(), 1u);
  EXPECT_EQ(tallies.timeouts["health"], 1u);
}

}  // namespace
}  // namespace baton::steward
