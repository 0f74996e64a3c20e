// What status and explain say of a transaction under way, and of data that bars a host from the role.
#include "steward/promotion_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "steward/documents.h"
#include "tests/steward/views.h"

namespace baton::steward {
namespace {

using namespace test;
using ports::PromotionStep;
using testing::ElementsAre;

class PromotionWordsTest : public testing::Test {
 protected:
  PromotionWordsTest() {
    host.instances = {instance_web()};
    web().state.data_role = ports::DataRole::kStandby;
    web().grant = config::Grant::kWitness;
    set_step(PromotionStep::kStandby);
  }
  InstanceView& web() { return host.instances.front(); }
  void set_step(PromotionStep step) { web().state.promotion_step = static_cast<std::uint8_t>(step); }
  /// Active on the wire for 133 s, without addresses.
  void claim(PromotionStep step) {
    web() = web_active();
    web().state.holding = ports::HoldingState::kNone;
    web().state.data_role = ports::DataRole::kClaiming;
    web().grant = config::Grant::kWitness;
    set_step(step);
  }
  void said(PluginVerb verb, VerbStatus outcome, const char* sentence, Instant at = kNow - 1s) {
    ports::Report& report = web().acts[verb];
    report.kind = ports::EventKind::kActed;
    report.plugin = ports::PluginName{"redis"};
    report.verb = verb;
    report.outcome = outcome;
    report.sentence = ports::Sentence{sentence};
    report.at = at;
  }
  void speaks_against(Reason reason) {
    ReasonSet set;
    set.set(reason);
    web().state.against = set.bits();
  }
  Json explained() const { return explain_document(host, "")["instances"][0]; }
  std::string why() { return why_now(web(), host); }

