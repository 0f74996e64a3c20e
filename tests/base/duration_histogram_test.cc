#include "base/duration_histogram.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

using namespace std::chrono_literals;

TEST(DurationHistogramTest, ABoundBelongsToItsOwnBucket) {
  DurationHistogram histogram;
  histogram.note(100us);
  histogram.note(100us + 1ns);
  EXPECT_EQ(histogram.counts[0], 1u);
  EXPECT_EQ(histogram.counts[1], 1u);
  EXPECT_EQ(histogram.sum_ns, 200'001u);
}

TEST(DurationHistogramTest, WhatIsLongerThanTheLastBoundGoesBehindIt) {
  DurationHistogram histogram;
  histogram.note(60s);
  histogram.note(61s);
  EXPECT_EQ(histogram.counts[17], 1u);
  EXPECT_EQ(histogram.counts[18], 1u);
}

TEST(DurationHistogramTest, WhatCameEarlyCountsAsNothing) {
  DurationHistogram histogram;
  histogram.note(-1ms);
  EXPECT_EQ(histogram.counts[0], 1u);
  EXPECT_EQ(histogram.sum_ns, 0u);
}

}  // namespace
}  // namespace baton
