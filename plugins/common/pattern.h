// Looks into what a peer has sent: a regular expression, and an excerpt for people.
#pragma once

#include <regex.h>

#include <cstddef>
#include <memory>
#include <string>

namespace baton::plugin {

/// A POSIX extended regular expression; `^` and `$` match at lines.
class Pattern {
 public:
  /// `error` says why the text is no pattern, else it is "".
  static Pattern compile(const std::string& text, std::string& error);
  bool matches(const std::string& text) const;
  const std::string& text() const { return text_; }

 private:
  struct Free {
    void operator()(regex_t* regex) const;
  };
  std::string text_;
  std::unique_ptr<regex_t, Free> regex_;
};

/// The first words of a text, as one line for people: printable, at most `limit` bytes.
std::string excerpt(const std::string& text, std::size_t limit);

}  // namespace baton::plugin
