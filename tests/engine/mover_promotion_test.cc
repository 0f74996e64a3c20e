// A promoting instance on the wire: mastership, addresses and the database's acts in their order.
#include "tests/engine/mover_promotion_bench.h"

namespace baton::engine {
namespace {

TEST(MoverPromotionTest, NothingIsClaimedBeforeTheRecordsAreRead) {
  Bench bench{promoting()};
  bench.start();
  bench.run(kStart + 20s);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kStateUnread));
  recall(bench);
  serve(bench);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(MoverPromotionTest, AClaimHasPriorityOneAndNoAddress) {
  Bench bench{promoting()};
  bench.start();
  recall(bench);
  serve(bench);
  bench.doors.intents.clear();
  bench.run(kStart + 4s);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.doors.adverts.back().priority, 1);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kNone);
  EXPECT_THAT(bench.doors.intents, ElementsAre("web:claiming 1"));
  bench.run_for(3s);
  for (const SentAdvert& advert : bench.doors.adverts) EXPECT_EQ(advert.priority, 1);
  serve(bench);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  bench.run_for(1s);
  EXPECT_EQ(bench.doors.adverts.back().priority, 100);
  EXPECT_EQ(bench.doors.instances.at(0).data_role, ports::DataRole::kActive);
  EXPECT_EQ(bench.doors.instances.at(0).generation, 1U);
}

TEST(MoverPromotionTest, UntilWhenCooldownAndBudgetLastIsShown) {
  config::Config config = promoting();
  config.instances[0].election.cooldown = 60s;
  config.instances[0].election.promotion_budget = 2;
  config.instances[0].election.promotion_budget_window = 3600s;
  Bench bench{config};
  bench.start();
  EXPECT_EQ(bench.doors.instances.at(0).rested_at_ns, 0);
  ports::DataRecord record{.instance = "web", .role = ports::DataRole::kStandby, .generation = 2};
  record.same_boot = true;
  record.promotions = {kStart - 100s, kStart - 20s};
  recall(bench, record);
  serve(bench);
  const auto at = [](std::int64_t ns) { return Instant{Nanos{ns}}; };
  EXPECT_EQ(at(bench.doors.instances.at(0).rested_at_ns), kStart + 40s);
  EXPECT_EQ(at(bench.doors.instances.at(0).budget_free_at_ns), kStart + 3500s);
  EXPECT_TRUE(bench.against().has(Reason::kCooldown));
  EXPECT_TRUE(bench.against().has(Reason::kPromotionBudget));
}

TEST(MoverPromotionTest, AClaimantYieldsToAnyHostThatHasTheData) {
  Bench bench{promoting()};
  bench.start();
  recall(bench);
  serve(bench);
  bench.run(kStart + 4s);
  ASSERT_EQ(bench.state(), State::kActive);
  bench.hear({.priority = 50});
  EXPECT_EQ(bench.state(), State::kBackup);
  serve(bench);
  EXPECT_EQ(bench.doors.last_act.verb, PluginVerb::kDemote);
  EXPECT_EQ(bench.doors.last_act.target, "db2");
}

TEST(MoverPromotionTest, WritesAreBlockedThenTheAddressesLeaveThenTheDataIsDemoted) {
  Bench bench{promoting()};
  become_active(bench);
  ASSERT_EQ(bench.holding(), ports::HoldingState::kHeld);
  bench.doors.acts.clear();
  bench.doors.order.clear();
  bench.doors.intents.clear();
  bench.command({.verb = Verb::kDrain, .instance = ""});
  EXPECT_THAT(bench.doors.intents, ElementsAre(":drain"));
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  // No disk is waited for.
  EXPECT_THAT(bench.doors.acts, ElementsAre("block_writes 0 web"));
  EXPECT_THAT(bench.doors.order, IsEmpty());
  bench.turn([&] { bench.engine->on_act_result(bench.now, {.ticket = bench.doors.tickets.back()}); });
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1"));
  EXPECT_THAT(bench.doors.acts, ElementsAre("block_writes 0 web", "demote 0 web"));
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.doors.last_act.reason, Reason::kDrained);
  bench.turn([&] { bench.engine->on_act_result(bench.now, {.ticket = bench.doors.tickets.back()}); });
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "resign"));
  EXPECT_EQ(bench.state(), State::kBackup);
}

