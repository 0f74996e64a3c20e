#include "tests/engine/promotion_bench.h"

namespace baton::engine {
namespace {

TEST_F(PromotionTest, NothingHappensBeforeTheRecordIsRead) {
  promotion.emplace("pg", one_section());
  promotion->claim(now, now);
  EXPECT_THAT(ask(), IsEmpty());
  EXPECT_TRUE(promotion->against(now).has(Reason::kStateUnread));
}

TEST_F(PromotionTest, AtTheStartTheDataIsMadeAStandby) {
  make(one_section());
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_THAT(answer(), ElementsAre("[standby 0]"));
  EXPECT_THAT(ask(), IsEmpty());
  EXPECT_TRUE(promotion->against(now).empty());
}

TEST_F(PromotionTest, TheWayUpIsRecordedBeforeItIsWalked) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]", "can_promote"));
  EXPECT_THAT(answer(), ElementsAre("[promoting 1 dirty]", "promote"));
  EXPECT_EQ(last.generation, 1U);
  EXPECT_FALSE(promotion->may_hold());
  EXPECT_THAT(answer(), ElementsAre("verify"));
  EXPECT_THAT(answer(), ElementsAre("[active 1 dirty]"));
  EXPECT_TRUE(promotion->may_hold());
  EXPECT_EQ(promotion->role(), DataRole::kActive);
}

TEST_F(PromotionTest, NoActIsAskedBeforeItsRecordIsOnDisk) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now);
  ASSERT_TRUE(std::holds_alternative<ports::DataRecord>(*promotion->next(now)));
  EXPECT_FALSE(promotion->next(now).has_value());
  promotion->recorded(now);
  EXPECT_TRUE(std::holds_alternative<Promotion::Act>(*promotion->next(now)));
}

TEST_F(PromotionTest, TheWayDownBlocksClearsAndDemotes) {
  make(one_section());
  become_active();
  promotion->leave(now);
  EXPECT_THAT(ask(), ElementsAre("block_writes"));
  EXPECT_THAT(answer(), IsEmpty());
  EXPECT_TRUE(promotion->clearing());
  EXPECT_FALSE(promotion->left());
  promotion->addresses_gone(now);
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_FALSE(promotion->left());
  EXPECT_THAT(answer(), ElementsAre("[standby 1 dirty]"));
  EXPECT_TRUE(promotion->left());
}

TEST_F(PromotionTest, WhoHadTheRoleBeforeIsNotTakenForTheOneThatHasItAfter) {
  make(one_section());
  settle_as_standby();
  promotion->follow(now, "db2");
  EXPECT_THAT(ask(), ElementsAre("demote db2"));
  answer();
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]", "can_promote db2"));
  answer();
  answer();
  answer();
  ASSERT_TRUE(promotion->may_hold());
  promotion->leave(now);
  ask();
  answer();
  promotion->addresses_gone(now);
  EXPECT_THAT(ask(), ElementsAre("demote")) << "db2 is a standby, and there is nothing to join";
  EXPECT_THAT(answer(), ElementsAre("[standby 1 dirty]"));
}

TEST_F(PromotionTest, SeveralSectionsGoUpInOrderAndDownInReverse) {
  Promotion::Setup setup = one_section();
  setup.promote.push_back(setup.promote.front());
  make(setup);
  ASSERT_THAT(ask(), ElementsAre("demote"));
  EXPECT_EQ(last.index, 1U);
  answer();
  EXPECT_EQ(last.index, 0U);
  answer();
  promotion->claim(now, now);
  ask();
  answer();
  answer();
  EXPECT_EQ(last.verb, PluginVerb::kPromote);
  EXPECT_EQ(last.index, 0U);
  answer();
  EXPECT_EQ(last.verb, PluginVerb::kPromote);
  EXPECT_EQ(last.index, 1U);
}

TEST_F(PromotionTest, AStandbyFollowsTheHolderAndIsCleanThen) {
  make(one_section(), {.instance = "pg", .role = DataRole::kActive, .generation = 5, .dirty = true, .promoted = 5});
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_THAT(answer(), ElementsAre("[standby 5 dirty]"));
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsProof));
  promotion->follow(now, "db2");
  EXPECT_THAT(ask(), ElementsAre("rejoin db2"));
  EXPECT_THAT(answer(), ElementsAre("[standby 5]"));
  EXPECT_TRUE(promotion->against(now).empty());
}

