#include "ipc/plain_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/shortened.h"

namespace baton::ipc {
namespace {

constexpr std::size_t kLongestCharacter = 4;

/// The character at the beginning of a text. `length` 0: there is none, the first byte is not UTF-8.
struct Character {
  std::size_t length = 0;
  std::uint32_t point = 0;
};

Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {1, lead};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
  std::uint32_t point = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    point = point << 6 | (next & 0x3Fu);
  }
  constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (point < kLeast.at(length) || surrogate || point > 0x10FFFF) return {};
  return {length, point};
}

bool breaks_line(std::uint32_t point) {
  return point == '\n' || point == '\t' || point == '\r' || point == 0x85 || point == 0x2028 || point == 0x2029;
}

/// What a terminal obeys, and what makes a line read in another order than it is written.
bool is_control(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point <= 0x9F) || (point >= 0x2028 && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069);
}

}  // namespace

std::string plain_text(std::string_view text, std::size_t limit) {
  std::string plain;
  plain.reserve(std::min(text.size(), limit));
  while (!text.empty()) {
    const Character next = first_character(text);
    const bool kept = next.length != 0 && !is_control(next.point);
    if (plain.size() + (kept ? next.length : 1) > limit) break;
    if (kept) {
      plain += text.substr(0, next.length);
    } else {
      plain += next.length != 0 && breaks_line(next.point) ? ' ' : '?';
    }
    text.remove_prefix(std::max<std::size_t>(next.length, 1));
  }
  return plain;
}

std::string plain_text(const char* text, std::size_t limit) {
  // Some bytes more than fit, so that the last character is seen whole and left out as such.
  return text == nullptr ? std::string{} : plain_text({text, ::strnlen(text, limit + kLongestCharacter)}, limit);
}

// With room for one character more, so that it is seen whether all of it fits.
std::string plain_sentence(std::string_view text, std::size_t limit) {
  return shortened(plain_text(text, limit + kLongestCharacter), limit);
}

std::string plain_sentence(const char* text, std::size_t limit) {
  return shortened(plain_text(text, limit + kLongestCharacter), limit);
}

bool is_plain(std::string_view text, std::size_t limit) {
  if (text.size() > limit) return false;
  while (!text.empty()) {
    const Character next = first_character(text);
    if (next.length == 0 || is_control(next.point)) return false;
    text.remove_prefix(next.length);
  }
  return true;
}

}  // namespace baton::ipc
