// From start to Active: listening, claiming, installing, announcing; stalls.
#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using testing::ElementsAre;
using vrrp::State;

TEST(RoleTest, ListensForActiveDownIntervalThenClaimsInstallsAndAnnounces) {
  Bench bench;
  bench.start();
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run(kStart + 3'609'374us);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_THAT(bench.doors.order, ElementsAre());
  bench.run(kStart + 3'609'375us);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_THAT(bench.doors.order, ElementsAre("advert", "install 192.0.2.1", "announce 192.0.2.1"));
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kActiveDownExpired);
  EXPECT_EQ(bench.doors.instances[0].new_master_reason, ports::NewMasterReason::kNoResponse);
  EXPECT_EQ(bench.doors.routers[0].last_event, ports::LastEvent::kMasterTimeout);
}

TEST(RoleTest, AnnouncesOnlyWhenTheKernelHasTheAddress) {
  Bench bench;
  bench.worker = Worker::kSilent;
  bench.become_active();
  bench.run_for(500ms);
  EXPECT_TRUE(bench.doors.announcements.empty());
  EXPECT_EQ(bench.holding(), ports::HoldingState::kInstalling);
  bench.worker = Worker::kDone;
  bench.work();
  EXPECT_EQ(bench.doors.announcements.size(), 1u);
}

TEST(RoleTest, AnnouncesAsOftenAsConfiguredThenRefreshesEachMinute) {
  Bench bench;
  bench.become_active();
  bench.run_for(1s);
  EXPECT_EQ(bench.doors.announcements.size(), 3u);
  bench.run_for(58s);
  EXPECT_EQ(bench.doors.announcements.size(), 3u);
  bench.run_for(2s);
  EXPECT_EQ(bench.doors.announcements.size(), 4u);
}

TEST(RoleTest, AdvertsLeaveEachIntervalWithoutDrift) {
  Bench bench;
  bench.become_active();
  bench.run(kStart + 3'609'375us + 10s);
  ASSERT_EQ(bench.doors.adverts.size(), 11u);
  for (std::size_t i = 0; i < 11; ++i) {
    EXPECT_EQ(bench.doors.adverts[i].at, kStart + 3'609'375us + static_cast<int>(i) * 1s);
  }
}

TEST(RoleTest, EachAdvertIsNotedByHowLateItIs) {
  Bench bench;
  bench.become_active();
  const DurationHistogram before = bench.engine->counters().advert_lateness;
  const Instant due = bench.doors.adverts.back().at + 1s;
  bench.now = due + 3ms;
  bench.turn([] {});
  const DurationHistogram after = bench.engine->counters().advert_lateness;
  EXPECT_EQ(after.counts[5] - before.counts[5], 1u);  // up to 5 ms
  EXPECT_EQ(after.sum_ns - before.sum_ns, 3'000'000u);
  EXPECT_GE(bench.engine->counters().loop_stall.sum_ns, 3'000'000u);
}

TEST(RoleTest, AnOwnerIsActiveAtOnceAndItsAddressesAreItsOwn) {
  config::Instance owner = web();
  owner.owner = true;
  Bench bench(with({owner}));
  bench.start();
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.doors.adverts.front().priority, 255);
  EXPECT_TRUE(bench.doors.commands.front().owner);
  EXPECT_EQ(bench.doors.commands.front().lifetime, 0ns);
}

