// The version that `batonctl version` and status show; CMakeLists.txt's project version.
#pragma once

#include <string_view>

namespace baton::steward {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace baton::steward
