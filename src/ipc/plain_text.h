// Foreign text on its way to people: bounded, one line, no control characters.
#pragma once

#include <string>
#include <string_view>

namespace baton::ipc {

/// At most `limit` bytes of `text`, not cut within a UTF-8 sequence; each control character becomes '?', a line break
/// and a tab a space.
std::string plain_text(std::string_view text, std::size_t limit);
/// Whether it is that already.
bool is_plain(std::string_view text, std::size_t limit);

}  // namespace baton::ipc
