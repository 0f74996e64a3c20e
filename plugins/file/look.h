// What can be learned of a file without being held up by it: kind, size, age, a number in it, the newest of a
// directory.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <optional>
#include <string>

#include "plugin.hpp"

namespace baton_file {

/// What lies at `path`; `error` is an errno, 0 if it could be looked at. Symbolic links are followed unless
/// `link_itself`.
struct Found {
  std::string path;
  int error = 0;
  struct stat status {};
};
Found look_at(const std::string& path, bool link_itself);

/// "file", "directory", "fifo", "socket", "device", "link".
std::string kind_of(const struct stat& status);

/// The newest regular file in `directory` whose name matches the glob. Its `path` is empty if there is none.
Found newest_in(const std::string& directory, const std::string& pattern, const baton::plugin::Call& call);

/// How long ago the content was changed; negative: dated in the future.
std::chrono::nanoseconds age_of(const struct stat& status);

struct Number {
  std::optional<double> value;
  std::string text;   ///< as it stands in the file
  std::string error;  ///< "" if there is one
  int sys_errno = 0;
};
/// The number that the first 64 KiB of a regular file begin with, or that the extended regular expression finds (its
/// first group, else all that it matches).
Number number_in(const std::string& path, const std::string& pattern);

/// What is wrong with a regular expression; "" if nothing.
std::string pattern_trouble(const std::string& pattern);
std::optional<double> parse_number(const std::string& text);

/// "3 h 20 min", "12 s".
std::string time_words(std::chrono::nanoseconds time);
std::string size_words(std::int64_t bytes);

}  // namespace baton_file
