// Addresses: lifetimes, refresh, what is taken away, what is somebody else's (F36, F37, F46).
#include "engine/address_lifetime.h"
#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using ports::AddressStatus;
using ports::AddressVerb;
using ports::Alarm;
using testing::ElementsAre;
using vrrp::State;

TEST(AddressLifetimeTest, FewAddressesLiveThreeSecondsAndAreRefreshedEachSecond) {
  AddressLifetime lifetime;
  lifetime.configure(std::nullopt, 256, false);
  EXPECT_EQ(lifetime.lifetime(), 3s);
  EXPECT_EQ(lifetime.period(), 1s);
}

TEST(AddressLifetimeTest, ManyLiveFiveTimesTheMeasuredRefreshAtMostFifteenSeconds) {
  AddressLifetime lifetime;
  lifetime.configure(std::nullopt, 2000, false);
  EXPECT_EQ(lifetime.lifetime(), 15s);
  lifetime.measured(200ms);
  EXPECT_EQ(lifetime.lifetime(), 3s);
  lifetime.measured(1s);
  EXPECT_EQ(lifetime.lifetime(), 5s);
  lifetime.measured(4s);
  EXPECT_EQ(lifetime.lifetime(), 15s);
}

TEST(AddressLifetimeTest, ALateRefreshLengthensAndAConfiguredOneStays) {
  AddressLifetime lifetime;
  lifetime.configure(std::nullopt, 1, false);
  lifetime.late();
  EXPECT_EQ(lifetime.lifetime(), 6s);
  lifetime.configure(5s, 1, false);
  lifetime.late();
  EXPECT_EQ(lifetime.lifetime(), 5s);
  lifetime.configure(5s, 1, true);
  EXPECT_TRUE(lifetime.permanent());
}

std::size_t refreshes(const Bench& bench) {
  std::size_t count = 0;
  for (const ports::AddressCommand& command : bench.doors.commands) count += command.verb == AddressVerb::kRefresh;
  return count;
}

TEST(AddressesTest, AnActiveRefreshesEachSecondWithTheLifetime) {
  Bench bench;
  bench.become_active();
  bench.run_for(10s);
  EXPECT_GE(refreshes(bench), 9u);
  EXPECT_LE(refreshes(bench), 10u);
  EXPECT_EQ(bench.doors.commands.back().lifetime, 3s);
}

TEST(AddressesTest, ALateRefreshAlarms) {
  Bench bench;
  bench.become_active();
  bench.worker = Worker::kSilent;
  // The first refresh comes after 0.5 to 1.5 s, the next is due a second later and finds the first without an answer.
  bench.run_for(3s);
  EXPECT_NE(bench.find_alarm(Alarm::kRefreshLate), nullptr);
  EXPECT_EQ(bench.doors.commands.back().lifetime, 6s);
}