TEST(MoverPromotionTest, APromotionThatFailsIsUndoneAndNeverShowsTheAddress) {
  Bench bench{promoting()};
  bench.start();
  recall(bench);
  serve(bench);
  bench.run(kStart + 4s);
  bench.turn([&] { bench.engine->on_intent_recorded(bench.now, bench.doors.last_record); });
  bench.turn([&] { bench.engine->on_intent_recorded(bench.now, bench.doors.last_record); });
  ASSERT_EQ(bench.doors.last_act.verb, PluginVerb::kPromote);
  bench.turn([&] {
    bench.engine->on_act_result(bench.now, {.ticket = bench.doors.tickets.back(),
                                            .status = VerbStatus::kConfig,
                                            .sentence = ports::Sentence{"no right to promote"}});
  });
  EXPECT_EQ(bench.doors.last_act.verb, PluginVerb::kDemote);
  serve(bench);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kPromoteFailed));
  for (const ports::AddressCommand& command : bench.doors.commands) {
    EXPECT_NE(command.verb, ports::AddressVerb::kInstall);
  }
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kPromoteFailed);
  EXPECT_EQ(bench.doors.transitions.back().sentence.view(), "no right to promote");
}

TEST(MoverPromotionTest, ASuccessorServesOnWithoutAnAct) {
  Bench bench{promoting()};
  become_active(bench);
  ports::AdoptedInstance adopted{.instance = bench.doors.instances.at(0), .routers = {bench.doors.routers.at(0)}};
  bench.doors.acts.clear();
  bench.make();
  bench.turn([&] { bench.engine->start(bench.now, std::array{adopted}, false); });
  bench.link_up();
  bench.own_addresses();
  recall(bench, {.instance = "web", .role = ports::DataRole::kActive, .generation = 1, .dirty = true, .promoted = 1});
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  EXPECT_THAT(bench.doors.acts, IsEmpty());
  bench.run_for(1s);
  EXPECT_EQ(bench.doors.adverts.back().priority, 100);
}

config::Config witnessed() {
  config::Config config = promoting(config::Grant::kWitness);
  config.instances[0].election.witness = {"etcd"};
  config.plugins.push_back(section("etcd", {PluginVerb::kAcquire, PluginVerb::kRenew, PluginVerb::kRelease}));
  return config;
}

/// Active since before, by a witness's grant that ends in so long.
void adopt_granted(Bench& bench, Nanos left) {
  bench.start();
  ports::InstanceState state = bench.doors.instances.at(0);
  state.state = State::kActive;
  state.holding = ports::HoldingState::kHeld;
  state.data_role = ports::DataRole::kActive;
  state.promotion_step = static_cast<std::uint8_t>(ports::PromotionStep::kActive);
  state.generation = 1;
  state.granted_until_ns = (bench.now + left).time_since_epoch().count();
  ports::RouterState router = bench.doors.routers.at(0);
  router.machine.state = State::kActive;
  router.machine.adver_deadline_ns = (bench.now + 1s).time_since_epoch().count();
  bench.make();
  bench.doors.order.clear();
  bench.turn([&] {
    const ports::AdoptedInstance adopted{.instance = state, .routers = {router}};
    bench.engine->start(bench.now, std::array{adopted}, false);
  });
}

TEST(MoverPromotionTest, APromotionThatIsUnderWayIsCalledOffInTimeForItsGrantsEnd) {
  Bench bench{witnessed()};
  bench.start();
  recall(bench);
  serve(bench);
  bench.run(kStart + 4s);
  const auto recorded = [&] {
    bench.turn([&] { bench.engine->on_intent_recorded(bench.now, bench.doors.last_record); });
  };
  recorded();  // claiming
  ASSERT_EQ(bench.doors.last_act.verb, PluginVerb::kAcquire);
  bench.turn([&] {
    bench.engine->on_act_result(bench.now,
                                {.ticket = bench.doors.tickets.back(), .status = VerbStatus::kOk, .lease = 9s});
  });
  recorded();  // promoting
  ASSERT_EQ(bench.doors.last_act.verb, PluginVerb::kPromote);
  const std::uint64_t promote = bench.doors.tickets.back();
  bench.run_for(5900ms);  // no renewal is answered
  EXPECT_THAT(bench.doors.called_off, IsEmpty());
  bench.run_for(200ms);
  EXPECT_THAT(bench.doors.called_off, ElementsAre(promote));
  bench.run_for(4s);
  EXPECT_THAT(bench.doors.called_off, ElementsAre(promote)) << "once";
}

