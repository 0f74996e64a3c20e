// What the builders of configuration objects share: the value of a key that counts on this host, parsed, or the
// complaint about it at its place.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "config/document.h"
#include "config/effective.h"
#include "config/report.h"
#include "config/values.h"

namespace baton::config {

inline std::string quoted(std::string_view text) { return "`" + std::string(text) + "`"; }

/// 1 to 32 characters of A-Z a-z 0-9 _ . -
inline Value<std::string> parse_name(std::string_view text) {
  if (!is_valid_name(text)) {
    return bad_value(Code::kBadValue, quoted(text) + " is no name",
                     "a name has 1 to 32 characters of A-Z, a-z, 0-9, `_`, `.` and `-`");
  }
  return std::string(text);
}

inline Value<Nanos> parse_within(std::string_view text, Nanos low, Nanos high) {
  const auto value = parse_duration(text);
  if (!value || (*value >= low && *value <= high)) return value;
  return bad_value(Code::kOutOfRange,
                   std::string(text) + " is not within " + duration_text(low) + " to " + duration_text(high));
}

class SectionReader {
 public:
  /// Both must outlive the reader.
  SectionReader(const std::string& host, Report& report) : host_(host), report_(report) {}

 protected:
  void report(const Entry& entry, const ValueError& error) {
    report_.add(error.code, entry.value_place, std::string(entry.key) + ": " + error.message, error.help);
  }

  /// Parses the value that counts here and hands it to `use`.
  template <class Parse, class Use>
  void one(const Section& section, std::string_view key, Parse parse, Use use) {
    const Entry* entry = section.find(key, host_);
    if (entry == nullptr) return;
    const auto value = parse(entry->value);
    if (!value) return report(*entry, value.error());
    use(*value);
  }

  template <class Parse, class Use>
  void many(const Section& section, std::string_view key, Parse parse, Use use) {
    for (const Entry* entry : section.list(key, host_)) {
      const auto value = parse(entry->value);
      if (!value) {
        report(*entry, value.error());
      } else {
        use(*entry, *value);
      }
    }
  }

  void flag(const Section& section, std::string_view key, bool& out) {
    one(section, key, parse_boolean, [&](bool value) { out = value; });
  }
  template <class T>
  void number(const Section& section, std::string_view key, std::uint64_t low, std::uint64_t high, T& out) {
    one(
        section, key, [&](std::string_view text) { return parse_integer(text, low, high); },
        [&](std::uint64_t value) { out = static_cast<T>(value); });
  }
  template <class Use>
  void word(const Section& section, std::string_view key, Use use) {
    const std::string_view domain = find_key(section.type, key)->domain;
    one(
        section, key, [&](std::string_view text) { return parse_word(text, domain); }, use);
  }
  void duration(const Section& section, std::string_view key, Nanos low, Nanos high, Nanos& out) {
    one(
        section, key, [&](std::string_view text) { return parse_within(text, low, high); },
        [&](Nanos value) { out = value; });
  }

  template <class T>
  void add_once(std::vector<T>& list, const T& item, const Entry& entry, const std::string& text) {
    if (std::find(list.begin(), list.end(), item) != list.end()) {
      report_.add(Code::kDuplicateItem, entry.value_place, std::string(entry.key) + ": " + text + " is listed already");
      return;
    }
    list.push_back(item);
  }

  const std::string& host_;
  Report& report_;
};

}  // namespace baton::config
