// grant = follow: the address goes where the database's own consensus has its primary. And isolated holders.
#include "tests/engine/mover_promotion_bench.h"

namespace baton::engine {
namespace {

void answer(Bench& bench, ApplicationRole role, VerbStatus status = VerbStatus::kOk, std::uint32_t streak = 3) {
  ports::ProbeReading& reading = bench.doors.readings[0];
  const bool well = status == VerbStatus::kOk;
  reading = {.sequence = reading.sequence + streak,
             .streak = streak,
             .state = well ? ProbeState::kPass : ProbeState::kUnknown,
             .role = role,
             .status = status,
             .finished = bench.now};
  bench.turn([&] { bench.engine->on_plugin_news(bench.now, 0); });
}

/// Probes each second for four seconds.
void keep_answering(Bench& bench, ApplicationRole role) {
  for (int second = 0; second < 4; ++second) {
    bench.run_for(1s);
    answer(bench, role);
  }
}

TEST(MoverPromotionTest, TheAddressFollowsTheDatabasesOwnPrimary) {
  Bench bench{promoting(config::Grant::kFollow)};
  bench.start();
  keep_answering(bench, ApplicationRole::kReplica);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kNotPrimary));
  answer(bench, ApplicationRole::kPrimary);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  answer(bench, ApplicationRole::kReplica);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_THAT(bench.doors.acts, IsEmpty());
}

TEST(MoverPromotionTest, ADatabaseThatElectsForItselfIsAskedToMoveItsPrimary) {
  config::Config config = promoting(config::Grant::kFollow);
  config.plugins[0].about.verbs.add(PluginVerb::kStepDown);
  Bench bench{config};
  bench.start();
  keep_answering(bench, ApplicationRole::kPrimary);
  ASSERT_EQ(bench.state(), State::kActive);
  const Command command{.verb = Verb::kSwitchover, .instance = "web", .to = "db2", .number = 7};
  EXPECT_TRUE(bench.command(command).accepted);
  EXPECT_EQ(bench.doors.last_act.verb, PluginVerb::kStepDown);
  EXPECT_EQ(bench.doors.last_act.target, "db2");
  EXPECT_TRUE(bench.command(command).refused_by_safety);  // one at a time
  serve(bench, VerbStatus::kRefused);
  EXPECT_EQ(bench.doors.instances.at(0).handover.phase, ports::HandoverPhase::kAborted);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_TRUE(bench.command(command).accepted);
  serve(bench);
  EXPECT_EQ(bench.doors.instances.at(0).handover.phase, ports::HandoverPhase::kTaken);
  EXPECT_EQ(bench.state(), State::kActive);  // until its probe says so
  answer(bench, ApplicationRole::kReplica);
  EXPECT_EQ(bench.state(), State::kBackup);
}

TEST(MoverPromotionTest, ARefusedLoginIsNoReasonForAFailover) {  // F75
  Bench bench{promoting(config::Grant::kFollow)};
  bench.start();
  keep_answering(bench, ApplicationRole::kPrimary);
  ASSERT_EQ(bench.state(), State::kActive);
  answer(bench, ApplicationRole::kNone, VerbStatus::kConfig);
  EXPECT_EQ(bench.state(), State::kActive);
  answer(bench, ApplicationRole::kNone, VerbStatus::kTransient);
  answer(bench, ApplicationRole::kNone, VerbStatus::kTransient);
  EXPECT_EQ(bench.state(), State::kBackup);
}

TEST(MoverPromotionTest, OneBadAnswerIsNoWordAboutWhoIsPrimary) {
  for (const VerbStatus status : {VerbStatus::kTransient, VerbStatus::kConfig}) {
    config::Config config = promoting(config::Grant::kFollow);
    config.plugins[0].fall = 3;
    Bench bench{config};
    bench.start();
    keep_answering(bench, ApplicationRole::kPrimary);
    ASSERT_EQ(bench.state(), State::kActive);
    answer(bench, ApplicationRole::kNone, status, 1);
    answer(bench, ApplicationRole::kNone, status, 1);
    EXPECT_EQ(bench.state(), State::kActive);
    answer(bench, ApplicationRole::kNone, status, 1);
    EXPECT_EQ(bench.state(), status == VerbStatus::kConfig ? State::kActive : State::kBackup);
  }
}

TEST(MoverPromotionTest, AReplicaThatDoesNotAnswerIsNoPrimary) {
  for (const VerbStatus status : {VerbStatus::kTransient, VerbStatus::kConfig}) {
    config::Config config = promoting(config::Grant::kFollow);
    config.plugins[0].fall = 3;
    Bench bench{config};
    bench.start();
    keep_answering(bench, ApplicationRole::kReplica);
    answer(bench, ApplicationRole::kNone, status, 1);
    bench.run_for(100ms);
    EXPECT_EQ(bench.state(), State::kBackup);
    EXPECT_TRUE(bench.against().has(Reason::kNotPrimary));
  }
}

