// The terminal: is it one, how wide, may it be coloured, and text wrapped and padded for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

bool is_terminal(int fd);
/// Columns of stdout's terminal; 80 if it is none.
std::size_t terminal_width();
/// https://no-color.org: NO_COLOR set and not empty forbids; a dumb terminal too.
bool colour_wanted(int fd);

enum class Colour { kNone, kGood, kBad, kDim, kStrong };
/// `text` between escape sequences, or as it is.
std::string paint(std::string_view text, Colour colour, bool enabled);

/// Breaks at spaces so that no line is longer than `width`; a longer word stands alone. At least one line.
std::vector<std::string> wrap(std::string_view text, std::size_t width);
/// `text` wrapped, each line after the first with `indent` spaces; no newline at the end.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width);
std::string padded(std::string_view text, std::size_t width);

}  // namespace baton::cli
