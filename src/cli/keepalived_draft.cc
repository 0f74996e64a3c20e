#include "cli/keepalived_draft.h"

#include <algorithm>

#include "config/config.h"
#include "config/effective.h"

namespace baton::cli::keepalived {
namespace {

constexpr std::size_t kMaxShown = 100;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

std::string cleaned(const std::string& wanted) {
  std::string name = wanted.substr(0, config::kMaxNameLength);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !is_name_character(c); }, '-');
  return name.empty() ? "unnamed" : name;
}

bool is_secret(std::string_view keyword) { return keyword == "auth_pass" || keyword == "password" || keyword == "key"; }

}  // namespace

const std::string* Section::find(std::string_view key) const {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const auto& entry) { return entry.first == key; });
  return found == keys.end() ? nullptr : &found->second;
}

const KeywordRow* find_keyword(std::span<const KeywordRow> rows, std::string_view keyword) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const KeywordRow& row) { return row.keyword == keyword; });
  return found == rows.end() ? nullptr : &*found;
}

std::string shown(const Statement& statement) {
  std::string text = statement.words[0];
  if (is_secret(text) && statement.words.size() > 1) {
    text += " ...";
  } else {
    for (std::size_t i = 1; i < statement.words.size(); ++i) text += " " + statement.words[i];
  }
  if (statement.has_block) text += " { ... }";
  for (char& c : text) c = c >= ' ' && c <= '~' ? c : c == '\n' || c == '\t' ? ' ' : '?';
  return text.size() > kMaxShown ? text.substr(0, kMaxShown - 3) + "..." : text;
}

void Draft::remark(const Statement& statement, Outcome outcome, std::string why) {
  out.remarks.push_back({statement.place, shown(statement), outcome, std::move(why)});
}

void Draft::remark_unknown(const Statement& statement) {
  const bool fifo = statement.words[0].find("notify_fifo") != std::string::npos;  // in a block where it does not belong
  remark(statement, Outcome::kNotConverted, fifo ? std::string{kNoFifo} : "Baton has nothing of this name");
}

std::string Draft::name(const std::string& type, const std::string& wanted, const std::string& role) {
  const auto [known, is_new] = names_.try_emplace({type, wanted, role});
  if (!is_new) return known->second;
  const std::string base = cleaned(wanted);
  std::string name = base;
  for (int number = 2; !taken_.emplace(type, name).second; ++number) {
    const std::string suffix = "-" + std::to_string(number);
    name = base.substr(0, config::kMaxNameLength - suffix.size()) + suffix;
  }
  return known->second = name;
}

const Section* Draft::find(const std::string& type, const std::string& name) const {
  const auto found = std::find_if(out.sections.begin(), out.sections.end(),
                                  [&](const Section& section) { return section.type == type && section.name == name; });
  return found == out.sections.end() ? nullptr : &*found;
}

std::string duration_of(const std::string& seconds) {
  constexpr std::size_t kMaxDigits = 7;
  const std::size_t point = std::min(seconds.find('.'), seconds.size());
  const std::string whole = seconds.substr(0, point);
  std::string fraction = point < seconds.size() ? seconds.substr(point + 1) : "";
  const auto digits = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!digits(whole) || !digits(fraction) || whole.size() > kMaxDigits || whole.size() + fraction.size() == 0)
    return "";
  fraction.resize(6, '0');
  std::int64_t micros = 0;
  for (const char c : whole + fraction) micros = micros * 10 + (c - '0');
  return config::duration_text(std::chrono::microseconds{micros});
}

const std::string& argument(const Statement& statement) {
  static const std::string none;
  return statement.words.size() > 1 ? statement.words[1] : none;
}

std::string arguments(const Statement& statement) {
  std::string text;
  for (std::size_t i = 1; i < statement.words.size(); ++i) text += (i == 1 ? "" : " ") + statement.words[i];
  return text;
}

const Statement* child(const Statement& block, std::string_view keyword) {
  const auto found = std::find_if(block.block.begin(), block.block.end(),
                                  [&](const Statement& one) { return one.words[0] == keyword; });
  return found == block.block.end() ? nullptr : &*found;
}

}  // namespace baton::cli::keepalived
