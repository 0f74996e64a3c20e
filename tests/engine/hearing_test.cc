// Received adverts: what reaches the election, counters, alarms, and hostile input that must change nothing (I6).
#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using ports::Alarm;
using vrrp::State;

/// The first report of this alarm; a default one if there is none.
ports::Report told(const Bench& bench, Alarm alarm) {
  const ports::Report* const found = bench.find_alarm(alarm);
  return found == nullptr ? ports::Report{} : *found;
}

TEST(HearingTest, ABackupStaysBackupUnderABetterActive) {
  Bench bench;
  bench.start();
  for (int i = 0; i < 10; ++i) {
    bench.hear({});
    bench.run_for(1s);
  }
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_EQ(bench.doors.router_counters[0].advertisement_rcvd, 10u);
  EXPECT_EQ(bench.doors.routers[0].heard_priority, 200);
}

TEST(HearingTest, AnActiveYieldsToAHigherPriorityWithALastAdvertThatTellsTheWinner) {
  Bench bench;
  bench.become_active();
  bench.doors.order.clear();
  bench.hear({.priority = 200});
  EXPECT_THAT(bench.doors.order, testing::ElementsAre("advert", "remove 192.0.2.1"));
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kHigherPriority);
  EXPECT_EQ(bench.doors.transitions.back().other, ip("192.0.2.251"));
  EXPECT_EQ(bench.doors.transitions.back().priority, 200);
  EXPECT_EQ(bench.doors.routers[0].last_event, ports::LastEvent::kHigherPriorityBackup);
}

TEST(HearingTest, ResignationShortensToSkewAndIsTheReason) {
  Bench bench;
  bench.start();
  bench.hear({});
  bench.hear({.priority = 0});
  bench.run_for(609'374us);
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run_for(1us);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kActiveResigned);
  EXPECT_EQ(bench.doors.router_counters[0].priority_zero_pkts_rcvd, 1u);
}

TEST(HearingTest, AnActiveThatResignsOrFallsSilentIsNotShownEvenWhereNobodyMayTakeOver) {
  Bench bench;
  bench.start(true);
  bench.hear({});
  EXPECT_FALSE(bench.doors.routers[0].machine.resigned);
  bench.hear({.priority = 0});
  EXPECT_TRUE(bench.doors.routers[0].machine.resigned);
  bench.run_for(5s);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.doors.routers[0].machine.down_expired);
  bench.hear({});
  EXPECT_FALSE(bench.doors.routers[0].machine.resigned || bench.doors.routers[0].machine.down_expired);
  bench.run_for(5s);
  EXPECT_TRUE(bench.doors.routers[0].machine.down_expired);
}

TEST(HearingTest, AnotherVirtualRouterIsNotOurs) {
  Bench bench;
  bench.become_active();
  bench.hear({.vrid = 11});
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.engine->counters().vrid_errors, 1u);
}

TEST(HearingTest, OtherAddressesAreAlarmedNamingTheOtherAndStillObeyed) {
  Bench bench;
  bench.become_active();
  bench.hear({.addresses = {ip("192.0.2.2")}});
  EXPECT_EQ(bench.state(), State::kBackup);
  ASSERT_EQ(bench.count_alarms(Alarm::kVipMismatch), 1u);
  EXPECT_EQ(told(bench, Alarm::kVipMismatch).other, ip("192.0.2.251"));
  EXPECT_EQ(bench.doors.router_counters[0].address_list_errors, 1u);
}

TEST(HearingTest, OwnersIntervalsAndEqualPrioritiesAreAlarmed) {
  Bench bench;
  bench.start();
  bench.hear({.priority = 255});
  EXPECT_TRUE(bench.alarmed(Alarm::kForeignOwner));
  bench.hear({.interval = 2s});
  EXPECT_TRUE(bench.alarmed(Alarm::kIntervalMismatch));
  EXPECT_EQ(bench.doors.router_counters[0].interval_errors, 1u);
  bench.hear({.priority = 100});
  EXPECT_TRUE(bench.alarmed(Alarm::kEqualPriority));
}

