// Cuts a byte stream into lines of at most kMaxRequest bytes. A line that is longer is an error at once: what follows
// cannot be trusted to begin at a request.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "steward/request.h"

namespace baton::steward {

class LineBuffer {
 public:
  void append(std::string_view bytes) { buffer_.append(bytes); }
  /// The next whole line without its newline (and without a '\r' before it).
  std::optional<std::string> next() {
    const std::size_t end = buffer_.find('\n');
    if (end == std::string::npos || end > kMaxRequest) return std::nullopt;
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return line;
  }
  /// More than a request's length without a newline.
  bool overflown() const { return std::min(buffer_.find('\n'), buffer_.size()) > kMaxRequest; }
  std::size_t size() const { return buffer_.size(); }

 private:
  std::string buffer_;
};

}  // namespace baton::steward
