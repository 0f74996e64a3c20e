// Whether a program on disk could go on as this daemon: asked of that program itself, in a process of its own, before
// anything changes. Its answer must be given in words that only a batond knows, so that a file that is cut short,
// another program or one for another machine counts as broken.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "daemon/options.h"
#include "posix/fd.h"
#include "posix/process.h"

namespace baton::daemon {

/// Reading a configuration and asking each plugin takes a moment.
inline constexpr Nanos kSelfCheckLimit = std::chrono::seconds{15};

/// The asking side.
class SelfCheck {
 public:
  struct Request {
    int program = -1;                    ///< the file
    std::vector<std::string> arguments;  ///< of this daemon
    int inheritance = -1;                ///< what it would be left
    std::vector<int> keep;               ///< what of it the check looks into
  };
  static Result<SelfCheck> start(const Request& request);

  /// Readable when it has ended.
  int pidfd() const { return child_.pidfd(); }
  pid_t pid() const { return child_.pid(); }
  /// Call when pidfd() is readable or the time is up: the version of the program, or what is wrong with it. The process
  /// is gone afterwards.
  Result<std::string> finish();

 private:
  SelfCheck(posix::Child child, posix::Fd words) : child_(std::move(child)), words_(std::move(words)) {}
  posix::Child child_;
  posix::Fd words_;
};

/// The answering side, `batond --selfcheck`: rights and users, what the running daemon would leave (if it asks),
/// the configuration, the plugins. Prints the answer; the exit status.
int run_self_check(const Options& options);

/// The answer's last line: kSelfCheckAnswer and the version.
inline constexpr const char* kSelfCheckAnswer = "batond can run here: ";
/// The answer in what a process has printed: the version, or "" and the last line in `last`.
std::string version_in(const std::string& words, std::string& last);

}  // namespace baton::daemon
