// A planned move between two transactions that hear each other's words, and nothing else of each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "engine/promotion.h"

namespace baton::engine {
namespace {

using ports::DataRole;
using ports::HandoverPhase;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using namespace std::chrono_literals;

constexpr std::uint64_t kNumber = 77;

VerbSet all_verbs() {
  VerbSet verbs;
  for (const PluginVerb verb :
       {PluginVerb::kProbe, PluginVerb::kCanPromote, PluginVerb::kBlockWrites, PluginVerb::kUnblockWrites,
        PluginVerb::kDrain, PluginVerb::kPromote, PluginVerb::kDemote, PluginVerb::kVerify}) {
    verbs.add(verb);
  }
  return verbs;
}

Promotion::Setup setup_of(const std::string& host, const std::string& other, config::Grant grant) {
  Promotion::Setup setup;
  setup.grant = grant;
  setup.host = host;
  setup.others = {other};
  setup.promote = {{.plugin = 0, .verbs = all_verbs(), .deadline = 60s}};
  setup.cooldown = 60s;
  if (grant == config::Grant::kWitness) setup.witness = {{.plugin = 9, .verbs = {}, .deadline = 60s}};
  return setup;
}

/// What an engine that had promoted left on the state board.
ports::InstanceState left_at(PromotionStep step, DataRole role, std::uint64_t generation) {
  ports::InstanceState state;
  state.promotion_step = static_cast<std::uint8_t>(step);
  state.data_role = role;
  state.generation = generation;
  state.data_dirty = true;
  state.granted_until_ns = kNever.time_since_epoch().count();
  return state;
}

/// One host: its transaction, what it asked for, and how its plugin answers.
struct Host {
  std::string name;
  std::optional<Promotion> promotion;
  std::vector<std::string> asked{};
  Promotion::Act last{};
  std::string final_position = "0/500";
  VerbStatus drain = VerbStatus::kOk;
  VerbStatus promote = VerbStatus::kOk;
  VerbStatus block = VerbStatus::kOk;
  VerbStatus can = VerbStatus::kOk;
  bool answers = true;

  VerbStatus status_of(PluginVerb verb) const {
    switch (verb) {
      case PluginVerb::kDrain: return drain;
      case PluginVerb::kPromote: return promote;
      case PluginVerb::kBlockWrites: return block;
      case PluginVerb::kCanPromote: return can;
      default: return VerbStatus::kOk;
    }
  }
};

class HandoverTest : public testing::Test {
 protected:
  void make(config::Grant grant = config::Grant::kUnsafe) {
    hosts[0] = {.name = "db1", .promotion = Promotion{"pg", setup_of("db1", "db2", grant)}};
    hosts[1] = {.name = "db2", .promotion = Promotion{"pg", setup_of("db2", "db1", grant)}};
    for (Host& host : hosts) host.promotion->recall(now, {.instance = "pg"});
    run();
    hosts[0].promotion->claim(now, now);
    run();
    hosts[1].promotion->follow(now, "db1");
    run();
    ASSERT_TRUE(hosts[0].promotion->may_hold());
    ASSERT_EQ(hosts[1].promotion->step(), PromotionStep::kStandby);
    for (Host& host : hosts) host.asked.clear();
  }

  void answer(Host& host, const Promotion::Act& act) {
    ports::ActResult result;
    result.status = host.status_of(act.verb);
    if (result.status != VerbStatus::kOk) result.sentence = ports::Sentence{"because"};
    if (act.verb == PluginVerb::kBlockWrites) result.position = host.final_position;
    if (act.verb == PluginVerb::kVerify) {
      result.role = ApplicationRole::kPrimary;
      result.generation = act.generation;
    }
    host.promotion->acted(now, result);
  }

  /// The witness: one holder, and the highest generation that it granted.
  void witness(Host& host, const Promotion::Act& act) {
    ports::ActResult result;
    result.lease = 3s;
    if (act.verb == PluginVerb::kRelease) {
      if (holder == host.name) holder.clear();
    } else if ((holder.empty() || holder == host.name) && act.generation >= granted) {
      holder = host.name;
      granted = act.generation;
    } else {
      result.status = VerbStatus::kRefused;
    }
    result.generation = granted;
    host.promotion->witnessed(now, act.index, result);
  }

