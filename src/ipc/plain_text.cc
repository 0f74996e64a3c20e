#include "ipc/plain_text.h"

#include <algorithm>

namespace baton::ipc {
namespace {

bool is_control(char letter) {
  const auto byte = static_cast<unsigned char>(letter);
  return byte < 0x20 || byte == 0x7F;
}

/// A byte that goes on with a UTF-8 sequence.
bool continues(char letter) { return (static_cast<unsigned char>(letter) & 0xC0) == 0x80; }

}  // namespace

std::string plain_text(std::string_view text, std::size_t limit) {
  std::size_t end = std::min(text.size(), limit);
  while (end > 0 && end < text.size() && continues(text[end])) --end;
  std::string plain{text.substr(0, end)};
  for (char& letter : plain) {
    if (is_control(letter)) letter = letter == '\n' || letter == '\t' || letter == '\r' ? ' ' : '?';
  }
  return plain;
}

bool is_plain(std::string_view text, std::size_t limit) {
  return text.size() <= limit && std::none_of(text.begin(), text.end(), is_control);
}

}  // namespace baton::ipc
