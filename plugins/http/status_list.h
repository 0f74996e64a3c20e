// Which statuses an answer may have. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace baton::http_check {

/// "200", "200-299", "200, 204, 300-399".
class StatusList {
 public:
  /// Adds the entries of `text`; returns what is wrong with it, or "".
  std::string add(const std::string& text);
  bool contains(int status) const;
  /// "200-299 or 401"
  std::string words() const;

 private:
  std::vector<std::pair<int, int>> ranges_;
};

}  // namespace baton::http_check