TEST_F(PromotionTest, DataThatIsNotPartOfTheOthersHistoryKeepsThisHostOut) {
  make(one_section(), {.instance = "pg", .role = DataRole::kActive, .generation = 5, .dirty = true, .promoted = 5});
  promotion->follow(now, "db2");
  EXPECT_THAT(ask(), ElementsAre("rejoin db2"));
  EXPECT_THAT(answer(VerbStatus::kConflict, "17 transactions"), ElementsAre("[needs_rejoin 5 dirty]"));
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsRejoin));
  EXPECT_EQ(promotion->sentence().view(), "17 transactions");
  promotion->claim(now, now);
  EXPECT_THAT(ask(), IsEmpty());
  // A minute later somebody may have mended it.
  now += 60s;
  EXPECT_THAT(ask(), ElementsAre("rejoin db2"));
  EXPECT_THAT(answer(), ElementsAre("[standby 5]", "[claiming 6]", "can_promote db2"));
}

TEST_F(PromotionTest, NeedsRejoinSurvivesARestartAndEndsWithAnOperatorsWord) {
  make(one_section(), {.instance = "pg", .role = DataRole::kNeedsRejoin, .generation = 9, .dirty = true});
  ask();
  answer();
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsRejoin));
  promotion->forgive(now);
  EXPECT_THAT(ask(), ElementsAre("[standby 9]"));
  EXPECT_TRUE(promotion->against(now).empty());
}

TEST_F(PromotionTest, AnUnreadableRecordNeedsAnOperator) {
  make(one_section(), {.instance = "pg", .role = DataRole::kFenced});
  EXPECT_TRUE(promotion->against(now).has(Reason::kFenced));
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_THAT(answer(), IsEmpty());
}

TEST_F(PromotionTest, ARefusalGivesTheMastershipBackWhereAnotherHostMayDoBetter) {
  Promotion::Setup setup = one_section();
  setup.others = {"db2", "db3"};
  make(setup);
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  EXPECT_THAT(answer(VerbStatus::kRefused, "the link to db1 is up"), ElementsAre("[standby 1]"));
  EXPECT_TRUE(promotion->against(now).has(Reason::kPromoteRefused));
  EXPECT_TRUE(promotion->left());
  EXPECT_EQ(promotion->next_deadline(now), now + 5s);
  now += 5s;
  EXPECT_TRUE(promotion->against(now).empty());
  EXPECT_THAT(ask(), ElementsAre("[claiming 2]", "can_promote"));
  answer(VerbStatus::kRefused);
  EXPECT_EQ(promotion->next_deadline(now), now + 5s);
}

TEST_F(PromotionTest, InAPairARefusalIsAskedAgainForFifteenSeconds) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  for (int second = 0; second < 15; ++second) {
    EXPECT_THAT(answer(VerbStatus::kRefused, "the link to db1 is up"), IsEmpty()) << second;
    now += 1s;
    EXPECT_THAT(ask(), ElementsAre("can_promote")) << second;
  }
  EXPECT_THAT(answer(VerbStatus::kRefused), ElementsAre("[standby 1]"));
}

TEST_F(PromotionTest, TheNextGenerationIsAboveTheOneInTheData) {
  make(one_section());
  settle_as_standby();
  promotion->saw_generation(6);
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 7]", "can_promote"));
}

TEST_F(PromotionTest, WhatMayWorkLaterIsTriedThreeTimes) {
  for (const VerbStatus status : {VerbStatus::kTransient, VerbStatus::kTimeout}) {
    make(one_section());
    settle_as_standby();
    promotion->claim(now, now);
    ask();
    answer();
    ASSERT_EQ(last.verb, PluginVerb::kPromote);
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(answer(status), IsEmpty());
      now += 1s;
      EXPECT_THAT(ask(), ElementsAre("promote"));
    }
    EXPECT_THAT(answer(status), ElementsAre("demote"));
    // What was not done leaves this host as clean as before. After a timeout the generation may stand in the data.
    const bool clean = status == VerbStatus::kTransient;
    EXPECT_THAT(answer(), ElementsAre(clean ? "[standby 1]" : "[standby 1 dirty]"));
    EXPECT_EQ(promotion->promoted(), clean ? 0U : 1U);
    EXPECT_TRUE(promotion->against(now).has(Reason::kPromoteFailed));
  }
}

