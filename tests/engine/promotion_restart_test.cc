// All of Baton was restarted while this host was the writable one: it goes on, or it becomes a standby first.
#include "tests/engine/promotion_bench.h"

namespace baton::engine {
namespace {

ports::DataRecord left(DataRole role, std::uint64_t promoted) {
  return {.instance = "pg", .role = role, .generation = 5, .dirty = true, .promoted = promoted, .same_boot = true};
}

ports::PeerFact standby_says(std::uint64_t promoted) {
  return {.host = "db2",
          .instance = "pg",
          .data_role = DataRole::kStandby,
          .step = PromotionStep::kStandby,
          .generation = promoted,
          .promoted = promoted};
}

class PromotionRestartTest : public PromotionTest {
 protected:
  void look(ApplicationRole role, std::uint64_t generation) { promotion->observe(now, now, 0, role, generation); }
};

TEST_F(PromotionRestartTest, WhatIsStillWritableOfItsOwnGenerationGoesOnWithTheSameGrant) {
  make(one_section(config::Grant::kWitness), left(DataRole::kActive, 5));
  EXPECT_THAT(ask(), ElementsAre("acquire"));
  EXPECT_EQ(witness.generation, 5U);
  EXPECT_EQ(promotion->role(), DataRole::kPromoting);
  EXPECT_TRUE(promotion->against(now).has(Reason::kStateUnread));
  EXPECT_THAT(witness_says(VerbStatus::kOk, 10s), IsEmpty()) << "the data has not been looked at yet";
  look(ApplicationRole::kPrimary, 5);
  EXPECT_THAT(ask(), ElementsAre("promote"));
  EXPECT_EQ(last.generation, 5U);
  EXPECT_THAT(answer(), ElementsAre("verify"));
  EXPECT_THAT(answer(), IsEmpty()) << "Active with this generation is on disk already";
  EXPECT_TRUE(promotion->may_hold());
  EXPECT_TRUE(promotion->wants_mastership());
  EXPECT_EQ(promotion->why_it_serves(), Reason::kContinued);
  EXPECT_EQ(promotion->record().generation, 5U);
}

TEST_F(PromotionRestartTest, APromotionThatWasInterruptedIsFinishedAndRecorded) {
  make(one_section(config::Grant::kWitness), left(DataRole::kPromoting, 4));
  ask();
  look(ApplicationRole::kPrimary, 5);
  EXPECT_THAT(ask(), IsEmpty()) << "the witness has not answered yet";
  EXPECT_THAT(witness_says(VerbStatus::kOk, 10s), ElementsAre("promote"));
  answer();
  EXPECT_THAT(answer(), ElementsAre("[active 5 dirty]"));
  EXPECT_EQ(promotion->promoted(), 5U);
}

TEST_F(PromotionRestartTest, WhatTheWitnessHasGrantedToAnotherSinceBecomesAStandby) {
  make(one_section(config::Grant::kWitness), left(DataRole::kActive, 5));
  ask();
  look(ApplicationRole::kPrimary, 5);
  EXPECT_THAT(witness_says(VerbStatus::kRefused, 0s, 6), ElementsAre("demote"));
  EXPECT_FALSE(promotion->wants_mastership());
}

TEST_F(PromotionRestartTest, DataThatIsNoLongerWritableBecomesAStandbyAtOnce) {
  make(one_section(config::Grant::kWitness), left(DataRole::kPromoting, 4));
  ask();
  witness_says(VerbStatus::kOk, 10s);
  look(ApplicationRole::kReplica, 4);
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_THAT(answer(), ElementsAre("release"));
}

TEST_F(PromotionRestartTest, DataOfAnotherGenerationIsNotThisHostsOwn) {
  make(one_section(config::Grant::kWitness), left(DataRole::kActive, 5));
  ask();
  witness_says(VerbStatus::kOk, 10s);
  look(ApplicationRole::kPrimary, 6);
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_THAT(answer(), ElementsAre("release"));
}

TEST_F(PromotionRestartTest, WithoutProofInFiveSecondsItBecomesAStandby) {
  make(one_section(config::Grant::kWitness), left(DataRole::kActive, 5));
  ask();
  witness_says(VerbStatus::kOk, 60s);
  now += 5s - 1ns;
  EXPECT_THAT(ask(), IsEmpty());
  EXPECT_EQ(promotion->next_deadline(now), now + 1ns);
  now += 1ns;
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_THAT(answer(), ElementsAre("release"));
}

TEST_F(PromotionRestartTest, AfterARebootTheDatabaseStartsAsAStandby) {
  ports::DataRecord record = left(DataRole::kActive, 5);
  record.same_boot = false;
  make(one_section(config::Grant::kWitness), record);
  EXPECT_THAT(ask(), ElementsAre("demote"));
}

TEST_F(PromotionRestartTest, WithoutAWitnessTheOtherHostsWordDecides) {
  make(one_section(), left(DataRole::kActive, 5));
  look(ApplicationRole::kPrimary, 5);
  EXPECT_THAT(ask(), IsEmpty());
  promotion->heard(now, standby_says(5));  // of this host's own promotion
  EXPECT_THAT(ask(), ElementsAre("promote"));
}

TEST_F(PromotionRestartTest, WhoKnowsOfALaterPromotionIsBelieved) {
  make(one_section(), left(DataRole::kActive, 5));
  look(ApplicationRole::kPrimary, 5);
  promotion->heard(now, standby_says(6));
  EXPECT_THAT(ask(), IsEmpty());
  now += 5s;
  EXPECT_THAT(ask(), ElementsAre("demote"));
}

TEST_F(PromotionRestartTest, AHolderThatIsHeardEndsItAtOnce) {
  make(one_section(), left(DataRole::kActive, 5));
  look(ApplicationRole::kPrimary, 5);
  ports::PeerFact holder = standby_says(6);
  holder.data_role = DataRole::kActive;
  holder.step = PromotionStep::kActive;
  promotion->heard(now, holder);
  EXPECT_THAT(ask(), ElementsAre("rejoin db2"));
}

ports::PeerFact holder_says(std::uint64_t generation) {
  ports::PeerFact fact = standby_says(generation);
  fact.data_role = DataRole::kActive;
  fact.step = PromotionStep::kActive;
  return fact;
}

TEST_F(PromotionRestartTest, AHolderOfThisHostsOwnGenerationFencesIt) {
  for (const bool same_boot : {true, false}) {
    ports::DataRecord record = left(DataRole::kActive, 5);
    record.same_boot = same_boot;
    make(one_section(config::Grant::kPeer), record);
    promotion->heard(now, holder_says(5));
    EXPECT_EQ(promotion->double_of(), "db2");
    EXPECT_EQ(promotion->role(), DataRole::kFenced);
    EXPECT_THAT(ask(), ElementsAre("demote")) << "it follows nobody";
    EXPECT_THAT(answer(), ElementsAre("[fenced 5 dirty]"));
    EXPECT_TRUE(promotion->against(now).has(Reason::kSameGeneration));
    promotion->claim(now, now);
    EXPECT_THAT(ask(), IsEmpty());
  }
}

TEST_F(PromotionRestartTest, DataCountsAsAHoldersOnlyOnceItsWordIsHeardOrDidNotCome) {
  for (const bool heard : {true, false}) {
    ports::DataRecord record = left(DataRole::kActive, 5);
    record.same_boot = false;
    make(one_section(config::Grant::kWitness), record);
    promotion->follow(now, "db2", now);
    EXPECT_THAT(ask(), ElementsAre("demote")) << "without writes it may be at once";
    EXPECT_THAT(answer(), ElementsAre("[standby 5 dirty]"));
    EXPECT_EQ(promotion->next_deadline(now), now + 3500ms);
    if (heard) {
      promotion->heard(now, holder_says(6));
    } else {
      now += 3499ms;
      EXPECT_THAT(ask(), IsEmpty());
      now += 1ms;
    }
    EXPECT_THAT(ask(), ElementsAre("rejoin db2"));
  }
}

TEST_F(PromotionRestartTest, AHolderThatHearsOfItsDoubleIsFencedToo) {
  Promotion::Setup setup = one_section(config::Grant::kPeer);
  setup.host = "db1";
  make(setup, left(DataRole::kActive, 5));
  look(ApplicationRole::kPrimary, 5);
  ports::PeerFact word = standby_says(5);
  word.promise = {.to = "db1", .generation = 5};
  promotion->heard(now, word);
  ask();
  answer();
  answer();
  ASSERT_TRUE(promotion->may_hold());

  word.data_role = DataRole::kFenced;
  promotion->heard(now, word);
  EXPECT_EQ(promotion->double_of(), "") << "fenced for another reason";
  word.against.set(Reason::kSameGeneration);
  word.generation = 4;
  promotion->heard(now, word);
  EXPECT_EQ(promotion->double_of(), "") << "a double of somebody else";
  word.generation = 5;
  promotion->heard(now, word);
  EXPECT_EQ(promotion->double_of(), "db2");
  EXPECT_TRUE(promotion->against(now).has(Reason::kFenced));

  promotion->leave(now);
  EXPECT_THAT(ask(), ElementsAre("block_writes"));
  answer();
  promotion->addresses_gone(now);
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_THAT(answer(), ElementsAre("[fenced 5 dirty]"));
  promotion->forgive(now);
  EXPECT_EQ(promotion->double_of(), "");
  promotion->heard(now, word);
  EXPECT_EQ(promotion->double_of(), "") << "what an operator has forgiven stays so";
  EXPECT_THAT(ask(), ElementsAre("[standby 5]"));
}

TEST_F(PromotionRestartTest, WhereGenerationsAreEachHostsOwnAnEqualOneIsFollowed) {
  for (const config::Grant grant : {config::Grant::kUnsafe, config::Grant::kManual}) {
    make(one_section(grant), left(DataRole::kActive, 5));
    look(ApplicationRole::kPrimary, 5);
    promotion->heard(now, holder_says(5));
    EXPECT_EQ(promotion->double_of(), "");
    EXPECT_THAT(ask(), ElementsAre("rejoin db2"));
  }
}

TEST_F(PromotionRestartTest, AnActiveKeepsItsOwnGenerationWhateverItHears) {
  make(one_section(config::Grant::kWitness), left(DataRole::kActive, 5));
  ask();
  look(ApplicationRole::kPrimary, 5);
  witness_says(VerbStatus::kOk, 10s);
  answer();
  answer();
  ASSERT_TRUE(promotion->may_hold());
  promotion->heard(now, holder_says(6));
  EXPECT_EQ(promotion->record().generation, 5U) << "else the other would take it for its double";
  EXPECT_EQ(promotion->promoted(), 6U);
}

TEST_F(PromotionRestartTest, AloneItGoesOnOnlyWhereThatIsAllowed) {
  make(one_section(), left(DataRole::kActive, 5));
  look(ApplicationRole::kPrimary, 5);
  now += 5s;
  EXPECT_THAT(ask(), ElementsAre("demote"));

  Promotion::Setup alone = one_section();
  alone.resume_alone = true;
  make(alone, left(DataRole::kActive, 5));
  look(ApplicationRole::kPrimary, 5);
  EXPECT_THAT(ask(), IsEmpty()) << "a host that runs is given the time to say so";
  now += 1500ms;
  EXPECT_THAT(ask(), ElementsAre("promote"));
}

TEST_F(PromotionRestartTest, WithPeerAPromiseForThisVeryGenerationIsNeeded) {
  Promotion::Setup setup = one_section(config::Grant::kPeer);
  setup.host = "db1";
  make(setup, left(DataRole::kActive, 5));
  look(ApplicationRole::kPrimary, 5);
  ports::PeerFact word = standby_says(5);
  promotion->heard(now, word);
  EXPECT_THAT(ask(), IsEmpty());
  word.promise = {.to = "db1", .generation = 5};
  promotion->heard(now, word);
  EXPECT_THAT(ask(), ElementsAre("promote"));
}

TEST_F(PromotionRestartTest, WhoIsStillProvingPromisesNothing) {
  Promotion::Setup setup = one_section(config::Grant::kPeer);
  setup.host = "db1";
  make(setup, left(DataRole::kActive, 5));
  ports::PeerFact claimant = standby_says(5);
  claimant.data_role = DataRole::kClaiming;
  claimant.step = PromotionStep::kGranting;
  claimant.generation = 6;
  promotion->heard(now, claimant);
  EXPECT_EQ(promotion->promise().to, "");
}

TEST_F(PromotionRestartTest, AHostThatMayNotServeBecomesAStandbyAtOnce) {
  make(one_section(config::Grant::kWitness), left(DataRole::kActive, 5));
  ReasonSet drained;
  drained.set(Reason::kDrained);
  promotion->host_is(drained);
  EXPECT_THAT(ask(), ElementsAre("demote", "acquire"));
}

TEST_F(PromotionRestartTest, ChecksAndAWatchdogThatAreNotThereYetAreWaitedFor) {
  make(one_section(config::Grant::kWitness), left(DataRole::kActive, 5));
  ReasonSet unknown;
  unknown.set(Reason::kCheckUnknown);
  promotion->host_is(unknown);
  promotion->guard(false);
  ask();
  witness_says(VerbStatus::kOk, 60s);
  look(ApplicationRole::kPrimary, 5);
  EXPECT_THAT(ask(), IsEmpty());
  promotion->host_is({});
  EXPECT_THAT(ask(), IsEmpty());
  promotion->guard(true);
  EXPECT_THAT(ask(), ElementsAre("promote"));
}

TEST_F(PromotionRestartTest, ASuccessorThatFindsItProvingStartsAsAStandby) {
  promotion.emplace("pg", one_section());
  promotion->adopt(now, left_at(PromotionStep::kProving, DataRole::kPromoting, 5, true, now));
  EXPECT_THAT(ask(), ElementsAre("demote"));
  EXPECT_EQ(promotion->word().phase, ports::HandoverPhase::kNone);
}

TEST_F(PromotionRestartTest, CooldownAndBudgetOutliveIt) {
  Promotion::Setup setup = one_section();
  setup.budget = 2;
  setup.budget_window = 1h;
  ports::DataRecord record{.instance = "pg", .role = DataRole::kStandby, .generation = 5, .promoted = 5};
  record.promotions = {now - 50min, now - 40s};
  make(setup, record);
  ask();
  answer();
  EXPECT_TRUE(promotion->against(now).has(Reason::kCooldown));
  EXPECT_TRUE(promotion->against(now).has(Reason::kPromotionBudget));
  now += 20s;
  EXPECT_FALSE(promotion->against(now).has(Reason::kCooldown));
  now += 10min;
  EXPECT_TRUE(promotion->against(now).empty());
}

TEST_F(PromotionRestartTest, APromotionIsOnDiskWithThoseBeforeIt) {
  Promotion::Setup setup = one_section();
  setup.cooldown = 0s;
  ports::DataRecord record{.instance = "pg", .role = DataRole::kStandby, .generation = 5, .promoted = 5};
  record.promotions = {now - 10min};
  make(setup, record);
  settle_as_standby();
  promotion->claim(now, now);
  ask();
  answer();  // can_promote, then [promoting 6]
  EXPECT_THAT(promotion->record().promotions, ElementsAre(now - 10min, now));
}

}  // namespace
}  // namespace baton::engine
