// A text split into words as a shell would, but nothing in it is expanded or executed. For keys that hold a command.
#pragma once

#include <string>
#include <vector>

namespace baton::plugin {

struct Words {
  std::vector<std::string> words;
  std::string error;  ///< "the quote ' at character 12 is not closed", "" if all is well
};

/// Blanks separate words. '...' is taken as it stands; in "..." a backslash keeps " and \ from their meaning; outside
/// of quotes it does so for any character. Everything else, $ * ~ among it, stands for itself. What a shell would obey
/// when it stands alone and without quotes (| > < & ; && || >> 2>&1) is an error, because it would not be.
Words split_words(const std::string& text);

/// split_words, and what a program to run has to be: at least one word, the first an absolute path.
Words split_command(const std::string& text);

}  // namespace baton::plugin