TEST_F(PromotionTest, WhatIsCalledOffIsDemotedAtOnceAndGoesOnAloneWhenTheWitnessIsBack) {
  Promotion::Setup setup = one_section(config::Grant::kWitness);
  setup.cooldown = 0s;
  make(setup);
  settle_as_standby();
  promotion->follow(now, "db2");
  ask();
  answer();
  ask();
  promotion->claim(now, now);
  ask();
  witness_says(VerbStatus::kOk, 9s);
  ASSERT_THAT(answer(), ElementsAre("[promoting 1 dirty]", "promote db2"));
  now += 6s;
  ask();
  EXPECT_TRUE(promotion->must_break_off(now));
  EXPECT_THAT(answer(VerbStatus::kTimeout), ElementsAre("demote")) << "no second is lost, and db2 has nothing to join";
  now += 3s;
  EXPECT_THAT(witness_says(VerbStatus::kTransient, 0s), ElementsAre("release")) << "lapsed, it is not asked for again";
  EXPECT_THAT(answer(), IsEmpty());
  EXPECT_THAT(witness_says(VerbStatus::kOk, 0s), ElementsAre("[standby 1 dirty]"));
  now += 10s;
  EXPECT_THAT(ask(), ElementsAre("[claiming 2 dirty]", "acquire"));
  EXPECT_THAT(witness_says(VerbStatus::kOk, 9s), ElementsAre("can_promote"));
  EXPECT_TRUE(last.resumes) << "it was the last one that was granted anything";
}

TEST_F(PromotionTest, APromotionThatIsNotWantedAnyMoreIsBrokenOff) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  answer();
  EXPECT_FALSE(promotion->must_break_off(now));
  promotion->leave(now);
  EXPECT_TRUE(promotion->must_break_off(now));
  EXPECT_THAT(answer(VerbStatus::kTimeout), ElementsAre("block_writes"));
}

TEST_F(PromotionTest, EvidenceOfASplitBrainFences) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  answer();
  EXPECT_THAT(answer(VerbStatus::kConflict), ElementsAre("demote"));
  EXPECT_THAT(answer(), ElementsAre("[fenced 1]"));
  EXPECT_TRUE(promotion->against(now).has(Reason::kFenced));
}

TEST_F(PromotionTest, AVerifyThatReadsAnotherGenerationIsAConflict) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  answer();
  answer();
  ASSERT_EQ(last.verb, PluginVerb::kVerify);
  ports::ActResult result;
  result.role = ApplicationRole::kPrimary;
  result.generation = 8;
  promotion->acted(now, result);
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_FALSE(promotion->may_hold());
}

TEST_F(PromotionTest, TakenBackOnTheWayItPromotesNothing) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  promotion->leave(now);
  EXPECT_THAT(answer(), ElementsAre("[standby 1]"));
}

TEST_F(PromotionTest, TakenBackWhilePromotingItIsBlockedAndDemoted) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  answer();
  promotion->leave(now);
  EXPECT_THAT(answer(), ElementsAre("block_writes"));
}

TEST_F(PromotionTest, WhoHadTheRoleBeforeAndIsNotHeardIsNotJoinedAfterAPromotionThatIsTakenBack) {
  make(one_section());
  settle_as_standby();
  promotion->follow(now, "db2");
  ask();
  answer();
  promotion->claim(now, now);
  ask();
  ASSERT_THAT(answer(), ElementsAre("[promoting 1 dirty]", "promote db2"));
  promotion->leave(now);
  EXPECT_THAT(answer(), ElementsAre("block_writes"));
  answer();
  promotion->addresses_gone(now);
  EXPECT_THAT(ask(), ElementsAre("demote")) << "a rejoin of the dead would be tried for ever";
}

TEST_F(PromotionTest, WhileItIsPromotedAndTenSecondsAfterItsChecksDoNotDecide) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  EXPECT_FALSE(promotion->shielded(now)) << "can_promote judges, and so do checks";
  answer();
  ASSERT_EQ(last.verb, PluginVerb::kPromote);
  EXPECT_TRUE(promotion->shielded(now));
  answer();
  ASSERT_EQ(last.verb, PluginVerb::kVerify);
  EXPECT_TRUE(promotion->shielded(now));
  answer();
  ASSERT_TRUE(promotion->may_hold());
  EXPECT_EQ(promotion->next_deadline(now), now + 10s);
  EXPECT_TRUE(promotion->shielded(now + 10s - 1ns));
  EXPECT_FALSE(promotion->shielded(now + 10s));
}

