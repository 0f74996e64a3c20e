#include "engine/address_lifetime.h"

#include <algorithm>

namespace baton::engine {

void AddressLifetime::configure(std::optional<Nanos> configured, std::size_t on_link, bool owner) {
  configured_ = configured;
  on_link_ = on_link;
  owner_ = owner;
  choose();
}

void AddressLifetime::measured(Nanos cycle) {
  cycle_ = cycle;
  choose();
}

void AddressLifetime::late() {
  least_ = std::min(kLong, lifetime_ * 2);
  choose();
}

/// Few addresses: 3 s, refreshed each second. Many: five times the measured refresh, at most 15 s. Before the first
/// measurement of many, the longest: a refresh that the kernel cannot keep up with would take addresses away from a
/// healthy Active.
void AddressLifetime::choose() {
  if (owner_) {
    lifetime_ = Nanos{0};
  } else if (configured_) {
    lifetime_ = *configured_;
  } else if (on_link_ <= kFewAddresses) {
    lifetime_ = least_;
  } else {
    const Nanos wanted = cycle_ == Nanos{0} ? kLong : cycle_ * 5;
    lifetime_ = std::min(kLong, std::max(least_, wanted));
  }
}

}  // namespace baton::engine
