#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace baton::cli {

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::max<std::size_t>(size.ws_col, 40);
}

bool colour_wanted(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (no_colour != nullptr && *no_colour != '\0') return false;
  if (term != nullptr && std::string_view{term} == "dumb") return false;
  return is_terminal(fd);
}

std::string paint(std::string_view text, Colour colour, bool enabled) {
  std::string_view code;
  switch (colour) {
    case Colour::kNone: break;
    case Colour::kGood: code = "\033[1;32m"; break;
    case Colour::kBad: code = "\033[1;31m"; break;
    case Colour::kDim: code = "\033[2m"; break;
    case Colour::kStrong: code = "\033[1m"; break;
  }
  if (!enabled || code.empty()) return std::string{text};
  return std::string{code} + std::string{text} + "\033[0m";
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
  }
  return lines;
}

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string joined;
  for (const std::string& line : wrap(text, std::max<std::size_t>(width, indent + 20) - indent)) {
    if (!joined.empty()) joined += "\n" + std::string(indent, ' ');
    joined += line;
  }
  return joined;
}

std::string padded(std::string_view text, std::size_t width) {
  std::string result{text};
  if (result.size() < width) result.append(width - result.size(), ' ');
  return result;
}

}  // namespace baton::cli
