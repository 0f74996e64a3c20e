// How long the addresses of one instance live without a refresh, and how often they are refreshed (design section 5).
// Pure.
#pragma once

#include <cstddef>
#include <optional>

#include "base/time.h"

namespace baton::engine {

class AddressLifetime {
 public:
  static constexpr Nanos kShort = std::chrono::seconds{3};
  static constexpr Nanos kLong = std::chrono::seconds{15};
  static constexpr std::size_t kFewAddresses = 256;

  /// `configured`: nullopt = auto, 0 = permanent. `on_link`: addresses on the busiest link.
  void configure(std::optional<Nanos> configured, std::size_t on_link, bool owner);
  /// A whole cycle took so long.
  void measured(Nanos cycle);
  /// A cycle was not done when the next was due: live longer, if that is ours to choose.
  void late();

  bool permanent() const { return lifetime_ == Nanos{0}; }
  Nanos lifetime() const { return lifetime_; }
  Nanos period() const { return lifetime_ / 3; }

 private:
  void choose();

  std::optional<Nanos> configured_;
  bool owner_ = false;
  std::size_t on_link_ = 0;
  Nanos cycle_{0};
  Nanos least_ = kShort;
  Nanos lifetime_ = kShort;
};

}  // namespace baton::engine
