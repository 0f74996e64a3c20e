// SPDX-License-Identifier: GPL-2.0-or-later
//
// Splits a command line into words by quotes and backslashes alone.
#include "common/words.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace baton::plugin {
namespace {

constexpr std::array<std::string_view, 11> kOperators{"|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>&1"};

bool is_blank(char letter) { return letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r'; }

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  Words split() {
    while (at_ < text_.size() && result_.error.empty()) step();
    if (result_.error.empty()) finish();
    if (!result_.error.empty()) result_.words.clear();
    return std::move(result_);
  }

 private:
  void step() {
    const char letter = text_[at_];
    if (is_blank(letter)) {
      finish();
      ++at_;
    } else if (letter == '\'' || letter == '"') {
      quoted(letter);
    } else if (letter == '\\') {
      if (++at_ == text_.size()) {
        result_.error = "ends with a backslash";
        return;
      }
      open_ = true;
      plain_ = false;
      word_ += text_[at_++];
    } else {
      if (!open_) plain_ = true;
      open_ = true;
      word_ += letter;
      ++at_;
    }
  }

  void quoted(char quote) {
    const std::size_t begin = at_++;
    open_ = true;
    plain_ = false;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      const bool escapes = quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size() &&
                           (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\');
      if (escapes) ++at_;
      word_ += text_[at_];
    }
    if (at_ == text_.size()) {
      result_.error =
          "the quote " + std::string{quote} + " at character " + std::to_string(begin + 1) + " is not closed";
      return;
    }
    ++at_;
  }

  void finish() {
    if (!open_) return;
    if (plain_ && std::find(kOperators.begin(), kOperators.end(), word_) != kOperators.end()) {
      result_.error = "no shell runs this, and " + word_ +
                      " would be a mere word: quote it if it is meant so, or write " + "/bin/sh -c '...'";
      return;
    }
    result_.words.push_back(std::exchange(word_, {}));
    open_ = plain_ = false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string word_;
  bool open_ = false;   // a word has begun, be it empty
  bool plain_ = false;  // nothing in it was quoted
  Words result_;
};

}  // namespace

Words split_words(const std::string& text) { return Splitter{text}.split(); }

Words split_command(const std::string& text) {
  Words command = split_words(text);
  if (!command.error.empty()) return command;
  if (command.words.empty()) {
    command.error = "names no program";
  } else if (!command.words.front().starts_with('/')) {
    command.error = "'" + command.words.front() + "' is no absolute path: PATH is not searched";
  }
  return command;
}

}  // namespace baton::plugin
