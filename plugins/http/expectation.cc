// What an answer has to be: see expectation.h.
#include "http/expectation.h"

#include <array>
#include <charconv>

namespace baton::http_check {
namespace {

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// A status from 100 to 599, or -1.
int status_of(const std::string& text) {
  int status = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  return whole && status >= 100 && status <= 599 ? status : -1;
}

}  // namespace

std::string StatusList::add(const std::string& text) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string entry = trimmed(text.substr(begin, comma - begin));
    const std::size_t dash = entry.find('-');
    const int first = status_of(trimmed(entry.substr(0, dash)));
    const int last = dash == std::string::npos ? first : status_of(trimmed(entry.substr(dash + 1)));
    if (first < 0 || last < first) {
      return "\"" + entry + "\" is no status from 100 to 599 and no range such as 200-299";
    }
    ranges_.emplace_back(first, last);
    begin = comma + 1;
  }
  return {};
}

bool StatusList::contains(int status) const {
  for (const auto& [first, last] : ranges_) {
    if (status >= first && status <= last) return true;
  }
  return false;
}

std::string StatusList::words() const {
  std::string out;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const auto& [first, last] = ranges_[i];
    if (i > 0) out += i + 1 == ranges_.size() ? " or " : ", ";
    out += std::to_string(first);
    if (last != first) out += "-" + std::to_string(last);
  }
  return out;
}

void Pattern::Free::operator()(regex_t* regex) const {
  ::regfree(regex);
  delete regex;
}

Pattern Pattern::compile(const std::string& text, std::string& error) {
  Pattern pattern;
  auto regex = std::make_unique<regex_t>();
  const int code = ::regcomp(regex.get(), text.c_str(), REG_EXTENDED | REG_NEWLINE);
  if (code != 0) {
    std::array<char, 128> words{};
    ::regerror(code, regex.get(), words.data(), words.size());
    error = "\"" + text + "\" is no regular expression: " + words.data();
    return pattern;
  }
  error.clear();
  pattern.text_ = text;
  pattern.regex_.reset(regex.release());
  return pattern;
}

bool Pattern::matches(const std::string& body) const {
  regmatch_t part{};
  part.rm_so = 0;
  part.rm_eo = static_cast<regoff_t>(body.size());
  return regex_ && ::regexec(regex_.get(), body.c_str(), 1, &part, REG_STARTEND) == 0;
}

std::string excerpt(const std::string& body, std::size_t limit) {
  std::string out;
  for (const char c : body) {
    const bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    if (out.size() == limit) return out + "...";
    out += blank ? ' ' : c > ' ' && c < 0x7F ? c : '?';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace baton::http_check
