// Durations and points in time as text, for people. No clock is read here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace baton::steward {

/// Exact to the millisecond: "3.609 s", "100 ms", "0 s"; microseconds below 1 ms: "976 us". Negative times count as 0.
std::string exact_duration(Nanos duration);
/// The two greatest units, cut: "42s", "2m13s", "1h59m", "3d04h". For tables.
std::string coarse_duration(Nanos duration);
/// RFC 3339 in UTC with milliseconds, as RFC 8347's date-and-time: "2026-11-21T03:00:12.345Z".
std::string utc_time(std::int64_t wall_clock_ns);

}  // namespace baton::steward
