// Who may promote: fences, promises, witnesses, the number of a claim, what the other hosts say.
#include "tests/engine/promotion_bench.h"

namespace baton::engine {
namespace {

TEST_F(PromotionTest, EachOtherHostIsFencedBeforeAnythingIsPromoted) {
  settle_with_fence({"db2", "db3"});
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]", "fence db2"));
  EXPECT_THAT(answer(), ElementsAre("fence db3"));
  EXPECT_THAT(answer(), ElementsAre("can_promote"));
}

TEST_F(PromotionTest, WhoPromisesForThisClaimIsNotFenced) {
  settle_with_fence({"db2", "db3"});
  ports::PeerFact word{
      .host = "db2", .instance = "pg", .data_role = DataRole::kStandby, .step = PromotionStep::kStandby};
  promotion->heard(now, word);
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]")) << "db2 runs, and may say that it rests";
  now += 100ms;
  word.promise = {.to = "db1", .generation = 7};
  promotion->heard(now, word);
  EXPECT_THAT(ask(), IsEmpty()) << "that was for another claim";
  word.promise = {.to = "db1", .generation = 1};
  promotion->heard(now, word);
  EXPECT_THAT(ask(), ElementsAre("fence db3")) << "of which nothing was ever heard";
  EXPECT_THAT(answer(), ElementsAre("can_promote"));
}

TEST_F(PromotionTest, WhoFellSilentWithTheClaimIsFencedAfterAWordsTime) {
  settle_with_fence();
  promotion->heard(now,
                   {.host = "db2", .instance = "pg", .data_role = DataRole::kActive, .step = PromotionStep::kActive});
  ask();
  answer();
  promotion->claim(now, now);
  ask();
  EXPECT_EQ(promotion->next_deadline(now), now + 1500ms);
  now += 1500ms;
  EXPECT_THAT(ask(), ElementsAre("fence db2"));
}

TEST_F(PromotionTest, WhoIsHeardButDoesNotPromiseIsFencedAfterTenSeconds) {
  settle_with_fence();
  const ports::PeerFact holder{
      .host = "db2", .instance = "pg", .data_role = DataRole::kDemoting, .step = PromotionStep::kDemoting};
  promotion->claim(now, now);
  promotion->heard(now, holder);
  ask();
  for (int second = 1; second < 10; ++second) {
    now += 1s;
    promotion->heard(now, holder);
    EXPECT_THAT(ask(), IsEmpty()) << second;
  }
  now += 1s;
  EXPECT_THAT(ask(), ElementsAre("fence db2"));
}

ports::PeerFact last_word_at(PromotionStep step) {
  ports::PeerFact word{.host = "db2", .instance = "pg", .data_role = DataRole::kDemoting, .step = step};
  word.left = true;
  return word;
}

TEST_F(PromotionTest, WhoStoppedInOrderIsNotFenced) {
  settle_with_fence();
  promotion->heard(now, last_word_at(PromotionStep::kReturning));
  const Instant before = now - 1ms;
  now += 1h;
  promotion->follow(now, "db2", before);  // as the engine repeats it
  ask();
  answer();
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]", "can_promote db2"));
}

TEST_F(PromotionTest, WhoStoppedInOrderIsFencedOnceItsAdvertsAreHeardAgain) {
  settle_with_fence();
  promotion->heard(now, last_word_at(PromotionStep::kReturning));
  now += 1h;
  promotion->follow(now, "db2", now);
  ask();
  answer();
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]"));
  now += 1500ms;
  EXPECT_THAT(ask(), ElementsAre("fence db2"));
}

TEST_F(PromotionTest, WhoStoppedInTheMiddleOfItsDemotionIsFenced) {
  settle_with_fence();
  promotion->heard(now, last_word_at(PromotionStep::kDemoting));
  now += 1h;
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]"));
  now += 1500ms;
  EXPECT_THAT(ask(), ElementsAre("fence db2"));
}

