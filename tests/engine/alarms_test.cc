#include "engine/alarms.h"

#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using ports::Alarm;

TEST(AlarmsTest, AtMostOneReportInTenSeconds) {
  FakeDoors doors;
  Alarms alarms;
  for (int i = 0; i < 100; ++i) {
    const Instant now = kStart + i * 50ms;
    alarms.raise(now, {}, Alarm::kVipMismatch, 10ms, doors);
    alarms.expire(now + 20ms, 0, doors);
  }
  std::size_t begun = 0;
  for (const ports::Report& report : doors.reports) begun += report.kind == ports::EventKind::kAlarm;
  EXPECT_EQ(begun, 1u);
  alarms.raise(kStart + 10s, {}, Alarm::kVipMismatch, 10ms, doors);
  EXPECT_EQ(doors.reports.back().kind, ports::EventKind::kAlarm);
}

TEST(AlarmsTest, EndsWhenItIsNotRepeated) {
  FakeDoors doors;
  Alarms alarms;
  alarms.raise(kStart, {}, Alarm::kRival, 5s, doors);
  alarms.raise(kStart + 4s, {}, Alarm::kRival, 5s, doors);
  alarms.expire(kStart + 8s, 0, doors);
  EXPECT_TRUE(alarms.has(Alarm::kRival));
  alarms.expire(kStart + 9s, 0, doors);
  EXPECT_FALSE(alarms.has(Alarm::kRival));
  EXPECT_EQ(doors.reports.back().kind, ports::EventKind::kAlarmCleared);
}

TEST(AlarmsTest, LastsUntilItIsClearedIfItMust) {
  FakeDoors doors;
  Alarms alarms;
  alarms.raise(kStart, {}, Alarm::kStrayAddress, Nanos::max(), doors);
  alarms.expire(kStart + 24h, 0, doors);
  EXPECT_TRUE(alarms.has(Alarm::kStrayAddress));
  EXPECT_TRUE(alarms.clear(kStart + 24h, 0, Alarm::kStrayAddress, doors));
  EXPECT_EQ(alarms.bits(), 0u);
}

}  // namespace
}  // namespace baton::engine
