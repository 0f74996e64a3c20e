// VRID and Priority: two bytes that must never be swapped.
#pragma once

#include <compare>
#include <cstdint>

#include "base/check.h"

namespace baton {

/// Virtual router id, 1..255 (RFC 9568 §5.2.3).
class Vrid {
 public:
  /// REQUIRES 1..255.
  constexpr explicit Vrid(std::uint8_t value) : value_(value) { CHECK(value != 0); }
  constexpr std::uint8_t value() const { return value_; }
  constexpr auto operator<=>(const Vrid&) const = default;

 private:
  std::uint8_t value_;
};

/// RFC 9568 §5.2.4: 0 resigns, 1..254 elects, 255 is the owner.
class Priority {
 public:
  constexpr explicit Priority(std::uint8_t value) : value_(value) {}
  constexpr std::uint8_t value() const { return value_; }
  constexpr auto operator<=>(const Priority&) const = default;

 private:
  std::uint8_t value_;
};

inline constexpr Priority kResignPriority{0};
inline constexpr Priority kDefaultPriority{100};
inline constexpr Priority kOwnerPriority{255};

}  // namespace baton
