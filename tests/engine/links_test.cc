// Source addresses and links: normal states with a reason, never an exit.
#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using vrrp::State;

TEST(LinksTest, NothingIsThereYet) {
  Bench bench;
  bench.turn([&] { bench.engine->start(bench.now, {}, false); });
  EXPECT_EQ(bench.doors.watched, (std::vector<std::string>{"0 eth0 4"}));
  EXPECT_EQ(bench.state(), State::kInitialize);
  EXPECT_EQ(bench.doors.instances[0].reason, Reason::kInterfaceMissing);
  bench.link_up();
  EXPECT_EQ(bench.doors.instances[0].reason, Reason::kNoPrimaryAddress);
  bench.own_addresses();
  EXPECT_EQ(bench.state(), State::kBackup);
}

TEST(LinksTest, TheSourceIsNeverAVip) {
  Bench bench;
  bench.turn([&] { bench.engine->start(bench.now, {}, false); });
  bench.link_up();
  bench.fact("192.0.2.1/32", true, false);
  EXPECT_EQ(bench.state(), State::kInitialize);
  bench.fact("192.0.2.10/24", true, false);
  bench.fact("192.0.2.20/24", true, false);
  bench.run(kStart + 4s);
  EXPECT_EQ(bench.doors.routers[0].primary[3], 10);
}

TEST(LinksTest, AConfiguredSourceIsWaitedFor) {
  config::Instance instance = web();
  instance.source_address_v4 = ip("192.0.2.20");
  Bench bench(with({instance}));
  bench.start();
  EXPECT_EQ(bench.doors.instances[0].reason, Reason::kNoPrimaryAddress);
  bench.fact("192.0.2.20/24", true, false);
  bench.run_for(4s);
  EXPECT_EQ(bench.doors.adverts.back().source, ip("192.0.2.20"));
}

TEST(LinksTest, ALostSourceIsReplacedWithoutATransitionAndNoneIsInitialize) {
  Bench bench;
  bench.become_active();
  bench.fact("192.0.2.20/24", true, false);
  bench.fact("192.0.2.10/24", false, false);
  EXPECT_EQ(bench.state(), State::kActive);
  bench.run_for(1s);
  EXPECT_EQ(bench.doors.adverts.back().source, ip("192.0.2.20"));
  bench.fact("192.0.2.20/24", false, false);
  EXPECT_EQ(bench.state(), State::kInitialize);
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kNoPrimaryAddress);
}

TEST(LinksTest, ATentativeLinkLocalIsWaitedFor) {
  config::Instance instance = web();
  instance.addresses = {prefix("fe80::1/64")};
  Bench bench(with({instance}));
  bench.turn([&] { bench.engine->start(bench.now, {}, false); });
  bench.link_up();
  bench.turn(
      [&] { bench.engine->on_address(bench.now, {.link = 0, .prefix = prefix("fe80::10/64"), .tentative = true}); });
  EXPECT_EQ(bench.doors.instances[0].reason, Reason::kAddressTentative);
  bench.fact("fe80::10/64", true, false);
  EXPECT_EQ(bench.state(), State::kBackup);
}

TEST(LinksTest, AnAdvertThatDoesNotFitTheMtuIsAFaultNotSilence) {
  Bench bench;
  bench.become_active();
  ports::LinkState small;
  small.present = small.up = true;
  small.ifindex = 2;
  small.mtu = 31;  // 20 + 8 + 4 = 32 would be needed
  small.mac = kMac;
  bench.turn([&] { bench.engine->on_link(bench.now, small); });
  EXPECT_EQ(bench.state(), State::kInitialize);
  EXPECT_TRUE(bench.alarmed(ports::Alarm::kMtu));
  small.mtu = 32;
  bench.turn([&] { bench.engine->on_link(bench.now, small); });
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_FALSE(bench.alarmed(ports::Alarm::kMtu));
}

TEST(LinksTest, AnInterfaceCreatedAgainStartsAfresh) {
  Bench bench;
  bench.become_active();
  ports::LinkState again;
  again.present = again.up = true;
  again.ifindex = 77;
  again.mtu = 1500;
  again.mac = kMac;
  bench.turn([&] { bench.engine->on_link(bench.now, again); });
  EXPECT_EQ(bench.state(), State::kInitialize);
  EXPECT_EQ(bench.doors.instances[0].reason, Reason::kNoPrimaryAddress);
  bench.own_addresses();
  EXPECT_EQ(bench.state(), State::kBackup);
}

TEST(LinksTest, ANewMacIsInTheNextAdvertAndAnnounced) {
  Bench bench;
  bench.become_active();
  bench.run_for(2s);
  bench.doors.announcements.clear();
  ports::LinkState moved;
  moved.present = moved.up = true;
  moved.ifindex = 2;
  moved.mtu = 1500;
  moved.mac = kOtherMac;
  bench.turn([&] { bench.engine->on_link(bench.now, moved); });
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_EQ(bench.doors.announcements.size(), 1u);
}

TEST(LinksTest, AdvertsThatCannotLeaveForTwoIntervalsAreAReasonToGiveUp) {
  Bench bench;
  bench.become_active();
  bench.turn([&] { bench.engine->on_send_error(bench.now, 0, 1); });
  EXPECT_TRUE(bench.alarmed(ports::Alarm::kSendFailed));
  bench.run_for(1'999ms);
  EXPECT_EQ(bench.state(), State::kActive);
  bench.run_for(1ms);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_TRUE(bench.against().has(Reason::kSendFailed));
}

TEST(LinksTest, ASendErrorThatPassesIsForgotten) {
  Bench bench;
  bench.become_active();
  bench.turn([&] { bench.engine->on_send_error(bench.now, 0, 1); });
  bench.run_for(1s);
  bench.turn([&] { bench.engine->on_send_error(bench.now, 0, 0); });
  bench.run_for(5s);
  EXPECT_EQ(bench.state(), State::kActive);
  EXPECT_FALSE(bench.alarmed(ports::Alarm::kSendFailed));
}

}  // namespace
}  // namespace baton::engine
