// How long something took, in buckets: cheap to note, and enough for a quantile. Plain values; no clock is read here.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "base/time.h"

namespace baton {

/// Upper ends of the buckets, inclusive; what is longer than the last goes into one more.
inline constexpr std::array<Nanos, 18> kDurationBounds{
    std::chrono::microseconds{100}, std::chrono::microseconds{250},  std::chrono::microseconds{500},
    std::chrono::milliseconds{1},   std::chrono::microseconds{2500}, std::chrono::milliseconds{5},
    std::chrono::milliseconds{10},  std::chrono::milliseconds{25},   std::chrono::milliseconds{50},
    std::chrono::milliseconds{100}, std::chrono::milliseconds{250},  std::chrono::milliseconds{500},
    std::chrono::seconds{1},        std::chrono::milliseconds{2500}, std::chrono::seconds{5},
    std::chrono::seconds{10},       std::chrono::seconds{30},        std::chrono::seconds{60}};

struct DurationHistogram {
  std::array<std::uint64_t, kDurationBounds.size() + 1> counts{};  ///< of each bucket alone, not of all below it
  std::uint64_t sum_ns = 0;

  /// Negative durations count as 0.
  void note(Nanos duration) {
    if (duration < Nanos{0}) duration = Nanos{0};
    std::size_t bucket = 0;
    while (bucket < kDurationBounds.size() && duration > kDurationBounds[bucket]) ++bucket;
    ++counts[bucket];
    sum_ns += static_cast<std::uint64_t>(duration.count());
  }
  bool operator==(const DurationHistogram&) const = default;
};

}  // namespace baton
