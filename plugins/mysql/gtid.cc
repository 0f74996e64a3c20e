// SPDX-License-Identifier: GPL-2.0-or-later
#include "mysql/gtid.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

namespace baton::mysql {
namespace {

template <class Number>
bool read(const std::string& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{text};
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::string written(const MariadbGtid& gtid) {
  return std::to_string(gtid.domain) + "-" + std::to_string(gtid.server) + "-" + std::to_string(gtid.sequence);
}

}  // namespace

std::string compact(const std::string& set) {
  std::string text;
  for (const char c : set) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) text += c;
  }
  return text;
}

std::optional<std::vector<MariadbGtid>> parse_mariadb(const std::string& text) {
  std::vector<MariadbGtid> list;
  for (const std::string& part : split(compact(text), ',')) {
    const std::vector<std::string> numbers = split(part, '-');
    MariadbGtid gtid;
    if (numbers.size() != 3 || !read(numbers[0], gtid.domain) || !read(numbers[1], gtid.server) ||
        !read(numbers[2], gtid.sequence)) {
      return std::nullopt;
    }
    list.push_back(gtid);
  }
  return list;
}

Missing mariadb_missing(const std::vector<MariadbGtid>& position, const std::vector<MariadbGtid>& history) {
  Missing missing;
  for (const MariadbGtid& last : position) {
    std::uint64_t by_server = 0;
    std::uint64_t in_domain = 0;
    for (const MariadbGtid& held : history) {
      if (held.domain != last.domain) continue;
      in_domain = std::max(in_domain, held.sequence);
      if (held.server == last.server) by_server = std::max(by_server, held.sequence);
    }
    if (by_server >= last.sequence) continue;
    if (!missing.what.empty()) missing.what += ", ";
    // The domain's number may be reached by the transactions of another server: then the last ones of this one are
    // those that are nowhere else, and how many cannot be told apart from those before the fork.
    if (in_domain >= last.sequence) missing.forked = true;
    const std::uint64_t known = in_domain < last.sequence ? in_domain : std::min(by_server, last.sequence);
    missing.count += last.sequence - known;
    const MariadbGtid first{last.domain, last.server, known + 1};
    missing.what += first.sequence == last.sequence ? written(last) : written(first) + ".." + written(last);
  }
  return missing;
}

Missing mariadb_errant(const std::vector<MariadbGtid>& position, const std::vector<MariadbGtid>& applied,
                       std::uint64_t server) {
  Missing errant;
  for (const MariadbGtid& last : position) {
    std::uint64_t reached = 0;
    for (const MariadbGtid& one : applied) {
      if (one.domain == last.domain) reached = std::max(reached, one.sequence);
    }
    if (last.server != server || last.sequence <= reached) continue;
    errant.count += last.sequence - reached;
    errant.what += (errant.what.empty() ? "" : ", ") + written(last);
  }
  return errant;
}

std::uint64_t mysql_count(const std::string& set) {
  std::uint64_t count = 0;
  for (const std::string& source : split(compact(set), ',')) {
    // uuid:interval[:interval...], and a tag of letters may stand before its intervals.
    for (const std::string& part : split(source, ':')) {
      const std::size_t dash = part.find('-');
      std::uint64_t first = 0;
      std::uint64_t last = 0;
      if (!read(part.substr(0, dash), first)) continue;
      if (dash == std::string::npos) last = first;
      if (dash != std::string::npos && !read(part.substr(dash + 1), last)) continue;
      if (last >= first) count += last - first + 1;
    }
  }
  return count;
}

}  // namespace baton::mysql
