#include "engine/check.h"

#include <gtest/gtest.h>

namespace baton::engine {
namespace {

using namespace std::chrono_literals;
using Settled = Check::Settled;

constexpr Instant kStart{1000s};

config::Plugin section(std::uint32_t rise, std::uint32_t fall) {
  config::Plugin plugin;
  plugin.name = "web";
  plugin.rise = rise;
  plugin.fall = fall;
  plugin.interval = 1s;
  return plugin;
}

/// A probe host that is asked each second.
class Probe {
 public:
  explicit Probe(std::uint32_t rise = 1, std::uint32_t fall = 3) { check.configure(kStart, section(rise, fall)); }

  bool answers(ProbeState state) {
    now += 1s;
    streak_ = reading_.sequence != 0 && reading_.state == state ? streak_ + 1 : 1;
    reading_ = {.sequence = reading_.sequence + 1, .streak = streak_, .state = state, .finished = now};
    return quiet ? false : check.observe(now, reading_);
  }
  bool looked_at() { return check.observe(now, reading_); }

  Check check;
  Instant now = kStart;
  bool quiet = false;  ///< it answers, but nobody looks

 private:
  ports::ProbeReading reading_;
  std::uint32_t streak_ = 0;
};

TEST(CheckTest, NothingIsKnownBeforeTheFirstAnswer) {
  Probe probe;
  EXPECT_EQ(probe.check.settled(), Settled::kPending);
  EXPECT_FALSE(probe.check.passes());
}

TEST(CheckTest, PassesAfterRiseAndFailsAfterFallAnswersInARow) {
  Probe probe{2, 3};
  EXPECT_FALSE(probe.answers(ProbeState::kPass));
  EXPECT_TRUE(probe.answers(ProbeState::kPass));
  EXPECT_TRUE(probe.check.passes());
  probe.answers(ProbeState::kFail);
  probe.answers(ProbeState::kFail);
  probe.answers(ProbeState::kPass);  // the row is broken
  probe.answers(ProbeState::kFail);
  EXPECT_FALSE(probe.answers(ProbeState::kFail));
  EXPECT_TRUE(probe.check.passes());
  EXPECT_TRUE(probe.answers(ProbeState::kFail));
  EXPECT_EQ(probe.check.settled(), Settled::kFail);
  EXPECT_EQ(probe.check.since(), kStart + 8s);
}

TEST(CheckTest, UnknownCountsAsFailedAndIsSaidSo) {
  Probe probe;
  probe.answers(ProbeState::kPass);
  probe.answers(ProbeState::kFail);
  probe.answers(ProbeState::kUnknown);
  EXPECT_FALSE(probe.check.passes() == false);
  probe.answers(ProbeState::kUnknown);
  EXPECT_EQ(probe.check.settled(), Settled::kUnknown);
}

TEST(CheckTest, AnswersThatNobodyLookedAtAreCounted) {
  Probe probe;
  probe.answers(ProbeState::kPass);
  probe.quiet = true;
  probe.answers(ProbeState::kFail);
  probe.answers(ProbeState::kFail);
  probe.answers(ProbeState::kFail);
  EXPECT_TRUE(probe.looked_at());
  EXPECT_EQ(probe.check.settled(), Settled::kFail);
}

TEST(CheckTest, OnlyTheRunThatGoesOnIsCountedWhenOthersLayInBetween) {
  Probe probe;
  probe.answers(ProbeState::kPass);
  probe.quiet = true;
  probe.answers(ProbeState::kFail);
  probe.answers(ProbeState::kFail);
  probe.answers(ProbeState::kPass);
  probe.answers(ProbeState::kFail);
  probe.answers(ProbeState::kFail);
  EXPECT_FALSE(probe.looked_at());
  EXPECT_TRUE(probe.check.passes());
}

TEST(CheckTest, AResultLapsesAfterThreeIntervals) {
  Probe probe;
  probe.answers(ProbeState::kPass);
  EXPECT_EQ(probe.check.next_deadline(), kStart + 4s);
  EXPECT_FALSE(probe.check.on_deadline(kStart + 4s - 1ns));
  EXPECT_TRUE(probe.check.passes());
  EXPECT_TRUE(probe.check.on_deadline(kStart + 4s));
  EXPECT_EQ(probe.check.settled(), Settled::kUnknown);
  EXPECT_EQ(probe.check.sentence().view(), "no result for three intervals");
  EXPECT_EQ(probe.check.next_deadline(), kStart + 7s);  // it may come back without a ring
}

TEST(CheckTest, ARenewedResultDoesNotLapse) {
  Probe probe;
  probe.answers(ProbeState::kPass);
  probe.answers(ProbeState::kPass);
  EXPECT_FALSE(probe.check.on_deadline(kStart + 4s));
  EXPECT_EQ(probe.check.next_deadline(), kStart + 5s);
}

TEST(CheckTest, WithoutAnyAnswerItIsUnknownAfterThreeIntervals) {
  Probe probe;
  EXPECT_TRUE(probe.check.on_deadline(kStart + 3s));
  EXPECT_EQ(probe.check.settled(), Settled::kUnknown);
}

TEST(CheckTest, ALostProbeCountsAsOneFailedAnswer) {
  Probe probe{1, 2};
  probe.answers(ProbeState::kPass);
  EXPECT_FALSE(probe.check.lose(probe.now, VerbStatus::kCrashed, "killed by signal 11"));
  EXPECT_TRUE(probe.check.passes());
  EXPECT_TRUE(probe.check.lose(probe.now, VerbStatus::kCrashed, "killed by signal 11"));
  EXPECT_EQ(probe.check.settled(), Settled::kUnknown);
  EXPECT_EQ(probe.check.sentence().view(), "killed by signal 11");
  EXPECT_EQ(probe.check.status(), VerbStatus::kCrashed);
}

TEST(CheckTest, AResultThatLapsesAfterALossSaysWhyThereIsNone) {
  Probe probe;
  probe.answers(ProbeState::kPass);
  probe.check.lose(probe.now, VerbStatus::kCrashed, "killed by signal 11");
  EXPECT_TRUE(probe.check.on_deadline(kStart + 4s));
  EXPECT_EQ(probe.check.settled(), Settled::kUnknown);
  EXPECT_EQ(probe.check.sentence().view(), "killed by signal 11");
  EXPECT_EQ(probe.check.status(), VerbStatus::kCrashed);
  probe.answers(ProbeState::kPass);
  EXPECT_TRUE(probe.check.on_deadline(probe.now + 3s));
  EXPECT_EQ(probe.check.sentence().view(), "no result for three intervals");
}

TEST(CheckTest, AnAnswerAfterALapseIsNewsAlthoughItIsNoBetter) {
  Probe probe;
  EXPECT_TRUE(probe.check.on_deadline(kStart + 3s));
  EXPECT_TRUE(probe.answers(ProbeState::kUnknown));
  EXPECT_EQ(probe.check.settled(), Settled::kUnknown);
  EXPECT_EQ(probe.check.sentence().view(), "");
  EXPECT_FALSE(probe.answers(ProbeState::kUnknown));
}

TEST(CheckTest, AnotherReasonForNotPassingIsNews) {
  Probe probe{1, 1};
  EXPECT_TRUE(probe.check.lose(probe.now, VerbStatus::kCrashed, "killed by signal 11"));
  EXPECT_FALSE(probe.check.lose(probe.now, VerbStatus::kCrashed, "killed by signal 11"));
  EXPECT_TRUE(probe.check.lose(probe.now, VerbStatus::kNotRunning, "it died 5 times within a minute"));
}

TEST(CheckTest, AResultFromTheFutureRenewsNoLongerThanFromNow) {
  Check check;
  check.configure(kStart, section(1, 3));
  check.observe(kStart, {.sequence = 1, .streak = 1, .state = ProbeState::kPass, .finished = kStart + 1h});
  EXPECT_EQ(check.next_deadline(), kStart + 3s);
}

/// F83: ten changes an hour are allowed; the eleventh holds it down until it has passed for five minutes.
TEST(CheckTest, ACheckThatFlapsIsHeldDownUntilItIsCalm) {
  Probe probe{1, 1};
  probe.answers(ProbeState::kPass);
  for (int i = 0; i < 10; ++i) {
    probe.answers(ProbeState::kFail);
    probe.answers(ProbeState::kPass);
    ASSERT_TRUE(probe.check.passes()) << i;
  }
  probe.answers(ProbeState::kFail);
  EXPECT_TRUE(probe.check.flapping());
  for (int i = 0; i < 299; ++i) {  // until five minutes after the last failure
    probe.answers(ProbeState::kPass);
    ASSERT_FALSE(probe.check.passes()) << i;
  }
  probe.answers(ProbeState::kPass);
  EXPECT_TRUE(probe.check.passes());
  EXPECT_FALSE(probe.check.flapping());
}

}  // namespace
}  // namespace baton::engine
