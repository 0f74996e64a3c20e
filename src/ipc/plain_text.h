// Foreign text on its way to people: bounded, one line, valid UTF-8, nothing that a terminal obeys or that turns the
// direction of what follows.
#pragma once

#include <string>
#include <string_view>

namespace baton::ipc {

/// At most `limit` bytes, never cut within a character. A line break and a tab become a space; other control
/// characters (C0, DEL, C1, U+2028 to U+202E, U+2066 to U+2069) and each byte that is not UTF-8 become '?'.
std::string plain_text(std::string_view text, std::size_t limit);
/// The same of a C string of any length; nullptr: empty.
std::string plain_text(const char* text, std::size_t limit);
/// The same of a sentence: one that is too long ends at a word's end with "...".
std::string plain_sentence(std::string_view text, std::size_t limit);
std::string plain_sentence(const char* text, std::size_t limit);
/// Whether it is that already.
bool is_plain(std::string_view text, std::size_t limit);

}  // namespace baton::ipc
