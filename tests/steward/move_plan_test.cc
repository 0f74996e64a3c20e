#include "steward/move_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::steward {
namespace {

using ports::DataRole;
using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

/// db1, which holds "pg" with its data, and what db2 says of itself.
class MovePlanTest : public testing::Test {
 protected:
  MovePlanTest() {
    host.host = "db1";
    host.config_hash = "abc";
    host.now = Instant{1000s};
    CheckView& check = host.checks.emplace_back();
    check.name = "pg";
    check.latest.emplace();
    check.latest->role = ApplicationRole::kPrimary;
    check.latest->position = "0/500";
    InstanceView& instance = host.instances.emplace_back();
    std::copy_n("pg", 2, instance.state.name.begin());
    instance.state.state = vrrp::State::kActive;
    instance.state.addresses_wanted = instance.state.addresses_held = 1;
    instance.state.data_role = DataRole::kActive;
    instance.state.generation = 3;
    instance.data = &host.checks.front();
    PeerView& peer = host.peers.emplace_back();
    peer.host = "db2";
    peer.heard_ever = true;
    peer.heard_at = host.now - 300ms;
    peer.paths = 2;
    peer.alive = 2;
    peer.config_hash = "abc";
    peer.instances["pg"] = {{.name = "pg",
                             .state = vrrp::State::kBackup,
                             .effective_priority = 90,
                             .data_role = DataRole::kStandby,
                             .step = ports::PromotionStep::kStandby,
                             .generation = 3,
                             .role = ApplicationRole::kReplica,
                             .probe = ProbeState::kPass,
                             .lag_bytes = 0,
                             .position = "0/4F8"},
                            peer.heard_at};
  }
  PeerInstance& other() { return host.peers.front().instances["pg"].first; }
  MovePlan plan(const std::string& to = "") const { return plan_move(host, host.instances.front(), to); }