TEST(HearingTest, AForeignHostIsAlarmedWhenPeersAreNamed) {
  config::Config config = with({web()});
  config.peers = {{.host = "a", .addresses = {ip("192.0.2.10")}, .defined_at = ""},
                  {.host = "b", .addresses = {ip("192.0.2.251")}, .defined_at = ""}};
  Bench bench(config);
  bench.start();
  bench.hear({});
  EXPECT_FALSE(bench.alarmed(Alarm::kUnknownPeer));
  bench.hear({.source = "192.0.2.99"});
  EXPECT_TRUE(bench.alarmed(Alarm::kUnknownPeer));
}

TEST(HearingTest, SpoiltAdvertsMoveCountersAndNothingElse) {
  Bench bench;
  bench.become_active();
  const auto deadline = bench.engine->next_deadline();
  const std::size_t sent = bench.doors.order.size();
  vrrp::Bytes checksum = Bench::frame({});
  checksum.back() ^= 1;
  vrrp::Bytes ttl = Bench::frame({});
  ttl[14 + 8] = 254;
  ttl[14 + 10] = static_cast<std::uint8_t>(ttl[14 + 10] + 1);  // the header checksum follows
  bench.engine->on_frame(bench.now, {.link = 0, .frame = checksum});
  bench.engine->on_frame(bench.now, {.link = 0, .frame = ttl});
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.engine->next_deadline(), deadline);
  EXPECT_EQ(bench.doors.order.size(), sent);
  EXPECT_EQ(bench.doors.router_counters[0].checksum_errors, 1u);
  EXPECT_EQ(bench.doors.router_counters[0].ip_ttl_errors, 1u);
  EXPECT_EQ(bench.doors.router_counters[0].advertisement_rcvd, 0u);
}

TEST(HearingTest, RejectedForThreeIntervalsIsAlarmedWithTheReason) {
  Bench bench;
  bench.start();
  vrrp::Bytes spoilt = Bench::frame({});
  spoilt.back() ^= 1;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(bench.count_alarms(Alarm::kAdvertsRejected), i > 2 ? 1u : 0u);
    bench.hear_frame(spoilt);
    bench.run_for(1s);
  }
  ASSERT_EQ(bench.count_alarms(Alarm::kAdvertsRejected), 1u);
  EXPECT_EQ(told(bench, Alarm::kAdvertsRejected).decode_error, static_cast<std::uint8_t>(vrrp::DecodeError::kChecksum));
  EXPECT_EQ(told(bench, Alarm::kAdvertsRejected).other, ip("192.0.2.251"));
}

