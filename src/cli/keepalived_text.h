// keepalived's configuration language into statements: words, quotes, comments, blocks, `include`, `@host` lines and
// `$NAME` texts. Knows no keyword's meaning. Pure: files come through Files.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace baton::cli::keepalived {

struct Place {
  std::string file;
  std::uint32_t line = 0;  ///< from 1; 0 = the file as a whole
  bool operator==(const Place&) const = default;
};

struct Statement {
  Place place;
  std::vector<std::string> words;  ///< without their quotes; never empty
  std::vector<Statement> block;
  bool has_block = false;
};

struct SyntaxError {
  Place place;
  std::string message;
};

/// What was read and passed over: file, line, the text, why.
struct PassedOver {
  Place place;
  std::string text;
  std::string why;
};

struct Files {
  /// nullopt: cannot be read, and errno says why.
  std::function<std::optional<std::string>(const std::string& path)> read;
  /// Paths that a pattern names, sorted.
  std::function<std::vector<std::string>(const std::string& pattern)> match;
};

struct Parsed {
  std::vector<Statement> statements;
  std::vector<PassedOver> passed_over;
  std::vector<std::string> files;  ///< read, in order
};

inline constexpr std::size_t kMaxFile = 1u << 20;
inline constexpr std::size_t kMaxFiles = 256;
inline constexpr std::size_t kMaxLines = 100'000;  ///< after `$NAME` texts were put in
inline constexpr std::size_t kMaxNesting = 16;     ///< of blocks, and of includes

/// `id`: which `@id` lines count.
Expected<Parsed, SyntaxError> parse(const std::string& path, const std::string& id, const Files& files);

/// What the `@id` and `@^id` lines of a file, and of what it includes, name.
struct Ids {
  std::set<std::string> all;
  bool any_negative = false;
};
Expected<Ids, SyntaxError> ids_of(const std::string& path, const Files& files);

/// "FILE:LINE".
std::string text_of(const Place& place);

}  // namespace baton::cli::keepalived
