// CRC-32 (IEEE 802.3), for records that must show a torn write. Not for security.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace baton {

std::uint32_t crc32(ConstBytes bytes);

}  // namespace baton
