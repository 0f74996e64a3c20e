// Bounded big-endian byte reader and writer. Neither reads nor writes past its span: a short buffer sets ok() to false
// and every later call yields zero or is dropped, so a caller checks once at the end.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace baton {

using ConstBytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

class ByteReader {
 public:
  explicit ByteReader(ConstBytes bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t remaining() const { return rest_.size(); }

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }
  std::int64_t i64() { return static_cast<std::int64_t>(integer(8)); }

  /// The next `count` bytes as a view into the buffer; empty when there are fewer.
  ConstBytes take(std::size_t count) {
    if (!ok_ || count > rest_.size()) return ok_ = false, ConstBytes{};
    const ConstBytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  /// A string with a 16-bit length in front, as ByteWriter::text writes it.
  std::string text() {
    const ConstBytes bytes = take(u16());
    return {bytes.begin(), bytes.end()};
  }

 private:
  std::uint64_t integer(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : take(size)) value = value << 8 | byte;
    return value;
  }

  ConstBytes rest_;
  bool ok_ = true;
};

class ByteWriter {
 public:
  explicit ByteWriter(MutableBytes bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t size() const { return size_; }
  MutableBytes written() const { return bytes_.first(size_); }

  void u8(std::uint8_t value) { integer(value, 1); }
  void u16(std::uint16_t value) { integer(value, 2); }
  void u32(std::uint32_t value) { integer(value, 4); }
  void u64(std::uint64_t value) { integer(value, 8); }
  void i64(std::int64_t value) { integer(static_cast<std::uint64_t>(value), 8); }

  void bytes(ConstBytes source) {
    if (!ok_ || source.size() > bytes_.size() - size_) {
      ok_ = false;
      return;
    }
    std::copy(source.begin(), source.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += source.size();
  }

  /// A string of at most 65535 bytes with its 16-bit length in front.
  void text(std::string_view value) {
    if (value.size() > 0xFFFF) {
      ok_ = false;
      return;
    }
    u16(static_cast<std::uint16_t>(value.size()));
    bytes({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
  }

 private:
  void integer(std::uint64_t value, std::size_t size) {
    std::array<std::uint8_t, 8> big_endian{};
    for (std::size_t i = 0; i < size; ++i) big_endian[i] = static_cast<std::uint8_t>(value >> (8 * (size - 1 - i)));
    bytes(ConstBytes{big_endian}.first(size));
  }

  MutableBytes bytes_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace baton
