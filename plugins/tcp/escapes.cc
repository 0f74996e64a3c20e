// unescape: see escapes.h.
#include "tcp/escapes.h"

namespace baton::tcp_check {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string unescape(const std::string& text, std::string& error) {
  std::string out;
  error.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const char what = ++i < text.size() ? text[i] : ' ';
    const int high = i + 1 < text.size() ? digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
    switch (what) {
      case 'r': out += '\r'; break;
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case '0': out += '\0'; break;
      case '\\': out += '\\'; break;
      case 'x':
        if (high >= 0 && low >= 0) {
          out += static_cast<char>(high * 16 + low);
          i += 2;
          break;
        }
        [[fallthrough]];
      default:
        error =
            "\"" + text + "\": after a backslash comes r, n, t, 0, another backslash or xNN (two hexadecimal digits)";
        return {};
    }
  }
  return out;
}

}  // namespace baton::tcp_check
