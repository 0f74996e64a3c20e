// StatusList: see status_list.h.
#include "http/status_list.h"

#include <algorithm>
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

}  // namespace baton::http_check
