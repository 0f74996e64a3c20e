#include "vrrp/timers.h"

#include <gtest/gtest.h>

namespace baton::vrrp {
namespace {

using namespace std::chrono_literals;

struct Golden {
  Version version;
  std::uint8_t priority;
  Nanos interval;
  Nanos skew;
  Nanos down;
};

// Worked by hand: (256 - P) * interval / 256; three intervals more.
constexpr Golden kGolden[] = {
    {Version::kV3, 100, 1000ms, 609'375'000ns, 3'609'375'000ns},
    {Version::kV3, 200, 1000ms, 218'750'000ns, 3'218'750'000ns},
    {Version::kV3, 254, 1000ms, 7'812'500ns, 3'007'812'500ns},
    {Version::kV3, 1, 1000ms, 996'093'750ns, 3'996'093'750ns},
    {Version::kV3, 100, 10ms, 6'093'750ns, 36'093'750ns},
    {Version::kV3, 100, 40'950ms, 24'953'906'250ns, 147'803'906'250ns},
    {Version::kV2, 100, 5000ms, 609'375'000ns, 15'609'375'000ns},
};

TEST(TimersTest, SkewTimeAndActiveDownIntervalAreExact) {
  for (const Golden& row : kGolden) {
    EXPECT_EQ(skew_time(row.version, Priority{row.priority}, row.interval).count(), row.skew.count())
        << int{row.priority} << " at " << row.interval.count();
    EXPECT_EQ(active_down_interval(row.version, Priority{row.priority}, row.interval).count(), row.down.count())
        << int{row.priority} << " at " << row.interval.count();
  }
}

TEST(TimersTest, SkewTimeNeverRoundsToZeroAndFallsWithPriority) {
  Nanos previous = 10ms;
  for (int priority = 1; priority <= 255; ++priority) {
    const Nanos skew = skew_time(Version::kV3, Priority{static_cast<std::uint8_t>(priority)}, 10ms);
    EXPECT_LT(skew, previous) << priority;
    EXPECT_GT(skew, 39us) << priority;  // 10 ms / 256
    previous = skew;
  }
}

TEST(TimersTest, Version2SkewDoesNotScaleWithTheInterval) {
  EXPECT_EQ(skew_time(Version::kV2, Priority{100}, 1s), skew_time(Version::kV2, Priority{100}, 255s));
  EXPECT_EQ(skew_time(Version::kV2, Priority{192}, 255s), 250ms);  // 64/256 s
}

}  // namespace
}  // namespace baton::vrrp