TEST(RoleTest, StartupDelayHoldsBackAndIsSaid) {
  config::Instance delayed = web();
  delayed.election.startup_delay = 10s;
  Bench bench(with({delayed}));
  bench.start();
  bench.run(kStart + 9'999ms);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kStartupDelay));
  bench.run(kStart + 10s);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(RoleTest, BothFamiliesMoveTogetherAndAnnounceBoth) {
  config::Instance dual = web();
  dual.addresses = {prefix("192.0.2.1/32"), prefix("fe80::1/64"), prefix("2001:db8::1/64")};
  Bench bench(with({dual}));
  bench.become_active();
  EXPECT_THAT(bench.doors.order,
              ElementsAre("advert", "advert", "install 192.0.2.1", "install fe80::1", "install 2001:db8::1",
                          "announce 192.0.2.1", "announce fe80::1", "announce 2001:db8::1"));
  EXPECT_EQ(bench.doors.instances[0].router_count, 2);
  EXPECT_EQ(bench.doors.transitions.size(), 2u);  // to Backup, to Active: one each for the instance as a whole
}

TEST(RoleTest, AnAdvertWithinTheSlackLeavesTogetherButADownTimerDoesNot) {
  config::Instance other = web();
  other.name = "db";
  other.vrid = Vrid{20};
  other.addresses = {prefix("192.0.2.2/32")};
  Bench bench(with({web(), other}));
  bench.become_active();
  bench.doors.adverts.clear();
  bench.now = kStart + 3'609'375us + 1s - 900us;
  bench.doors.now = bench.now;
  bench.engine->begin_turn(bench.now);
  bench.engine->on_deadline(bench.now, 1ms);
  bench.engine->end_turn(bench.now);
  EXPECT_EQ(bench.doors.adverts.size(), 2u);

  Bench backup;
  backup.start();
  backup.run(kStart + 3s);
  backup.now = kStart + 3'609'375us - 900us;
  backup.engine->begin_turn(backup.now);
  backup.engine->on_deadline(backup.now, 1ms);
  backup.engine->end_turn(backup.now);
  EXPECT_TRUE(backup.doors.adverts.empty());
}

TEST(RoleTest, AStalledActiveSendsNothingBeforeItHasSteppedDownAndListened) {
  Bench bench;
  bench.become_active();
  bench.doors.order.clear();
  bench.now += 10s;
  bench.turn([] {});
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1"));
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kStall);
  EXPECT_NE(bench.find_alarm(ports::Alarm::kStall), nullptr);
  bench.doors.order.clear();
  bench.run_for(3'609'374us);
  EXPECT_THAT(bench.doors.order, ElementsAre());
  bench.run_for(1us);
  EXPECT_EQ(bench.doors.order.front(), "advert");
}

TEST(RoleTest, AShortStallIsNoStall) {
  Bench bench;
  bench.become_active();
  bench.doors.order.clear();
  bench.now += 3s;
  bench.turn([] {});
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_THAT(bench.doors.order, testing::Contains("advert"));
}

TEST(RoleTest, ABackupThatSleptListensAgain) {
  Bench bench;
  bench.start();
  bench.hear({});
  bench.now += 20s;
  bench.turn([] {});
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run_for(3'609'374us);
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run_for(1us);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(RoleTest, CommandsThatTheWorkerGetsToAfterAFreezeAreVoid) {
  Bench bench;
  bench.become_active();
  EXPECT_EQ(bench.doors.commands.front().not_after, kStart + 3'609'375us + 3s);
}

TEST(RoleTest, AGroupMovesTogetherAndOnlyWhenEveryMemberMay) {
  config::Instance inside = web();
  inside.name = "inside";
  inside.group = "gate";
  config::Instance outside = inside;
  outside.name = "outside";
  outside.interface = "eth1";
  config::Config config = with({inside, outside});
  config.groups = {{.name = "gate", .members = {"inside", "outside"}, .election = {}, .defined_at = ""}};
  Bench bench(config);
  bench.start();
  bench.run(kStart + 10s);
  EXPECT_EQ(bench.state(), State::kInitialize);  // eth1 is not there
  EXPECT_TRUE(bench.against().has(Reason::kInterfaceMissing));
  EXPECT_TRUE(bench.doors.instances[0].is_group);
  bench.link_up(1);
  bench.fact("198.51.100.10/24", true, false, 1);
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run_for(3'609'375us);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.doors.instances[0].addresses_held, 2);
}

// ---- Many instances -----------------------------------------------------------------------------------------------

config::Config instances(int count) {
  std::vector<config::Instance> all;
  for (int i = 1; i <= count; ++i) {
    config::Instance instance = web();
    instance.name = "web" + std::to_string(i);
    instance.vrid = Vrid{static_cast<std::uint8_t>(i)};
    instance.addresses = {prefix("10.1.0." + std::to_string(i) + "/32")};
    all.push_back(instance);
  }
  return with(all);
}

/// Adverts of one second, by when they left, after the steps of 1/128 s have had the time to add up to a whole second.
std::map<Instant, int> adverts_of_a_second(Bench& bench) {
  bench.become_active();
  bench.run_for(200s);
  bench.doors.adverts.clear();
  bench.run_for(1s);
  std::map<Instant, int> found;
  for (const SentAdvert& advert : bench.doors.adverts) ++found[advert.at];
  return found;
}

TEST(ManyTest, TheAdvertsOfManyInstancesAreSpreadOverTheInterval) {
  Bench bench(instances(32));
  const std::map<Instant, int> found = adverts_of_a_second(bench);
  ASSERT_EQ(found.size(), 16u);
  Instant before = found.begin()->first - 62'500us;
  for (const auto& [at, count] : found) {
    EXPECT_EQ(count, 2);
    EXPECT_EQ(at - before, 62'500us);
    before = at;
  }
}

TEST(ManyTest, ThoseOfFewStayWhereTheyFall) {
  Bench bench(instances(31));
  const std::map<Instant, int> found = adverts_of_a_second(bench);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found.begin()->second, 31);
}

/// The caller sleeps while an Active is heard, and while this host is Active.
TEST(ManyTest, OnlyATakeoverIsAwaitedAwake) {
  Bench bench;
  bench.start();
  bench.hear({});
  EXPECT_EQ(bench.engine->next_alert(), bench.now + 3'609'375us - Engine::kAlert);
  bench.run_for(5s);
  EXPECT_EQ(bench.engine->next_alert(), std::nullopt);
}

}  // namespace
}  // namespace baton::engine
