#include "engine/follow_up.h"

#include <gtest/gtest.h>

namespace baton::engine {
namespace {

using namespace std::chrono_literals;
using ports::FollowUpState;

constexpr Instant kStart{1000s};

std::string ask(FollowUp& row, Instant now = kStart) {
  const auto act = row.next(now);
  return act ? std::string{verb_token(act->verb)} + " " + std::to_string(act->index) : "nothing";
}

FollowUp row_of(std::size_t count) {
  FollowUp row;
  row.configure(count);
  return row;
}

TEST(FollowUpTest, EntersInOrderAndLeavesInReverseOneAtATime) {
  FollowUp row = row_of(2);
  EXPECT_EQ(ask(row), "nothing");
  row.enter();
  EXPECT_EQ(ask(row), "enter 0");
  EXPECT_EQ(ask(row), "nothing");
  row.finished(kStart, VerbStatus::kOk);
  EXPECT_EQ(ask(row), "enter 1");
  row.finished(kStart, VerbStatus::kOk);
  EXPECT_EQ(row.state(), FollowUpState::kEntered);
  row.enter();
  EXPECT_EQ(ask(row), "nothing");
  row.leave(false);
  EXPECT_EQ(ask(row), "leave 1");
  row.finished(kStart, VerbStatus::kOk);
  EXPECT_EQ(ask(row), "leave 0");
  row.finished(kStart, VerbStatus::kOk);
  EXPECT_TRUE(row.done());
  EXPECT_EQ(row.state(), FollowUpState::kLeft);
}

TEST(FollowUpTest, TheNewestTargetWinsButWhatRunsIsFinishedFirst) {
  FollowUp row = row_of(2);
  row.enter();
  EXPECT_EQ(ask(row), "enter 0");
  row.leave(false);
  EXPECT_EQ(ask(row), "nothing");
  row.finished(kStart, VerbStatus::kOk);
  EXPECT_EQ(ask(row), "leave 1");  // what was not entered is left, too: it may run since an earlier life
  row.finished(kStart, VerbStatus::kOk);
  EXPECT_EQ(ask(row), "leave 0");
}

TEST(FollowUpTest, AFailedEnterEndsTheRow) {
  FollowUp row = row_of(2);
  row.enter();
  ask(row);
  row.finished(kStart, VerbStatus::kConfig);
  EXPECT_EQ(ask(row, kStart + 1h), "nothing");
  EXPECT_TRUE(row.done());
  EXPECT_EQ(row.state(), FollowUpState::kFailed);
  EXPECT_EQ(row.next_deadline(), kNever);
}

TEST(FollowUpTest, WhatMayWorkLaterIsTriedAgainAfterOneThenTwoSeconds) {
  FollowUp row = row_of(1);
  row.enter();
  ask(row);
  row.finished(kStart, VerbStatus::kTimeout);
  EXPECT_EQ(row.next_deadline(), kStart + 1s);
  EXPECT_EQ(ask(row, kStart + 999ms), "nothing");
  EXPECT_EQ(ask(row, kStart + 1s), "enter 0");
  row.finished(kStart + 1s, VerbStatus::kTransient);
  EXPECT_EQ(row.next_deadline(), kStart + 3s);
  EXPECT_EQ(ask(row, kStart + 3s), "enter 0");
  EXPECT_EQ(row.state(), FollowUpState::kEntering);
  row.finished(kStart + 3s, VerbStatus::kOk);
  EXPECT_TRUE(row.done());
  EXPECT_EQ(row.state(), FollowUpState::kEntered);
}

TEST(FollowUpTest, AFailedLeaveDoesNotKeepTheOthersFromLeaving) {
  FollowUp row = row_of(2);
  row.leave(false);
  EXPECT_EQ(ask(row), "leave 1");
  row.finished(kStart, VerbStatus::kFatal);
  EXPECT_EQ(ask(row), "leave 0");
  row.finished(kStart, VerbStatus::kTransient);
  EXPECT_EQ(ask(row, kStart + 1s), "leave 0");
  row.finished(kStart + 1s, VerbStatus::kTransient);
  EXPECT_TRUE(row.done());
  EXPECT_EQ(row.state(), FollowUpState::kFailed);
}

TEST(FollowUpTest, AtTheEndEachIsLeftOnceOnly) {
  FollowUp row = row_of(2);
  row.leave(true);
  ask(row);
  row.finished(kStart, VerbStatus::kTimeout);
  EXPECT_EQ(ask(row), "leave 0");
  row.finished(kStart, VerbStatus::kTimeout);
  EXPECT_TRUE(row.done());
}

TEST(FollowUpTest, ASuccessorDoesNotAskAgainForWhatIsDone) {
  FollowUp row = row_of(2);
  row.adopt(FollowUpState::kEntered);
  row.enter();
  EXPECT_EQ(ask(row), "nothing");
  FollowUp half = row_of(2);
  half.adopt(FollowUpState::kEntering);
  half.enter();
  EXPECT_EQ(ask(half), "enter 0");
}

}  // namespace
}  // namespace baton::engine
