// SPDX-License-Identifier: GPL-2.0-or-later
//
// position.cc: the inclusion test. A standby may follow only if every byte of its own log is part of the log that it is
// about to follow: same cluster, its timeline in the target's history, its end not beyond the point where that
// branched.
#include "postgres/position.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <sstream>

namespace baton_postgres {
namespace {

template <class Number>
bool parse_number(const std::string& text, int base, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream{text};
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

std::string timeline_words(std::uint32_t timeline) { return "timeline " + std::to_string(timeline); }

}  // namespace

std::optional<Lsn> parse_lsn(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  std::uint32_t high = 0;
  std::uint32_t low = 0;
  if (!parse_number(text.substr(0, slash), 16, high) || !parse_number(text.substr(slash + 1), 16, low)) {
    return std::nullopt;
  }
  return (Lsn{high} << 32) | low;
}

std::string lsn_words(Lsn lsn) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%X/%X", static_cast<unsigned>(lsn >> 32),
                static_cast<unsigned>(lsn & 0xFFFFFFFFu));
  return text.data();
}

bool Position::synchronous(const std::string& name) const {
  if (!how.starts_with("sync=")) return false;
  const std::vector<std::string> names = split(how.substr(5), ',');
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Position::text() const {
  return system + ":" + std::to_string(timeline) + ":" + lsn_words(lsn) + ":" + how;
}

std::optional<Position> parse_position(const std::string& text) {
  const std::vector<std::string> parts = split(text, ':');
  if (parts.size() != 4 || parts[0].empty()) return std::nullopt;
  Position position{.system = parts[0], .how = parts[3]};
  const std::optional<Lsn> lsn = parse_lsn(parts[2]);
  if (!lsn || !parse_number(parts[1], 10, position.timeline) || position.timeline == 0) return std::nullopt;
  position.lsn = *lsn;
  return position;
}

std::optional<std::vector<Fork>> parse_history(const std::string& text) {
  std::vector<Fork> forks;
  for (const std::string& line : split(text, '\n')) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos || line[begin] == '#') continue;
    std::istringstream words{line};
    std::string timeline;
    std::string at;
    words >> timeline >> at;
    Fork fork;
    const std::optional<Lsn> lsn = parse_lsn(at);
    if (!lsn || !parse_number(timeline, 10, fork.timeline)) return std::nullopt;
    fork.at = *lsn;
    forks.push_back(fork);
  }
  return forks;
}

Inclusion compare(const History& own, const History& target) {
  if (own.system != target.system) {
    return {.trouble = "its data is of another cluster (system identifier " + own.system + ", the target's is " +
                       target.system + ")"};
  }
  std::vector<Fork> mine = own.forks;
  mine.push_back({own.timeline, own.end});
  std::vector<Fork> theirs = target.forks;
  theirs.push_back({target.timeline, target.end});
  // Where the two ways part: the first entry that differs.
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (i >= theirs.size() || mine[i].timeline != theirs[i].timeline) {
      const Lsn common = i == 0 ? 0 : std::min(mine[i - 1].at, theirs[std::min(i, theirs.size()) - 1].at);
      return {.trouble = "its " + timeline_words(mine[i].timeline) + " is not part of the target's history (" +
                         timeline_words(target.timeline) + ")",
              .common = common,
              .comparable = i > 0};
    }
    const bool last = i + 1 == mine.size();
    const bool target_goes_on = i + 1 < theirs.size();
    if (last && mine[i].at <= theirs[i].at) break;
    if (!last && mine[i].at == theirs[i].at) continue;
    const Lsn common = std::min(mine[i].at, theirs[i].at);
    const std::string beyond = std::to_string(mine[i].at > common ? own.end - common : 0);
    if (last) {
      return {.trouble = "its log ends at " + lsn_words(mine[i].at) + ", " + beyond + " bytes beyond " +
                         lsn_words(common) +
                         (target_goes_on ? ", where the target left " + timeline_words(mine[i].timeline)
                                         : ", where the target's log ends on the same timeline"),
              .common = common,
              .comparable = true};
    }
    return {.trouble = "it left " + timeline_words(mine[i].timeline) + " at " + lsn_words(mine[i].at) +
                       ", the target " + (target_goes_on ? "at " : "is still on it at ") + lsn_words(theirs[i].at),
            .common = common,
            .comparable = true};
  }
  return {.trouble = {}, .common = own.end, .comparable = true};
}

std::string segment_name(std::uint32_t timeline, Lsn lsn, std::uint64_t segment_size) {
  const std::uint64_t number = lsn / segment_size;
  const std::uint64_t each = 0x100000000ull / segment_size;
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%08X%08X%08X", timeline, static_cast<unsigned>(number / each),
                static_cast<unsigned>(number % each));
  return text.data();
}

}  // namespace baton_postgres
