#include "steward/format.h"

#include <gtest/gtest.h>

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

TEST(FormatTest, ExactDurationShowsNoMoreDigitsThanThereAre) {
  EXPECT_EQ(exact_duration(3'609'375us), "3.609 s");
  EXPECT_EQ(exact_duration(100ms), "100 ms");
  EXPECT_EQ(exact_duration(1500ms), "1.5 s");
  EXPECT_EQ(exact_duration(2s), "2 s");
  EXPECT_EQ(exact_duration(976us), "976 us");
  EXPECT_EQ(exact_duration(0s), "0 s");
}

TEST(FormatTest, ExactDurationOfThePastIsZero) { EXPECT_EQ(exact_duration(-5s), "0 s"); }

TEST(FormatTest, CoarseDurationKeepsTheTwoGreatestUnits) {
  EXPECT_EQ(coarse_duration(42s), "42s");
  EXPECT_EQ(coarse_duration(133s), "2m13s");
  EXPECT_EQ(coarse_duration(7199s), "1h59m");
  EXPECT_EQ(coarse_duration(86400s + 3600s * 4 + 59s), "1d04h");
  EXPECT_EQ(coarse_duration(-1s), "0s");
}

TEST(FormatTest, UtcTimeIsRfc3339WithMilliseconds) {
  EXPECT_EQ(utc_time(1'795'230'012'345'678'901), "2026-11-21T03:00:12.345Z");  // date -u -d @1795230012
  EXPECT_EQ(utc_time(0), "1970-01-01T00:00:00.000Z");
}

}  // namespace
}  // namespace baton::steward