  HostView host = host_db1();
};

TEST_F(PromotionWordsTest, ARefusedPromotionSaysWhatItWaitsForAndWhatTakesItFurther) {
  claim(PromotionStep::kAsking);
  said(PluginVerb::kCanPromote, VerbStatus::kRefused, "its link to db2 has been silent for 1.1 s only");
  EXPECT_EQ(
      why(),
      "claims the role: the database is asked whether it may be promoted; redis refuses: its link to db2 has been "
      "silent for 1.1 s only");
  const Json document = explained();
  EXPECT_EQ(document["why"], why());
  EXPECT_EQ(document["waits_for"], why());
  EXPECT_EQ(document["rule"],
            "Active on the wire, so that the others wait; the addresses come when its data is proven writable.");
  EXPECT_EQ(
      document["would_change"][0],
      "the database agrees: it is asked again each second; if it goes on refusing, the claim is given up and made "
      "again later");
  EXPECT_EQ(status_document(host, "")["instances"][0]["why"], why());
}

TEST_F(PromotionWordsTest, OnlyTheNewestAnswerOfThisTransactionCounts) {
  claim(PromotionStep::kAsking);
  const std::string bare = "claims the role: the database is asked whether it may be promoted";
  EXPECT_EQ(why(), bare);
  said(PluginVerb::kCanPromote, VerbStatus::kRefused, "of the claim before", kNow - 134s);
  EXPECT_EQ(why(), bare);
  said(PluginVerb::kCanPromote, VerbStatus::kOk, "yes");
  EXPECT_EQ(why(), bare);
  said(PluginVerb::kFence, VerbStatus::kTimeout, "of another step");
  EXPECT_EQ(why(), bare);
}

TEST_F(PromotionWordsTest, EachGrantIsNamedAndTheWitnessesWordsAreTold) {
  claim(PromotionStep::kGranting);
  said(PluginVerb::kAcquire, VerbStatus::kTransient, "db2 holds it for another 4 s");
  EXPECT_EQ(
      why(),
      "claims the role: the witness is asked for the grant; redis failed (transient): db2 holds it for another 4 s");
  EXPECT_EQ(explained()["would_change"][0],
            "the witness grants it: it answers, and no other host has its lease any more");
  web().acts.clear();
  web().grant = config::Grant::kPeer;
  EXPECT_EQ(why(), "claims the role: the other host is asked to promise that it will not promote");
  EXPECT_EQ(explained()["would_change"][0], "the other host promises, or is fenced");
}

TEST_F(PromotionWordsTest, EveryStepHasWordsExceptThoseThatLast) {
  for (unsigned number = 0; number <= static_cast<unsigned>(ports::kLastStep); ++number) {
    const auto step = static_cast<PromotionStep>(number);
    claim(step);
    const bool lasts =
        step == PromotionStep::kReading || step == PromotionStep::kStandby || step == PromotionStep::kActive;
    EXPECT_EQ(transaction_sentence(web()).empty(), lasts) << ports::step_token(step);
  }
}

TEST_F(PromotionWordsTest, AnInstanceWithoutDataHasNoTransaction) {
  web() = web_active();
  set_step(PromotionStep::kAsking);
  EXPECT_EQ(transaction_sentence(web()), "");
  EXPECT_EQ(why(), "no Active was heard for Active_Down_Interval (3.609 s)");
}

TEST_F(PromotionWordsTest, AStandbyThatIsBeingDemotedSaysSoBesideWhatTheElectionSays) {
  hear_db2(web().routers[0], 110);
  set_step(PromotionStep::kDemoting);
  said(PluginVerb::kDemote, VerbStatus::kTimeout, "not done within 20000 ms");
  EXPECT_EQ(why(),
            "a router of higher priority is Active: db2 (10.0.0.2), 110 against 100 here; the database is being made a "
            "standby; redis failed (timeout): not done within 20000 ms");
}

TEST_F(PromotionWordsTest, DataThatMustRejoinIsNotAQuestionOfPriorities) {
  hear_db2(web().routers[0], 90);
  speaks_against(Reason::kNeedsRejoin);
  said(PluginVerb::kRejoin, VerbStatus::kConflict, "12 bytes here are not part of db2's history");
  EXPECT_EQ(
      why(),
      "this host's data must rejoin first: 12 bytes here are not part of db2's history; db2 (10.0.0.2) is Active");
  EXPECT_THAT(
      explained()["would_change"],
      ElementsAre("this host's data must rejoin first: 12 bytes here are not part of db2's history: keep what "
                  "only this host has and rejoin its data, which is looked at each minute while the other host's is "
                  "up; or `batonctl forgive web --i-accept-loss`: it counts again as it is, and where the two differ "
                  "one side's writes are lost"));
  const Json status = status_document(host, "");
  EXPECT_THAT(status["instances"][0]["against"][0]["remedy"].get<std::string>(),
              testing::HasSubstr("`batonctl forgive web --i-accept-loss`"));
}

TEST_F(PromotionWordsTest, WithoutTheOtherHostDataCannotRejoin) {
  speaks_against(Reason::kNeedsRejoin);
  PeerView& peer = host.peers.emplace_back();
  peer.host = "db2";
  peer.lost = true;
  EXPECT_THAT(explained()["would_change"],
              ElementsAre("this host's data must rejoin first: db2 has to be up first, its database and its Baton: "
                          "only beside it can this host's data rejoin, which is looked at each minute; or, if it will "
                          "not return, `batonctl forgive web --i-accept-loss`: this host's data counts again as it "
                          "is, and what was written there since is lost"));
  peer.lost = false;
  EXPECT_THAT(explained()["would_change"][0].get<std::string>(), testing::HasSubstr("while the other host's is up"));
}

TEST_F(PromotionWordsTest, AFencedHostAndOneThatNeedsProofSayWhatEndsThat) {
  hear_db2(web().routers[0], 90);
  speaks_against(Reason::kFenced);
  EXPECT_THAT(explained()["would_change"],
              ElementsAre("evidence of a split brain: an operator has to decide (batonctl forgive): look at both "
                          "databases, then `batonctl forgive web --i-accept-loss`"));
  speaks_against(Reason::kNeedsProof);
  EXPECT_THAT(
      explained()["would_change"],
      ElementsAre("this host was the writable one; whether another has taken over since is not known: start the "
                  "other host, or, if it will not return, `batonctl forgive web --i-accept-loss`: what was written "
                  "there since is lost"));
}

TEST_F(PromotionWordsTest, AFailureThatSpeaksAgainstThisHostIsToldInThePluginsWords) {
  speaks_against(Reason::kPromoteRefused);
  said(PluginVerb::kCanPromote, VerbStatus::kRefused, "replication from db2 is still streaming");
  EXPECT_EQ(why(),
            "the database refuses to be promoted now: replication from db2 is still streaming; no Active is heard");
}

}  // namespace
}  // namespace baton::steward
