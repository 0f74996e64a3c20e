#include "ipc/state_board.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace baton::ipc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr BoardCapacity kSmall{4, 8};

MutableBytes formatted(std::vector<std::uint64_t>& storage) {
  const MutableBytes memory{reinterpret_cast<std::uint8_t*>(storage.data()), storage.size() * 8};
  format_board(memory, kSmall);
  return memory;
}

class StateBoardTest : public ::testing::Test {
 protected:
  std::vector<std::uint64_t> storage_ = std::vector<std::uint64_t>(board_size(kSmall) / 8);  // aligned
  MutableBytes memory_ = formatted(storage_);
  BoardWriter writer_ = *BoardWriter::open(memory_);
  BoardReader reader_ = *BoardReader::open(memory_);
};

ports::InstanceState instance(const char* name, vrrp::State state, std::uint8_t routers = 0, std::uint32_t first = 0) {
  ports::InstanceState made;
  std::strncpy(made.name.data(), name, made.name.size() - 1);
  made.state = state;
  made.router_count = routers;
  made.first_router_slot = first;
  return made;
}

ports::RouterState router(std::uint32_t instance_slot, std::int64_t deadline) {
  ports::RouterState made;
  made.instance_slot = instance_slot;
  made.machine.adver_deadline_ns = deadline;
  return made;
}

TEST_F(StateBoardTest, AFreshBoardHasNothing) {
  EXPECT_FALSE(reader_.instance(0).has_value());
  EXPECT_FALSE(reader_.router(7).has_value());
  EXPECT_TRUE(reader_.entries().empty());
  EXPECT_EQ(reader_.heartbeat().generation, 0U);
}

TEST_F(StateBoardTest, TheNewestPublishedStateIsRead) {
  for (std::int64_t deadline = 1; deadline <= 5; ++deadline) {
    writer_.publish_router(3, router(0, deadline));
    ASSERT_TRUE(reader_.router(3).has_value());
    EXPECT_EQ(reader_.router(3)->machine.adver_deadline_ns, deadline);
  }
}

TEST_F(StateBoardTest, ARetiredSlotIsEmptyAndCanBeUsedAgain) {
  writer_.publish_instance(1, instance("web", vrrp::State::kActive));
  writer_.retire_instance(1);
  EXPECT_FALSE(reader_.instance(1).has_value());
  writer_.publish_instance(1, instance("db", vrrp::State::kBackup));
  EXPECT_STREQ(reader_.instance(1)->name.data(), "db");
}

TEST_F(StateBoardTest, SlotsBeyondTheCapacityAreEmpty) {
  EXPECT_FALSE(reader_.instance(4).has_value());
  EXPECT_FALSE(reader_.router(8).has_value());
  EXPECT_EQ(reader_.counters(8).advertisement_sent, 0U);
}

TEST_F(StateBoardTest, CountersOutliveTheirWriter) {
  writer_.counters(2).advertisement_sent = 41;
  BoardWriter successor = *BoardWriter::open(memory_);
  ++successor.counters(2).advertisement_sent;
  EXPECT_EQ(reader_.counters(2).advertisement_sent, 42U);
}