  /// Whatever either host asks for is answered until both are at rest.
  void work(Host& host) {
    for (bool more = true; more;) {
      more = false;
      while (const auto ask = host.promotion->next(now)) {
        more = true;
        if (std::holds_alternative<ports::DataRecord>(*ask)) {
          host.promotion->recorded(now);
          continue;
        }
        host.last = std::get<Promotion::Act>(*ask);
        host.asked.push_back(std::string{verb_token(host.last.verb)} +
                             (host.last.position.empty() ? "" : " " + host.last.position));
        if (!host.answers) return;
        answer(host, host.last);
      }
      if (host.promotion->clearing()) {
        host.promotion->addresses_gone(now);
        more = true;
      }
      while (const auto act = host.promotion->next_witness(now)) {
        more = true;
        witness(host, *act);
      }
    }
  }
  void tell(Host& from, Host& to) {
    const Promotion& said = *from.promotion;
    to.promotion->heard(now, {.host = from.name,
                              .instance = "pg",
                              .state = vrrp::State::kBackup,
                              .data_role = said.role(),
                              .step = said.step(),
                              .generation = said.record().generation,
                              .dirty = said.record().dirty,
                              .position = "",
                              .against = said.against(now),
                              .handover = said.word(),
                              .promise = said.promise()});
  }
  void run(int rounds = 12) {
    for (int i = 0; i < rounds; ++i) {
      for (Host& host : hosts) work(host);
      if (cut) continue;
      tell(hosts[0], hosts[1]);
      tell(hosts[1], hosts[0]);
    }
  }

  void hand_to_a_taker_that_does_not_catch_up() {
    make();
    taker().answers = false;
    ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
    run();
    answer(taker(), taker().last);  // can_promote
    run();
    ASSERT_EQ(taker().last.verb, PluginVerb::kDrain);
    ASSERT_EQ(giver().promotion->step(), PromotionStep::kHanding);
  }

  /// grant = peer, and db2 can end db1.
  void make_with_a_fence() {
    Promotion::Setup setup = setup_of("db2", "db1", config::Grant::kPeer);
    VerbSet fence;
    fence.add(PluginVerb::kFence);
    setup.fence = {{.plugin = 5, .verbs = fence, .deadline = 60s}};
    make(config::Grant::kPeer);
    taker().promotion.emplace("pg", setup);
    taker().promotion->recall(now, {.instance = "pg"});
    run();
    taker().asked.clear();
  }

  Host& giver() { return hosts[0]; }
  Host& taker() { return hosts[1]; }

  Instant now{1000s};
  std::array<Host, 2> hosts;
  std::string holder;
  std::uint64_t granted = 0;
  bool cut = false;
};

TEST_F(HandoverTest, TheRoleMovesWithItsFinalPosition) {
  make();
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_THAT(giver().asked, ElementsAre("block_writes", "demote"));
  EXPECT_THAT(taker().asked, ElementsAre("can_promote", "drain 0/500", "promote 0/500", "verify 0/500"));
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kTaken);
  EXPECT_EQ(taker().promotion->word().phase, HandoverPhase::kTaken);
  EXPECT_TRUE(taker().promotion->may_hold());
  EXPECT_EQ(taker().promotion->record().generation, 2U);
  EXPECT_FALSE(giver().promotion->wants_mastership());
  EXPECT_FALSE(giver().promotion->record().dirty);
  EXPECT_EQ(giver().last.target, "db2");
}

TEST_F(HandoverTest, TheTakersOwnCheckDoesNotDecideBeforeItHasSeenTheEndOfTheMove) {
  make();
  taker().answers = false;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  for (const PluginVerb verb : {PluginVerb::kCanPromote, PluginVerb::kDrain, PluginVerb::kPromote}) {
    run();
    ASSERT_EQ(taker().last.verb, verb);
    EXPECT_EQ(taker().promotion->shielded(now), verb == PluginVerb::kPromote);
    if (verb == PluginVerb::kPromote) taker().answers = true;
    answer(taker(), taker().last);
  }
  run();
  ASSERT_TRUE(taker().promotion->may_hold());
  EXPECT_TRUE(taker().promotion->shielded(now + 10s - 1ns));
  EXPECT_EQ(taker().promotion->next_deadline(now + 10s - 1ns), now + 10s);
  EXPECT_FALSE(taker().promotion->shielded(now + 10s));
}

TEST_F(HandoverTest, ATakerThatWasStartedAnewBeforeItHadCaughtUpEndsTheMoveAtOnce) {
  hand_to_a_taker_that_does_not_catch_up();
  taker().promotion.emplace("pg", setup_of("db2", "db1", config::Grant::kUnsafe));
  taker().promotion->recall(now, {.instance = "pg"});
  taker().answers = true;
  run();
  EXPECT_TRUE(giver().promotion->may_hold());
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kAborted);
  EXPECT_EQ(giver().promotion->word().sentence, "db2 was started anew meanwhile");
  EXPECT_EQ(giver().asked.back(), "unblock_writes");
}

