// Leaving Active by our own decision: addresses first, one priority 0 last (design section 7, I4).
#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using testing::ElementsAre;
using vrrp::State;

TEST(LeavingTest, ShutdownRemovesThenResignsOnceThenIsFinished) {
  Bench bench;
  bench.become_active();
  bench.run_for(2s);
  bench.doors.order.clear();
  bench.turn([&] { bench.engine->shutdown(bench.now); });
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "resign"));
  EXPECT_TRUE(bench.engine->finished());
  bench.run_for(10s);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "resign"));
  EXPECT_EQ(bench.doors.router_counters[0].priority_zero_pkts_sent, 1u);
}

TEST(LeavingTest, AdvertsContinueWhileTheWorkerIsBusyAndNobodyWaitsLongerThanASecond) {
  config::Instance fast = web();
  fast.advertisement_interval = 2s;
  Bench bench(with({fast}));
  bench.start();
  bench.run(kStart + 7'218'750us);  // 3 * 2 s + 156 / 256 * 2 s, by hand
  ASSERT_EQ(bench.state(), State::kActive);
  bench.run_for(1'500ms);
  bench.worker = Worker::kSilent;
  bench.doors.order.clear();
  bench.turn([&] { bench.engine->shutdown(bench.now); });
  bench.run_for(999ms);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "advert"));
  EXPECT_FALSE(bench.engine->finished());
  bench.run_for(1ms);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1", "advert", "resign"));
  EXPECT_TRUE(bench.engine->finished());
}

TEST(LeavingTest, ABackupLeavesInSilence) {
  Bench bench;
  bench.start();
  bench.turn([&] { bench.engine->shutdown(bench.now); });
  EXPECT_THAT(bench.doors.order, ElementsAre());
  EXPECT_TRUE(bench.engine->finished());
}

TEST(LeavingTest, WhoYieldsWhileLeavingDoesNotResign) {
  Bench bench;
  bench.become_active();
  bench.worker = Worker::kSilent;
  bench.doors.order.clear();
  bench.turn([&] { bench.engine->shutdown(bench.now); });
  bench.hear({});
  bench.run_for(2s);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1"));
  EXPECT_TRUE(bench.engine->finished());
}

TEST(LeavingTest, AnInterfaceThatGoesDownLeavesNoFarewell) {
  Bench bench;
  bench.become_active();
  bench.doors.order.clear();
  bench.link_up(0, false);
  EXPECT_THAT(bench.doors.order, ElementsAre("remove 192.0.2.1"));
  EXPECT_EQ(bench.state(), State::kInitialize);
  EXPECT_EQ(bench.doors.instances[0].reason, Reason::kInterfaceDown);
  EXPECT_EQ(bench.doors.routers[0].last_event, ports::LastEvent::kInterfaceDown);
  bench.link_up();
  EXPECT_EQ(bench.state(), State::kBackup);
  EXPECT_EQ(bench.doors.routers[0].last_event, ports::LastEvent::kInterfaceUp);
  bench.doors.order.clear();
  bench.run_for(3'609'374us);
  EXPECT_THAT(bench.doors.order, ElementsAre());
  bench.run_for(1us);
  EXPECT_EQ(bench.state(), State::kActive);
}

}  // namespace
}  // namespace baton::engine
