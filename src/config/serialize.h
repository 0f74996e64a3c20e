// Config <-> bytes, for the sealed memfd between the processes of one daemon. Versioned and strict: bytes that are not
// exactly one Config of this version are refused. Contains the VRRPv2 passwords and, unless
// they were taken out, the secrets of plugins: never write it to disk.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "config/config.h"

namespace baton::config {

inline constexpr std::uint32_t kSerializeVersion = 2;

std::vector<std::uint8_t> serialize(const Config& config);
Result<Config> deserialize(ConstBytes bytes);

}  // namespace baton::config
