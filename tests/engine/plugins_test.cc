// Checks and follow-ups as an instance sees them.
#include <gmock/gmock.h>

#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using vrrp::State;

config::Plugin section(std::string name) {
  config::Plugin plugin;
  plugin.name = std::move(name);
  plugin.module = "http";
  plugin.deadline = 10s;
  return plugin;
}

config::Config checked(config::CheckReference reference) {
  config::Instance instance = web();
  instance.election.checks = {std::move(reference)};
  config::Config config = with({instance});
  config.plugins = {section("app")};
  return config;
}

config::Config followed(std::vector<std::string> names) {
  config::Instance instance = web();
  instance.election.follow_up = names;
  config::Config config = with({instance});
  for (const std::string& name : names) config.plugins.push_back(section(name));
  return config;
}

/// The probe of section 0 has answered `count` times in a row.
void answer(Bench& bench, ProbeState state, std::uint32_t count = 1, std::string_view sentence = "") {
  ports::ProbeReading& reading = bench.doors.readings[0];
  const bool same = reading.sequence != 0 && reading.state == state;
  reading = {.sequence = reading.sequence + count,
             .streak = same ? reading.streak + count : count,
             .state = state,
             .finished = bench.now,
             .sentence = sentence};
  bench.turn([&] { bench.engine->on_plugin_news(bench.now, 0); });
}

/// Probes that pass each second, until `until`.
void run_well(Bench& bench, Instant until) {
  while (bench.now + 1s < until) {
    bench.run_for(1s);
    answer(bench, ProbeState::kPass);
  }
  bench.run(until);
}

void finish_act(Bench& bench, VerbStatus status = VerbStatus::kOk) {
  bench.turn([&] {
    bench.engine->on_act_result(bench.now, {.ticket = bench.doors.tickets.back(), .status = status, .took = 5ms});
  });
}

TEST(PluginsTest, WithoutAnAnswerThisHostTakesNothing) {
  Bench bench{checked({.plugin = "app"})};
  bench.start();
  bench.run(kStart + 60s);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kCheckUnknown));
}

TEST(PluginsTest, AFailingRequiredCheckGivesUpTheRoleAndSaysWhich) {
  Bench bench{checked({.plugin = "app"})};
  bench.start();
  answer(bench, ProbeState::kPass);
  run_well(bench, kStart + 3'609'375us);
  ASSERT_EQ(bench.state(), State::kActive);
  bench.doors.order.clear();
  answer(bench, ProbeState::kFail, 2);
  EXPECT_EQ(bench.state(), State::kActive);
  answer(bench, ProbeState::kFail, 1, "HTTP 503");
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "resign"));
  const ports::Report& change = bench.doors.transitions.back();
  EXPECT_EQ(change.reason, Reason::kCheckFailed);
  EXPECT_EQ(change.plugin.view(), "app");
  EXPECT_EQ(change.sentence.view(), "HTTP 503");
}