TEST_F(PromotionTest, AClaimThatIsRefusedDemotesTheDatabaseOfASilentHostOnce) {
  Promotion::Setup setup = one_section(config::Grant::kWitness);
  setup.host = "db1";
  setup.promote.front().verbs.add(PluginVerb::kFence);
  make(setup);
  settle_as_standby();
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]", "acquire"));
  EXPECT_THAT(witness_says(VerbStatus::kOk, 60s), ElementsAre("can_promote"));
  EXPECT_THAT(answer(VerbStatus::kRefused, "its link is up"), ElementsAre("fence db2"));
  EXPECT_THAT(answer(VerbStatus::kTimeout), ElementsAre("can_promote")) << "tried once, and it does not decide";
  EXPECT_THAT(answer(VerbStatus::kRefused, "its link is up"), IsEmpty()) << "a second later";
  now += 1s;
  EXPECT_THAT(ask(), ElementsAre("can_promote"));
  EXPECT_THAT(answer(), ElementsAre("[promoting 1 dirty]", "promote"));
}

TEST_F(PromotionTest, AClaimThatIsRefusedLeavesTheDatabaseOfAHostThatIsHeardAlone) {
  Promotion::Setup setup = one_section(config::Grant::kWitness);
  setup.host = "db1";
  setup.promote.front().verbs.add(PluginVerb::kFence);
  make(setup);
  settle_as_standby();
  promotion->heard(now,
                   {.host = "db2", .instance = "pg", .data_role = DataRole::kStandby, .step = PromotionStep::kStandby});
  promotion->claim(now, now);
  ask();
  witness_says(VerbStatus::kOk, 60s);
  EXPECT_THAT(answer(VerbStatus::kRefused), IsEmpty());
}

TEST_F(PromotionTest, AHostAtRestPromisesWhereThereIsAFenceAndIsNotBoundByIt) {
  settle_with_fence();
  promotion->heard(now, {.host = "db2",
                         .instance = "pg",
                         .data_role = DataRole::kClaiming,
                         .step = PromotionStep::kGranting,
                         .generation = 4});
  EXPECT_EQ(promotion->promise().to, "db2");
  EXPECT_EQ(promotion->promise().generation, 4U);
  EXPECT_FALSE(promotion->against(now).has(Reason::kPromised));
}

TEST_F(PromotionTest, AnOperatorsWordIsAboutNowNotAboutAClaimALongTimeLater) {
  make(one_section(config::Grant::kManual));
  settle_as_standby();
  promotion->permit(now);
  EXPECT_EQ(promotion->next_deadline(now), now + 60s);
  now += 60s;
  promotion->claim(now, now);
  EXPECT_THAT(ask(), IsEmpty());
  EXPECT_TRUE(promotion->against(now).has(Reason::kNoGrant));
  promotion->permit(now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]", "can_promote"));
}

TEST_F(PromotionTest, AnOperatorsWordOutweighsAFenceThatFailsNotTheAttempt) {
  settle_with_fence();
  promotion->permit(now);
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]", "fence db2"));
  EXPECT_THAT(answer(VerbStatus::kTimeout), ElementsAre("can_promote")) << "it is not tried three times";
  EXPECT_TRUE(last.forced);
  answer();
  ASSERT_EQ(last.verb, PluginVerb::kPromote);
  EXPECT_TRUE(last.forced);
}

TEST_F(PromotionTest, WithoutAConfirmedFenceNothingIsPromoted) {
  settle_with_fence();
  promotion->claim(now, now);
  ask();
  EXPECT_THAT(answer(VerbStatus::kFatal, "no answer of the power switch"), ElementsAre("[standby 1]"));
  EXPECT_TRUE(promotion->against(now).has(Reason::kFenceFailed));
}

TEST_F(PromotionTest, TheWitnessIsAskedAfterTheClaimAndGivenBackAfterTheDemotion) {
  make(one_section(config::Grant::kWitness));
  settle_as_standby();
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]", "acquire"));
  EXPECT_EQ(witness.generation, 1U);
  EXPECT_THAT(witness_says(VerbStatus::kOk, 10s), ElementsAre("can_promote"));
  answer();
  answer();
  answer();
  ASSERT_TRUE(promotion->may_hold());
  promotion->leave(now);
  ask();
  answer();
  promotion->addresses_gone(now);
  ask();
  EXPECT_THAT(answer(), ElementsAre("release"));
  EXPECT_THAT(witness_says(VerbStatus::kOk, 0s), ElementsAre("[standby 1 dirty]"));
}