TEST_F(HandoverTest, EveryActOfTheMoveIsPlannedAndNamesTheOtherHost) {
  make();
  giver().answers = taker().answers = false;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run(2);
  ASSERT_EQ(taker().last.verb, PluginVerb::kCanPromote);
  EXPECT_TRUE(taker().last.planned);
  EXPECT_EQ(taker().last.target, "db1");
  EXPECT_EQ(taker().last.generation, 2U);
}

TEST_F(HandoverTest, TheLeaseIsGivenBackBeforeTheOtherMayAskForIt) {
  make(config::Grant::kWitness);
  ASSERT_EQ(holder, "db1");
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_EQ(holder, "db2");
  EXPECT_TRUE(taker().promotion->may_hold());
  EXPECT_EQ(taker().promotion->record().generation, 2U);
}

TEST_F(HandoverTest, AskingAloneChangesNothing) {
  make();
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, true));
  run();
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kReady);
  EXPECT_THAT(giver().asked, IsEmpty());
  EXPECT_THAT(taker().asked, ElementsAre("can_promote"));
  EXPECT_TRUE(giver().promotion->may_hold());
}

TEST_F(HandoverTest, ARefusalOfTheOtherHostsDatabaseChangesNothing) {
  make();
  taker().can = VerbStatus::kRefused;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kRefused);
  EXPECT_EQ(giver().promotion->word().sentence, "because");
  EXPECT_THAT(giver().asked, IsEmpty());
}

TEST_F(HandoverTest, AHostThatMayNotServeRefuses) {
  make();
  ReasonSet drained;
  drained.set(Reason::kDrained);
  taker().promotion->host_is(drained);
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kRefused);
  EXPECT_EQ(giver().promotion->word().sentence, "this host is drained");
}

TEST_F(HandoverTest, SecondMoveWhileOneIsUnderWayIsNotTaken) {
  make();
  taker().answers = false;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_FALSE(giver().promotion->offer(now, "db2", kNumber + 1, false));
}

TEST_F(HandoverTest, WritesThatCannotBeBlockedGoOn) {
  make();
  giver().block = VerbStatus::kTransient;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_THAT(giver().asked, ElementsAre("block_writes", "unblock_writes"));
  EXPECT_TRUE(giver().promotion->may_hold());
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kAborted);
  EXPECT_EQ(giver().promotion->record().generation, 1U);
  EXPECT_EQ(taker().promotion->step(), PromotionStep::kStandby);
}

TEST_F(HandoverTest, AHostThatCannotCatchUpGivesItBack) {
  make(config::Grant::kWitness);
  taker().drain = VerbStatus::kTimeout;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_THAT(giver().asked, ElementsAre("block_writes", "unblock_writes"));
  EXPECT_TRUE(giver().promotion->may_hold());
  EXPECT_EQ(holder, "db1");
  EXPECT_EQ(giver().promotion->record().generation, 1U);
  EXPECT_THAT(taker().asked, Not(Contains("promote 0/500")));
}

TEST_F(HandoverTest, AFailedPromotionIsUndoneThenTheGiverServesUnderANewGeneration) {
  make(config::Grant::kWitness);
  taker().promote = VerbStatus::kFatal;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_THAT(taker().asked, ElementsAre("can_promote", "drain 0/500", "promote 0/500", "demote"));
  EXPECT_THAT(giver().asked, ElementsAre("block_writes", "unblock_writes"));
  EXPECT_TRUE(giver().promotion->may_hold());
  EXPECT_EQ(giver().promotion->record().generation, 3U);  // 2 is burned
  EXPECT_EQ(giver().promotion->record().promoted, 3U);
  EXPECT_EQ(holder, "db1");
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kAborted);
}

TEST_F(HandoverTest, SilenceBeforeTheRightHasPassedBringsTheWritesBack) {
  hand_to_a_taker_that_does_not_catch_up();
  cut = true;
  now += 3600ms;
  run();
  EXPECT_TRUE(giver().promotion->may_hold());
  // The drain's answer comes late: the offer does not stand any more.
  answer(taker(), taker().last);
  taker().answers = true;
  cut = false;
  run();
  EXPECT_EQ(taker().promotion->step(), PromotionStep::kStandby);
  EXPECT_TRUE(giver().promotion->may_hold());
}

