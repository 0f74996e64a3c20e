#include "vrrp/group.h"

#include <gmock/gmock.h>

#include "tests/vrrp/machine.h"

namespace baton::vrrp {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using Steps = std::vector<GroupAction>;
using Moved = std::optional<ReportTransition>;

const IpAddress kOwn6 = test::ip("fe80::a");
const IpAddress kGreater6 = test::ip("fe80::c8");
const SendAdvert kAdvert{Priority{100}};
const SendAdvert kFarewell{Priority{0}};
constexpr Nanos kDown = 3'609'375us;

Moved moved(State from, State to, Reason reason) { return ReportTransition{from, to, reason}; }

RouterParameters with_primary(const IpAddress& primary) {
  RouterParameters parameters = usual();
  parameters.primary = primary;
  return parameters;
}

/// Two families of one instance, not started.
Group pair_of(RouterParameters first = usual()) {
  RouterParameters second = first;
  second.primary = kOwn6;
  return Group{{first, second}};
}

/// Both members started at 0.
Group backup(RouterParameters first = usual()) {
  Group group = pair_of(first);
  group.handle_all(kStart, Startup{});
  return group;
}

/// Active since 3.609375 s.
Group active() {
  Group group = backup();
  group.on_deadline(kStart + kDown);
  return group;
}

const Steps kAllTakeOver{{0, kAdvert},        {1, kAdvert},       {0, InstallVips{}},
                         {0, AnnounceVips{}}, {1, InstallVips{}}, {1, AnnounceVips{}}};

TEST(GroupTest, IsInInitializeUntilTheLastMemberHasStarted) {
  Group group = pair_of();
  EXPECT_EQ(group.handle(kStart, 0, Startup{}).transition, std::nullopt);
  EXPECT_EQ(group.state(), State::kInitialize);
  const GroupStep step = group.handle(kStart, 1, Startup{});
  EXPECT_THAT(step.actions, IsEmpty());
  EXPECT_EQ(step.transition, moved(State::kInitialize, State::kBackup, Reason::kStartup));
}

TEST(GroupTest, AMemberThatOnlyWaitsForTheOthersHonoursPreemptDelay) {
  RouterParameters patient = usual();
  patient.preempt_delay = 10s;
  Group group = backup(patient);
  group.handle(kStart + 3s, 1, heard(200, kGreater6));
  group.on_deadline(kStart + kDown);  // the first has waited long enough, the second has not
  group.handle(kStart + 5s, 0, heard(50));
  EXPECT_THAT(group.on_deadline(kStart + 3s + kDown).actions, IsEmpty());
  EXPECT_EQ(group.state(), State::kBackup);
}

TEST(GroupTest, WhoHasWaitedForPreemptDelayWaitsForTheOthersOnly) {
  RouterParameters patient = usual();
  patient.preempt_delay = 5s;
  Group group = backup(patient);
  const auto lower = [&](Instant now) {
    group.on_deadline(now);
    group.handle(now, 0, heard(50));
    group.handle(now + 500ms, 1, heard(50, kGreater6));
  };
  for (int second = 1; second <= 12; ++second) lower(kStart + second * 1s);
  // The timers fire after 3.609375 s, preempt_delay is over for both 5 s later.
  EXPECT_EQ(group.state(), State::kActive);
}

TEST(GroupTest, BecomesActiveAsOneAdvertsFirst) {
  Group group = backup();
  EXPECT_EQ(group.next_deadline(), kStart + kDown);
  EXPECT_THAT(group.on_deadline(kStart + kDown - 1ns).actions, IsEmpty());
  const GroupStep step = group.on_deadline(kStart + kDown);
  EXPECT_EQ(step.actions, kAllTakeOver);
  EXPECT_EQ(step.transition, moved(State::kBackup, State::kActive, Reason::kActiveDownExpired));
  EXPECT_EQ(group.state(), State::kActive);
  EXPECT_EQ(group.next_deadline(), kStart + kDown + 1s);
}

TEST(GroupTest, StaysBackupWhileAnyMemberHearsABetterActive) {
  Group group = backup();
  for (int i = 1; i <= 10; ++i) {
    group.handle(kStart + i * 1s, 1, heard(200, kGreater6));
    const GroupStep step = group.on_deadline(kStart + i * 1s + 500ms);
    EXPECT_THAT(step.actions, IsEmpty());
    EXPECT_EQ(step.transition, std::nullopt);
  }
  EXPECT_TRUE(group.router(0).down_expired());
  // That Active dies: last heard at 10 s.
  const GroupStep step = group.on_deadline(kStart + 10s + kDown);
  EXPECT_EQ(step.actions, kAllTakeOver);
  EXPECT_EQ(step.transition, moved(State::kBackup, State::kActive, Reason::kActiveDownExpired));
}

TEST(GroupTest, AMemberThatYieldsTakesTheOthersWithItSilently) {
  for (const std::size_t loser : {0u, 1u}) {
    Group group = active();
    const GroupStep step = group.handle(kStart + 4s, loser, heard(200, loser == 0 ? kGreater : kGreater6));
    EXPECT_EQ(step.actions, (Steps{{loser, RemoveVips{}}, {1 - loser, RemoveVips{}}}));
    EXPECT_EQ(step.transition, moved(State::kActive, State::kBackup, Reason::kHigherPriority));
    EXPECT_EQ(group.router(0).state(), State::kBackup);
    EXPECT_EQ(group.router(1).state(), State::kBackup);
  }
}

TEST(GroupTest, OnlyTheLeadRouterLosesAnExactTie) {
  Group group = active();
  GroupStep step = group.handle(kStart + 4s, 1, heard(100, kGreater6));
  EXPECT_EQ(step.actions, (Steps{{1, Note{Remark::kEqualPriority}}}));
  EXPECT_EQ(group.state(), State::kActive);
  step = group.handle(kStart + 4s, 0, heard(100, kGreater));
  EXPECT_EQ(step.actions, (Steps{{0, Note{Remark::kEqualPriority}}, {0, RemoveVips{}}, {1, RemoveVips{}}}));
  EXPECT_EQ(step.transition, moved(State::kActive, State::kBackup, Reason::kEqualPriorityHigherAddress));
}

TEST(GroupTest, AddressesThatSortDifferentlyInEachFamilyStillLeaveOneActive) {
  // 192.0.2.10 > 192.0.2.9, but fe80::b < fe80::c.
  Group one{{with_primary(test::ip("192.0.2.10")), with_primary(test::ip("fe80::b"))}};
  Group two{{with_primary(test::ip("192.0.2.9")), with_primary(test::ip("fe80::c"))}};
  for (Group* group : {&one, &two}) {
    group->handle_all(kStart, Startup{});
    group->on_deadline(kStart + kDown);
    ASSERT_EQ(group->state(), State::kActive);
  }
  for (const std::size_t member : {1u, 0u}) {
    const IpAddress ones = one.router(member).parameters().primary;
    const IpAddress twos = two.router(member).parameters().primary;
    two.handle(kStart + 4s, member, heard(100, ones));
    one.handle(kStart + 4s, member, heard(100, twos));
  }
  EXPECT_EQ(one.state(), State::kActive);
  EXPECT_EQ(two.state(), State::kBackup);
}

TEST(GroupTest, AnUnusableMemberKeepsAllFromBeingActiveAndTheOthersSayGoodbye) {
  Group group = active();
  GroupStep step = group.handle(kStart + 4s, 1, Shutdown{Reason::kInterfaceDown, false});
  EXPECT_EQ(step.actions, (Steps{{1, RemoveVips{}}, {0, RemoveVips{}}, {0, kFarewell}}));
  EXPECT_EQ(step.transition, moved(State::kActive, State::kInitialize, Reason::kInterfaceDown));
  EXPECT_EQ(group.router(0).state(), State::kBackup);
  // The usable member listens and times, but does not go alone.
  EXPECT_THAT(group.on_deadline(kStart + 4s + kDown).actions, IsEmpty());
  EXPECT_TRUE(group.router(0).down_expired());
  step = group.handle(kStart + 10s, 1, Startup{});
  EXPECT_THAT(step.actions, IsEmpty());
  EXPECT_EQ(step.transition, moved(State::kInitialize, State::kBackup, Reason::kStartup));
  step = group.on_deadline(kStart + 10s + kDown);
  EXPECT_EQ(step.actions, kAllTakeOver);
}

TEST(GroupTest, ABackupWhoseMemberBecomesUnusableReportsItOnce) {
  Group group = backup();
  EXPECT_EQ(group.handle(kStart + 1s, 0, Shutdown{Reason::kInterfaceDown}).transition,
            moved(State::kBackup, State::kInitialize, Reason::kInterfaceDown));
  EXPECT_EQ(group.handle(kStart + 1s, 1, Shutdown{Reason::kInterfaceDown}).transition, std::nullopt);
}

TEST(GroupTest, ShutdownRemovesAllAddressesThenSaysGoodbyeOnce) {
  Group group = active();
  const GroupStep step = group.handle_all(kStart + 4s, Shutdown{});
  EXPECT_EQ(step.actions, (Steps{{0, RemoveVips{}}, {1, RemoveVips{}}, {0, kFarewell}, {1, kFarewell}}));
  EXPECT_EQ(step.transition, moved(State::kActive, State::kInitialize, Reason::kShutdown));
  EXPECT_EQ(group.next_deadline(), std::nullopt);
}

TEST(GroupTest, StepDownOfAllAndOfOne) {
  Group group = active();
  GroupStep step = group.handle_all(kStart + 4s, StepDown{Reason::kDrained});
  EXPECT_EQ(step.actions, (Steps{{0, RemoveVips{}}, {1, RemoveVips{}}, {0, kFarewell}, {1, kFarewell}}));
  EXPECT_EQ(step.transition, moved(State::kActive, State::kBackup, Reason::kDrained));
  group = active();
  step = group.handle_all(kStart + 4s, StepDown{Reason::kStall, false});
  EXPECT_EQ(step.actions, (Steps{{0, RemoveVips{}}, {1, RemoveVips{}}}));
  group = active();
  step = group.handle(kStart + 4s, 1, StepDown{Reason::kAddressFight});
  EXPECT_EQ(step.actions, (Steps{{1, RemoveVips{}}, {1, kFarewell}, {0, RemoveVips{}}, {0, kFarewell}}));
  EXPECT_EQ(step.transition, moved(State::kActive, State::kBackup, Reason::kAddressFight));
  group = active();
  step = group.handle(kStart + 4s, 1, StepDown{Reason::kStall, false});
  EXPECT_EQ(step.actions, (Steps{{1, RemoveVips{}}, {0, RemoveVips{}}}));
}

TEST(GroupTest, AHeldGroupTakesOverAtOnceWhenReleasedIntoSilence) {
  Group group = backup();
  group.handle_all(kStart, SetHold{true});
  EXPECT_THAT(group.on_deadline(kStart + kDown).actions, IsEmpty());
  EXPECT_EQ(group.next_deadline(), std::nullopt);
  const GroupStep step = group.handle_all(kStart + 5s, SetHold{false});
  EXPECT_EQ(step.actions, kAllTakeOver);
  EXPECT_EQ(step.transition, moved(State::kBackup, State::kActive, Reason::kActiveDownExpired));
}

TEST(GroupTest, AReleasedGroupWaitsForAMemberThatHearsAnActive) {
  Group group = backup();
  group.handle_all(kStart, SetHold{true});
  group.handle(kStart + 3s, 1, heard(50, kGreater6));
  group.on_deadline(kStart + kDown);
  EXPECT_THAT(group.handle_all(kStart + 4s, SetHold{false}).actions, IsEmpty());
  group.handle(kStart + 5s, 1, heard(50, kGreater6));
  const GroupStep step = group.on_deadline(kStart + 3s + kDown);
  EXPECT_EQ(step.actions, kAllTakeOver);
  EXPECT_EQ(step.transition, moved(State::kBackup, State::kActive, Reason::kPreemptLower));
}

TEST(GroupTest, TakeOverIsAllOrNothing) {
  Group group = backup();
  GroupStep step = group.handle_all(kStart + 1s, TakeOver{Reason::kSwitchover});
  EXPECT_EQ(step.actions, kAllTakeOver);
  EXPECT_EQ(step.transition, moved(State::kBackup, State::kActive, Reason::kSwitchover));

  Group half = pair_of();
  half.handle(kStart, 0, Startup{});
  EXPECT_THAT(half.handle_all(kStart + 1s, TakeOver{Reason::kSwitchover}).actions, IsEmpty());
  EXPECT_EQ(half.router(0).state(), State::kBackup);

  Group held = backup();
  held.handle(kStart, 1, SetHold{true});
  EXPECT_THAT(held.handle_all(kStart + 1s, TakeOver{Reason::kSwitchover}).actions, IsEmpty());
  EXPECT_EQ(held.router(0).state(), State::kBackup);
}

TEST(GroupTest, AnOwnerIsActiveAsSoonAsEveryMemberHasStarted) {
  RouterParameters parameters = usual();
  parameters.priority = kOwnerPriority;
  Group group = pair_of(parameters);
  EXPECT_THAT(group.handle(kStart, 0, Startup{}).actions, IsEmpty());
  const GroupStep step = group.handle(kStart + 1s, 1, Startup{});
  EXPECT_EQ(step.actions.size(), 6u);
  EXPECT_EQ(step.transition, moved(State::kInitialize, State::kActive, Reason::kOwnerStartup));
}

TEST(GroupTest, TheMostTellingReasonIsTheGroups) {
  Group group = backup();
  for (int i = 1; i <= 3; ++i) group.handle(kStart + i * 1s, 0, heard(50));  // member 1 hears nobody
  EXPECT_EQ(group.on_deadline(kStart + kDown).transition, moved(State::kBackup, State::kActive, Reason::kPreemptLower));
}

TEST(GroupTest, ResignationInBothFamiliesIsOneTakeover) {
  Group group = backup();
  group.handle(kStart + 1s, 0, heard(0));
  group.handle(kStart + 1s, 1, heard(0, kGreater6));
  const GroupStep step = group.on_deadline(kStart + 1'609'375us);
  EXPECT_EQ(step.actions, kAllTakeOver);
  EXPECT_EQ(step.transition, moved(State::kBackup, State::kActive, Reason::kActiveResigned));
}

TEST(GroupTest, PreemptDelayHoldsTheWholeGroupBack) {
  RouterParameters parameters = usual();
  parameters.preempt_delay = 5s;
  Group group = backup(parameters);
  for (int i = 1; i <= 8; ++i) {
    for (const std::size_t member : {0u, 1u}) {
      EXPECT_THAT(group.handle(kStart + i * 1s, member, heard(50, member == 0 ? kGreater : kGreater6)).actions,
                  IsEmpty());
    }
    EXPECT_EQ(group.on_deadline(kStart + i * 1s + 609'375us).transition,
              i < 8 ? std::nullopt : moved(State::kBackup, State::kActive, Reason::kPreemptDelayOver));
  }
}

TEST(GroupTest, MembershipOfAParameterChangeIsSetByTheGroup) {
  Group group = backup();
  for (const std::size_t member : {0u, 1u}) {
    RouterParameters parameters = group.router(member).parameters();
    parameters.member = false;
    parameters.lead = true;
    group.handle(kStart + 1s, member, ParametersChanged{parameters});
    EXPECT_TRUE(group.router(member).parameters().member);
    EXPECT_EQ(group.router(member).parameters().lead, member == 0);
  }
}

TEST(GroupTest, AGroupOfOneIsThePlainRouter) {
  Group group{{usual()}};
  VirtualRouter router{usual()};
  const std::vector<std::pair<Nanos, Event>> story{
      {0s, Startup{}},          {1s, heard(200)},        {2s, heard(0)},    {2'609'375us, DeadlineReached{}},
      {3s, heard(99)},          {4s, DeadlineReached{}}, {5s, heard(100)},  {6s, SetHold{true}},
      {20s, DeadlineReached{}}, {21s, SetHold{false}},   {22s, Shutdown{}}, {23s, Startup{}}};
  for (const auto& [at, event] : story) {
    Steps actions;
    Moved transition;
    for (const Action& action : router.handle(kStart + at, event)) {
      if (const auto* report = std::get_if<ReportTransition>(&action)) {
        transition = *report;
      } else {
        actions.push_back({0, action});
      }
    }
    const bool timer = std::holds_alternative<DeadlineReached>(event);
    const GroupStep step = timer ? group.on_deadline(kStart + at) : group.handle(kStart + at, 0, event);
    EXPECT_EQ(step.actions, actions) << at.count();
    EXPECT_EQ(step.transition, transition) << at.count();
    EXPECT_EQ(group.state(), router.state()) << at.count();
    EXPECT_EQ(group.next_deadline(), router.next_deadline()) << at.count();
  }
}

TEST(GroupTest, ASuccessorContinuesWithoutATransition) {
  for (Group original : {pair_of(), backup(), active()}) {
    RouterParameters second = usual();
    second.primary = kOwn6;
    Group successor{{usual(), second}};
    successor.restore(original.snapshot());
    EXPECT_EQ(successor.state(), original.state());
    EXPECT_EQ(successor.next_deadline(), original.next_deadline());
    for (const Nanos at : {4s, 5s}) {
      const GroupStep theirs = successor.on_deadline(kStart + at + 700ms);
      const GroupStep ours = original.on_deadline(kStart + at + 700ms);
      EXPECT_EQ(theirs.actions, ours.actions);
      EXPECT_EQ(theirs.transition, ours.transition);
    }
  }
}

}  // namespace
}  // namespace baton::vrrp