TEST_F(PromotionTest, AWitnessThatGrantsAnotherKeepsThisHostFromPromoting) {
  make(one_section(config::Grant::kWitness));
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  for (int second = 0; second <= 90; ++second) {
    EXPECT_THAT(witness_says(VerbStatus::kRefused, 0s), IsEmpty());
    now += 1s;
    ask();
  }
  EXPECT_TRUE(promotion->against(now).has(Reason::kNoGrant));
  EXPECT_EQ(promotion->step(), PromotionStep::kReturning);
}

TEST_F(PromotionTest, AWitnessThatDoesNotAnswerGrantsNothing) {
  make(one_section(config::Grant::kWitness));
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(witness_says(VerbStatus::kTransient, 0s), IsEmpty());
    now += 500ms;
    EXPECT_THAT(ask(), ElementsAre("acquire"));
  }
  witness_says(VerbStatus::kTransient, 0s);
  now += 500ms;
  ask();
  EXPECT_TRUE(promotion->against(now).has(Reason::kNoGrant));
}

TEST_F(PromotionTest, AGenerationThatTheWitnessHasSeenIsOvertaken) {
  make(one_section(config::Grant::kWitness));
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  EXPECT_THAT(witness_says(VerbStatus::kRefused, 0s, 41), ElementsAre("[claiming 42]", "acquire"));
  EXPECT_EQ(witness.generation, 42U);
}

TEST_F(PromotionTest, AReturningHolderLearnsFromTheWitnessThatAnotherTookOver) {
  make(one_section(config::Grant::kWitness),
       {.instance = "pg", .role = DataRole::kActive, .generation = 5, .dirty = true, .promoted = 5});
  ask();
  answer();
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 6 dirty]", "acquire"));
  witness_says(VerbStatus::kRefused, 0s, 6);
  EXPECT_THAT(witness_says(VerbStatus::kOk, 0s), ElementsAre("[needs_rejoin 6 dirty]"));
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsRejoin));
}

TEST_F(PromotionTest, AReturningHolderThatNobodyFollowedGoesOn) {
  make(one_section(config::Grant::kWitness),
       {.instance = "pg", .role = DataRole::kActive, .generation = 5, .dirty = true, .promoted = 5});
  ask();
  answer();
  promotion->claim(now, now);
  ask();
  EXPECT_THAT(witness_says(VerbStatus::kOk, 10s, 6), ElementsAre("can_promote"));
}

TEST_F(PromotionTest, TheLastHolderKeepsToTheNumberThatProvesThatNobodyWasPromotedSince) {
  make(one_section(config::Grant::kWitness),
       {.instance = "pg", .role = DataRole::kStandby, .generation = 5, .dirty = true, .promoted = 5});
  ask();
  answer();
  promotion->saw_generation(5);
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 6 dirty]", "acquire"));
  now += 10s + 1ns;  // the witness does not answer
  ask();
  witness_says(VerbStatus::kTransient, 0s);
  witness_says(VerbStatus::kTransient, 0s);
  now += 10s;
  EXPECT_THAT(ask(), ElementsAre("[claiming 6 dirty]", "acquire"));
  EXPECT_THAT(witness_says(VerbStatus::kOk, 60s), ElementsAre("can_promote"));
  EXPECT_TRUE(last.resumes);
  EXPECT_THAT(answer(), ElementsAre("[promoting 6 dirty]", "promote"));
  EXPECT_TRUE(last.resumes);
}

TEST_F(PromotionTest, AHigherNumberProvesNothing) {
  for (const bool same_boot : {true, false}) {
    make(one_section(config::Grant::kWitness), {.instance = "pg",
                                                .role = DataRole::kClaiming,
                                                .generation = 7,
                                                .dirty = true,
                                                .promoted = 5,
                                                .same_boot = same_boot});
    ask();
    answer();
    promotion->claim(now, now);
    const std::string again = "[claiming 7 dirty]";
    EXPECT_THAT(ask(), ElementsAre(same_boot ? again : "[claiming 8 dirty]", "acquire"));
    EXPECT_THAT(witness_says(VerbStatus::kOk, 60s), ElementsAre("can_promote"));
    EXPECT_FALSE(last.resumes) << "6 may have been another's";
  }
}

