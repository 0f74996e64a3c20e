#include "daemon/deaths.h"

#include <gtest/gtest.h>

namespace baton::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{seconds{1000}};

TEST(DeathsTest, AFirstDeathIsAdopted) { EXPECT_EQ(DeathCount{}.died(kStart), AfterDeath::kAdopt); }

TEST(DeathsTest, ASecondDeathWithinTenSecondsStartsAfresh) {
  DeathCount deaths;
  deaths.died(kStart);
  EXPECT_EQ(deaths.died(kStart + seconds{10}), AfterDeath::kAfresh);
}

TEST(DeathsTest, ASecondDeathAfterTenSecondsIsAdopted) {
  DeathCount deaths;
  deaths.died(kStart);
  EXPECT_EQ(deaths.died(kStart + seconds{10} + milliseconds{1}), AfterDeath::kAdopt);
}

TEST(DeathsTest, ThreeDeathsWithinAMinuteAreTheEnd) {
  DeathCount deaths;
  deaths.died(kStart);
  deaths.died(kStart + seconds{30});
  EXPECT_EQ(deaths.died(kStart + seconds{60}), AfterDeath::kStayDown);
}

TEST(DeathsTest, ADeathAMinuteAgoNoLongerCounts) {
  DeathCount deaths;
  deaths.died(kStart);
  deaths.died(kStart + seconds{30});
  EXPECT_EQ(deaths.died(kStart + seconds{60} + milliseconds{1}), AfterDeath::kAdopt);
}

}  // namespace
}  // namespace baton::daemon