/// Also looks at a gateway, with a check that only prefers.
config::Config with_gateway() {
  config::Config config = promoting();
  config.instances[0].election.checks = {{.plugin = "gateway", .use = config::CheckUse::kPrefer, .prefer = 10}};
  config.instances[0].election.demote_on_isolation = true;
  config::Plugin gateway = section("gateway", {PluginVerb::kProbe});
  gateway.module = "ping";
  gateway.fall = 1;
  gateway.interval = 1s;
  config.plugins.push_back(gateway);
  return config;
}

void gateway_answers(Bench& bench, ProbeState state) {
  ports::ProbeReading& reading = bench.doors.readings[1];
  reading = {.sequence = reading.sequence + 1, .streak = 1, .state = state, .finished = bench.now};
  bench.turn([&] { bench.engine->on_plugin_news(bench.now, 1); });
}

void other_rests(Bench& bench) {
  bench.turn([&] {
    bench.engine->on_peer(bench.now, {.host = "db2",
                                      .instance = "web",
                                      .state = State::kBackup,
                                      .data_role = ports::DataRole::kStandby,
                                      .step = ports::PromotionStep::kStandby});
  });
}

TEST(MoverPromotionTest, AHolderThatReachesNeitherTheOtherHostNorTheGatewayGivesUp) {
  Bench bench{with_gateway()};
  become_active(bench);
  other_rests(bench);
  gateway_answers(bench, ProbeState::kFail);
  ASSERT_EQ(bench.holding(), ports::HoldingState::kHeld) << "the other host is heard";
  for (int second = 0; second < 3; ++second) {
    bench.run_for(1s);
    gateway_answers(bench, ProbeState::kFail);
  }
  EXPECT_FALSE(bench.against().has(Reason::kIsolated)) << "its last word is 3 s old";
  bench.run_for(1s);
  EXPECT_TRUE(bench.against().has(Reason::kIsolated));
  serve(bench);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_EQ(bench.doors.instances.at(0).reason, Reason::kIsolated);
  other_rests(bench);
  EXPECT_FALSE(bench.against().has(Reason::kIsolated));
}

TEST(MoverPromotionTest, AloneWithTheGatewayAHolderStays) {
  Bench bench{with_gateway()};
  become_active(bench);
  other_rests(bench);
  for (int second = 0; second < 10; ++second) {
    gateway_answers(bench, ProbeState::kPass);
    bench.run_for(1s);
  }
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
}

TEST(MoverPromotionTest, AHolderThatMayHoldWhenIsolatedStays) {
  config::Config config = with_gateway();
  config.instances[0].election.demote_on_isolation = false;
  Bench bench{config};
  become_active(bench);
  other_rests(bench);
  for (int second = 0; second < 10; ++second) {
    gateway_answers(bench, ProbeState::kFail);
    bench.run_for(1s);
  }
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
}

TEST(MoverPromotionTest,
     AfterARestartAHolderThatNobodyReplacedTakesTheMastershipAtOnceAndTheAddressesWhenItIsVerified) {
  Bench bench{promoting()};
  bench.start();
  ports::ProbeReading& reading = bench.doors.readings[0];
  reading = {.sequence = 1,
             .streak = 1,
             .state = ProbeState::kPass,
             .role = ApplicationRole::kPrimary,
             .generation = 5,
             .finished = bench.now};
  bench.turn([&] { bench.engine->on_plugin_news(bench.now, 0); });
  recall(bench, {.instance = "web",
                 .role = ports::DataRole::kActive,
                 .generation = 5,
                 .dirty = true,
                 .promoted = 5,
                 .same_boot = true});
  bench.run_for(500ms);
  EXPECT_THAT(bench.doors.acts, IsEmpty()) << "the other host has not said anything yet";
  bench.turn([&] {
    bench.engine->on_peer(bench.now, {.host = "db2",
                                      .instance = "web",
                                      .data_role = ports::DataRole::kStandby,
                                      .step = ports::PromotionStep::kStandby,
                                      .generation = 5,
                                      .promoted = 5});
  });
  EXPECT_THAT(bench.doors.acts, ElementsAre("promote 0 web"));
  EXPECT_EQ(bench.state(), State::kBackup);
  serve(bench);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  EXPECT_EQ(bench.doors.instances.at(0).reason, Reason::kContinued);
  EXPECT_EQ(bench.doors.instances.at(0).generation, 5U);
  EXPECT_EQ(bench.doors.adverts.back().priority, 100);
}

}  // namespace
}  // namespace baton::engine