TEST_F(PromotionTest, ADemotionThatFailsIsTriedForEverAndKeepsThisHostOut) {
  make(one_section());
  become_active();
  promotion->leave(now);
  ask();
  answer();
  promotion->addresses_gone(now);
  ask();
  EXPECT_THAT(answer(VerbStatus::kTransient), IsEmpty());
  EXPECT_TRUE(promotion->left());
  EXPECT_TRUE(promotion->against(now).has(Reason::kDemoteFailed));
  now += 1s;
  EXPECT_THAT(ask(), ElementsAre("demote"));
  answer(VerbStatus::kTransient);
  now += 1s;
  EXPECT_THAT(ask(), IsEmpty());
  now += 1s;
  EXPECT_THAT(ask(), ElementsAre("demote"));
  answer();
  EXPECT_FALSE(promotion->against(now).has(Reason::kDemoteFailed));
}

TEST_F(PromotionTest, SomebodyElsesPromotionOfAStandbyIsUndone) {
  make(one_section());
  settle_as_standby();
  promotion->observe(now + 1s, now, 0, ApplicationRole::kPrimary, 0);  // looked before the demotion was done
  EXPECT_THAT(ask(), IsEmpty());
  now += 2s;
  promotion->observe(now, now, 0, ApplicationRole::kPrimary, 0);
  EXPECT_THAT(ask(), ElementsAre("demote"));
}

TEST_F(PromotionTest, AnActiveWhoseDataIsNoLongerWritableGivesUpAfterTwoSeconds) {
  make(one_section());
  become_active();
  now += 1s;
  promotion->observe(now, now, 0, ApplicationRole::kReplica, 0);
  EXPECT_FALSE(promotion->against(now).has(Reason::kDataLost));
  EXPECT_EQ(promotion->next_deadline(now), now + 2s);
  now += 2s;
  EXPECT_TRUE(promotion->against(now).has(Reason::kDataLost));
  promotion->observe(now, now, 0, ApplicationRole::kPrimary, 0);
  EXPECT_FALSE(promotion->against(now).has(Reason::kDataLost));
}

TEST_F(PromotionTest, CooldownAndBudgetLimitHowOftenItPromotes) {
  Promotion::Setup setup = one_section();
  setup.budget = 2;
  make(setup);
  const auto up_and_down = [&] {
    promotion->claim(now, now);
    ask();
    answer();
    answer();
    answer();
    ASSERT_TRUE(promotion->may_hold());
    promotion->leave(now);
    ask();
    answer();
    promotion->addresses_gone(now);
    ask();
    answer();
    ASSERT_EQ(promotion->step(), PromotionStep::kStandby);
  };
  settle_as_standby();
  up_and_down();
  EXPECT_TRUE(promotion->against(now).has(Reason::kCooldown));
  now += 60s;
  EXPECT_FALSE(promotion->against(now).has(Reason::kCooldown));
  up_and_down();
  now += 60s;
  EXPECT_TRUE(promotion->against(now).has(Reason::kPromotionBudget));
  now += 57min;
  EXPECT_TRUE(promotion->against(now).has(Reason::kPromotionBudget));
  now += 1min;
  EXPECT_FALSE(promotion->against(now).has(Reason::kPromotionBudget));
}

TEST_F(PromotionTest, ManualWaitsForAnOperatorEachTime) {
  make(one_section(config::Grant::kManual));
  settle_as_standby();
  EXPECT_TRUE(promotion->against(now).has(Reason::kNoGrant));
  promotion->permit(now);
  EXPECT_TRUE(promotion->against(now).empty());
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]", "can_promote"));
}

TEST_F(PromotionTest, TheOldHoldersAddressesAreWaitedFor) {
  make(one_section());
  settle_as_standby();
  promotion->claim(now, now + 3s);
  EXPECT_THAT(ask(), ElementsAre("[claiming 1]"));
  EXPECT_EQ(promotion->next_deadline(now), now + 3s);
  now += 3s;
  EXPECT_THAT(ask(), ElementsAre("can_promote"));
}