TEST_F(PromotionTest, DataOfALaterGenerationIsNotTheLastHoldersOwn) {
  make(one_section(config::Grant::kWitness),
       {.instance = "pg", .role = DataRole::kStandby, .generation = 5, .dirty = true, .promoted = 5});
  ask();
  answer();
  promotion->saw_generation(6);
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 6 dirty]", "acquire"));
  witness_says(VerbStatus::kOk, 60s);
  EXPECT_FALSE(last.resumes);
}

TEST_F(PromotionTest, AnOperatorsStandingWordLetsTheLastHolderResume) {
  Promotion::Setup setup = one_section();
  setup.resume_alone = true;
  make(setup, {.instance = "pg", .role = DataRole::kStandby, .generation = 5, .dirty = true, .promoted = 5});
  ask();
  answer();
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 6 dirty]", "can_promote"));
  EXPECT_TRUE(last.resumes);
}

TEST_F(PromotionTest, AnOperatorsWordClaimsAboveTheGenerationInTheData) {
  make(one_section(), {.instance = "pg", .role = DataRole::kStandby, .generation = 5, .dirty = true, .promoted = 5});
  ask();
  answer();
  promotion->saw_generation(8);
  promotion->permit(now);
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 9 dirty]", "can_promote"));
}

TEST_F(PromotionTest, AGrantThatIsNotRenewedIsGivenUpInTimeForTheDemotion) {
  make(one_section(config::Grant::kWitness));
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  const Instant sent = now;
  now += 100ms;
  witness_says(VerbStatus::kOk, 9s);
  answer();
  answer();
  answer();
  ASSERT_TRUE(promotion->may_hold());
  EXPECT_EQ(promotion->granted_until(), sent + 9s);
  now = sent + 2250ms;
  EXPECT_THAT(ask(), ElementsAre("renew"));
  witness_says(VerbStatus::kTransient, 0s);
  now = sent + 5999ms;
  EXPECT_FALSE(promotion->against(now).has(Reason::kNoGrant));
  now = sent + 6s;
  EXPECT_TRUE(promotion->against(now).has(Reason::kNoGrant));
}

// ---- Other hosts --------------------------------------------------------------------------------------------------

ports::PeerFact standby_at(std::uint64_t generation, const std::string& host = "db2") {
  return {.host = host,
          .instance = "pg",
          .data_role = DataRole::kStandby,
          .step = PromotionStep::kStandby,
          .generation = generation,
          .promoted = generation};
}

TEST_F(PromotionTest, AReturningHolderGoesOnWhenTheOtherSaysThatNobodyTookOver) {
  const ports::DataRecord before{
      .instance = "pg", .role = DataRole::kActive, .generation = 5, .dirty = true, .promoted = 5};
  make(one_section(), before);
  ask();
  answer();
  promotion->heard(now, standby_at(6));
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsProof));  // somebody has promoted
  ports::PeerFact claiming = standby_at(5);
  claiming.data_role = DataRole::kClaiming;
  promotion->heard(now, claiming);
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsProof));
  promotion->heard(now, standby_at(5, "stranger"));
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsProof));
  ports::PeerFact tried = standby_at(7);
  tried.promoted = 4;  // its claims since came to nothing
  promotion->heard(now, tried);
  EXPECT_TRUE(promotion->against(now).empty());
}

TEST_F(PromotionTest, OfThreeHostsBothOthersHaveToSaySo) {
  Promotion::Setup setup = one_section();
  setup.others = {"db2", "db3"};
  make(setup, {.instance = "pg", .role = DataRole::kActive, .generation = 5, .dirty = true, .promoted = 5});
  ask();
  answer();
  promotion->heard(now, standby_at(5));
  now += 4s;
  promotion->heard(now, standby_at(5, "db3"));
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsProof));  // the first word is stale
  promotion->heard(now, standby_at(4));
  EXPECT_TRUE(promotion->against(now).empty());
}

TEST_F(PromotionTest, AHolderIsFollowedAlsoWhereOnlyItsStewardIsHeard) {
  make(one_section());
  settle_as_standby();
  ports::PeerFact holder = standby_at(9);
  holder.data_role = DataRole::kActive;
  holder.step = PromotionStep::kActive;
  promotion->heard(now, holder);
  EXPECT_THAT(ask(), ElementsAre("demote db2"));
  EXPECT_EQ(promotion->record().generation, 9U);
}

}  // namespace
}  // namespace baton::engine