TEST(PluginsTest, AHostThatPassesAgainTakesTheRoleBack) {
  Bench bench{checked({.plugin = "app"})};
  bench.start();
  answer(bench, ProbeState::kFail, 3);
  bench.run(kStart + 3'700ms);
  EXPECT_EQ(bench.state(), State::kBackup);
  answer(bench, ProbeState::kPass);
  // Nobody was heard for Active_Down_Interval meanwhile: it takes over the moment it recovers.
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(PluginsTest, AResultThatIsNotRenewedIsUnknownAndReleasesUnlessItShallHold) {
  for (const bool hold : {false, true}) {
    config::Config config = checked({.plugin = "app"});
    config.instances[0].election.release_on_unknown = !hold;
    Bench bench{config};
    bench.start();
    answer(bench, ProbeState::kPass);
    run_well(bench, kStart + 4s);
    ASSERT_EQ(bench.state(), State::kActive);
    bench.run_for(10s);
    EXPECT_EQ(bench.state(), hold ? State::kActive : State::kBackup);
    EXPECT_TRUE(bench.against().has(Reason::kCheckUnknown));
    EXPECT_EQ(bench.doors.transitions.back().reason, hold ? Reason::kActiveDownExpired : Reason::kCheckUnknown);
  }
}

TEST(PluginsTest, AReloadThatAddsACheckCostsNoRoleBeforeItsFirstAnswer) {
  Bench bench;
  bench.become_active();
  bench.reload(checked({.plugin = "app"}));
  EXPECT_EQ(bench.state(), State::kActive);
  bench.run_for(2s);
  EXPECT_EQ(bench.state(), State::kActive);
  bench.run_for(2s);
  EXPECT_EQ(bench.state(), State::kBackup);
}

TEST(PluginsTest, PreferMovesOnlyThePriority) {
  Bench bench{checked({.plugin = "app", .use = config::CheckUse::kPrefer, .prefer = 30})};
  bench.start();
  EXPECT_EQ(bench.doors.instances.at(0).effective_priority, 100);
  answer(bench, ProbeState::kPass);
  EXPECT_EQ(bench.doors.instances.at(0).effective_priority, 130);
  run_well(bench, kStart + 5s);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.doors.adverts.back().priority, 130);
  answer(bench, ProbeState::kFail, 3);
  EXPECT_EQ(bench.state(), State::kActive);
  bench.run_for(1s);
  EXPECT_EQ(bench.doors.adverts.back().priority, 100);
}

TEST(PluginsTest, ANegativePreferIsSubtractedWhileItDoesNotPass) {
  Bench bench{checked({.plugin = "app", .use = config::CheckUse::kPrefer, .prefer = -40})};
  bench.start();
  EXPECT_EQ(bench.doors.instances.at(0).effective_priority, 60);
  answer(bench, ProbeState::kPass);
  EXPECT_EQ(bench.doors.instances.at(0).effective_priority, 100);
}

// ---- relative -------------------------------------------------------------------------------------------------------

config::Config shared() {
  config::Config config = checked({.plugin = "app", .use = config::CheckUse::kRequired, .relative = true});
  config.host = "db1";
  config.peers = {{.host = "db2", .addresses = {ip("192.0.2.251")}, .defined_at = ""}};
  return config;
}

void other_says(Bench& bench, bool passes) {
  bench.turn([&] { bench.engine->on_peer_check(bench.now, "db2", "app", passes); });
}

TEST(PluginsTest, AFailureThatAllShareMovesNothing) {
  Bench bench{shared()};
  bench.start();
  answer(bench, ProbeState::kPass);
  run_well(bench, kStart + 5s);
  ASSERT_EQ(bench.state(), State::kActive);
  other_says(bench, false);
  answer(bench, ProbeState::kFail, 3);
  EXPECT_EQ(bench.state(), State::kActive);
  // It may not have noticed yet: the interval is a second.
  other_says(bench, true);
  bench.run_for(999ms);
  other_says(bench, true);
  EXPECT_EQ(bench.state(), State::kActive);
  bench.run_for(1ms);
  answer(bench, ProbeState::kFail);
  other_says(bench, true);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kCheckFailed));
  other_says(bench, false);
  EXPECT_FALSE(bench.against().has(Reason::kCheckFailed));
}

TEST(PluginsTest, ABetterHostThatFellSilentIsNotBetter) {
  Bench bench{shared()};
  bench.start();
  answer(bench, ProbeState::kFail, 3);
  bench.run_for(1s);
  answer(bench, ProbeState::kFail);
  other_says(bench, true);
  ASSERT_TRUE(bench.against().has(Reason::kCheckFailed));
  for (int i = 0; i < 8; ++i) {
    bench.run_for(1s);
    answer(bench, ProbeState::kFail);
  }
  EXPECT_FALSE(bench.against().has(Reason::kCheckFailed));
}

TEST(PluginsTest, WordsOfStrangersAboutChecksAreNotHeard) {
  Bench bench{shared()};
  bench.start();
  answer(bench, ProbeState::kFail, 3);
  bench.turn([&] { bench.engine->on_peer_check(bench.now, "db9", "app", true); });
  EXPECT_FALSE(bench.against().has(Reason::kCheckFailed));
}

