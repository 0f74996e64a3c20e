// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reads crontab lines as cron does: cron leaves out a whole file for one bad line, and says so only in its log.
#include "crontab.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <span>
#include <string_view>

namespace baton_cron {
namespace {

using Names = std::span<const std::string_view>;
constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr std::array<std::string_view, 8> kNicknames{"@reboot", "@yearly", "@annually", "@monthly",
                                                     "@weekly", "@daily",  "@midnight", "@hourly"};

struct Field {
  const char* name;
  int least;
  int most;
  Names names;
};
constexpr std::array<Field, 5> kFields{{{"minute", 0, 59, {}},
                                        {"hour", 0, 23, {}},
                                        {"day of the month", 1, 31, {}},
                                        {"month", 1, 12, kMonths},
                                        {"day of the week", 0, 7, kDays}}};

std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

std::optional<int> value_of(std::string_view text, const Field& field) {
  std::string lower{text};
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char letter) { return std::tolower(letter); });
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (lower == field.names[i]) return field.least + static_cast<int>(i);
  }
  const std::optional<int> number = number_of(text);
  return number && *number >= field.least && *number <= field.most ? number : std::nullopt;
}

bool is_good_part(std::string_view part, const Field& field) {
  const std::size_t slash = part.find('/');
  const std::string_view range = part.substr(0, slash);
  const std::size_t dash = range.find('-');
  const bool whole = range == "*";
  if (slash != std::string_view::npos) {
    const std::optional<int> step = number_of(part.substr(slash + 1));
    if (!step || *step == 0 || (!whole && dash == std::string_view::npos)) return false;
  }
  if (whole) return true;
  if (dash == std::string_view::npos) return value_of(range, field).has_value();
  const auto first = value_of(range.substr(0, dash), field);
  const auto last = value_of(range.substr(dash + 1), field);
  return first && last && *first <= *last;
}

bool is_good_field(std::string_view text, const Field& field) {
  for (;;) {
    const std::size_t comma = text.find(',');
    if (!is_good_part(text.substr(0, comma), field)) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

std::string_view take_word(std::string_view* line) {
  line->remove_prefix(std::min(line->find_first_not_of(" \t"), line->size()));
  const std::string_view word = line->substr(0, line->find_first_of(" \t"));
  line->remove_prefix(word.size());
  return word;
}

}  // namespace

std::string job_trouble(const std::string& line, std::string* user) {
  user->clear();
  for (const char letter : line) {
    if (std::iscntrl(static_cast<unsigned char>(letter)) != 0 && letter != '\t') return "has a control character";
  }
  std::string_view rest{line};
  std::string_view word = take_word(&rest);
  if (word.starts_with('@')) {
    if (std::find(kNicknames.begin(), kNicknames.end(), word) == kNicknames.end()) {
      return "'" + std::string{word} +
             "' is none of @reboot @yearly @annually @monthly @weekly @daily @midnight @hourly";
    }
  } else {
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      if (i > 0) word = take_word(&rest);
      if (!is_good_field(word, kFields[i])) return "'" + std::string{word} + "' is no " + kFields[i].name;
    }
  }
  *user = take_word(&rest);
  if (user->empty()) return "names no user after the time";
  if (take_word(&rest).empty()) return "has no command after the user '" + *user + "'";
  return {};
}

std::string line_trouble(const std::string& line, std::string* user) {
  user->clear();
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos || line[begin] == '#') return {};
  const std::size_t equals = line.find('=');
  const std::string name = line.substr(begin, equals == std::string::npos ? 0 : equals - begin);
  const bool variable = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '_' || letter == ' ' || letter == '\t';
  }) && std::isdigit(static_cast<unsigned char>(name.front())) == 0;
  return variable ? "" : job_trouble(line, user);
}

}  // namespace baton_cron
