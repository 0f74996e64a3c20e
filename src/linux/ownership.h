// Which addresses are ours: those that carry our IFA_PROTO mark where the kernel keeps marks (5.18), else those that
// the journal names. Where marks are kept the mark alone decides: an address that an administrator added again by hand
// carries none and is his, whatever the journal says.
#pragma once

#include <cstdint>
#include <functional>

#include "base/address.h"

namespace baton::linux {

/// IFA_PROTO of every address that we add.
inline constexpr std::uint8_t kMark = 0x62;

/// Whether the running kernel keeps IFA_PROTO, judged by its release.
bool kernel_keeps_marks();

/// An address on one interface.
struct Holding {
  int ifindex = 0;
  Prefix prefix;
  auto operator<=>(const Holding&) const = default;
};
struct HoldingHash {
  std::size_t operator()(const Holding& holding) const {
    return IpAddressHash{}(holding.prefix.address) * 31 + static_cast<std::size_t>(holding.ifindex) * 257 +
           holding.prefix.length;
  }
};

}  // namespace baton::linux
