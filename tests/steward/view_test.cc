#include "steward/view.h"

#include <gtest/gtest.h>

#include "tests/steward/views.h"

namespace baton::steward {
namespace {

using namespace test;

TEST(WhyTest, ActiveSaysWhyItTookOver) {
  EXPECT_EQ(why_now(web_active(), host_db1()), "no Active was heard for Active_Down_Interval (3.609 s)");
}

TEST(WhyTest, BackupBehindAHigherPriorityComparesNumbers) {
  InstanceView web = instance_web();
  hear_db2(web.routers[0], 110);
  EXPECT_EQ(why_now(web, host_db1()), "a router of higher priority is Active: db2 (10.0.0.2), 110 against 100 here");
}

TEST(WhyTest, EqualPriorityIsDecidedByTheGreaterAddress) {
  InstanceView web = instance_web();
  hear_db2(web.routers[0], 100);
  EXPECT_EQ(why_now(web, host_db1()), "a router of equal priority and greater address is Active: db2 (10.0.0.2)");
  set_address(web.routers[0].state.primary, ip("10.0.0.3"));
  EXPECT_EQ(why_now(web, host_db1()), "db2 (10.0.0.2) is Active with the same priority 100, which preempts nobody");
}

TEST(WhyTest, PreemptOffIsNamed) {
  InstanceView web = instance_web();
  hear_db2(web.routers[0], 90);
  web.preempt = false;
  EXPECT_EQ(why_now(web, host_db1()), "db2 (10.0.0.2) is Active with priority 90 against 100 here; preempt = no");
}

TEST(WhyTest, RunningPreemptDelayIsNamedWithWhatIsLeft) {
  InstanceView web = instance_web();
  hear_db2(web.routers[0], 90);
  web.routers[0].state.machine.preempt_deadline_ns = ns(kNow + 12s);
  EXPECT_EQ(why_now(web, host_db1()),
            "db2 (10.0.0.2) is Active with priority 90 against 100 here; preempt_delay ends in 12 s");
}

TEST(WhyTest, WhatSpeaksAgainstComesFirst) {
  InstanceView web = instance_web();
  hear_db2(web.routers[0], 90);
  ReasonSet against;
  against.set(Reason::kDrained);
  web.state.against = against.bits();
  EXPECT_EQ(why_now(web, host_db1()), "this host is drained; db2 (10.0.0.2) is Active");
}

TEST(WhyTest, ListeningBackupSaysWhenItTakesOver) {
  InstanceView web = instance_web();
  web.routers[0].state.machine.down_deadline_ns = ns(kNow + 2100ms);
  EXPECT_EQ(why_now(web, host_db1()),
            "started; listening for an Active first; takes over in 2.1 s unless one is heard");
}

TEST(WhyTest, LostActiveIsNotShownAsHeard) {
  InstanceView web = instance_web();
  hear_db2(web.routers[0], 110);
  web.routers[0].state.machine.down_expired = true;
  EXPECT_TRUE(web.routers[0].heard().is_unspecified());
}

TEST(WhyTest, AnActiveThatHasResignedIsNotShownAsHeardAndIsTheReason) {
  InstanceView web = instance_web();
  hear_db2(web.routers[0], 110);
  web.state.reason = Reason::kHigherPriority;
  web.routers[0].state.machine.resigned = true;
  web.routers[0].state.machine.down_deadline_ns = ns(kNow + 600ms);
  EXPECT_TRUE(web.routers[0].heard().is_unspecified());
  EXPECT_EQ(why_now(web, host_db1()), "the Active resigned (priority 0); takes over in 600 ms unless one is heard");
  web.state.against = std::uint64_t{1} << static_cast<unsigned>(Reason::kPromised);
  EXPECT_EQ(why_now(web, host_db1()), "another host has been promised that it alone promotes; no Active is heard");
}

TEST(WhyTest, CooldownAndBudgetSayHowLongTheyLast) {
  InstanceView web = instance_web();
  hear_db2(web.routers[0], 90);
  web.state.rested_at_ns = ns(kNow + 42'600ms);
  web.state.budget_free_at_ns = ns(kNow + 3550s);
  const HostView host = host_db1();
  EXPECT_EQ(against_sentence(web, Reason::kCooldown, host),
            "the last promotion is less than cooldown ago; it may promote again in 42s");
  EXPECT_EQ(against_sentence(web, Reason::kPromotionBudget, host),
            "promoted as often as promotion_budget allows; it may promote again in 59m10s");
  EXPECT_EQ(against_sentence(web, Reason::kDrained, host), "this host is drained");
  web.state.rested_at_ns = ns(kNow);
  EXPECT_EQ(against_sentence(web, Reason::kCooldown, host), "the last promotion is less than cooldown ago");
}

TEST(WhyTest, InitializeSaysWhatIsMissing) {
  InstanceView web = instance_web();
  web.state.state = vrrp::State::kInitialize;
  web.state.reason = Reason::kInterfaceDown;
  EXPECT_EQ(why_now(web, host_db1()), "the interface is down or has no carrier");
}

TEST(HostViewTest, DegradedByAlarmByIneligibilityAndByADeadEngine) {
  HostView host = host_db1();
  host.instances = {web_active()};
  EXPECT_FALSE(host.degraded());
  host.engine = EngineHealth::kRestarting;
  EXPECT_TRUE(host.degraded());
  host.engine = EngineHealth::kRunning;
  host.instances[0].alarms = alarms_in_force(std::uint64_t{1} << 6, {});
  EXPECT_TRUE(host.degraded());
  host.instances[0].alarms.clear();
  host.instances[0].state.against = std::uint64_t{1} << static_cast<unsigned>(Reason::kInterfaceDown);
  EXPECT_TRUE(host.degraded());
}

TEST(HostViewTest, AlarmBitsAreJoinedWithWhatWasReported) {
  ports::Report known;
  known.alarm = ports::Alarm::kVipMismatch;
  known.other = ip("10.0.0.2");
  const auto alarms = alarms_in_force(0b1010, {{ports::Alarm::kVipMismatch, known}, {ports::Alarm::kStall, {}}});
  ASSERT_EQ(alarms.size(), 2u);
  EXPECT_EQ(alarms.at(ports::Alarm::kVipMismatch).other, ip("10.0.0.2"));
  EXPECT_TRUE(alarms.at(ports::Alarm::kForeignOwner).other.is_unspecified());
}

}  // namespace
}  // namespace baton::steward