/// min_gap is 20: a gap of 19 is not worth a move, one of 20 is.
TEST(PluginsTest, ABackupPreemptsOnlyOverAGapThatIsWorthIt) {
  for (const int other : {111, 110}) {
    Bench bench{checked({.plugin = "app", .use = config::CheckUse::kPrefer, .prefer = 30})};
    bench.start();
    answer(bench, ProbeState::kPass);
    for (int i = 0; i < 6; ++i) {
      bench.hear({.priority = other});
      bench.run_for(1s);
      answer(bench, ProbeState::kPass);
    }
    EXPECT_EQ(bench.state(), other == 110 ? State::kActive : State::kBackup) << other;
  }
}

TEST(PluginsTest, AGateKeepsOutButTakesNoRoleAway) {
  Bench bench{checked({.plugin = "app", .use = config::CheckUse::kGate})};
  bench.start();
  answer(bench, ProbeState::kFail, 3);
  bench.run(kStart + 5s);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kGateClosed));
  answer(bench, ProbeState::kPass);
  EXPECT_EQ(bench.state(), State::kActive);
  answer(bench, ProbeState::kFail, 3);
  bench.run_for(10s);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(PluginsTest, FollowUpsAreLeftAtStartAndEnteredOnceTheAddressesAreHeld) {
  Bench bench{followed({"jobs", "mail"})};
  bench.start();
  EXPECT_THAT(bench.doors.acts, ElementsAre("leave 1 web"));
  finish_act(bench);
  EXPECT_THAT(bench.doors.acts, ElementsAre("leave 1 web", "leave 0 web"));
  finish_act(bench);
  bench.doors.acts.clear();
  bench.worker = Worker::kSilent;
  bench.run(kStart + 3'700ms);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_THAT(bench.doors.acts, IsEmpty());
  bench.worker = Worker::kDone;
  bench.work();
  EXPECT_THAT(bench.doors.acts, ElementsAre("enter 0 web"));
  EXPECT_EQ(bench.doors.last_act.deadline, 10s);
  finish_act(bench);
  finish_act(bench);
  EXPECT_THAT(bench.doors.acts, ElementsAre("enter 0 web", "enter 1 web"));
  EXPECT_EQ(bench.doors.reports.back().kind, ports::EventKind::kActed);
  EXPECT_EQ(bench.doors.reports.back().plugin.view(), "mail");
  EXPECT_EQ(bench.doors.reports.back().duration_ns, 5'000'000);
}

TEST(PluginsTest, ASectionThatOnlyActsIsNoCheck) {
  Bench bench{followed({"jobs"})};
  bench.start();
  finish_act(bench);
  bench.run(kStart + 60s);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_TRUE(bench.doors.checks.empty());
  for (const ports::Report& report : bench.doors.reports) EXPECT_NE(report.kind, ports::EventKind::kCheck);
}

TEST(PluginsTest, TheAddressesDoNotWaitForALeave) {
  Bench bench{followed({"jobs"})};
  bench.start();
  finish_act(bench);
  bench.run(kStart + 4s);
  finish_act(bench);
  bench.doors.order.clear();
  bench.doors.acts.clear();
  bench.command({.verb = Verb::kDrain, .instance = ""});
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "resign"));
  EXPECT_THAT(bench.doors.acts, ElementsAre("leave 0 web"));
  EXPECT_EQ(bench.state(), State::kBackup);
}

TEST(PluginsTest, TheEndWaitsForTheLeaveActs) {
  Bench bench{followed({"jobs"})};
  bench.start();
  finish_act(bench);
  bench.run(kStart + 4s);
  finish_act(bench);
  bench.turn([&] { bench.engine->shutdown(bench.now); });
  bench.run_for(2s);
  EXPECT_EQ(bench.doors.acts.back(), "leave 0 web");
  EXPECT_FALSE(bench.engine->finished());
  finish_act(bench, VerbStatus::kTimeout);
  EXPECT_TRUE(bench.engine->finished());
}

