// The only place that reads a clock.
#pragma once

#include <ctime>

#include "base/time.h"

namespace baton::posix {

/// CLOCK_BOOTTIME: monotonic, counts suspend, the same for all processes of a host and time namespace.
inline Instant now() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return Instant{std::chrono::seconds{time.tv_sec} + Nanos{time.tv_nsec}};
}

/// CLOCK_MONOTONIC in nanoseconds: the clock of a plugin's deadline (plugin_api/plugin.h), which does not count
/// suspend.
inline std::int64_t monotonic_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// CLOCK_REALTIME in nanoseconds since 1970: for people's eyes only, no decision may use it (I14).
inline std::int64_t wall_clock_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace baton::posix
