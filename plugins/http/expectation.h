// What an answer has to be: its status and its body. Pure functions of the settings and the answer.
#pragma once

#include <regex.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace baton::http_check {

/// "200", "200-299", "200, 204, 300-399".
class StatusList {
 public:
  /// Adds the entries of `text`; returns what is wrong with it, or "".
  std::string add(const std::string& text);
  bool contains(int status) const;
  /// "200-299 or 401"
  std::string words() const;

 private:
  std::vector<std::pair<int, int>> ranges_;
};

/// A POSIX extended regular expression; `^` and `$` match at lines.
class Pattern {
 public:
  /// `error` says why the text is no pattern, else it is "".
  static Pattern compile(const std::string& text, std::string& error);
  bool matches(const std::string& body) const;
  const std::string& text() const { return text_; }

 private:
  struct Free {
    void operator()(regex_t* regex) const;
  };
  std::string text_;
  std::unique_ptr<regex_t, Free> regex_;
};

/// The first words of a body, as one line for people: printable, at most `limit` bytes.
std::string excerpt(const std::string& body, std::size_t limit);

}  // namespace baton::http_check
