#include "ipc/probe_page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace baton::ipc {
namespace {

using std::chrono::milliseconds;
using Page = std::array<std::uint8_t, kProbePageSize>;

ProbeOutcome outcome(std::uint64_t sequence) {
  ProbeOutcome one;
  one.incarnation = 5;
  one.sequence = sequence;
  one.streak = 2;
  one.status = VerbStatus::kOk;
  one.state = ProbeState::kPass;
  one.role = ApplicationRole::kPrimary;
  one.warning = true;
  one.lag_ms = 7;
  one.lag_bytes = -1;
  one.generation = 9;
  one.started = Instant{milliseconds{100}};
  one.finished = Instant{milliseconds{130}};
  one.sentence = "answered 200";
  one.position = "0/3000060";
  one.facts = {{"code", "200"}, {"cause", "none"}};
  return one;
}

TEST(ProbePageTest, WhatIsWrittenIsRead) {
  Page page{};
  write_outcome(page, outcome(4));
  const PageReading reading = read_outcome(page);
  ASSERT_EQ(reading.state, PageState::kGood);
  const ProbeOutcome& read = reading.outcome;
  EXPECT_EQ(read.incarnation, 5u);
  EXPECT_EQ(read.sequence, 4u);
  EXPECT_EQ(read.streak, 2u);
  EXPECT_EQ(read.status, VerbStatus::kOk);
  EXPECT_EQ(read.state, ProbeState::kPass);
  EXPECT_EQ(read.role, ApplicationRole::kPrimary);
  EXPECT_TRUE(read.warning);
  EXPECT_EQ(read.lag_ms, 7);
  EXPECT_EQ(read.lag_bytes, -1);
  EXPECT_EQ(read.generation, 9u);
  EXPECT_EQ(read.started, Instant{milliseconds{100}});
  EXPECT_EQ(read.finished, Instant{milliseconds{130}});
  EXPECT_EQ(read.sentence, "answered 200");
  EXPECT_EQ(read.position, "0/3000060");
  EXPECT_EQ(read.facts, (FactList{{"code", "200"}, {"cause", "none"}}));
}

TEST(ProbePageTest, AnUntouchedPageIsEmptyAndAnyOtherIsGarbage) {
  Page page{};
  EXPECT_EQ(read_outcome(page).state, PageState::kEmpty);
  page[5000] = 1;
  EXPECT_EQ(read_outcome(page).state, PageState::kGarbage);
  page.fill(0xFF);
  EXPECT_EQ(read_outcome(page).state, PageState::kGarbage);
  EXPECT_EQ(read_outcome(ConstBytes{page}.first(100)).state, PageState::kGarbage);
}

TEST(ProbePageTest, AWriterThatDiesHalfWayLeavesTheOutcomeBefore) {
  Page page{};
  write_outcome(page, outcome(1));
  const Page before = page;
  write_outcome(page, outcome(2));
  // Every prefix of the second write, as a death in the middle would leave it.
  const auto first_change = std::mismatch(page.begin(), page.end(), before.begin());
  const auto begin = static_cast<std::size_t>(first_change.first - page.begin());
  for (std::size_t end = begin; end < begin + 200; ++end) {
    Page torn = before;
    std::copy(page.begin(), page.begin() + static_cast<std::ptrdiff_t>(end), torn.begin());
    const PageReading reading = read_outcome(torn);
    ASSERT_EQ(reading.state, PageState::kGood) << end;
    EXPECT_TRUE(reading.outcome.sequence == 1 || reading.outcome.sequence == 2);
  }
}

TEST(ProbePageTest, TheNewestOfManyIsRead) {
  Page page{};
  for (std::uint64_t sequence = 1; sequence <= 9; ++sequence) {
    write_outcome(page, outcome(sequence));
    EXPECT_EQ(read_outcome(page).outcome.sequence, sequence);
  }
}

TEST(ProbePageTest, TextsAreCutAndMadePlain) {
  Page page{};
  ProbeOutcome wild = outcome(1);
  wild.sentence = std::string(4096, 'a');
  wild.position = "a\nb\x1b[1m";
  wild.facts.assign(40, {std::string(100, 'k'), std::string(1000, 'v')});
  write_outcome(page, wild);
  const PageReading reading = read_outcome(page);
  ASSERT_EQ(reading.state, PageState::kGood);
  EXPECT_EQ(reading.outcome.sentence, std::string(252, 'a') + "...");
  EXPECT_EQ(reading.outcome.position, "a b?[1m");
  ASSERT_EQ(reading.outcome.facts.size(), 16u);
  EXPECT_EQ(reading.outcome.facts[15].first, std::string(31, 'k'));
  EXPECT_EQ(reading.outcome.facts[15].second, std::string(95, 'v'));
}

TEST(ProbePageTest, ValuesThatDoNotExistAreGarbageThoughTheChecksumIsRight) {
  Page page{};
  ProbeOutcome wrong = outcome(1);
  wrong.state = static_cast<ProbeState>(7);
  write_outcome(page, wrong);
  EXPECT_EQ(read_outcome(page).state, PageState::kGarbage);
  Page other{};
  wrong = outcome(1);
  wrong.status = static_cast<VerbStatus>(6);
  write_outcome(other, wrong);
  EXPECT_EQ(read_outcome(other).state, PageState::kGarbage);
  Page third{};
  wrong = outcome(0);
  write_outcome(third, wrong);
  EXPECT_EQ(read_outcome(third).state, PageState::kGarbage);
}

TEST(ProbePageTest, ANumberThatNobodyCountsToDoesNotHideLaterOutcomes) {
  Page page{};
  write_outcome(page, outcome(1));
  // The page's own sequence of both slots, offset 8, set by plugin code to the largest one there is.
  std::fill_n(page.begin() + 8, 8, std::uint8_t{0xFF});
  write_outcome(page, outcome(2));
  ASSERT_EQ(read_outcome(page).state, PageState::kGood);
  EXPECT_EQ(read_outcome(page).outcome.sequence, 2u);
  write_outcome(page, outcome(3));
  EXPECT_EQ(read_outcome(page).outcome.sequence, 3u);
}

}  // namespace
}  // namespace baton::ipc
