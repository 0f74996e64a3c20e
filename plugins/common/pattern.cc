// Pattern and excerpt: see pattern.h.
#include "common/pattern.h"

#include <array>

namespace baton::plugin {

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

bool Pattern::matches(const std::string& text) const {
  regmatch_t part{};
  part.rm_so = 0;
  part.rm_eo = static_cast<regoff_t>(text.size());
  return regex_ && ::regexec(regex_.get(), text.c_str(), 1, &part, REG_STARTEND) == 0;
}

std::string excerpt(const std::string& text, std::size_t limit) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    if (out.size() == limit) return out + "...";
    out += blank ? ' ' : c > ' ' && c < 0x7F ? c : '?';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace baton::plugin