TEST(MoverPromotionTest, ASuccessorWhoseGrantHasLapsedGivesTheAddressUp) {
  Bench bench{witnessed()};
  adopt_granted(bench, -1ns);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1"));
  EXPECT_EQ(bench.doors.last_act.reason, Reason::kNoGrant);
}

TEST(MoverPromotionTest, AGrantThatEndsWhileWritesAreBeingBlockedTakesTheAddressWithIt) {
  Bench bench{witnessed()};
  adopt_granted(bench, 9s);
  bench.link_up();
  bench.own_addresses();
  bench.doors.order.clear();
  bench.command({.verb = Verb::kDrain, .instance = ""});
  ASSERT_EQ(bench.doors.last_act.verb, PluginVerb::kBlockWrites);  // and its server does not answer
  // A third of the nine seconds is for leaving.
  bench.run_for(5900ms);
  EXPECT_THAT(bench.doors.order, Not(Contains("remove 192.0.2.1")));
  bench.run_for(200ms);
  EXPECT_THAT(bench.doors.order, Contains("remove 192.0.2.1"));
}

TEST(MoverPromotionTest, AReloadThatTakesThePromotionAwayLeavesNothingHanging) {
  Bench bench{promoting()};
  bench.start();
  recall(bench);
  serve(bench);
  bench.run(kStart + 4s);
  ASSERT_EQ(bench.doors.intents.back(), "web:claiming 1");  // not yet on disk
  config::Config plain = promoting();
  plain.instances[0].election.promote.clear();
  plain.instances[0].election.grant = config::Grant::kNone;
  bench.reload(plain);
  bench.turn([&] { bench.engine->on_intent_recorded(bench.now, bench.doors.last_record); });
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(MoverPromotionTest, AHostThatWasTheWritableOneWaitsForTheOtherAndFollowsIt) {
  Bench bench{promoting()};
  bench.start();
  recall(bench, {.instance = "web", .role = ports::DataRole::kActive, .generation = 3, .dirty = true, .promoted = 3});
  serve(bench);
  bench.run(kStart + 20s);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kNeedsProof));
  bench.hear({.priority = 50});
  EXPECT_EQ(bench.doors.last_act.verb, PluginVerb::kRejoin);
  EXPECT_EQ(bench.doors.last_act.target, "db2");
  serve(bench);
  EXPECT_TRUE(bench.against().empty());
}

TEST(MoverPromotionTest, ForgiveAndFailoverAreRefusedWhereTheyMeanNothing) {
  Bench bench{promoting(config::Grant::kManual)};
  bench.start();
  recall(bench);
  serve(bench);
  EXPECT_TRUE(bench.command({.verb = Verb::kForgive, .instance = ""}).refused_by_safety);
  bench.hear({.priority = 50});
  EXPECT_TRUE(bench.command({.verb = Verb::kFailover, .instance = "web"}).refused_by_safety);
  bench.run_for(10s);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kNoGrant));
  EXPECT_TRUE(bench.command({.verb = Verb::kFailover, .instance = "web"}).accepted);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(MoverPromotionTest, WhatNeedsARejoinIsNotForcedButForgiven) {
  Bench bench{promoting(config::Grant::kManual)};
  bench.start();
  recall(bench, {.instance = "web", .role = ports::DataRole::kNeedsRejoin, .generation = 5, .dirty = true});
  serve(bench);
  bench.run_for(10s);
  const CommandResult refused = bench.command({.verb = Verb::kFailover, .instance = "web"});
  EXPECT_TRUE(refused.refused_by_safety);
  EXPECT_THAT(refused.lines, ElementsAre(testing::HasSubstr("forgive web --i-accept-loss")));
  EXPECT_TRUE(bench.command({.verb = Verb::kForgive, .instance = "web"}).accepted);
  serve(bench);
  EXPECT_TRUE(bench.command({.verb = Verb::kFailover, .instance = "web"}).accepted);
}

