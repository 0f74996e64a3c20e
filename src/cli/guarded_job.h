// A command in a process group of its own, and its end: SIGTERM to the whole group, SIGKILL to what is left after a
// grace. Knows nothing of roles.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "posix/process.h"

namespace baton::cli {

class GuardedJob {
 public:
  /// PATH is searched; `environment` is added to ours. Exit status 126 or 127, with words on stderr: it cannot be
  /// executed. The terminal, if there is one, becomes the job's. REQUIRES a single-threaded caller.
  static Result<GuardedJob> start(const std::vector<std::string>& command,
                                  const std::vector<std::pair<std::string, std::string>>& environment);
  GuardedJob(GuardedJob&& other) noexcept;
  GuardedJob& operator=(GuardedJob&&) = delete;
  ~GuardedJob();

  /// Waits until the command has ended, a signal waits at `signals`, or `limit` is over. True: it has ended.
  bool wait(int signals, Nanos limit);
  /// Ends the group, the command and whatever else is in it. REQUIRES nothing; may be called again.
  void stop(Nanos grace);
  /// As a shell has it: 128 and the signal's number. REQUIRES that the command has ended.
  int exit_status() const;

 private:
  explicit GuardedJob(posix::Child child) : child_(std::move(child)), group_(child_.pid()) {}
  void reap();

  posix::Child child_;
  pid_t group_;
  int status_ = 0;
  bool has_terminal_ = false;
};

}  // namespace baton::cli
