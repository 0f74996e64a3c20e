// The timer formulas of RFC 9568 §6.1 and RFC 3768 §6.1, in nanoseconds: exact, never rounded to zero (T-01, T-02,
// D-02).
#pragma once

#include "base/priority.h"
#include "base/time.h"
#include "vrrp/packet.h"

namespace baton::vrrp {

/// RFC 9568 §6.1: Skew_Time = ((256 - Priority) * Active_Adver_Interval) / 256.
/// RFC 3768 §6.1 (v2): (256 - Priority) / 256 seconds, whatever the interval.
constexpr Nanos skew_time(Version version, Priority local, Nanos active_adver_interval) {
  const Nanos unit = version == Version::kV2 ? Nanos{std::chrono::seconds{1}} : active_adver_interval;
  return (256 - local.value()) * unit / 256;
}

/// Active_Down_Interval = 3 * Active_Adver_Interval + Skew_Time.
constexpr Nanos active_down_interval(Version version, Priority local, Nanos active_adver_interval) {
  return 3 * active_adver_interval + skew_time(version, local, active_adver_interval);
}

}  // namespace baton::vrrp
