// One source file into sections and entries, by way of inih. What inih as shipped would cut, join or pass over is
// refused here before inih sees it, with line and column; what inih then delivers must be what is written. Knows
// nothing of keys and their meaning.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "config/report.h"

namespace baton::config {

/// inih's line buffer has 200 bytes, of which it needs three for CR, LF and NUL.
inline constexpr std::size_t kMaxLineLength = 197;
/// inih keeps a section name in 50 bytes with its NUL.
inline constexpr std::size_t kMaxSectionLength = 49;

/// `key@host = value`. Views into the SourceFile.
struct RawEntry {
  std::string_view key;
  std::string_view host;   ///< "" = all hosts
  std::string_view value;  ///< without blanks around it
  Place key_place;
  Place value_place;  ///< width 0 behind the `=` for an empty value
};

struct RawSection {
  std::string_view name;  ///< between the brackets, without blanks around it
  Place place;            ///< of the name
  bool broken = false;    ///< a malformed header: reported; its entries mean nothing
  std::vector<RawEntry> entries;
};

/// `index` is the file's position in the report's list.
std::vector<RawSection> read_source(const SourceFile& file, std::uint32_t index, Report& report);

}  // namespace baton::config
