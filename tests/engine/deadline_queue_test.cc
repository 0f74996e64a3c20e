#include "engine/deadline_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

Instant at(int seconds) { return Instant{std::chrono::seconds{seconds}}; }

TEST(DeadlineQueueTest, EarliestComesFirstAndTiesInOrderOfIds) {
  DeadlineQueue queue;
  queue.set(4, at(7));
  queue.set(1, at(9));
  queue.set(3, at(5));
  queue.set(2, at(7));
  EXPECT_EQ(queue.earliest(), at(5));
  std::vector<DeadlineQueue::Id> due;
  queue.take_due(at(7), due);
  EXPECT_THAT(due, ElementsAre(3, 2, 4));
  EXPECT_EQ(queue.earliest(), at(9));
}

TEST(DeadlineQueueTest, ALaterSettingReplacesAnEarlierOne) {
  DeadlineQueue queue;
  for (DeadlineQueue::Id id = 0; id < 50; ++id) queue.set(id, at(100 + static_cast<int>(id)));
  queue.set(0, at(300));
  queue.set(49, at(1));
  EXPECT_EQ(queue.earliest(), at(1));
  queue.set(49, kNever);
  EXPECT_EQ(queue.earliest(), at(101));
  std::vector<DeadlineQueue::Id> due;
  queue.take_due(at(1000), due);
  EXPECT_EQ(due.size(), 49u);
  EXPECT_EQ(due.back(), 0u);
  EXPECT_FALSE(queue.earliest().has_value());
}

}  // namespace
}  // namespace baton::engine