TEST(MoverPromotionTest, AWitnessThatDoesNotAnswerIsToldOfEachTenSeconds) {
  Bench bench{witnessed()};
  bench.start();
  recall(bench);
  serve(bench);
  bench.run(kStart + 4s);
  bench.turn([&] { bench.engine->on_intent_recorded(bench.now, bench.doors.last_record); });
  ASSERT_EQ(bench.doors.last_act.verb, PluginVerb::kAcquire);
  const auto told = [&] {
    return std::count_if(bench.doors.reports.begin(), bench.doors.reports.end(),
                         [](const ports::Report& report) { return report.verb == PluginVerb::kAcquire; });
  };
  for (int i = 0; i < 18; ++i) {  // nine seconds
    bench.turn([&] {
      bench.engine->on_act_result(
          bench.now, {.ticket = bench.doors.tickets.back(), .status = VerbStatus::kTransient, .took = 5ms});
    });
    bench.run_for(500ms);
  }
  EXPECT_EQ(told(), 1);
  bench.turn([&] {
    bench.engine->on_act_result(bench.now,
                                {.ticket = bench.doors.tickets.back(), .status = VerbStatus::kRefused, .took = 5ms});
  });
  EXPECT_EQ(told(), 2) << "another answer is news";
}

// ---- Planned moves --------------------------------------------------------------------------------------------------

using ports::HandoverPhase;

/// What db2 says of its part in move 7.
void other_says(Bench& bench, HandoverPhase phase, bool gives,
                ports::PromotionStep step = ports::PromotionStep::kStandby,
                ports::DataRole role = ports::DataRole::kStandby, std::uint64_t generation = 1) {
  bench.turn([&] {
    bench.engine->on_peer(bench.now, {.host = "db2",
                                      .instance = "web",
                                      .state = State::kBackup,
                                      .data_role = role,
                                      .step = step,
                                      .generation = generation,
                                      .handover = {.phase = phase,
                                                   .gives = gives,
                                                   .with = "db1",
                                                   .number = 7,
                                                   .position = phase >= HandoverPhase::kGiven ? "p" : ""}});
  });
  serve(bench);
}

TEST(MoverPromotionTest, AHostThatIsHandedTheRolePromotesFirstThenTakesTheMastershipAndTheAddresses) {
  Bench bench{promoting()};
  bench.start();
  recall(bench);
  serve(bench);
  bench.hear({.priority = 50});
  const auto giver = ports::PromotionStep::kPassed;
  other_says(bench, HandoverPhase::kAsking, true, ports::PromotionStep::kActive, ports::DataRole::kActive);
  EXPECT_EQ(bench.doors.instances.at(0).handover.phase, HandoverPhase::kReady);
  bench.doors.order.clear();
  bench.doors.acts.clear();
  other_says(bench, HandoverPhase::kGiven, true, ports::PromotionStep::kHanding, ports::DataRole::kDemoting);
  EXPECT_EQ(bench.doors.instances.at(0).handover.phase, HandoverPhase::kCaughtUp);
  EXPECT_EQ(bench.doors.texts.at(0).number, 7U);
  EXPECT_STREQ(bench.doors.texts.at(0).position.data(), "p");
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_THAT(bench.doors.acts, IsEmpty());
  bench.hear({.priority = 1});
  other_says(bench, HandoverPhase::kPassed, true, giver, ports::DataRole::kDemoting);
  EXPECT_EQ(bench.doors.last_act.verb, PluginVerb::kPromote);
  EXPECT_TRUE(bench.doors.last_act.planned);
  EXPECT_EQ(bench.doors.last_act.position, "p");
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  EXPECT_EQ(bench.doors.instances.at(0).reason, Reason::kHandedOver);
  EXPECT_EQ(bench.doors.instances.at(0).generation, 2U);
  EXPECT_EQ(bench.doors.adverts.back().priority, 100);
}

/// The database's own check settles.
void probe_settles(Bench& bench, ProbeState state) {
  ports::ProbeReading& reading = bench.doors.readings[0];
  reading = {.sequence = reading.sequence + 3, .streak = 3, .state = state, .finished = bench.now};
  bench.turn([&] { bench.engine->on_plugin_news(bench.now, 0); });
}