  HostView host;
};

TEST_F(MovePlanTest, BothHostsAreShownAndTheOtherCanTakeIt) {
  const MovePlan found = plan();
  EXPECT_EQ(found.to, "db2");
  EXPECT_THAT(found.objections, IsEmpty());
  EXPECT_THAT(
      found.lines,
      ElementsAre("db1 (here): Active, 1 of 1 addresses held; data active, generation 3; database primary at 0/500",
                  "db2: heard 300 ms ago by 2 of 2 paths, same configuration; Backup, priority 90; data standby, "
                  "generation 3; database replica, 0 bytes behind at 0/4F8"));
}

TEST_F(MovePlanTest, WhatKeepsAHostFromClaimingByItselfIsNoObjection) {
  ReasonSet against;
  against.set(Reason::kNoGrant);
  against.set(Reason::kPromised);
  other().against = against.bits();
  EXPECT_THAT(plan().objections, IsEmpty());
}

TEST_F(MovePlanTest, AHostThatMayNotServeIsNoSuccessor) {
  ReasonSet against;
  against.set(Reason::kDrained);
  other().against = against.bits();
  EXPECT_THAT(plan().objections, ElementsAre("db2 may not take it: db2 is drained (`batonctl undrain` there)"));
}

TEST_F(MovePlanTest, EachObjectionIsNamed) {
  other().probe = ProbeState::kFail;
  other().role = ApplicationRole::kNone;
  other().data_role = DataRole::kNeedsRejoin;
  EXPECT_THAT(plan().objections, ElementsAre("db2's database does not pass its check", "db2's database is no replica",
                                             "db2 is needs_rejoin, not a standby"));
}

TEST_F(MovePlanTest, WhereSeveralAreWritableOnlyTheAddressesMove) {
  other().data_role = DataRole::kNone;
  host.instances.front().state.data_role = DataRole::kNone;
  EXPECT_FALSE(plan().addresses_only);
  other().role = ApplicationRole::kPrimary;
  EXPECT_THAT(plan().objections, IsEmpty());
  EXPECT_TRUE(plan().addresses_only);
}

TEST_F(MovePlanTest, AStandbyThatStillDemotesIsNoSuccessorYet) {
  other().step = ports::PromotionStep::kDemoting;
  EXPECT_THAT(plan().objections, ElementsAre("db2 is not settled as a standby yet: demoting"));
  other().step = ports::PromotionStep::kReady;
  EXPECT_THAT(plan().objections, IsEmpty());
}

TEST_F(MovePlanTest, AHostThatIsNotHeardIsNoSuccessor) {
  host.peers.front().lost = true;
  EXPECT_THAT(plan().objections, ElementsAre("db2 is not heard any more"));
}

TEST_F(MovePlanTest, AHostThatSaidGoodbyeIsNoSuccessor) {
  host.peers.front().engine = kStopped;
  host.peers.front().lost = true;
  EXPECT_THAT(plan().objections, ElementsAre("db2 has been stopped"));
}

TEST_F(MovePlanTest, AHostThatThereIsNotIsNamed) {
  EXPECT_THAT(plan("db7").objections, ElementsAre("no other host is named db7"));
}

TEST_F(MovePlanTest, AReplicasLagComesFromItselfElseFromItsPrimaryElseItIsSaidWhoKnowsNone) {
  const auto tail = [&] { return plan().lines.back().substr(plan().lines.back().find("database ")); };
  other().lag_bytes = 12;
  EXPECT_EQ(tail(), "database replica, 12 bytes behind at 0/4F8");
  other().position.clear();
  EXPECT_EQ(tail(), "database replica, 12 bytes behind");
  other().lag_bytes = -1;
  EXPECT_EQ(tail(), "database replica, lag not known: [plugin pg] there reports none");
  EXPECT_EQ(lag_bytes_of(host, "pg", other()), -1);
  other().lag_ms = 2000;
  EXPECT_EQ(tail(), "database replica, 2000 ms behind");
  other().lag_ms = -1;
  other().probe = ProbeState::kUnknown;
  EXPECT_EQ(tail(), "database replica, lag not known: [plugin pg] there gives no answer");
  other().probe = ProbeState::kPass;
  host.checks.front().latest->facts = {{"replicas", "0"}};
  EXPECT_EQ(tail(), "database replica, lag not known: no replica is attached to the database of db1");
  host.checks.front().latest->facts = {{"replicas", "1"}, {"replica_lag_bytes", "7"}};
  other().position = "0/4F8";
  EXPECT_EQ(tail(), "database replica at 0/4F8, 7 bytes behind, as the database of db1 sees it");
  EXPECT_EQ(lag_bytes_of(host, "pg", other()), 7);
}

TEST_F(MovePlanTest, WhoHasTheRoleAlreadyNeedsNothing) {
  const auto line = ElementsAre("db1 already is Active for pg; nothing to do");
  EXPECT_THAT(already_there(host, "pg", "db1"), line);
  EXPECT_THAT(already_there(host, "", "db1"), line);
  EXPECT_THAT(already_there(host, "pg", "db2"), IsEmpty());
  EXPECT_THAT(already_there(host, "pg", ""), IsEmpty());
  EXPECT_THAT(already_there(host, "web", "db1"), IsEmpty());
  host.instances.front().state.data_role = DataRole::kPromoting;
  EXPECT_THAT(already_there(host, "pg", "db1"), IsEmpty());
  EXPECT_THAT(plan("db1").objections, ElementsAre("db1 is promoting itself: wait until that is over"));
}

TEST_F(MovePlanTest, WhatDrainMeansIsSaidForEachInstance) {
  const std::string gives = "pg: db1 gives up its role and stays Backup until `batonctl undrain`";
  EXPECT_THAT(drain_lines(host), ElementsAre(gives));
  ReasonSet against;
  against.set(Reason::kDrained, true);
  other().against = against.bits();
  EXPECT_THAT(
      drain_lines(host),
      ElementsAre(gives, "pg: NOBODY takes it over: db2 may not take it: db2 is drained (`batonctl undrain` there)"));
  other().against = 0;
  host.instances.front().state.state = vrrp::State::kBackup;
  EXPECT_THAT(drain_lines(host), ElementsAre("pg: db1 is drained: it does not become Active until `batonctl "
                                             "undrain`; no Active is known"));
  other().state = vrrp::State::kActive;
  EXPECT_THAT(drain_lines(host), ElementsAre("pg: db1 is drained: it does not become Active until `batonctl "
                                             "undrain`; the role stays at db2"));
}

TEST_F(MovePlanTest, OnlyTheHolderHasSomethingToGive) {
  host.instances.front().state.state = vrrp::State::kBackup;
  EXPECT_THAT(plan().objections, ElementsAre("db1 is not Active for pg: ask the host that is"));
}

TEST_F(MovePlanTest, AskedFromAnotherHostNothingIsHere) {
  EXPECT_THAT(plan_move(host, host.instances.front(), "", AskedFrom::kAnother).lines.front(),
              testing::StartsWith("db1: Active, 1 of 1 addresses held"));
}

/// db2, a standby beside db1; and what is asked of whom there.
class MoveHolderTest : public MovePlanTest {
 protected:
  MoveHolderTest() {
    host.host = "db2";
    host.instances.front().state.state = vrrp::State::kBackup;
    host.peers.front().host = "db1";
    other().state = vrrp::State::kActive;
  }
  MoveHolder holder(const std::string& instance = "pg", const std::string& to = "") const {
    return holder_of(host, instance, to);
  }
  void third_host(vrrp::State state) {
    PeerView peer = host.peers.front();
    peer.host = "db3";
    peer.instances["pg"].first.state = state;
    host.peers.push_back(peer);
  }
};

TEST_F(MoveHolderTest, TheHolderIsAskedAndIsThisHostWhereItIs) {
  EXPECT_EQ(holder().host, "db1");
  EXPECT_EQ(holder("").host, "db1");
  host.instances.front().state.state = vrrp::State::kActive;
  EXPECT_EQ(holder().host + holder().refusal, "");
  EXPECT_EQ(holder("").host + holder("").refusal, "");
}

TEST_F(MoveHolderTest, FromTheStandbysSideItIsKnownToo) {
  other().data_role = DataRole::kActive;
  const auto line = ElementsAre("db1 already is Active for pg; nothing to do");
  EXPECT_THAT(already_there(host, "pg", "db1"), line);
  EXPECT_THAT(already_there(host, "", "db1"), line);
  EXPECT_THAT(already_there(host, "pg", "db2"), IsEmpty());
  other().data_role = DataRole::kClaiming;
  EXPECT_THAT(already_there(host, "pg", "db1"), IsEmpty());
  other().data_role = DataRole::kActive;
  third_host(vrrp::State::kActive);
  EXPECT_THAT(already_there(host, "pg", "db1"), IsEmpty());
  host.peers.pop_back();
  host.peers.front().lost = true;
  EXPECT_THAT(already_there(host, "pg", "db1"), IsEmpty());
}

TEST_F(MoveHolderTest, WhatComesHereFromAnotherHostIsSomethingToDo) {
  InstanceView& web = host.instances.emplace_back();
  std::copy_n("web", 3, web.state.name.begin());
  web.state.state = vrrp::State::kActive;
  EXPECT_THAT(already_there(host, "", "db2"), IsEmpty());
  EXPECT_THAT(already_there(host, "web", "db2"), ElementsAre("db2 already is Active for web; nothing to do"));
}

TEST_F(MoveHolderTest, WithoutAPeerChannelItIsTheHostWhoseAdvertsAreHeard) {
  host.peers.clear();
  const IpAddress db1 = IpAddress::parse("10.0.0.1").value();
  host.names = HostNames{{{db1, "db1"}}};
  RouterView& router = host.instances.front().routers.emplace_back();
  router.state.machine.state = vrrp::State::kBackup;
  EXPECT_THAT(already_there(host, "pg", "db1"), IsEmpty());
  std::copy(db1.bytes().begin(), db1.bytes().end(), router.state.heard_source.begin());
  EXPECT_THAT(already_there(host, "pg", "db1"), ElementsAre("db1 already is Active for pg; nothing to do"));
}

TEST_F(MoveHolderTest, WithoutAPeerChannelNobodyIsAsked) {
  host.peers.clear();
  EXPECT_EQ(holder().host + holder().refusal, "");
}

TEST_F(MoveHolderTest, AHolderThatIsNotHeardCannotBeAsked) {
  host.peers.front().lost = true;
  EXPECT_EQ(holder().refusal, "db2 is not Active for pg, and no host is heard that is: `batonctl explain` says why");
  EXPECT_EQ(holder("").refusal, "db2 is Active for nothing, and no host is heard that is: `batonctl explain` says why");
}

TEST_F(MoveHolderTest, AnOldWordOfTheHolderDoesNotCount) {
  host.peers.front().instances["pg"].second = host.now - 3500ms;
  EXPECT_EQ(holder().host, "db1");
  host.peers.front().instances["pg"].second = host.now - 3501ms;
  EXPECT_EQ(holder().refusal, "db2 is not Active for pg, and no host is heard that is: `batonctl explain` says why");
}

TEST_F(MoveHolderTest, AmongSeveralHostsItIsTheOneThatHasIt) {
  third_host(vrrp::State::kBackup);
  EXPECT_EQ(holder().host, "db1");
  host.peers.back().instances["pg"].first.state = vrrp::State::kActive;
  EXPECT_EQ(holder().refusal, "db1 and db3 are both Active for pg: look at them first");
  EXPECT_EQ(holder("").refusal, "db1 and db3 have something each: name the instance");
}

TEST_F(MoveHolderTest, WhoAsksForEverythingMeansWhatThisHostHasUnlessItIsToComeHere) {
  InstanceView& web = host.instances.emplace_back();
  std::copy_n("web", 3, web.state.name.begin());
  web.state.state = vrrp::State::kActive;
  EXPECT_EQ(holder("").host, "");
  EXPECT_EQ(holder("", "db1").host, "");
  EXPECT_EQ(holder("", "db2").host, "db1");
}

TEST_F(MovePlanTest, HowItEnded) {
  using ports::HandoverPhase;
  EXPECT_EQ(move_outcome({.phase = HandoverPhase::kTaken, .with = "db2", .position = "0/500"}, 62ms),
            "db2 has taken over after 62 ms, with all data up to 0/500");
  EXPECT_EQ(move_outcome({.phase = HandoverPhase::kRefused, .with = "db2", .sentence = "why"}, 62ms),
            "refused, nothing has changed: why");
  EXPECT_EQ(
      move_outcome({.phase = HandoverPhase::kRefused, .gives = true, .with = "db2", .sentence = "this host is drained"},
                   62ms),
      "refused, nothing has changed: db2 is drained");
  EXPECT_EQ(move_outcome({.phase = HandoverPhase::kAborted, .with = "db2", .sentence = "why"}, 62ms), "given up: why");
}

}  // namespace
}  // namespace baton::steward