TEST_F(PromotionTest, WhatMayBeLostIsCountedFromTheOldHoldersLastPositionAsTheHolder) {
  make(one_section());
  settle_as_standby();
  ports::PeerFact word{.host = "db2",
                       .instance = "pg",
                       .data_role = DataRole::kActive,
                       .step = PromotionStep::kActive,
                       .position = "0/500",
                       .position_age = 400ms};
  promotion->heard(now, word);
  ask();
  answer();
  // Its server hung and was ended: a standby now, of which another position says nothing.
  now += 1s;
  word.data_role = DataRole::kStandby;
  word.position = "0/100";
  promotion->heard(now, word);
  promotion->claim(now, now);
  ask();
  ASSERT_EQ(last.verb, PluginVerb::kCanPromote);
  EXPECT_EQ(last.position, "0/500");
  EXPECT_EQ(last.position_at, now - 1400ms);
  EXPECT_EQ(last.position_age, 400ms);
  answer();
  EXPECT_EQ(last.verb, PluginVerb::kPromote);
  EXPECT_EQ(last.position, "0/500");
}

TEST_F(PromotionTest, ADemotionThatAHungServerKeptWaitingIsTriedWhenItAnswersAgain) {
  make(one_section());
  become_active();
  promotion->observe(now, now + 1ns, 0, ApplicationRole::kPrimary, 1);
  promotion->observe(now, now + 1ns, 0, ApplicationRole::kNone, 0);
  promotion->leave(now);
  ask();
  answer(VerbStatus::kTransient);
  promotion->addresses_gone(now);
  ask();
  for (int pause : {1, 2, 4, 8, 16, 32}) {
    ASSERT_EQ(last.verb, PluginVerb::kDemote);
    EXPECT_THAT(answer(VerbStatus::kTransient), IsEmpty());
    if (pause == 32) break;
    now += pause * 1s;
    ASSERT_THAT(ask(), ElementsAre("demote"));
  }
  now += 1s;
  promotion->observe(now, now, 0, ApplicationRole::kNone, 0);
  EXPECT_THAT(ask(), IsEmpty());
  promotion->observe(now, now, 0, ApplicationRole::kPrimary, 1);
  EXPECT_THAT(ask(), ElementsAre("demote"));
  // Once: what fails for another reason is not asked at each probe.
  answer(VerbStatus::kTransient);
  now += 1s;
  promotion->observe(now, now, 0, ApplicationRole::kPrimary, 1);
  EXPECT_THAT(ask(), IsEmpty());
}

TEST_F(PromotionTest, WhereOneSectionsDataContradictsTheOthersAreDemotedAllTheSame) {
  Promotion::Setup setup = one_section();
  setup.promote.push_back(setup.promote.front());
  make(setup, {.instance = "pg", .role = DataRole::kStandby, .generation = 5, .dirty = true, .promoted = 5});
  promotion->follow(now, "db2");
  ASSERT_THAT(ask(), ElementsAre("rejoin db2"));
  ASSERT_EQ(last.index, 1U);
  EXPECT_THAT(answer(VerbStatus::kConflict, "17 transactions"), ElementsAre("rejoin db2"));
  EXPECT_EQ(last.index, 0U);
  EXPECT_THAT(answer(), ElementsAre("[needs_rejoin 5 dirty]"));
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsRejoin));
}

// ---- The crash table of a successor engine -------------------------------------------------------------------------

TEST_F(PromotionTest, ASuccessorKeepsWhatIsKnownOfPromotionsAndThatProofIsNeeded) {
  ports::InstanceState old = left_at(PromotionStep::kStandby, DataRole::kStandby, 9, true, kNever);
  old.promoted = 6;
  promotion.emplace("pg", one_section());
  promotion->adopt(now, old);
  EXPECT_EQ(promotion->promoted(), 6U);
  EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsProof));
}

TEST_F(PromotionTest, TheGenerationInTheDataIsKnownOfAlsoWithoutARecord) {
  make(one_section());
  promotion->saw_generation(6);
  EXPECT_EQ(promotion->promoted(), 6U);
}

TEST_F(PromotionTest, AnActiveIsContinuedWithoutAnAct) {
  promotion.emplace("pg", one_section());
  promotion->adopt(now, left_at(PromotionStep::kActive, DataRole::kActive, 4, true, kNever));
  EXPECT_THAT(ask(), IsEmpty());
  EXPECT_TRUE(promotion->may_hold());
}

