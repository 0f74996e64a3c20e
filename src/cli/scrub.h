// Takes secrets out of text that goes to strangers. Decides that it is better to hide too much: what is known to be a
// secret, what a name announces as one, and what stands before the @ of a URL. A secret that is none of these, as a
// bare word of a command line, it cannot tell. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

class Scrubber {
 public:
  /// Shorter ones are hidden only where a name announces them: they would hide half of every text.
  static constexpr std::size_t kShortest = 4;

  Scrubber() = default;
  /// `secrets`: contents; white space around them is none of theirs.
  explicit Scrubber(const std::vector<std::string>& secrets);

  /// The text with "********" for each secret.
  std::string scrub(std::string_view text) const;

 private:
  std::vector<std::string> known_;  ///< in every form in which they may stand, the longest first
};

/// What stands before the @ of each URL in `text`, and the password of it alone.
std::vector<std::string> url_secrets(std::string_view text);

}  // namespace baton::cli
