// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reads performance data: 'label'=value[unit];[warning];[critical];[minimum];[maximum], separated by blanks.
#include "performance_data.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace baton_exec {
namespace {

std::string trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return std::string{text};
}

/// Takes the label and its = from the front; "" if there is none. Within quotes '' stands for one quote.
std::string take_label(std::string_view* text) {
  std::string label;
  if (!text->starts_with('\'')) {
    const std::size_t end = std::min(text->find_first_of("= "), text->size());
    label = text->substr(0, end);
    text->remove_prefix(end);
  } else {
    text->remove_prefix(1);
    while (!text->empty()) {
      const char letter = text->front();
      text->remove_prefix(1);
      if (letter == '\'' && !text->starts_with('\'')) break;
      if (letter == '\'') text->remove_prefix(1);
      label += letter;
    }
  }
  if (!text->starts_with('=')) return {};
  text->remove_prefix(1);
  return label;
}

}  // namespace

Spoken split_performance_data(const std::string& line) {
  const std::size_t bar = std::min(line.find('|'), line.size());
  Spoken spoken{.sentence = trimmed(std::string_view{line}.substr(0, bar)), .values = {}};
  std::string_view rest{line};
  rest.remove_prefix(std::min(bar + 1, rest.size()));
  while (!rest.empty()) {
    if (rest.front() == ' ' || rest.front() == '\t') {
      rest.remove_prefix(1);
      continue;
    }
    const std::string label = take_label(&rest);
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    const std::string_view value = rest.substr(0, std::min(end, rest.find(';')));
    if (!label.empty() && !value.empty()) spoken.values.emplace_back(label, value);
    rest.remove_prefix(end);
  }
  return spoken;
}

}  // namespace baton_exec
