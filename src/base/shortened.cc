#include "base/shortened.h"

namespace baton {
namespace {

constexpr std::string_view kMore = "...";

/// The second and later bytes of a UTF-8 character.
bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::string shortened(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string{text};
  const std::size_t room = limit - kMore.size();
  std::size_t end = text.find_last_of(' ', room);
  // A word longer than half of the place would leave too little of the sentence.
  if (end == std::string_view::npos || end < room / 2) {
    end = room;
    while (end > 0 && continues_character(text[end])) --end;
  }
  while (end > 0 && std::string_view{" ,;:("}.find(text[end - 1]) != std::string_view::npos) --end;
  return std::string{text.substr(0, end)}.append(kMore);
}

}  // namespace baton
