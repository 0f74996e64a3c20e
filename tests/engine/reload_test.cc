// Reload, object by object (I9, S-13, V-04).
#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using testing::ElementsAre;
using vrrp::State;

TEST(ReloadTest, TheSameAgainTouchesNothing) {
  Bench bench;
  bench.become_active();
  bench.run_for(1'500ms);
  const auto deadline = bench.engine->next_deadline();
  bench.doors.order.clear();
  config::Instance same = web();
  same.defined_at = "moved.conf:9";
  bench.reload(with({same}));
  EXPECT_THAT(bench.summary.unchanged, ElementsAre("web"));
  EXPECT_EQ(bench.engine->next_deadline(), deadline);
  EXPECT_THAT(bench.doors.order, ElementsAre());
  EXPECT_EQ(bench.doors.transitions.size(), 2u);
}

TEST(ReloadTest, APriorityIsInTheNextAdvertWithoutATransition) {
  Bench bench;
  bench.become_active();
  config::Instance other = web();
  other.election.priority = Priority{150};
  bench.reload(with({other}));
  EXPECT_THAT(bench.summary.changed, ElementsAre("web"));
  bench.run_for(1s);
  EXPECT_EQ(bench.doors.adverts.back().priority, 150);
  EXPECT_EQ(bench.doors.transitions.size(), 2u);
}

TEST(ReloadTest, AnAddedAddressIsInstalledAndAnnouncedAlone) {
  Bench bench;
  bench.become_active();
  bench.run_for(2s);
  bench.doors.order.clear();
  config::Instance more = web();
  more.addresses.push_back(prefix("192.0.2.2/32"));
  bench.reload(with({more}));
  EXPECT_THAT(bench.doors.order, ElementsAre("install 192.0.2.2", "announce 192.0.2.2"));
  bench.run_for(1s);
  EXPECT_EQ(bench.doors.last_advert.addresses.size(), 2u);
}

TEST(ReloadTest, AnAddedIpv6AddressIsAnnouncedByItsOwnNeighborAdvertisement) {
  config::Instance six = web();
  six.addresses = {prefix("fe80::1/64")};
  Bench bench(with({six}));
  bench.become_active();
  bench.run_for(2s);
  bench.doors.order.clear();
  six.addresses.push_back(prefix("2001:db8::1/64"));
  bench.reload(with({six}));
  EXPECT_THAT(bench.doors.order, ElementsAre("install 2001:db8::1", "announce 2001:db8::1"));
}

TEST(ReloadTest, ARemovedAddressGoesAndTheOthersAreKeptAlive) {
  config::Instance two = web();
  two.addresses.push_back(prefix("192.0.2.2/32"));
  Bench bench(with({two}));
  bench.become_active();
  bench.run_for(2s);
  bench.doors.order.clear();
  bench.reload(with({web()}));
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.2"));
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  const std::size_t before = bench.doors.commands.size();
  bench.run_for(3s);
  ASSERT_GE(bench.doors.commands.size(), before + 2);
  for (std::size_t i = before; i < bench.doors.commands.size(); ++i) {
    EXPECT_EQ(bench.doors.commands[i].verb, ports::AddressVerb::kRefresh);
    EXPECT_EQ(bench.doors.commands[i].prefix, prefix("192.0.2.1/32"));
  }
}

TEST(ReloadTest, AnotherVridStartsAgainAfterAFarewell) {
  Bench bench;
  bench.become_active();
  bench.doors.order.clear();
  config::Instance other = web();
  other.vrid = Vrid{11};
  bench.reload(with({other}));
  EXPECT_THAT(bench.summary.restarted, ElementsAre("web"));
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "resign"));
  bench.turn([] {});
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run_for(4s);
  EXPECT_EQ(bench.doors.last_advert.vrid, Vrid{11});
}

TEST(ReloadTest, ARemovedInstanceLeavesAndItsPlaceIsFree) {
  Bench bench;
  bench.become_active();
  bench.doors.order.clear();
  bench.reload(with({}));
  EXPECT_THAT(bench.summary.removed, ElementsAre("web"));
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "resign"));
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kConfigRemoved);
  bench.turn([] {});
  EXPECT_TRUE(bench.doors.instances.empty());
  bench.reload(with({web()}));
  EXPECT_THAT(bench.summary.added, ElementsAre("web"));
}

TEST(ReloadTest, AnUnrelatedChangeLeavesTheOthersAlone) {
  config::Instance db = web();
  db.name = "db";
  db.vrid = Vrid{20};
  db.addresses = {prefix("192.0.2.2/32")};
  Bench bench(with({web(), db}));
  bench.become_active();
  bench.doors.order.clear();
  db.election.preempt = false;
  bench.reload(with({web(), db}));
  EXPECT_THAT(bench.summary.unchanged, ElementsAre("web"));
  EXPECT_THAT(bench.summary.changed, ElementsAre("db"));
  EXPECT_THAT(bench.doors.order, ElementsAre());
}

}  // namespace
}  // namespace baton::engine
