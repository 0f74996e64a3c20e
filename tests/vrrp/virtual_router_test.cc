// Stories of one router that the state x event matrix cannot tell in one row.
#include "vrrp/virtual_router.h"

#include <gmock/gmock.h>

#include "tests/vrrp/machine.h"

namespace baton::vrrp {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;

VirtualRouter backup(RouterParameters parameters = usual()) {
  VirtualRouter router{parameters};
  router.handle(kStart, Startup{});
  return router;
}

VirtualRouter active(RouterParameters parameters = usual()) {
  VirtualRouter router = backup(parameters);
  router.handle(*router.next_deadline(), DeadlineReached{});
  return router;
}

template <class T>
int count(const Actions& actions) {
  return static_cast<int>(std::count_if(actions.begin(), actions.end(),
                                        [](const Action& action) { return std::holds_alternative<T>(action); }));
}

/// Hears the same advert every `gap` in [from, to) and lets the timers fire in between. All actions in order.
Actions hear_every(VirtualRouter& router, Nanos from, Nanos to, Nanos gap, const AdvertReceived& advert) {
  Actions all;
  const auto take = [&](const Actions& actions) { all.insert(all.end(), actions.begin(), actions.end()); };
  for (Nanos at = from; at < to; at += gap) {
    while (router.next_deadline() && *router.next_deadline() <= kStart + at) {
      take(router.handle(*router.next_deadline(), DeadlineReached{}));
    }
    take(router.handle(kStart + at, advert));
  }
  return all;
}

// ---- S-08: storm guard --------------------------------------------------------------------------------------------

TEST(VirtualRouterTest, WhoWasFasterAfterAResignationIsPreemptedOnlyAfterPreemptDelay) {
  RouterParameters patient = usual();
  patient.preempt_delay = 10s;
  VirtualRouter router{patient};
  router.handle(kStart, Startup{});
  router.handle(kStart + 1s, heard(0));
  router.handle(kStart + 1'100ms, heard(50));
  EXPECT_EQ(router.handle(kStart + 1'609'375us, DeadlineReached{}), Actions{});  // Skew_Time after the resignation
  EXPECT_EQ(router.state(), State::kBackup);
  EXPECT_EQ(router.next_deadline(), kStart + 1'100ms + 3'609'375us);
}

TEST(StormGuardTest, AnswersALosingRouterAtMostOnceInATenthOfTheInterval) {
  VirtualRouter router = active();
  Actions all;
  for (int i = 0; i < 1000; ++i) {
    for (const Action& action : router.handle(kStart + 4s + i * 600us, heard(100, kSmaller))) all.push_back(action);
  }
  // 600 ms of 1667 adverts a second: answers at 0, 100.2, 200.4, 300.6, 400.8 and 501 ms.
  EXPECT_EQ(count<SendAdvert>(all), 6);
  EXPECT_EQ(std::count(all.begin(), all.end(), Action{Note{Remark::kAnswerSuppressed}}), 994);
}

TEST(StormGuardTest, PriorityZeroIsAnsweredUnderTheSameGuard) {
  VirtualRouter router = active();
  EXPECT_EQ(router.handle(kStart + 4s, heard(0)), Actions{SendAdvert{Priority{100}}});
  EXPECT_EQ(router.handle(kStart + 4'099ms, heard(0)), Actions{Note{Remark::kAnswerSuppressed}});
  EXPECT_EQ(router.next_deadline(), kStart + 5s);  // the suppressed one does not push the Adver_Timer away
  EXPECT_EQ(router.handle(kStart + 4'100ms, heard(0)), Actions{SendAdvert{Priority{100}}});
}

TEST(StormGuardTest, NeverMoreThanAHundredAnswersASecond) {
  RouterParameters parameters = usual();
  parameters.advertisement_interval = 10ms;
  VirtualRouter router = active(parameters);
  int answers = 0;
  for (int i = 0; i < 1000; ++i) answers += count<SendAdvert>(router.handle(kStart + 1s + i * 1ms, heard(50)));
  EXPECT_EQ(answers, 100);
}

TEST(StormGuardTest, OurOwnAddressFromElsewhereIsNotedAndNeverAnswered) {
  VirtualRouter router = active();
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(router.handle(kStart + 4s + i * 600us, heard(100, kOwn)), Actions{Note{Remark::kSameSource}});
  }
}

// ---- T-04: priority 0 ---------------------------------------------------------------------------------------------

TEST(ResignTest, AStreamOfPriorityZeroDoesNotHoldABackupDown) {
  VirtualRouter router = backup();
  EXPECT_THAT(router.handle(kStart + 1s, heard(0)), IsEmpty());
  EXPECT_EQ(router.handle(kStart + 1'300ms, heard(0)), Actions{Note{Remark::kResignRepeated}});
  EXPECT_EQ(router.handle(kStart + 1'600ms, heard(0)), Actions{Note{Remark::kResignRepeated}});
  EXPECT_EQ(router.handle(kStart + 1'609'375us, DeadlineReached{}), takes_over(100, Reason::kActiveResigned));
}

TEST(ResignTest, SkewTimeIsOfTheLearnedInterval) {
  VirtualRouter router = backup();
  router.handle(kStart + 1s, heard(200, kGreater, 2s));
  router.handle(kStart + 2s, heard(0, kGreater, 2s));
  EXPECT_EQ(router.next_deadline(), kStart + 3'218'750us);  // 156/256 * 2 s
}

TEST(ResignTest, AnActiveHeardAfterwardsIsObeyedAgain) {
  VirtualRouter router = backup();
  router.handle(kStart + 1s, heard(0));
  router.handle(kStart + 1'200ms, heard(200));
  EXPECT_EQ(router.next_deadline(), kStart + 4'809'375us);
  EXPECT_EQ(router.handle(kStart + 4'809'375us, DeadlineReached{}), takes_over(100, Reason::kActiveDownExpired));
}

// ---- T-03, T-05 ---------------------------------------------------------------------------------------------------

TEST(IntervalTest, LearnedForTheDownIntervalAndForgottenAsActive) {
  VirtualRouter router = backup();
  router.handle(kStart + 1s, heard(200, kGreater, 2s));
  EXPECT_EQ(router.active_adver_interval(), 2s);
  EXPECT_EQ(router.skew(), 1'218'750us);
  EXPECT_EQ(router.down_interval(), 7'218'750us);
  EXPECT_THAT(router.handle(kStart + 8'218'750us - 1ns, DeadlineReached{}), IsEmpty());
  EXPECT_EQ(router.handle(kStart + 8'218'750us, DeadlineReached{}), takes_over(100, Reason::kActiveDownExpired));
  EXPECT_EQ(router.next_deadline(), kStart + 9'218'750us);
  EXPECT_EQ(router.active_adver_interval(), 1s);
}

TEST(IntervalTest, AFastBackupUnderASlowActiveStaysBackup) {
  RouterParameters parameters = usual();
  parameters.advertisement_interval = 100ms;
  VirtualRouter router = backup(parameters);
  const Actions all = hear_every(router, 200ms, 60s, 1s, heard(200));
  EXPECT_EQ(count<SendAdvert>(all), 0);
  EXPECT_EQ(router.state(), State::kBackup);
  EXPECT_EQ(std::count(all.begin(), all.end(), Action{Note{Remark::kIntervalMismatch}}), 60);
}

TEST(IntervalTest, AdvertsDoNotDriftHoweverLateTheWakeUps) {
  RouterParameters parameters = usual();
  parameters.advertisement_interval = 100ms;
  parameters.priority = kOwnerPriority;
  VirtualRouter router = backup(parameters);
  for (int i = 1; i <= 1000; ++i) {
    const Nanos late = i * 7919 % 3000 * 1us;
    EXPECT_EQ(router.handle(kStart + i * 100ms + late, DeadlineReached{}), Actions{SendAdvert{kOwnerPriority}});
  }
  EXPECT_EQ(router.next_deadline(), kStart + 100'100ms);
}

/// 1000 s is 320 ms after a multiple of 1280 ms, so 20 ms after the phase; a step is 1280 ms / 128 = 10 ms.
TEST(IntervalTest, AdvertsMoveToTheirPhaseInSmallStepsAndOnlyToTheEarlier) {
  RouterParameters parameters = usual();
  parameters.advertisement_interval = 1280ms;
  parameters.advert_phase = 300ms;
  parameters.priority = kOwnerPriority;
  VirtualRouter router = backup(parameters);
  EXPECT_EQ(router.next_deadline(), kStart + 1280ms);
  for (const Nanos expected : {2550ms, 3820ms, 5100ms, 6380ms}) {
    const Instant due = *router.next_deadline();
    EXPECT_EQ(router.handle(due + 3ms, DeadlineReached{}), Actions{SendAdvert{kOwnerPriority}});
    EXPECT_EQ(router.next_deadline(), kStart + expected);
  }
}

TEST(IntervalTest, AStaleWakeUpDoesNothing) {
  VirtualRouter router = active();
  const RouterSnapshot before = router.snapshot();
  for (int i = 0; i < 100; ++i) EXPECT_THAT(router.handle(kStart + 4s + i * 1ms, DeadlineReached{}), IsEmpty());
  EXPECT_EQ(router.snapshot(), before);
}

// ---- S-06: tie-break ----------------------------------------------------------------------------------------------

TEST(TieBreakTest, AddressesCompareUnsignedInNetworkByteOrder) {
  struct Pair {
    std::string smaller, greater;
  };
  for (const auto& [smaller, greater] :
       {Pair{"192.0.2.9", "192.0.2.10"}, Pair{"192.0.2.9", "192.0.2.130"}, Pair{"192.0.2.10", "192.0.2.130"},
        Pair{"10.255.255.255", "192.0.2.1"}, Pair{"fe80::ff", "fe80::1:0"}, Pair{"fe80::7fff", "fe80::8000"}}) {
    RouterParameters parameters = usual();
    parameters.primary = test::ip(smaller);
    VirtualRouter loser = active(parameters);
    loser.handle(kStart + 4s, heard(100, test::ip(greater)));
    EXPECT_EQ(loser.state(), State::kBackup) << smaller << " against " << greater;
    parameters.primary = test::ip(greater);
    VirtualRouter winner = active(parameters);
    winner.handle(kStart + 4s, heard(100, test::ip(smaller)));
    EXPECT_EQ(winner.state(), State::kActive) << greater << " against " << smaller;
  }
}

TEST(TieBreakTest, AnEqualPriorityNeverPreemptsAWorkingActive) {
  RouterParameters parameters = usual();
  parameters.primary = test::ip("192.0.2.254");
  VirtualRouter router = backup(parameters);
  const Actions all = hear_every(router, 1s, 100s, 1s, heard(100));
  EXPECT_EQ(count<SendAdvert>(all), 0);
  EXPECT_EQ(router.state(), State::kBackup);
}

TEST(TieBreakTest, AChangedPrimaryAddressCountsAtOnceAndChangesNothingElse) {
  VirtualRouter router = active();
  RouterParameters parameters = usual();
  parameters.primary = test::ip("192.0.2.252");
  EXPECT_THAT(router.handle(kStart + 4s, ParametersChanged{parameters}), IsEmpty());
  EXPECT_EQ(router.next_deadline(), kStart + 4'609'375us);
  router.handle(kStart + 4'100ms, heard(100, kGreater));
  EXPECT_EQ(router.state(), State::kActive);
}

// ---- Reasons, preempt ---------------------------------------------------------------------------------------------

TEST(PreemptTest, ALowerActiveIsPreemptedAfterListeningForTheDownInterval) {
  VirtualRouter router = backup();
  const Actions all = hear_every(router, 500ms, 3'600ms, 1s, heard(50));
  EXPECT_THAT(all, IsEmpty());
  EXPECT_EQ(router.handle(kStart + 3'609'375us, DeadlineReached{}), takes_over(100, Reason::kPreemptLower));
}

TEST(PreemptTest, ALowerActiveThatDiedBeforehandWasNotPreempted) {
  VirtualRouter router = backup();
  router.handle(kStart + 100ms, heard(50, kGreater, 10ms));  // dead after 0.1 + 0.03609375 s
  EXPECT_EQ(router.handle(kStart + 3'609'375us, DeadlineReached{}), takes_over(100, Reason::kActiveDownExpired));
}

TEST(PreemptTest, WithoutPreemptALowerActiveIsLeftAloneUntilItDies) {
  RouterParameters parameters = usual();
  parameters.preempt = false;
  VirtualRouter router = backup(parameters);
  EXPECT_THAT(hear_every(router, 1s, 100s, 1s, heard(50)), IsEmpty());
  EXPECT_EQ(router.next_deadline(), kStart + 102'609'375us);
  EXPECT_EQ(router.handle(kStart + 102'609'375us, DeadlineReached{}), takes_over(100, Reason::kActiveDownExpired));
}

TEST(PreemptTest, AnOwnerPreemptsWhateverTheFlagsSay) {
  RouterParameters parameters = usual();
  parameters.preempt = false;
  parameters.preempt_delay = 60s;
  VirtualRouter router = backup(parameters);
  router.handle(kStart + 1s, heard(254));
  parameters.priority = kOwnerPriority;
  EXPECT_EQ(router.handle(kStart + 2s, ParametersChanged{parameters}), takes_over(255, Reason::kOwnerStartup));
}

TEST(PreemptTest, AnOwnerThatWasHeldPreemptsWithoutTheFlag) {
  RouterParameters parameters = usual();
  parameters.priority = kOwnerPriority;
  parameters.preempt = false;
  VirtualRouter router{parameters};
  router.handle(kStart, SetHold{true});
  router.handle(kStart, Startup{});
  hear_every(router, 1s, 2'100ms, 1s, heard(254));
  router.handle(kStart + 2'500ms, SetHold{false});
  // Obeyed at 2 s for the last time: 3 + 1/256 s later.
  EXPECT_EQ(count<SendAdvert>(hear_every(router, 3s, 5'000ms, 1s, heard(254))), 0);
  EXPECT_EQ(router.handle(kStart + 5'003'906'250ns, DeadlineReached{}), takes_over(255, Reason::kPreemptLower));
}

RouterParameters delayed() {
  RouterParameters parameters = usual();
  parameters.preempt_delay = 5s;
  return parameters;
}

TEST(PreemptDelayTest, TakesOverPreemptDelayAfterTheDownInterval) {
  VirtualRouter router = backup(delayed());
  EXPECT_THAT(hear_every(router, 1s, 8'600ms, 1s, heard(50)), IsEmpty());
  EXPECT_THAT(router.handle(kStart + 8'609'375us - 1ns, DeadlineReached{}), IsEmpty());
  EXPECT_EQ(router.handle(kStart + 8'609'375us, DeadlineReached{}), takes_over(100, Reason::kPreemptDelayOver));
}

TEST(PreemptDelayTest, DoesNotDelayWhenNobodyIsActive) {
  VirtualRouter router = backup(delayed());
  EXPECT_EQ(router.handle(kStart + 3'609'375us, DeadlineReached{}), takes_over(100, Reason::kActiveDownExpired));
}

TEST(PreemptDelayTest, TheActiveResignsMeanwhile) {
  VirtualRouter router = backup(delayed());
  hear_every(router, 1s, 5s, 1s, heard(50));
  router.handle(kStart + 5s, heard(0));
  EXPECT_EQ(router.handle(kStart + 5'609'375us, DeadlineReached{}), takes_over(100, Reason::kActiveResigned));
}

TEST(PreemptDelayTest, TheActiveDiesMeanwhile) {
  VirtualRouter router = backup(delayed());
  hear_every(router, 1s, 4'500ms, 1s, heard(50));  // last at 4 s
  EXPECT_EQ(router.next_deadline(), kStart + 7'609'375us);
  EXPECT_EQ(router.handle(kStart + 7'609'375us, DeadlineReached{}), takes_over(100, Reason::kActiveDownExpired));
}

TEST(PreemptDelayTest, AHigherActiveEndsItAndItBeginsAnew) {
  VirtualRouter router = backup(delayed());
  hear_every(router, 1s, 5s, 1s, heard(50));
  router.handle(kStart + 5s, heard(200));  // the timer stands at 8.609375 s
  EXPECT_THAT(hear_every(router, 6s, 13'600ms, 500ms, heard(50)), IsEmpty());
  // Fired at 8.609375 s, plus 5 s.
  EXPECT_EQ(router.handle(kStart + 13'609'375us, DeadlineReached{}), takes_over(100, Reason::kPreemptDelayOver));
}

TEST(PreemptDelayTest, ALowerRouterThatMadeWayForAHigherIsNotActiveAnyMore) {
  VirtualRouter router = backup(delayed());
  router.handle(kStart + 1s, heard(50, kSmaller, 10s));  // would count as alive for half a minute
  router.handle(kStart + 2s, heard(200));
  EXPECT_EQ(router.handle(kStart + 5'609'375us, DeadlineReached{}), takes_over(100, Reason::kActiveDownExpired));
}

TEST(PreemptDelayTest, AfterALateWakeUpTheEarlierTimerDecides) {
  VirtualRouter router = backup(delayed());
  hear_every(router, 1s, 4'500ms, 1s,
             heard(50));  // the Active dies at 4 s: 7.609375 s; the delay would end at 8.609375 s
  EXPECT_EQ(router.handle(kStart + 20s, DeadlineReached{}), takes_over(100, Reason::kActiveDownExpired));
}

TEST(PreemptDelayTest, AChangedDelayCountsFromWhenItBegan) {
  VirtualRouter router = backup(delayed());
  hear_every(router, 1s, 5s, 1s, heard(50));
  RouterParameters parameters = delayed();
  parameters.preempt_delay = 2s;
  router.handle(kStart + 5s, ParametersChanged{parameters});
  EXPECT_EQ(router.next_deadline(), kStart + 5'609'375us);
  EXPECT_EQ(router.handle(kStart + 5'609'375us, DeadlineReached{}), takes_over(100, Reason::kPreemptDelayOver));
}

// ---- S-13 ---------------------------------------------------------------------------------------------------------

TEST(ParametersTest, ARaisedPriorityTakesOverWithinTheDownIntervalWithoutARestart) {
  VirtualRouter router = backup();
  hear_every(router, 1s, 3'100ms, 1s, heard(200));
  RouterParameters parameters = usual();
  parameters.priority = Priority{250};
  EXPECT_THAT(router.handle(kStart + 3'200ms, ParametersChanged{parameters}), IsEmpty());
  EXPECT_THAT(hear_every(router, 4s, 6'010ms, 1s, heard(200)), IsEmpty());
  // The last advert obeyed came at 3 s: 3 + 3 + 6/256.
  EXPECT_EQ(router.handle(kStart + 6'023'437'500ns, DeadlineReached{}), takes_over(250, Reason::kPreemptLower));
}

TEST(ParametersTest, WhoWasToBePreemptedIsObeyedWhenOurPriorityFalls) {
  RouterParameters parameters = usual();
  parameters.priority = Priority{200};
  VirtualRouter router = backup(parameters);
  hear_every(router, 1s, 3'100ms, 1s, heard(150));
  parameters.priority = Priority{100};
  EXPECT_THAT(router.handle(kStart + 3'200ms, ParametersChanged{parameters}), IsEmpty());
  EXPECT_EQ(router.next_deadline(), kStart + 6'609'375us);
}

TEST(ParametersTest, WhoWasToBePreemptedIsObeyedWhenPreemptIsSwitchedOff) {
  VirtualRouter router = backup();
  hear_every(router, 1s, 3'100ms, 1s, heard(50));
  RouterParameters parameters = usual();
  parameters.preempt = false;
  EXPECT_THAT(router.handle(kStart + 3'200ms, ParametersChanged{parameters}), IsEmpty());
  EXPECT_EQ(router.next_deadline(), kStart + 6'609'375us);
}

TEST(ParametersTest, AShortenedTimerIsNotLengthenedByAReload) {
  VirtualRouter router = backup();
  router.handle(kStart + 1s, heard(0));
  RouterParameters parameters = usual();
  parameters.priority = Priority{1};
  router.handle(kStart + 1'100ms, ParametersChanged{parameters});
  EXPECT_EQ(router.next_deadline(), kStart + 1'609'375us);
}

TEST(ParametersTest, TheNextAdvertCarriesANewPriority) {
  VirtualRouter router = active();
  RouterParameters parameters = usual();
  parameters.priority = Priority{50};
  router.handle(kStart + 4s, ParametersChanged{parameters});
  EXPECT_EQ(router.handle(kStart + 4'609'375us, DeadlineReached{}), Actions{SendAdvert{Priority{50}}});
}

TEST(ParametersTest, TheSameParametersChangeNothing) {
  for (VirtualRouter router : {backup(), active(), backup(delayed())}) {
    router.handle(kStart + 4s, heard(50));
    const RouterSnapshot before = router.snapshot();
    EXPECT_THAT(router.handle(kStart + 4'100ms, ParametersChanged{router.parameters()}), IsEmpty());
    EXPECT_EQ(router.snapshot(), before);
  }
}

TEST(ParametersTest, AReloadDoesNotMakeAnOwnerPreemptTheOwnerItYieldedTo) {
  RouterParameters parameters = usual();
  parameters.priority = kOwnerPriority;
  VirtualRouter router = backup(parameters);
  router.handle(kStart + 500ms, heard(255));
  EXPECT_THAT(router.handle(kStart + 600ms, ParametersChanged{parameters}), IsEmpty());
  EXPECT_EQ(router.state(), State::kBackup);
}

TEST(ParametersTest, AnIntervalLearnedBeforeARestartIsForgotten) {
  VirtualRouter router = backup();
  router.handle(kStart + 1s, heard(200, kGreater, 2s));
  router.handle(kStart + 2s, Shutdown{});
  router.handle(kStart + 3s, Startup{});
  RouterParameters parameters = usual();
  parameters.advertisement_interval = 4s;
  router.handle(kStart + 3s, ParametersChanged{parameters});
  EXPECT_EQ(router.next_deadline(), kStart + 17'437'500us);  // 3 + 3 * 4 + 156/256 * 4
}

// ---- Hold ---------------------------------------------------------------------------------------------------------

TEST(HoldTest, WhileHeldSilenceIsTimedAndUsedAtOnceWhenReleased) {
  VirtualRouter router = backup();
  router.handle(kStart, SetHold{true});
  router.handle(kStart + 1s, heard(0));
  EXPECT_THAT(router.handle(kStart + 1'609'375us, DeadlineReached{}), IsEmpty());
  EXPECT_TRUE(router.down_expired());
  EXPECT_EQ(router.next_deadline(), std::nullopt);
  EXPECT_EQ(router.handle(kStart + 9s, SetHold{false}), takes_over(100, Reason::kActiveResigned));
}

TEST(HoldTest, ALowerActiveHeardBeforeTheHoldCountsAsSomebody) {
  VirtualRouter router = backup();
  hear_every(router, 1s, 3'100ms, 1s, heard(50));
  router.handle(kStart + 3'200ms, SetHold{true});
  EXPECT_EQ(router.next_deadline(), kStart + 6'609'375us);
}

TEST(HoldTest, ALowerActiveThatResignedIsNobody) {
  VirtualRouter router = backup();
  hear_every(router, 1s, 3'100ms, 1s, heard(50));
  router.handle(kStart + 3'100ms, heard(0));  // 0.509375 s remain, less than Skew_Time
  router.handle(kStart + 3'200ms, SetHold{true});
  EXPECT_EQ(router.next_deadline(), kStart + 3'609'375us);
}

TEST(HoldTest, AfterTheReleaseALowerActiveIsPreemptedByTheTimer) {
  VirtualRouter router = backup();
  router.handle(kStart, SetHold{true});
  EXPECT_THAT(hear_every(router, 1s, 10'100ms, 1s, heard(50)), IsEmpty());
  EXPECT_THAT(router.handle(kStart + 10'200ms, SetHold{false}), IsEmpty());
  EXPECT_THAT(hear_every(router, 11s, 13'600ms, 1s, heard(50)), IsEmpty());
  EXPECT_EQ(router.handle(kStart + 13'609'375us, DeadlineReached{}), takes_over(100, Reason::kPreemptLower));
}

TEST(HoldTest, AMemberReportsInsteadOfTakingOver) {
  RouterParameters parameters = usual();
  parameters.member = true;
  VirtualRouter router = backup(parameters);
  router.handle(kStart, SetHold{true});
  EXPECT_THAT(router.handle(kStart + 3'609'375us, DeadlineReached{}), IsEmpty());
  EXPECT_EQ(router.handle(kStart + 5s, SetHold{false}), Actions{DownExpired{}});
  EXPECT_EQ(router.state(), State::kBackup);
}

TEST(HoldTest, SurvivesShutdownAndStartup) {
  VirtualRouter router = backup();
  router.handle(kStart, SetHold{true});
  router.handle(kStart + 1s, Shutdown{});
  router.handle(kStart + 2s, Startup{});
  EXPECT_TRUE(router.held());
  EXPECT_THAT(router.handle(kStart + 9s, DeadlineReached{}), IsEmpty());
}

// ---- Who is Active ------------------------------------------------------------------------------------------------

TEST(HeardActiveTest, IsTheLastAcceptedAndNobodyOnceItIsLost) {
  VirtualRouter router = backup();
  EXPECT_FALSE(router.heard_active().has_value());
  router.handle(kStart + 1s, heard(50));  // discarded: to be preempted
  EXPECT_FALSE(router.heard_active().has_value());
  router.handle(kStart + 2s, heard(200));
  ASSERT_TRUE(router.heard_active().has_value());
  EXPECT_EQ(router.heard_active()->source, kGreater);
  EXPECT_EQ(router.heard_active()->priority, Priority{200});
  EXPECT_EQ(router.heard_active()->at, kStart + 2s);
  router.handle(kStart + 3s, heard(0));
  EXPECT_FALSE(router.heard_active().has_value());
}

TEST(ShutdownTest, ForgetsTheOldLifeButNotTheParameters) {
  VirtualRouter router = backup();
  router.handle(kStart + 1s, heard(200, kGreater, 2s));
  router.handle(kStart + 2s, Shutdown{});
  EXPECT_EQ(router.next_deadline(), std::nullopt);
  EXPECT_FALSE(router.heard_active().has_value());
  router.handle(kStart + 3s, Startup{});
  EXPECT_EQ(router.next_deadline(), kStart + 6'609'375us);  // the full interval, our own
}

// ---- Adoption, and what always holds ------------------------------------------------------------------------------

/// A small generator of our own, so that the sequence is the same everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  int roll(int sides) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((state_ >> 33) % static_cast<std::uint64_t>(sides));
  }

 private:
  std::uint64_t state_;
};

Event any_event(Dice& dice, const RouterParameters& parameters) {
  static constexpr int kPriorities[] = {0, 1, 50, 99, 100, 101, 200, 255};
  const IpAddress sources[] = {kSmaller, kGreater, kOwn};
  switch (dice.roll(16)) {
    case 0: return Startup{};
    case 1: return dice.roll(8) == 0 ? Event{Shutdown{}} : Event{DeadlineReached{}};
    case 2: return SetHold{dice.roll(2) == 0};
    case 3: return StepDown{Reason::kDrained, dice.roll(2) == 0};
    case 4: return dice.roll(4) == 0 ? Event{TakeOver{Reason::kSwitchover}} : Event{DeadlineReached{}};
    case 5: {
      RouterParameters changed = parameters;
      changed.priority = Priority{static_cast<std::uint8_t>(kPriorities[1 + dice.roll(7)])};
      changed.preempt = dice.roll(2) == 0;
      changed.preempt_delay = dice.roll(3) * 1s;
      changed.advertisement_interval = (1 + dice.roll(20)) * 100ms;
      return ParametersChanged{changed};
    }
    case 6:
    case 7:
    case 8:
    case 9:
    case 10: return heard(kPriorities[dice.roll(8)], sources[dice.roll(3)], (1 + dice.roll(20)) * 100ms);
    default: return DeadlineReached{};
  }
}

TEST(AdoptionTest, ASuccessorContinuesExactlyWhateverHappened) {
  for (const bool member : {false, true}) {
    for (const Version version : {Version::kV3, Version::kV2}) {
      Dice dice{42};
      RouterParameters parameters = usual();
      parameters.version = version;
      parameters.member = member;
      VirtualRouter router{parameters};
      Instant now = kStart;
      for (int step = 0; step < 20'000; ++step) {
        now += dice.roll(700) * 1ms;
        VirtualRouter successor{router.parameters()};
        successor.restore(router.snapshot());
        ASSERT_EQ(successor.snapshot(), router.snapshot()) << step;
        ASSERT_EQ(successor.next_deadline(), router.next_deadline()) << step;
        const Event event = any_event(dice, router.parameters());
        ASSERT_EQ(successor.handle(now, event), router.handle(now, event)) << step;
        ASSERT_EQ(successor.snapshot(), router.snapshot()) << step;
      }
    }
  }
}

TEST(AdoptionTest, DeadlinesInThePastFireAtOnce) {
  RouterSnapshot snapshot = active().snapshot();
  VirtualRouter router{usual()};
  router.restore(snapshot);
  EXPECT_EQ(router.next_deadline(), kStart + 4'609'375us);
  EXPECT_EQ(router.handle(kStart + 4'700ms, DeadlineReached{}), Actions{SendAdvert{Priority{100}}});
  EXPECT_EQ(router.next_deadline(), kStart + 5'609'375us);  // still on the predecessor's grid
}

TEST(InvariantTest, WhateverHappensOnlyTheActiveAdvertisesAndHoldsAddresses) {
  for (const bool member : {false, true}) {
    Dice dice{7};
    RouterParameters parameters = usual();
    parameters.member = member;
    VirtualRouter router{parameters};
    Instant now = kStart;
    bool installed = false;
    for (int step = 0; step < 50'000; ++step) {
      now += dice.roll(700) * 1ms;
      const State before = router.state();
      const Actions actions = router.handle(now, any_event(dice, router.parameters()));
      for (const Action& action : actions) {
        if (std::holds_alternative<InstallVips>(action)) {
          ASSERT_FALSE(installed);
          installed = true;
        }
        if (std::holds_alternative<RemoveVips>(action)) {
          ASSERT_TRUE(installed);
          installed = false;
        }
        if (const auto* send = std::get_if<SendAdvert>(&action)) {
          // Priority 0 when it leaves, and its own while it is or becomes Active: never anything else (I4).
          const bool farewell = send->priority == kResignPriority;
          ASSERT_EQ(farewell, before == State::kActive && router.state() != State::kActive);
        }
        if (const auto* report = std::get_if<ReportTransition>(&action)) {
          ASSERT_EQ(report->from, before);
          ASSERT_EQ(report->to, router.state());
          ASSERT_NE(report->from, report->to);
        }
      }
      ASSERT_EQ(count<ReportTransition>(actions), before == router.state() ? 0 : 1) << step;
      ASSERT_EQ(installed, router.state() == State::kActive) << step;
      const bool waits = router.state() == State::kBackup && router.down_expired();
      ASSERT_EQ(router.next_deadline().has_value(), router.state() != State::kInitialize && !waits) << step;
      ASSERT_TRUE(!waits || router.held() || member) << step;
      ASSERT_EQ(router.down_reason() != Reason::kNone, router.down_expired()) << step;
    }
  }
}

TEST(StateTokenTest, EveryStateHasItsWord) {
  EXPECT_EQ(state_token(State::kInitialize), "initialize");
  EXPECT_EQ(state_token(State::kBackup), "backup");
  EXPECT_EQ(state_token(State::kActive), "active");
}

}  // namespace
}  // namespace baton::vrrp
