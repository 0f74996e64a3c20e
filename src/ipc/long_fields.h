// Fields of messages that may be long (secrets, job lists, manuals): 64-bit numbers and texts with their length in
// front, in a buffer that grows. Reading is bounded by the bytes that are there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace baton::ipc {

class LongWriter {
 public:
  void number(std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  void text(std::string_view value) {
    number(value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  void bytes(ConstBytes value) {
    number(value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

/// A text as LongWriter wrote it; what is cut short leaves `in` not ok().
inline std::string read_long_text(ByteReader& in) {
  const std::uint64_t size = in.u64();
  if (size > in.remaining()) {
    in.take(in.remaining() + 1);
    return {};
  }
  const ConstBytes bytes = in.take(static_cast<std::size_t>(size));
  return {bytes.begin(), bytes.end()};
}

}  // namespace baton::ipc
