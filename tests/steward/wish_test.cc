// Planned moves that are asked for on another host: performed once, by whom they were asked of, and only while they are
// wished; and what the one who asks is told.
#include "steward/wish.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "steward/documents.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;
using ports::HandoverPhase;
using testing::ElementsAre;
using testing::IsEmpty;

const Instant kStart{1000s};
constexpr std::uint64_t kSession = 11;

Wish wish(std::uint64_t number) {
  return {.of = "db1", .session = kSession, .number = number, .instance = "pg", .to = "db2"};
}

class WishDeskTest : public testing::Test {
 protected:
  WishDesk::Asker hear(std::uint64_t number, Instant at, const std::string& host = "db2") {
    return desk.heard(host, wish(number), at, kSession);
  }
  WishDesk desk;
};

TEST_F(WishDeskTest, AWishIsPerformedWhenItHasBeenHeardTwiceAndThenNeverAgain) {
  EXPECT_EQ(hear(77, kStart), 0U);
  EXPECT_EQ(hear(77, kStart), 0U);  // the same packet, looked at again
  EXPECT_THAT(desk.answers(kStart), IsEmpty());
  const WishDesk::Asker asker = hear(77, kStart + 100ms);
  EXPECT_TRUE(WishDesk::is_wish(asker));
  EXPECT_EQ(hear(77, kStart + 200ms), 0U);
  EXPECT_EQ(hear(77, kStart + 9s), 0U);  // also after a silence
  EXPECT_EQ(hear(77, kStart + 9100ms), 0U);
  EXPECT_THAT(desk.answers(kStart + 9100ms), ElementsAre(WishAnswer{.to = "db2", .number = 77}));
}

TEST_F(WishDeskTest, WhatLayInAQueueWhileThisHostStoodStillIsNotPerformed) {
  EXPECT_EQ(hear(77, kStart), 0U);
  // Frozen for a minute: the rest of the queue is read within milliseconds, and then the wish is gone.
  EXPECT_EQ(hear(77, kStart + 60s), 0U);
  EXPECT_EQ(hear(77, kStart + 60s + 59ms), 0U);
}

TEST_F(WishDeskTest, AWishToAPredecessorIsLeftAlone) {
  EXPECT_EQ(desk.heard("db2", wish(77), kStart, kSession + 1), 0U);
  EXPECT_EQ(desk.heard("db2", wish(77), kStart + 100ms, kSession + 1), 0U);
  EXPECT_THAT(desk.answers(kStart + 100ms), IsEmpty());
}

TEST_F(WishDeskTest, TheNextWishOfAHostIsAnotherOne) {
  hear(77, kStart);
  const WishDesk::Asker first = hear(77, kStart + 100ms);
  hear(78, kStart + 200ms);
  const WishDesk::Asker second = hear(78, kStart + 300ms);
  EXPECT_NE(second, 0U);
  EXPECT_NE(first, second);
  // What became of the first one interests nobody any more.
  desk.answer(first, refusal_line(ExitCode::kRefused, "refused"));
  EXPECT_THAT(desk.answers(kStart + 300ms), ElementsAre(WishAnswer{.to = "db2", .number = 78}));
}

TEST_F(WishDeskTest, EachHostHasItsOwnWish) {
  hear(77, kStart, "db2");
  hear(77, kStart, "db3");
  EXPECT_NE(hear(77, kStart + 100ms, "db2"), 0U);
  EXPECT_NE(hear(77, kStart + 100ms, "db3"), 0U);
  EXPECT_EQ(desk.answers(kStart + 100ms).size(), 2U);
}

TEST_F(WishDeskTest, TheAnswerIsWhatAClientHereWouldHaveRead) {
  hear(77, kStart);
  const WishDesk::Asker asker = hear(77, kStart + 100ms);
  desk.answer(asker, refusal_line(ExitCode::kRefused, "refused: why", {{"preflight", {"one", "two"}}}));
  const WishAnswer refused{.to = "db2",
                           .number = 77,
                           .over = true,
                           .exit = ExitCode::kRefused,
                           .error = "refused: why",
                           .lines = {"one", "two"}};
  EXPECT_THAT(desk.answers(kStart + 100ms), ElementsAre(refused));
  hear(78, kStart + 200ms);
  desk.answer(hear(78, kStart + 300ms), answer_line(Verb::kSwitchover, {{"lines", {"done"}}}));
  const WishAnswer done{.to = "db2", .number = 78, .over = true, .lines = {"done"}};
  EXPECT_THAT(desk.answers(kStart + 300ms), ElementsAre(done));
}

