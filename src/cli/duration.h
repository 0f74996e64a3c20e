// "2h", "90s", "1h30m": a duration as the operator writes it. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace baton::cli {

/// Whole numbers with units d, h, m, s or ms, the greater first; a bare number is refused. nullopt for anything else.
std::optional<Nanos> parse_duration(std::string_view text);

}  // namespace baton::cli