TEST(AddressesTest, WhatSomebodyTakesAwayIsBackAtOnceWithAnAnnouncement) {
  Bench bench;
  bench.become_active();
  bench.run_for(2s);
  bench.doors.order.clear();
  bench.fact("192.0.2.1/32", false, false);
  EXPECT_THAT(bench.doors.order, ElementsAre("install 192.0.2.1", "announce 192.0.2.1"));
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(AddressesTest, AnnouncedIsReportedOnceWhenTheLastOfThemIs) {
  config::Instance three = web();
  three.addresses = {prefix("192.0.2.1/32"), prefix("192.0.2.2/32"), prefix("192.0.2.3/32")};
  three.announce_interval = 20ms;
  Bench bench{with({three})};
  bench.become_active();
  const auto announced = [&] {
    std::vector<std::pair<Nanos, Nanos>> found;  // after becoming Active, and what it says
    for (const ports::Report& report : bench.doors.reports) {
      if (report.kind != ports::EventKind::kAnnounced) continue;
      found.emplace_back(report.at - kStart - 3'609'375us, Nanos{report.duration_ns});
    }
    return found;
  };
  EXPECT_EQ(bench.doors.announcements.size(), 1u);
  EXPECT_THAT(announced(), ElementsAre());
  bench.run_for(39ms);
  EXPECT_EQ(bench.doors.announcements.size(), 2u);
  EXPECT_THAT(announced(), ElementsAre());
  bench.run_for(10s);
  EXPECT_THAT(announced(), ElementsAre(std::pair<Nanos, Nanos>{40ms, 40ms}));
}

TEST(AddressesTest, APauseBetweenAnnouncementsDoesNotHoldUpTheNextTakeover) {
  config::Instance slow = web();
  slow.announce_interval = 1s;
  Bench bench{with({slow})};
  bench.become_active();
  bench.command({.verb = Verb::kSwitchover, .instance = "web"});
  bench.command({.verb = Verb::kUndrain, .instance = "web"});
  bench.hear({});
  bench.hear({.priority = 0});
  bench.doors.announcements.clear();
  // Skew_Time: 156/256 of a second.
  bench.run_for(609'375us);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.doors.announcements.size(), 1u);
}

TEST(AddressesTest, WhatSomebodyTakesAwayIsCounted) {
  Bench bench;
  bench.become_active();
  bench.run_for(2s);
  EXPECT_EQ(bench.engine->counters().addresses_taken, 0u);
  bench.fact("192.0.2.1/32", false, false);
  EXPECT_EQ(bench.engine->counters().addresses_taken, 1u);
}

TEST(AddressesTest, FiveTimesInAMinuteIsAFightThatIsGivenUpForTheCooldown) {
  Bench bench;
  bench.become_active();
  for (int i = 0; i < 4; ++i) {
    bench.run_for(2s);
    bench.fact("192.0.2.1/32", false, false);
  }
  EXPECT_EQ(bench.state(), State::kActive);
  bench.run_for(2s);
  bench.doors.order.clear();
  bench.fact("192.0.2.1/32", false, false);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kAddressFight);
  EXPECT_EQ(bench.doors.adverts.back().priority, 0);
  EXPECT_NE(bench.find_alarm(Alarm::kAddressFight), nullptr);
  bench.run_for(59s);
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run_for(6s);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(AddressesTest, SomebodyElsesAddressIsLeftReportedAndMakesUsIneligibleUntilItIsGone) {
  Bench bench;
  bench.worker = Worker::kForeign;
  bench.start();
  bench.fact("192.0.2.1/32", true, false);
  EXPECT_TRUE(bench.alarmed(Alarm::kStrayAddress));
  bench.run(kStart + 3'609'375us);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kAddressForeign));
  ASSERT_NE(bench.find_alarm(Alarm::kAddressForeign), nullptr);
  EXPECT_EQ(bench.find_alarm(Alarm::kAddressForeign)->address, ip("192.0.2.1"));
  EXPECT_EQ(bench.doors.adverts.back().priority, 0);
  bench.worker = Worker::kDone;
  bench.fact("192.0.2.1/32", false, false);
  EXPECT_FALSE(bench.against().has(Reason::kAddressForeign));
  bench.run_for(4s);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(AddressesTest, ARefusedInstallResignsAtOnceAndIsTriedAgainWithPauses) {
  Bench bench;
  bench.worker = Worker::kRefused;
  bench.become_active();
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kInstallFailed));
  EXPECT_EQ(bench.find_alarm(Alarm::kInstallFailed)->sys_errno, 1);
  EXPECT_EQ(bench.doors.adverts.size(), 2u);  // the claim and one priority 0
  EXPECT_EQ(bench.doors.adverts.back().priority, 0);
  bench.run_for(9'999ms);
  EXPECT_TRUE(bench.against().has(Reason::kInstallFailed));
  bench.run_for(1ms);
  EXPECT_TRUE(bench.against().has(Reason::kInstallFailed));  // tried, refused again
  EXPECT_EQ(bench.doors.adverts.size(), 4u);
  bench.run_for(19'999ms);
  EXPECT_EQ(bench.doors.adverts.size(), 4u);
  bench.worker = Worker::kDone;
  bench.run_for(1ms);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(AddressesTest, OursThatIsFoundWhileBackupIsRemovedAndAnothersIsNot) {
  Bench bench;
  bench.start();
  bench.fact("192.0.2.1/32", true, false);
  EXPECT_THAT(bench.doors.order, ElementsAre());
  bench.fact("192.0.2.1/32", false, false);
  EXPECT_FALSE(bench.alarmed(Alarm::kStrayAddress));
  bench.fact("192.0.2.1/32", true, true);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1"));
  bench.doors.order.clear();
  bench.fact("192.0.2.77/32", true, true);  // of an older configuration
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.77"));
}

TEST(AddressesTest, WhatAFullDumpDoesNotShowIsPutBack) {
  Bench bench;
  bench.become_active();
  bench.doors.order.clear();
  bench.own_addresses();
  EXPECT_THAT(bench.doors.order, testing::Contains("install 192.0.2.1"));
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(AddressesTest, AVoidedInstallIsAskedForAgain) {
  Bench bench;
  bench.worker = Worker::kSilent;
  bench.become_active();
  const std::size_t asked = bench.doors.commands.size();
  bench.answer(bench.doors.commands.back(), AddressStatus::kTooLate);
  EXPECT_EQ(bench.doors.commands.size(), asked + 1);
}

TEST(AddressesTest, ARivalsAnnouncementIsAnsweredOnceASecondAndNamed) {
  Bench bench;
  bench.become_active();
  bench.run_for(2s);
  bench.doors.announcements.clear();
  for (int i = 0; i < 9; ++i) {
    bench.hear_frame(vrrp::gratuitous_arp(kOtherMac, ip("192.0.2.1"), vrrp::ArpForm::kRequest));
    bench.run_for(100ms);
  }
  EXPECT_EQ(bench.doors.announcements.size(), 1u);
  ASSERT_NE(bench.find_alarm(Alarm::kRival), nullptr);
  EXPECT_EQ(bench.find_alarm(Alarm::kRival)->other_mac, kOtherMac);
  EXPECT_EQ(bench.count_alarms(Alarm::kRival), 1u);
  bench.run_for(200ms);
  bench.hear_frame(vrrp::gratuitous_arp(kOtherMac, ip("192.0.2.1"), vrrp::ArpForm::kRequest));
  EXPECT_EQ(bench.doors.announcements.size(), 2u);
}

TEST(AddressesTest, ABackupAnswersNoClaim) {
  Bench bench;
  bench.start();
  bench.hear_frame(vrrp::gratuitous_arp(kOtherMac, ip("192.0.2.1"), vrrp::ArpForm::kRequest));
  EXPECT_THAT(bench.doors.order, ElementsAre());
  EXPECT_EQ(bench.find_alarm(Alarm::kRival), nullptr);
}

TEST(AddressesTest, ThousandsAreInstalledInBatchesSoThatTheFirstDoesNotWait) {
  config::Instance many = web();
  many.addresses.clear();
  many.addresses.push_back(prefix("192.0.2.1/32"));
  for (int i = 0; i < 1999; ++i) {
    many.extra_addresses.push_back(prefix("10.1." + std::to_string(i / 200) + "." + std::to_string(i % 200) + "/32"));
  }
  Bench bench(with({many}));
  bench.worker = Worker::kSilent;
  bench.become_active();
  EXPECT_LE(bench.doors.commands.size(), 64u);
  bench.run_for(10ms);
  EXPECT_EQ(bench.doors.commands.size(), 2000u);
  bench.worker = Worker::kDone;
  bench.work();
  bench.run_for(100ms);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  EXPECT_GE(bench.doors.announcements.size(), 2000u);
}

}  // namespace
}  // namespace baton::engine
