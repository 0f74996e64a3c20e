// A sentence that does not fit its place ends at a word's end with "...", so that people see that there was more.
#pragma once

#include <string>
#include <string_view>

namespace baton {

/// `text`, or as many of its words as fit `limit` bytes with "..." behind them; one endless word is cut, but never
/// within a UTF-8 character. REQUIRES limit >= 4.
std::string shortened(std::string_view text, std::size_t limit);

}  // namespace baton