TEST_F(HandoverTest, SilenceAfterTheRightHasPassedIsNoConsent) {
  make();
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  for (int i = 0; i < 12 && giver().promotion->step() != PromotionStep::kPassed; ++i) run(1);
  ASSERT_EQ(giver().promotion->step(), PromotionStep::kPassed);
  cut = true;
  now += 6900ms;
  run();
  EXPECT_EQ(giver().promotion->step(), PromotionStep::kPassed);
  EXPECT_THAT(giver().asked, Not(Contains("unblock_writes")));
  now += 200ms;
  run();
  EXPECT_THAT(giver().asked, ElementsAre("block_writes", "demote"));
  EXPECT_TRUE(giver().promotion->against(now).has(Reason::kNeedsProof));
}

TEST_F(HandoverTest, AnOldWordPromotesNobody) {
  make();
  taker().answers = false;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  taker().answers = true;
  answer(taker(), taker().last);
  run(1);
  // Of another move, and of one that this host was never asked about.
  taker().promotion->heard(now,
                           {.host = "db1",
                            .instance = "pg",
                            .data_role = DataRole::kDemoting,
                            .step = PromotionStep::kPassed,
                            .generation = 1,
                            .handover = {.phase = HandoverPhase::kPassed, .gives = true, .with = "db2", .number = 5}});
  work(taker());
  EXPECT_EQ(taker().promotion->step(), PromotionStep::kStandby);
  EXPECT_THAT(taker().asked, ElementsAre("can_promote"));
}

TEST_F(HandoverTest, AHostThatIsTakenOutMeanwhileDemotes) {
  make();
  taker().answers = false;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  answer(taker(), taker().last);
  run();
  ASSERT_EQ(giver().promotion->step(), PromotionStep::kHanding);
  giver().promotion->leave(now);
  run();
  EXPECT_THAT(giver().asked, ElementsAre("block_writes", "demote"));
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kAborted);
}

TEST_F(HandoverTest, ASuccessorOfTheGiverTakesBackWhatWasNotPassed) {
  make();
  taker().answers = false;
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  answer(taker(), taker().last);
  run();
  ASSERT_EQ(giver().promotion->step(), PromotionStep::kHanding);
  const ports::HandoverWord word = giver().promotion->word();
  giver().promotion.emplace("pg", setup_of("db1", "db2", config::Grant::kUnsafe));
  giver().promotion->adopt(now, left_at(PromotionStep::kHanding, DataRole::kDemoting, 1), word);
  giver().promotion->claim(now, now);
  giver().asked.clear();
  run();
  EXPECT_THAT(giver().asked, ElementsAre("unblock_writes"));
  EXPECT_TRUE(giver().promotion->may_hold());
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kAborted);
}

TEST_F(HandoverTest, ASuccessorOfTheGiverWaitsForTheWordOnceTheRightHasPassed) {
  make();
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  for (int i = 0; i < 12 && giver().promotion->step() != PromotionStep::kPassed; ++i) run(1);
  const ports::HandoverWord word = giver().promotion->word();
  giver().promotion.emplace("pg", setup_of("db1", "db2", config::Grant::kUnsafe));
  giver().promotion->adopt(now, left_at(PromotionStep::kPassed, DataRole::kDemoting, 1), word);
  giver().promotion->claim(now, now);
  giver().asked.clear();
  work(giver());
  EXPECT_THAT(giver().asked, IsEmpty());
  run();
  EXPECT_THAT(giver().asked, ElementsAre("demote"));
  EXPECT_TRUE(taker().promotion->may_hold());
}

TEST_F(HandoverTest, ASuccessorOfTheTakerFinishesItsPromotion) {
  make();
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  for (int i = 0; i < 12 && giver().promotion->step() != PromotionStep::kPassed; ++i) run(1);
  taker().answers = false;
  run(2);
  ASSERT_EQ(taker().last.verb, PluginVerb::kPromote);
  const ports::HandoverWord word = taker().promotion->word();
  taker().promotion.emplace("pg", setup_of("db2", "db1", config::Grant::kUnsafe));
  taker().promotion->adopt(now, left_at(PromotionStep::kPromoting, DataRole::kPromoting, 2), word);
  taker().answers = true;
  taker().asked.clear();
  run();
  EXPECT_THAT(taker().asked, ElementsAre("promote 0/500", "verify 0/500"));
  EXPECT_TRUE(taker().promotion->may_hold());
  EXPECT_EQ(giver().promotion->word().phase, HandoverPhase::kTaken);
}

