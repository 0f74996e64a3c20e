// Time words. `Nanos` for every computed duration, `Instant` for every point in time.
// The clock type has no now(): code that is not in posix/ cannot read a clock even by mistake.
#pragma once

#include <chrono>
#include <cstdint>

namespace baton {

using Nanos = std::chrono::nanoseconds;

/// The clock of all deadlines: CLOCK_BOOTTIME, which also counts suspend. Read only by posix/clock.h.
struct MonotonicTime {
  using duration = Nanos;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicTime, duration>;
  static constexpr bool is_steady = true;
};

using Instant = MonotonicTime::time_point;

/// The later of every Instant: "never".
inline constexpr Instant kNever = Instant::max();

/// Wire unit of VRRPv3 (RFC 9568 §5.2.7): 1..4095 on the wire.
struct Centiseconds {
  std::uint16_t count = 0;
  constexpr auto operator<=>(const Centiseconds&) const = default;
  constexpr Nanos nanos() const { return std::chrono::milliseconds{10} * count; }
};

}  // namespace baton
