#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using testing::ElementsAre;
using vrrp::State;

TEST(CommandsTest, SwitchoverResignsAndStaysYieldedUntilTheOtherIsLost) {
  Bench bench;
  bench.become_active();
  bench.run_for(2s);
  bench.doors.order.clear();
  EXPECT_TRUE(bench.command({.verb = Verb::kSwitchover, .instance = "web"}).accepted);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "resign"));
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kSwitchover);
  // The other is lower; we would preempt it if we had not been asked to yield.
  for (int i = 0; i < 10; ++i) {
    bench.hear({.priority = 50});
    bench.run_for(1s);
  }
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run_for(2'609'374us);
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run_for(1us);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kActiveDownExpired);
}

TEST(CommandsTest, UndrainEndsASwitchover) {
  Bench bench;
  bench.become_active();
  bench.command({.verb = Verb::kSwitchover, .instance = ""});
  bench.command({.verb = Verb::kUndrain, .instance = ""});
  EXPECT_TRUE(bench.against().empty());
}

TEST(CommandsTest, WhatEndsAndWhatStillHoldsItBackIsSaid) {
  Bench bench;
  bench.start();
  EXPECT_THAT(bench.command({.verb = Verb::kUndrain, .instance = "web"}).lines,
              ElementsAre("web: nothing to end, takes part"));
  bench.command({.verb = Verb::kFreeze, .instance = "web", .duration = 60s});
  bench.command({.verb = Verb::kDrain, .instance = "web"});
  EXPECT_THAT(bench.command({.verb = Verb::kUndrain, .instance = "web", .dry_run = true}).lines,
              ElementsAre("web: would no longer be drained"));
  EXPECT_THAT(bench.command({.verb = Verb::kUndrain, .instance = "web"}).lines,
              ElementsAre("web: is no longer drained; it still takes no part: this host is frozen"));
  EXPECT_THAT(bench.command({.verb = Verb::kThaw, .instance = "web"}).lines,
              ElementsAre("web: is no longer frozen, takes part"));
}

TEST(CommandsTest, ASwitchoverSaysWhatIsKnownOfTheOthers) {
  Bench bench;
  bench.become_active();
  const auto last = [&](const std::string& to) {
    return bench.command({.verb = Verb::kSwitchover, .instance = "web", .dry_run = true, .to = to}).lines.back();
  };
  EXPECT_EQ(last(""),
            "Backups are silent, so it is not known here whether one is there to take over; if nobody takes over "
            "within Active_Down_Interval, this host takes the role back");
  EXPECT_EQ(last("db2"),
            "db2 is heard on the peer channel and nothing speaks against it; if nobody takes over within "
            "Active_Down_Interval, this host takes the role back");
}

TEST(CommandsTest, SwitchoverIsRefusedWhereThereIsNothingToGive) {
  Bench bench;
  bench.start();
  const CommandResult result = bench.command({.verb = Verb::kSwitchover, .instance = "web"});
  EXPECT_FALSE(result.accepted);
  EXPECT_TRUE(result.refused_by_safety);
}

TEST(CommandsTest, DryRunChangesNothing) {
  Bench bench;
  bench.become_active();
  const CommandResult result = bench.command({.verb = Verb::kSwitchover, .instance = "web", .dry_run = true});
  EXPECT_TRUE(result.accepted);
  EXPECT_FALSE(result.lines.empty());
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(CommandsTest, AFrozenBackupTakesNothingUntilTheTimeIsOver) {
  Bench bench;
  bench.start();
  bench.command({.verb = Verb::kFreeze, .instance = "", .duration = 60s});
  bench.run(kStart + 59s);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kFrozen));
  bench.run(kStart + 60s);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(CommandsTest, AFrozenActiveStaysAndShutdownStillReleases) {
  Bench bench;
  bench.become_active();
  bench.command({.verb = Verb::kFreeze, .instance = "", .duration = 60s});
  bench.run_for(10s);
  EXPECT_EQ(bench.state(), State::kActive);
  bench.turn([&] { bench.engine->shutdown(bench.now); });
  EXPECT_EQ(bench.doors.adverts.back().priority, 0);
}

TEST(CommandsTest, ThawEndsAFreezeAtOnce) {
  Bench bench;
  bench.start();
  bench.command({.verb = Verb::kFreeze, .instance = "", .duration = 60s});
  bench.run_for(10s);
  bench.command({.verb = Verb::kThaw, .instance = ""});
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(CommandsTest, DrainYieldsEverythingIsWrittenDownAndSurvives) {
  Bench bench;
  bench.become_active();
  bench.command({.verb = Verb::kDrain, .instance = ""});
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_THAT(bench.doors.intents, ElementsAre(":drain"));
  bench.run_for(60s);
  EXPECT_EQ(bench.state(), State::kBackup);

  Bench next;
  next.start(true);
  next.run_for(60s);
  EXPECT_EQ(next.state(), State::kBackup);
  EXPECT_TRUE(next.against().has(Reason::kDrained));
  next.command({.verb = Verb::kUndrain, .instance = ""});
  EXPECT_EQ(next.state(), State::kActive);
}

TEST(CommandsTest, AFreezeIsWrittenDownAndSurvivesUntilItsTimeIsOver) {
  Bench bench;
  bench.start();
  bench.command({.verb = Verb::kFreeze, .instance = "", .duration = 60s});
  bench.command({.verb = Verb::kFreeze, .instance = "", .duration = 60s, .dry_run = true});
  bench.command({.verb = Verb::kThaw, .instance = ""});
  EXPECT_THAT(bench.doors.intents, ElementsAre(":freeze 60000000000", ":thaw"));

  config::Config owner = with({web()});
  owner.instances[0].owner = true;  // nobody takes the role sooner
  Bench next{owner};
  next.turn([&] { next.engine->start(next.now, {}, false, kStart + 50s); });
  next.link_up();
  next.own_addresses();
  next.run(kStart + 49s);
  EXPECT_EQ(next.state(), State::kBackup);
  EXPECT_TRUE(next.doors.adverts.empty());
  EXPECT_TRUE(next.against().has(Reason::kFrozen));
  EXPECT_EQ(Instant{Nanos{next.doors.instances.at(0).yielded_until_ns}}, kStart + 50s);
  next.run(kStart + 50s);
  EXPECT_EQ(next.state(), State::kActive);
}

TEST(CommandsTest, AnUnknownInstanceIsNamed) {
  Bench bench;
  bench.start();
  const CommandResult result = bench.command({.verb = Verb::kDrain, .instance = "wbe"});
  EXPECT_FALSE(result.accepted);
  EXPECT_THAT(result.lines, ElementsAre("no instance or group is named 'wbe'"));
}

}  // namespace
}  // namespace baton::engine
