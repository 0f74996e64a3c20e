// "did you mean": the nearest known word by edit distance. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace baton::cli {

/// The word of `known` nearest to `word`, if at most a third of it differs; else "".
std::string nearest_word(std::string_view word, std::span<const std::string_view> known);

}  // namespace baton::cli