TEST(MoverPromotionTest, AHostThatTakesTheRoleIsNotKeptOutByTheCheckOfTheDatabaseThatMoves) {
  config::Config config = promoting();
  config.instances[0].election.checks = {{.plugin = "db"}};
  Bench bench{config};
  bench.start();
  recall(bench);
  serve(bench);
  probe_settles(bench, ProbeState::kPass);
  bench.hear({.priority = 50});
  other_says(bench, HandoverPhase::kAsking, true, ports::PromotionStep::kActive, ports::DataRole::kActive);
  other_says(bench, HandoverPhase::kGiven, true, ports::PromotionStep::kHanding, ports::DataRole::kDemoting);
  bench.hear({.priority = 1});
  bench.turn([&] {
    bench.engine->on_peer(
        bench.now,
        {.host = "db2",
         .instance = "web",
         .state = State::kBackup,
         .data_role = ports::DataRole::kDemoting,
         .step = ports::PromotionStep::kPassed,
         .generation = 1,
         .handover = {.phase = HandoverPhase::kPassed, .gives = true, .with = "db1", .number = 7, .position = "p"}});
  });
  probe_settles(bench, ProbeState::kFail);  // while it has no primary
  serve(bench);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  EXPECT_EQ(bench.doors.instances.at(0).generation, 2U);
  bench.run_for(9s);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  probe_settles(bench, ProbeState::kFail);
  bench.run_for(2s);
  serve(bench);
  EXPECT_EQ(bench.state(), State::kBackup) << "it has had ten seconds to see the end of the move";
}

TEST(MoverPromotionTest, APromotionAfterACrashSaysWhatMayBeLostAndHowOldTheLastWordWas) {
  Bench bench{promoting()};
  bench.start();
  recall(bench);
  serve(bench);
  bench.turn([&] {
    bench.engine->on_peer(bench.now, {.host = "db2",
                                      .instance = "web",
                                      .state = State::kActive,
                                      .data_role = ports::DataRole::kActive,
                                      .step = ports::PromotionStep::kActive,
                                      .generation = 1,
                                      .position = "p",
                                      .position_age = 400ms});
  });
  const Instant heard = bench.now;
  // Its database is gone before its host is: what was heard before counts.
  bench.run_for(500ms);
  bench.turn([&] {
    bench.engine->on_peer(bench.now, {.host = "db2",
                                      .instance = "web",
                                      .state = State::kActive,
                                      .data_role = ports::DataRole::kActive,
                                      .step = ports::PromotionStep::kActive,
                                      .generation = 1});
  });
  serve(bench);
  for (int i = 0; i < 100 && bench.doors.last_act.verb != PluginVerb::kPromote; ++i) {
    bench.run_for(100ms);
    if (bench.doors.last_record != 0) {
      bench.turn([&] { bench.engine->on_intent_recorded(bench.now, bench.doors.last_record); });
    }
  }
  ASSERT_EQ(bench.doors.last_act.verb, PluginVerb::kPromote);
  EXPECT_EQ(bench.doors.last_act.position, "p");
  const Nanos age = bench.now - heard + 400ms;
  bench.run_for(2s);
  bench.turn([&] {
    bench.engine->on_act_result(
        bench.now, {.ticket = bench.doors.tickets.back(), .took = 2s, .lost = ports::LostText{"1683 bytes"}});
  });
  const auto told = std::find_if(bench.doors.reports.begin(), bench.doors.reports.end(), [](const auto& report) {
    return report.kind == ports::EventKind::kActed && report.verb == PluginVerb::kPromote;
  });
  ASSERT_NE(told, bench.doors.reports.end());
  EXPECT_EQ(told->lost.view(), "1683 bytes");
  EXPECT_EQ(Nanos{told->position_age_ns}, age);
}