TEST_F(WishDeskTest, AnAnswerIsToldAsLongAsTheWishIsHeardAndTenSecondsMore) {
  hear(77, kStart);
  hear(77, kStart + 100ms);
  EXPECT_TRUE(desk.busy(kStart + 1600ms));
  EXPECT_FALSE(desk.busy(kStart + 1601ms));
  EXPECT_EQ(desk.answers(kStart + 10'100ms).size(), 1U);
  EXPECT_THAT(desk.answers(kStart + 10'101ms), IsEmpty());
}

/// db2, where an operator asks that "pg" comes here, and what it hears of db1.
class OutcomeTest : public testing::Test {
 protected:
  OutcomeTest() {
    own.wish = wish(77);
    own.instance = "pg";
    own.asked = kStart;
    own.move_before = 5;
    holder.host = "db1";
    holder.session = kSession;
    holder.heard_at = kStart;
  }
  std::optional<WishAnswer> at(Nanos after) { return outcome(own, &holder, here, kStart + after); }
  static WishAnswer in_vain(const std::string& error) {
    return {.number = 77, .over = true, .exit = ExitCode::kTimedOut, .error = error};
  }
  OwnWish own;
  PeerView holder;
  ports::HandoverWord here;
};

TEST_F(OutcomeTest, TheAnswerOfTheOtherHostIsPassedOnWithItsName) {
  EXPECT_EQ(at(1s), std::nullopt);
  holder.answer = {.to = "db2", .number = 77};
  EXPECT_EQ(at(2s), std::nullopt);
  holder.answer = {
      .to = "db2", .number = 77, .over = true, .exit = ExitCode::kRefused, .error = "refused: why", .lines = {"one"}};
  WishAnswer expected = holder.answer;
  expected.error = "db1: refused: why";
  EXPECT_EQ(at(2s), expected);
}

TEST_F(OutcomeTest, TheAnswerToAnEarlierWishIsNone) {
  holder.answer = {.to = "db2", .number = 76, .over = true};
  EXPECT_EQ(at(1s), std::nullopt);
}

TEST_F(OutcomeTest, WhoDoesNotAnswerIsNotWaitedForForEver) {
  EXPECT_EQ(at(5s), std::nullopt);
  EXPECT_EQ(at(5001ms), in_vain("db1 has not answered; it may still happen: see `batonctl status`"));
  own.wish.dry_run = true;
  EXPECT_EQ(at(5001ms), in_vain("db1 has not answered; a dry run moves nothing"));
}

TEST_F(OutcomeTest, ASuccessorOfTheOneThatWasAskedDoesNotPerformIt) {
  holder.session = kSession + 1;
  EXPECT_EQ(at(1s), in_vain("db1's steward was started anew after it had been asked; it may still happen: see "
                            "`batonctl status`"));
}

TEST_F(OutcomeTest, WhoAcceptedItAndFellSilentIsWaitedForUntilNoMoveWould) {
  holder.answer = {.to = "db2", .number = 77};
  EXPECT_EQ(at(15s), std::nullopt);
  EXPECT_EQ(at(15'001ms),
            in_vain("db1 accepted it and is not heard any more; it may still happen: see `batonctl status`"));
}

TEST_F(OutcomeTest, AnEndlessMoveIsNotWaitedForForEver) {
  holder.answer = {.to = "db2", .number = 77};
  holder.heard_at = kStart + 15min;
  EXPECT_EQ(at(15min + 10s), std::nullopt);
  EXPECT_EQ(at(15min + 10'001ms), in_vain("there is no end of it; it may still happen: see `batonctl status`"));
}

TEST_F(OutcomeTest, WhenTheOtherHostIsSilentThisHostsEngineKnowsWhetherItHasTakenOver) {
  holder.answer = {.to = "db2", .number = 77};
  here = {.phase = HandoverPhase::kTaken, .with = "db1", .number = 6, .position = "0/500"};
  EXPECT_EQ(at(3500ms), std::nullopt);  // the other one's words have more to say, and may still come
  const WishAnswer done{
      .number = 77, .over = true, .lines = {"pg: db2 has taken over after 3.501 s, with all data up to 0/500"}};
  EXPECT_EQ(at(3501ms), done);
  here = {.phase = HandoverPhase::kAborted, .with = "db1", .number = 6, .sentence = "db1 is not heard any more"};
  const WishAnswer given_up{
      .number = 77, .over = true, .exit = ExitCode::kFailed, .error = "pg: given up: db1 is not heard any more"};
  EXPECT_EQ(at(3501ms), given_up);
  here.number = 5;  // of the move before
  EXPECT_EQ(at(3501ms), std::nullopt);
}

TEST_F(OutcomeTest, WhoIsNotConfiguredAnyMoreIsNotWaitedFor) {
  EXPECT_EQ(outcome(own, nullptr, here, kStart),
            in_vain("db1 was asked and is not configured any more; it may still happen: see `batonctl status`"));
}

}  // namespace
}  // namespace baton::steward
