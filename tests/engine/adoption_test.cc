// A successor continues what its predecessor published, without a transition (design section 2, F58).
#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using testing::ElementsAre;
using vrrp::State;

/// The engine dies; a new one finds the board.
void succeed(Bench& bench) {
  std::vector<ports::AdoptedInstance> adopted;
  for (const auto& [slot, instance] : bench.doors.instances) {
    ports::AdoptedInstance each{.instance = instance, .routers = {}};
    for (std::uint32_t i = 0; i < instance.router_count; ++i) {
      each.routers.push_back(bench.doors.routers.at(instance.first_router_slot + i));
    }
    adopted.push_back(each);
  }
  bench.make();
  bench.doors.order.clear();
  bench.turn([&] { bench.engine->start(bench.now, adopted, false); });
}

void facts(Bench& bench, bool vip_present) {
  bench.link_up();
  bench.turn([&] {
    bench.engine->on_dump_begin(bench.now);
    bench.engine->on_address(bench.now, {.link = 0, .prefix = prefix("192.0.2.10/24")});
    if (vip_present) bench.engine->on_address(bench.now, {.link = 0, .prefix = prefix("192.0.2.1/32"), .ours = true});
    bench.engine->on_dump_end(bench.now);
  });
}

TEST(AdoptionTest, TheNextAdvertLeavesOnTimeAndNothingIsAnnounced) {
  Bench bench;
  bench.become_active();
  bench.run_for(1'900ms);
  bench.doors.adverts.clear();
  succeed(bench);
  facts(bench, true);
  bench.run_for(100ms);
  ASSERT_EQ(bench.doors.adverts.size(), 1u);
  EXPECT_EQ(bench.doors.adverts[0].at, kStart + 3'609'375us + 2s);
  EXPECT_THAT(bench.doors.order, ElementsAre("advert"));
  EXPECT_EQ(bench.doors.transitions.size(), 2u);
  EXPECT_EQ(bench.doors.reports.back().reason, Reason::kAdopted);
  EXPECT_EQ(bench.holding(), ports::HoldingState::kHeld);
  EXPECT_EQ(bench.doors.router_counters[0].master_transitions, 1u);
}

TEST(AdoptionTest, AnAdvertThatWasDueBeforeTheLinkIsKnownLeavesWithIt) {
  Bench bench;
  bench.become_active();
  bench.run_for(1'900ms);
  bench.doors.adverts.clear();
  succeed(bench);
  bench.run_for(200ms);
  EXPECT_TRUE(bench.doors.adverts.empty());
  facts(bench, true);
  EXPECT_EQ(bench.doors.adverts.size(), 1u);
}

TEST(AdoptionTest, AnAddressThatDiedMeanwhileIsPutBack) {
  Bench bench;
  bench.become_active();
  succeed(bench);
  facts(bench, false);
  EXPECT_THAT(bench.doors.order, ElementsAre("install 192.0.2.1", "announce 192.0.2.1"));
}

TEST(AdoptionTest, AStateThatIsTooOldStepsDownBeforeAnythingIsSent) {
  Bench bench;
  bench.become_active();
  bench.now += 10s;
  succeed(bench);
  facts(bench, true);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_THAT(bench.doors.order, testing::Not(testing::Contains("advert")));
  EXPECT_EQ(bench.doors.transitions.back().reason, Reason::kStall);
}

TEST(AdoptionTest, ABackupListensAgain) {
  Bench bench;
  bench.start();
  bench.run_for(3s);
  succeed(bench);
  facts(bench, false);
  bench.run_for(3'609'374us);
  EXPECT_EQ(bench.state(), State::kBackup);
  bench.run_for(1us);
  EXPECT_EQ(bench.state(), State::kActive);
}

TEST(AdoptionTest, AnotherWireIdentityStartsAfresh) {
  Bench bench;
  bench.become_active();
  bench.doors.instances[0].name[0] = 'x';
  succeed(bench);
  facts(bench, true);
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1"));
}

}  // namespace
}  // namespace baton::engine