TEST(MoverPromotionTest, AHostThatHandsTheRoleOverLosesTheAddressesBeforeItTellsThePosition) {
  Bench bench{promoting()};
  become_active(bench);
  ASSERT_EQ(bench.holding(), ports::HoldingState::kHeld);
  other_says(bench, HandoverPhase::kNone, false);
  bench.doors.order.clear();
  bench.doors.acts.clear();
  EXPECT_TRUE(bench.command({.verb = Verb::kSwitchover, .instance = "web", .to = "db2", .number = 7}).accepted);
  EXPECT_THAT(bench.doors.acts, IsEmpty());
  EXPECT_EQ(bench.doors.instances.at(0).handover.phase, HandoverPhase::kAsking);
  EXPECT_TRUE(
      bench.command({.verb = Verb::kSwitchover, .instance = "web", .to = "db2", .number = 8}).refused_by_safety);
  other_says(bench, HandoverPhase::kReady, false, ports::PromotionStep::kReady);
  EXPECT_THAT(bench.doors.acts, ElementsAre("block_writes 0 web"));
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1"));
  EXPECT_EQ(bench.doors.instances.at(0).handover.phase, HandoverPhase::kGiven);
  EXPECT_EQ(bench.state(), State::kActive);
  other_says(bench, HandoverPhase::kCaughtUp, false, ports::PromotionStep::kCaughtUp);
  EXPECT_EQ(bench.doors.instances.at(0).handover.phase, HandoverPhase::kPassed);
  other_says(bench, HandoverPhase::kTaken, false, ports::PromotionStep::kActive, ports::DataRole::kActive, 2);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_EQ(bench.doors.last_act.verb, PluginVerb::kDemote);
  EXPECT_EQ(bench.doors.last_act.target, "db2");
  EXPECT_EQ(bench.doors.instances.at(0).handover.phase, HandoverPhase::kTaken);
}

TEST(MoverPromotionTest, AMoveThatIsGivenUpBringsTheAddressesBack) {
  Bench bench{promoting()};
  become_active(bench);
  other_says(bench, HandoverPhase::kNone, false);
  bench.command({.verb = Verb::kSwitchover, .instance = "web", .to = "db2", .number = 7});
  other_says(bench, HandoverPhase::kReady, false, ports::PromotionStep::kReady);
  ASSERT_EQ(bench.holding(), ports::HoldingState::kNone);
  other_says(bench, HandoverPhase::kAborted, false);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  EXPECT_EQ(bench.state(), State::kActive);
  bench.run_for(1s);
  EXPECT_EQ(bench.doors.adverts.back().priority, 100);
}

/// The database is stopped for the move, so its check fails: that must not end the move.
TEST(MoverPromotionTest, AMoveIsNotEndedByTheCheckOfTheDatabaseThatItStops) {
  config::Config config = promoting();
  config.instances[0].election.checks = {{.plugin = "db"}};
  Bench bench{config};
  bench.start();
  recall(bench);
  serve(bench);
  for (int second = 0; second < 4; ++second) {
    bench.run_for(1s);
    probe_settles(bench, ProbeState::kPass);
  }
  serve(bench);
  ASSERT_EQ(bench.holding(), ports::HoldingState::kHeld);
  other_says(bench, HandoverPhase::kNone, false);
  bench.command({.verb = Verb::kSwitchover, .instance = "web", .to = "db2", .number = 7});
  other_says(bench, HandoverPhase::kReady, false, ports::PromotionStep::kReady);
  probe_settles(bench, ProbeState::kFail);
  EXPECT_EQ(bench.doors.instances.at(0).handover.phase, HandoverPhase::kGiven);
  other_says(bench, HandoverPhase::kAborted, false);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  for (int second = 0; second < 9; ++second) {
    bench.run_for(1s);
    probe_settles(bench, ProbeState::kFail);
  }
  EXPECT_EQ(bench.state(), State::kActive);
  for (int second = 0; second < 2; ++second) {
    bench.run_for(1s);
    probe_settles(bench, ProbeState::kFail);
  }
  serve(bench);
  EXPECT_EQ(bench.state(), State::kBackup);  // it should be back by now
}

TEST(MoverPromotionTest, WithoutAnotherHostToNameADatabaseIsNotMoved) {
  Bench bench{promoting()};
  become_active(bench);
  EXPECT_TRUE(bench.command({.verb = Verb::kSwitchover, .instance = "web"}).refused_by_safety);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
}

}  // namespace
}  // namespace baton::engine