TEST(PluginsTest, AFailedActIsAnAlarmUntilTheRowIsThrough) {
  Bench bench{followed({"jobs"})};
  bench.start();
  finish_act(bench, VerbStatus::kTransient);
  EXPECT_TRUE(bench.alarmed(ports::Alarm::kFollowUpFailed));
  bench.run_for(1s);
  finish_act(bench);
  bench.run(kStart + 4s);
  finish_act(bench);
  EXPECT_FALSE(bench.alarmed(ports::Alarm::kFollowUpFailed));
}

TEST(PluginsTest, AnotherInstancesResultIsNotTaken) {
  Bench bench{followed({"jobs"})};
  bench.start();
  const std::uint64_t ticket = bench.doors.tickets.back();
  bench.turn([&] { bench.engine->on_act_result(bench.now, {.ticket = ticket + 1}); });
  bench.turn([&] { bench.engine->on_act_result(bench.now, {.ticket = ticket + (std::uint64_t{1} << 32)}); });
  bench.run(kStart + 4s);
  EXPECT_THAT(bench.doors.acts, ElementsAre("leave 0 web"));  // still waited for
}

TEST(PluginsTest, AFollowUpThatIsTakenOutOfTheConfigurationIsLeftAndThenForgotten) {
  Bench bench{followed({"jobs", "mail"})};
  bench.start();
  finish_act(bench);
  finish_act(bench);
  bench.run(kStart + 4s);
  finish_act(bench);
  finish_act(bench);
  bench.doors.acts.clear();
  bench.doors.plugins.clear();
  bench.reload(followed({"mail"}));
  EXPECT_THAT(bench.doors.acts, ElementsAre("leave 0 web"));
  EXPECT_THAT(bench.doors.plugins, IsEmpty());
  finish_act(bench);
  EXPECT_EQ(bench.doors.acts.back(), "enter 1 web");
  finish_act(bench);
  bench.reload(followed({"mail"}));
  EXPECT_THAT(bench.doors.plugins, ElementsAre("forget 0"));
}

TEST(PluginsTest, AFollowUpThatIsTakenOutWhileItIsEnteredIsLeftAllTheSame) {
  Bench bench{followed({"jobs"})};
  bench.start();
  finish_act(bench);
  bench.run(kStart + 4s);
  bench.doors.acts.clear();
  config::Config without = followed({});
  bench.reload(without);
  EXPECT_THAT(bench.doors.acts, IsEmpty());  // the enter is still under way
  finish_act(bench);
  EXPECT_THAT(bench.doors.acts, ElementsAre("leave 0 web"));
}

TEST(PluginsTest, NotifiedPluginsAreToldOfEachTransitionAndNotWaitedFor) {
  config::Config config = followed({});
  config.instances[0].election.notify = {"hook"};
  config.plugins = {section("hook")};
  Bench bench{config};
  bench.become_active();
  EXPECT_THAT(bench.doors.acts, ElementsAre("notify 0 web", "notify 0 web"));
  EXPECT_THAT(bench.doors.tickets, ElementsAre(0, 0));
  EXPECT_EQ(bench.doors.last_act.from, State::kBackup);
  EXPECT_EQ(bench.doors.last_act.to, State::kActive);
  EXPECT_EQ(bench.doors.last_act.reason, Reason::kActiveDownExpired);
}

TEST(PluginsTest, SettledStatesAreReportedAndPublished) {
  Bench bench{checked({.plugin = "app"})};
  bench.start();
  answer(bench, ProbeState::kPass, 1, "HTTP 200");
  const ports::Report& report = bench.doors.reports.back();
  EXPECT_EQ(report.kind, ports::EventKind::kCheck);
  EXPECT_EQ(report.probe, ProbeState::kPass);
  EXPECT_EQ(report.plugin.view(), "app");
  EXPECT_EQ(bench.doors.checks.at(0).state, ProbeState::kPass);
  EXPECT_FALSE(bench.doors.checks.at(0).pending);
  const std::size_t before = bench.doors.reports.size();
  answer(bench, ProbeState::kPass);
  EXPECT_EQ(bench.doors.reports.size(), before);
}

}  // namespace
}  // namespace baton::engine
