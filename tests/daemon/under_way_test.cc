#include "daemon/under_way.h"

#include <gtest/gtest.h>

#include <vector>

namespace baton::daemon {
namespace {

using ports::DataRole;
using ports::HandoverPhase;
using ports::PromotionStep;

std::string of(DataRole role, PromotionStep step, HandoverPhase phase = HandoverPhase::kNone, bool group = false) {
  const ipc::BoardCapacity capacity{.instances = 4, .routers = 4, .checks = 1};
  std::vector<std::uint64_t> memory(ipc::board_size(capacity) / 8);
  const MutableBytes bytes{reinterpret_cast<std::uint8_t*>(memory.data()), memory.size() * 8};
  ipc::format_board(bytes, capacity);
  ports::InstanceState web;
  std::string_view{"web"}.copy(web.name.data(), web.name.size() - 1);
  ports::InstanceState pg = web;
  std::string_view{"pg\0", 3}.copy(pg.name.data(), 3);
  pg.data_role = role;
  pg.promotion_step = static_cast<std::uint8_t>(step);
  pg.handover.phase = phase;
  pg.is_group = group;
  auto writer = ipc::BoardWriter::open(bytes);
  writer->publish_instance(0, web);
  writer->publish_instance(1, pg);
  return under_way(*ipc::BoardReader::open(bytes));
}

TEST(UnderWayTest, NothingIsWhereNothingMoves) {
  EXPECT_EQ(of(DataRole::kNone, PromotionStep::kReading), "");
  EXPECT_EQ(of(DataRole::kStandby, PromotionStep::kStandby), "");
  EXPECT_EQ(of(DataRole::kActive, PromotionStep::kActive), "");
  for (const HandoverPhase over : {HandoverPhase::kTaken, HandoverPhase::kAborted, HandoverPhase::kRefused}) {
    EXPECT_EQ(of(DataRole::kActive, PromotionStep::kActive, over), "");
  }
}

TEST(UnderWayTest, EachStepOfAPromotionIsNamedWithItsInstance) {
  for (const PromotionStep step :
       {PromotionStep::kClaiming, PromotionStep::kGranting, PromotionStep::kWaiting, PromotionStep::kFencing,
        PromotionStep::kAsking, PromotionStep::kDeciding, PromotionStep::kPromoting, PromotionStep::kVerifying}) {
    EXPECT_EQ(of(DataRole::kPromoting, step), "instance pg: a promotion is under way");
  }
  EXPECT_EQ(of(DataRole::kPromoting, PromotionStep::kPromoting, HandoverPhase::kNone, true),
            "group pg: a promotion is under way");
}

TEST(UnderWayTest, DemotionsAndPlannedMovesAreNamed) {
  EXPECT_EQ(of(DataRole::kDemoting, PromotionStep::kDemoting), "instance pg: a demotion is under way");
  EXPECT_EQ(of(DataRole::kActive, PromotionStep::kHanding), "instance pg: a planned move is under way");
  EXPECT_EQ(of(DataRole::kActive, PromotionStep::kActive, HandoverPhase::kAsking),
            "instance pg: a planned move is under way");
}

}  // namespace
}  // namespace baton::daemon