TEST_F(StateBoardTest, HostCountersAndHistogramsComeAsTheyWere) {
  EXPECT_EQ(reader_.host_counters().advert_lateness, DurationHistogram{}) << "what an older build leaves";
  engine::HostCounters counters;
  counters.stalls = 7;
  counters.addresses_taken = 8;
  counters.advert_lateness.note(std::chrono::milliseconds{3});
  counters.loop_stall.note(std::chrono::seconds{2});
  writer_.set_host_counters(counters);
  EXPECT_EQ(reader_.host_counters().stalls, 7u);
  EXPECT_EQ(reader_.host_counters().addresses_taken, 8u);
  EXPECT_EQ(reader_.host_counters().advert_lateness.counts[5], 1u);
  EXPECT_EQ(reader_.host_counters().advert_lateness.sum_ns, 3'000'000u);
  EXPECT_EQ(reader_.host_counters().loop_stall.counts[13], 1u);
  EXPECT_EQ(reader_.host_counters().loop_stall.sum_ns, 2'000'000'000u);
}

TEST_F(StateBoardTest, EachEngineCountsAsAGeneration) {
  writer_.begin(100);
  writer_.begin(200);
  writer_.heartbeat(Instant{seconds{5}});
  writer_.set_shortest_active_down_interval(milliseconds{360});
  EXPECT_EQ(reader_.heartbeat().generation, 2U);
  EXPECT_EQ(reader_.heartbeat().engine_pid, 200);
  EXPECT_EQ(reader_.heartbeat().at, Instant{seconds{5}});
  EXPECT_EQ(reader_.heartbeat().shortest_active_down_interval, milliseconds{360});
}

TEST_F(StateBoardTest, AnInstanceIsAdoptedWithItsRouters) {
  writer_.publish_router(2, router(1, 10));
  writer_.publish_router(3, router(1, 20));
  writer_.publish_instance(1, instance("web", vrrp::State::kActive, 2, 2));
  const auto adopted = reader_.adopted();
  ASSERT_EQ(adopted.size(), 1U);
  EXPECT_STREQ(adopted[0].instance.name.data(), "web");
  ASSERT_EQ(adopted[0].routers.size(), 2U);
  EXPECT_EQ(adopted[0].routers[1].machine.adver_deadline_ns, 20);
}

TEST_F(StateBoardTest, AWordHasTheTextsOfItsNumber) {
  ports::HandoverWord word{.phase = ports::HandoverPhase::kGiven,
                           .gives = true,
                           .with = "db2",
                           .number = 7,
                           .position = "0/500",
                           .sentence = "too late"};
  ports::InstanceState state = instance("web", vrrp::State::kActive);
  writer_.publish_texts(1, ports::texts_of(word));
  state.handover = ports::state_of(word, {});
  writer_.publish_instance(1, state);
  EXPECT_EQ(reader_.adopted().at(0).word, word);
  EXPECT_EQ(reader_.entries().at(0).word, word);
  // The next move begins, and has no text yet.
  word = {.phase = ports::HandoverPhase::kAsking, .gives = true, .with = "db3", .number = 8};
  state.handover = ports::state_of(word, {});
  writer_.publish_instance(1, state);
  EXPECT_EQ(reader_.adopted().at(0).word, word);
}

TEST_F(StateBoardTest, AnInstanceWhoseRouterIsMissingOrAnothersIsNotAdopted) {
  writer_.publish_router(2, router(1, 10));
  writer_.publish_instance(1, instance("web", vrrp::State::kActive, 2, 2));
  EXPECT_TRUE(reader_.adopted().empty());
  writer_.publish_router(3, router(0, 20));
  EXPECT_TRUE(reader_.adopted().empty());
}

// A writer that dies after any number of bytes leaves the old or the new value.
TEST_F(StateBoardTest, AWriteCutAtEveryByteLeavesTheOldOrTheNewValue) {
  for (int round = 0; round < 3; ++round) {  // both slots, and one that was never written
    const std::vector<std::uint8_t> before{memory_.begin(), memory_.end()};
    const auto old = reader_.instance(0);
    const vrrp::State fresh = round % 2 == 0 ? vrrp::State::kActive : vrrp::State::kBackup;
    writer_.publish_instance(0, instance("web", fresh));
    const std::vector<std::uint8_t> after{memory_.begin(), memory_.end()};
    for (std::size_t cut = 4096; cut <= 4096 + 2 * (sizeof(ports::InstanceState) + 16) + 64; ++cut) {
      std::copy(before.begin(), before.end(), memory_.begin());
      std::copy(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(cut), memory_.begin());
      const auto seen = reader_.instance(0);
      if (!old) {
        EXPECT_TRUE(!seen || seen->state == fresh) << cut;
      } else {
        ASSERT_TRUE(seen.has_value()) << cut;
        EXPECT_TRUE(seen->state == old->state || seen->state == fresh) << cut;
        EXPECT_STREQ(seen->name.data(), "web");
      }
      // And a successor can go on from there.
      BoardWriter successor = *BoardWriter::open(memory_);
      successor.publish_instance(0, instance("next", vrrp::State::kInitialize));
      ASSERT_TRUE(reader_.instance(0).has_value()) << cut;
      EXPECT_STREQ(reader_.instance(0)->name.data(), "next") << cut;
    }
    std::copy(after.begin(), after.end(), memory_.begin());
  }
}

TEST_F(StateBoardTest, AFlippedBitIsNoticedAndTheOlderValueIsRead) {
  writer_.publish_router(0, router(0, 1));
  writer_.publish_router(0, router(0, 2));
  const std::vector<std::uint8_t> good{memory_.begin(), memory_.end()};
  int older = 0;
  for (std::size_t at = 4096; at < memory_.size(); ++at) {
    if (good[at] == 0) continue;
    memory_[at] ^= 0x10;
    const auto seen = reader_.router(0);
    ASSERT_TRUE(seen.has_value()) << at;
    EXPECT_TRUE(seen->machine.adver_deadline_ns == 1 || seen->machine.adver_deadline_ns == 2) << at;
    older += seen->machine.adver_deadline_ns == 1 ? 1 : 0;
    memory_[at] = good[at];
  }
  EXPECT_GT(older, 0);
}

ports::CheckState check(const char* name, ProbeState state, const char* sentence) {
  ports::CheckState made;
  std::strncpy(made.name.data(), name, made.name.size() - 1);
  std::strncpy(made.sentence.data(), sentence, made.sentence.size() - 1);
  made.pending = false;
  made.state = state;
  made.role = ApplicationRole::kPrimary;
  made.status = VerbStatus::kTimeout;
  made.warning = true;
  made.flapping = true;
  made.since_ns = 77;
  return made;
}

TEST_F(StateBoardTest, ACheckIsReadAsItWasPublished) {
  EXPECT_EQ(reader_.check_bound(), 0U);
  EXPECT_FALSE(reader_.check(0).has_value());
  writer_.publish_check(2, check("health", ProbeState::kPass, "it answers"));
  writer_.publish_check(2, check("health", ProbeState::kFail, "no answer within 150 ms"));
  const auto read = reader_.check(2);
  ASSERT_TRUE(read.has_value());
  EXPECT_STREQ(read->name.data(), "health");
  EXPECT_STREQ(read->sentence.data(), "no answer within 150 ms");
  EXPECT_EQ(read->state, ProbeState::kFail);
  EXPECT_EQ(read->role, ApplicationRole::kPrimary);
  EXPECT_EQ(read->status, VerbStatus::kTimeout);
  EXPECT_EQ(read->since_ns, 77);
  EXPECT_TRUE(read->warning && read->flapping && !read->pending);
  EXPECT_EQ(reader_.check_bound(), 3U);
  EXPECT_FALSE(reader_.check(1).has_value());  // passed over, never used
}

TEST_F(StateBoardTest, ARetiredCheckIsNoneAndItsSlotCanBeUsedAgain) {
  writer_.publish_check(0, check("old", ProbeState::kPass, ""));
  writer_.retire_check(0);
  EXPECT_FALSE(reader_.check(0).has_value());
  EXPECT_EQ(reader_.check_bound(), 1U);
  writer_.publish_check(0, check("new", ProbeState::kFail, ""));
  EXPECT_STREQ(reader_.check(0)->name.data(), "new");
}

TEST_F(StateBoardTest, ChecksNeitherReachBeyondTheirCapacityNorIntoOtherRecords) {
  const std::uint32_t last = reader_.capacity().checks - 1;
  EXPECT_EQ(last, 255U);
  writer_.publish_instance(3, instance("web", vrrp::State::kActive));
  writer_.publish_router(7, router(3, 9));
  writer_.publish_check(0, check("first", ProbeState::kPass, ""));
  writer_.publish_check(last, check("last", ProbeState::kPass, ""));
  EXPECT_STREQ(reader_.check(last)->name.data(), "last");
  EXPECT_FALSE(reader_.check(last + 1).has_value());
  EXPECT_STREQ(reader_.instance(3)->name.data(), "web");
  EXPECT_EQ(reader_.router(7)->machine.adver_deadline_ns, 9);
}

// A steward that reads while an engine dies in the middle of writing sees the old or the new value.
TEST_F(StateBoardTest, ACheckCutAtEveryByteIsTheOldOrTheNewOne) {
  writer_.publish_check(0, check("health", ProbeState::kPass, "old"));
  const std::vector<std::uint8_t> before{memory_.begin(), memory_.end()};
  writer_.publish_check(0, check("health", ProbeState::kFail, "new"));
  const std::vector<std::uint8_t> after{memory_.begin(), memory_.end()};
  std::size_t fresh = 0;
  std::size_t changed = 0;
  for (std::size_t cut = 0; cut < memory_.size(); ++cut) {
    if (before[cut] == after[cut]) continue;
    ++changed;
    std::copy(before.begin(), before.end(), memory_.begin());
    std::copy(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(cut), memory_.begin());
    const auto seen = reader_.check(0);
    ASSERT_TRUE(seen.has_value()) << cut;
    EXPECT_STREQ(seen->sentence.data(), seen->state == ProbeState::kFail ? "new" : "old") << cut;
    fresh += seen->state == ProbeState::kFail ? 1 : 0;
  }
  EXPECT_GT(changed, 10U);
  EXPECT_EQ(fresh, 0U);  // only the last byte makes it valid
}

TEST_F(StateBoardTest, WhatIsNoBoardIsRefused) {
  EXPECT_FALSE(BoardReader::open(MutableBytes{memory_}.first(100)).has_value());
  EXPECT_FALSE(BoardReader::open(MutableBytes{memory_}.first(4096)).has_value());
  memory_[8] ^= 1;  // version
  EXPECT_FALSE(BoardReader::open(memory_).has_value());
  memory_[8] ^= 1;
  EXPECT_TRUE(BoardReader::open(memory_).has_value());
  memory_[0] ^= 1;
  EXPECT_FALSE(BoardWriter::open(memory_).has_value());
}

}  // namespace
}  // namespace baton::ipc