TEST_F(HandoverTest, AThirdHostThatIsDeadDoesNotHoldAPlannedMoveUp) {
  make(config::Grant::kPeer);
  Promotion::Setup three = setup_of("db2", "db1", config::Grant::kPeer);
  three.others = {"db1", "db3"};
  taker().promotion->configure(three);
  run();
  taker().asked.clear();
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_TRUE(taker().promotion->may_hold());
}

// ---- grant = peer ---------------------------------------------------------------------------------------------------

TEST_F(HandoverTest, APeerPromisesAndTheClaimIsGranted) {
  make(config::Grant::kPeer);
  EXPECT_EQ(taker().promotion->promise().to, "db1");
  EXPECT_TRUE(taker().promotion->against(now).has(Reason::kPromised));
}

TEST_F(HandoverTest, APlannedMoveNeedsNoOtherPromise) {
  make(config::Grant::kPeer);
  ASSERT_TRUE(giver().promotion->offer(now, "db2", kNumber, false));
  run();
  EXPECT_TRUE(taker().promotion->may_hold());
  EXPECT_EQ(giver().promotion->promise().to, "db2");
  EXPECT_EQ(giver().promotion->promise().generation, 2U);
}

TEST_F(HandoverTest, ASilentPeerGrantsNothing) {
  make(config::Grant::kPeer);
  cut = true;
  now += 10s;
  taker().promotion->claim(now, now);
  for (int i = 0; i < 12; ++i) {
    run(1);
    now += 1s;
  }
  EXPECT_THAT(taker().asked, IsEmpty());
  EXPECT_TRUE(taker().promotion->against(now).has(Reason::kNoGrant));
}

TEST_F(HandoverTest, TwoThatClaimAtOnceAreNotBothGranted) {
  for (const bool first_tells : {true, false}) {
    hosts[0] = {.name = "db1", .promotion = Promotion{"pg", setup_of("db1", "db2", config::Grant::kPeer)}};
    hosts[1] = {.name = "db2", .promotion = Promotion{"pg", setup_of("db2", "db1", config::Grant::kPeer)}};
    for (Host& host : hosts) host.promotion->recall(now, {.instance = "pg"});
    cut = true;
    run(3);
    for (Host& host : hosts) host.promotion->claim(now, now);
    run(3);
    cut = false;
    if (first_tells) tell(hosts[0], hosts[1]);
    run();
    EXPECT_NE(hosts[0].promotion->may_hold(), hosts[1].promotion->may_hold());
  }
}

TEST_F(HandoverTest, ASilentPeerIsFencedWhereThatIsPossible) {
  make_with_a_fence();
  cut = true;
  now += 10s;
  taker().promotion->claim(now, now);
  run();
  EXPECT_THAT(taker().asked, IsEmpty());  // silent since the claim, for as long as a word counts
  now += 3600ms;
  run();
  EXPECT_THAT(taker().asked, ElementsAre("fence", "can_promote", "promote", "verify"));
  EXPECT_TRUE(taker().promotion->may_hold());
}

TEST_F(HandoverTest, APeerThatLivesIsNotFencedForItsSilenceOnTheWire) {
  make_with_a_fence();
  taker().promotion->claim(now, now);  // its adverts do not arrive
  for (int i = 0; i < 12; ++i) {
    run(1);
    now += 1s;
  }
  EXPECT_THAT(taker().asked, IsEmpty());
  EXPECT_TRUE(giver().promotion->may_hold());
}

TEST_F(HandoverTest, TwoWritableDatabasesAreSeen) {
  make();
  ports::PeerFact beside{
      .host = "db2", .instance = "pg", .data_role = DataRole::kStandby, .role = ApplicationRole::kPrimary};
  giver().promotion->heard(now, beside);
  EXPECT_EQ(giver().promotion->conflicting(now), "");
  now += 3s;
  giver().promotion->heard(now, beside);
  EXPECT_EQ(giver().promotion->conflicting(now), "db2");
  beside.role = ApplicationRole::kReplica;
  giver().promotion->heard(now, beside);
  EXPECT_EQ(giver().promotion->conflicting(now), "");
}

}  // namespace
}  // namespace baton::engine