TEST(HearingTest, ARouterThatShouldYieldAndDoesNotIsADualActive) {
  Bench bench;
  bench.become_active();
  for (int i = 0; i < 4; ++i) {
    bench.hear({.priority = 50});
    bench.run_for(1s);
  }
  EXPECT_FALSE(bench.alarmed(Alarm::kDualActive));
  EXPECT_TRUE(bench.alarmed(Alarm::kOneWay));
  bench.hear({.priority = 50});
  EXPECT_TRUE(bench.alarmed(Alarm::kDualActive));
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(HearingTest, ARouterThatFallsSilentBesideUsButClaimsTheAddressIsADualActive) {
  Bench bench;
  bench.become_active();
  const auto claim = [&] {
    bench.hear_frame(vrrp::gratuitous_arp(kOtherMac, ip("192.0.2.1"), vrrp::ArpForm::kRequest));
  };
  bench.hear({.priority = 50});
  claim();
  EXPECT_FALSE(bench.alarmed(Alarm::kDualActive)) << "a takeover race";
  bench.run_for(4s);
  claim();
  EXPECT_TRUE(bench.alarmed(Alarm::kDualActive));
  EXPECT_EQ(told(bench, Alarm::kDualActive).other_mac, kOtherMac);
}

TEST(HearingTest, OurVridFromAnotherProgramOfThisHostIsAnAlarmAndNoElection) {
  Bench bench;
  bench.become_active();
  const auto hear_here = [&](int vrid) {
    const vrrp::Bytes frame = Bench::frame({.priority = 254, .source = "192.0.2.10", .mac = kMac, .vrid = vrid});
    bench.turn([&] { bench.engine->on_frame(bench.now, {.link = 0, .frame = frame, .of_this_host = true}); });
  };
  hear_here(11);
  EXPECT_FALSE(bench.alarmed(Alarm::kSameVridHere)) << "another VRID";
  hear_here(10);
  EXPECT_TRUE(bench.alarmed(Alarm::kSameVridHere));
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_FALSE(bench.alarmed(Alarm::kDuplicateHost));
  EXPECT_EQ(bench.doors.router_counters[0].advertisement_rcvd, 0u);
  bench.run_for(60s);
  EXPECT_FALSE(bench.alarmed(Alarm::kSameVridHere)) << "over when it is not heard for a minute";
}

TEST(HearingTest, OurOwnFrameComingBackIsALoopAndChangesNothing) {
  Bench bench;
  bench.become_active();
  bench.hear({.priority = 200, .source = "192.0.2.10", .mac = kMac});
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_TRUE(bench.against().empty());
  EXPECT_TRUE(bench.alarmed(Alarm::kDuplicateHost));
}

TEST(HearingTest, ASecondHostWithOurAddressKeepsABackupFromBecomingActive) {
  Bench bench;
  bench.start();
  for (int i = 0; i < 10; ++i) {
    bench.hear({.source = "192.0.2.10"});
    bench.run_for(1s);
  }
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kDuplicateHost));
  // 3 * 3.609375 s after the last one, and it was heard one second ago.
  bench.run_for(9'828'124us);
  EXPECT_TRUE(bench.against().has(Reason::kDuplicateHost));
  bench.run_for(1us);
  EXPECT_FALSE(bench.against().has(Reason::kDuplicateHost));
}

TEST(HearingTest, OfTwoActivesWithOneAddressTheGreaterMacStays) {
  Bench yields;
  yields.become_active();
  yields.hear({.priority = 100, .source = "192.0.2.10", .mac = kOtherMac});  // ours ends in 0a, the other in fb
  EXPECT_EQ(yields.state(), State::kBackup);
  Bench stays;
  stays.become_active();
  stays.hear({.priority = 100, .source = "192.0.2.10", .mac = MacAddress{{2, 0, 0, 0, 0, 9}}});
  EXPECT_EQ(stays.state(), State::kActive);
}

TEST(HearingTest, ThreeResignationsInADownIntervalAreAStorm) {
  Bench bench;
  bench.become_active();
  for (int i = 0; i < 3; ++i) {
    bench.hear({.priority = 0});
    bench.run_for(200ms);
  }
  EXPECT_TRUE(bench.alarmed(Alarm::kResignStorm));
}

TEST(HearingTest, ResignationsThatAnswerOurOwnAreNoStorm) {
  Bench bench;
  bench.become_active();
  for (int i = 0; i < 4; ++i) {
    bench.command({.verb = Verb::kSwitchover, .instance = "web"});
    bench.run_for(200ms);
    bench.hear({});
    bench.run_for(200ms);
    bench.command({.verb = Verb::kUndrain, .instance = "web"});
    bench.hear({.priority = 0});
    // Skew_Time: 156/256 of a second.
    bench.run_for(609'375us);
    ASSERT_EQ(bench.state(), State::kActive) << i;
  }
  EXPECT_FALSE(bench.alarmed(Alarm::kResignStorm));
}

TEST(HearingTest, BothChecksumFormsHeardAreAnsweredInBothWithAnAlarm) {
  Bench bench;
  bench.become_active();
  bench.run_for(10s);
  bench.hear({.priority = 50, .form = vrrp::ChecksumForm::kMessageOnly});
  bench.doors.adverts.clear();
  bench.run_for(1s);
  ASSERT_EQ(bench.doors.adverts.size(), 2u);
  EXPECT_NE(bench.doors.adverts[0].form, bench.doors.adverts[1].form);
  EXPECT_TRUE(bench.alarmed(Alarm::kChecksumChanged));
  EXPECT_EQ(bench.doors.router_counters[0].message_only_rcvd, 1u);
}

}  // namespace
}  // namespace baton::engine