TEST_F(PromotionTest, APromotionIsTakenUpAgainWithTheSameGeneration) {
  promotion.emplace("pg", one_section());
  promotion->adopt(now, left_at(PromotionStep::kVerifying, DataRole::kPromoting, 4, true, kNever));
  EXPECT_THAT(ask(), ElementsAre("promote"));
  EXPECT_EQ(last.generation, 4U);
}

TEST_F(PromotionTest, APromotionWhoseMastershipWasLostAlreadyIsUndone) {
  promotion.emplace("pg", one_section());
  ports::InstanceState yielded = left_at(PromotionStep::kPromoting, DataRole::kPromoting, 7, true, kNever);
  yielded.state = vrrp::State::kBackup;
  promotion->adopt(now, yielded);
  EXPECT_THAT(ask(), ElementsAre("block_writes"));
  EXPECT_FALSE(promotion->wants_mastership());
}

TEST_F(PromotionTest, APromotionIsNotTakenUpAgainWithoutTheGrant) {
  promotion.emplace("pg", one_section(config::Grant::kWitness));
  promotion->adopt(now, left_at(PromotionStep::kPromoting, DataRole::kPromoting, 4, true, now - 1ms));
  EXPECT_EQ(ask().front(), "demote");
  EXPECT_TRUE(promotion->against(now).has(Reason::kNoGrant));
}

TEST_F(PromotionTest, APromotionIsNotTriedAgainWithoutTheGrant) {
  make(one_section(config::Grant::kWitness));
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  witness_says(VerbStatus::kOk, 3s);
  answer();
  ASSERT_EQ(last.verb, PluginVerb::kPromote);
  now += 2s;
  answer(VerbStatus::kTimeout);
  now += 1s;
  ask();
  EXPECT_EQ(last.verb, PluginVerb::kDemote);
}

TEST_F(PromotionTest, AChangedRowWaitsUntilTheOldOneIsThrough) {
  Promotion::Setup two = one_section();
  two.promote.push_back({.plugin = 7, .verbs = drive_verbs(), .deadline = 60s});
  make(two);
  ASSERT_THAT(ask(), ElementsAre("demote"));
  ASSERT_EQ(last.plugin, 7U);
  promotion->configure(one_section());
  EXPECT_TRUE(promotion->uses(7));
  EXPECT_THAT(answer(), ElementsAre("demote"));
  EXPECT_EQ(last.plugin, 0U);
  EXPECT_THAT(answer(), ElementsAre("[standby 0]", "demote"));  // then the new row, as a whole
  EXPECT_FALSE(promotion->uses(7));
}

TEST_F(PromotionTest, AClaimIsAbandonedAndItsGenerationBurned) {
  promotion.emplace("pg", one_section());
  promotion->adopt(now, left_at(PromotionStep::kAsking, DataRole::kClaiming, 4, false, kNever));
  EXPECT_THAT(ask(), ElementsAre("[standby 4]", "demote"));
  answer();
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 5]", "can_promote"));
}

TEST_F(PromotionTest, ADemotionIsFinished) {
  promotion.emplace("pg", one_section());
  promotion->adopt(now, left_at(PromotionStep::kDemoting, DataRole::kDemoting, 4, true, kNever));
  EXPECT_THAT(ask(), ElementsAre("block_writes"));
}

TEST_F(PromotionTest, AClaimOfAnEarlierLifeLeavesNothingBehindButItsGeneration) {
  make(one_section(), {.instance = "pg", .role = DataRole::kClaiming, .generation = 7});
  settle_as_standby();
  EXPECT_TRUE(promotion->against(now).empty());
  promotion->claim(now, now);
  EXPECT_THAT(ask(), ElementsAre("[claiming 8]", "can_promote"));
}

TEST_F(PromotionTest, AnUnfinishedPromotionOfAnEarlierLifeNeedsProof) {
  for (const DataRole role : {DataRole::kPromoting, DataRole::kActive, DataRole::kDemoting}) {
    make(one_section(), {.instance = "pg", .role = role, .generation = 7});
    ask();
    answer();
    EXPECT_TRUE(promotion->against(now).has(Reason::kNeedsProof));
  }
}

}  // namespace
}  // namespace baton::engine
