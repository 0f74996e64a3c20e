// Child processes without exec, their ends, and signals as descriptors.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "posix/fd.h"

namespace baton::posix {

/// A child that is held by a pidfd: its number cannot be mistaken for another process.
class Child {
 public:
  Child() = default;
  Child(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

  bool running() const { return pidfd_.valid(); }
  pid_t pid() const { return pid_; }
  /// Readable when the child has ended.
  int pidfd() const { return pidfd_.get(); }
  void signal(int number) const;
  /// The wait status once it has ended (then it is no longer running()); nullopt before. Never blocks.
  std::optional<int> reap();
  /// Waits up to the end of the child. Only after SIGKILL.
  int wait();

 private:
  pid_t pid_ = -1;
  Fd pidfd_;
};

/// Forks; the child runs `body` and ends with what it returns. REQUIRES a single-threaded caller. The child gets
/// SIGKILL when the calling process ends; but setuid clears that, so who drops rights must ask again (die_with_parent).
Result<Child> spawn(const std::function<int()>& body);
/// SIGKILL when the parent ends. `parent`: its pid; ends at once if it is gone already.
void die_with_parent(pid_t parent);
/// Closes all descriptors above 2 but these. For a child right after fork, whose copies of the parent's objects are
/// never destroyed.
void close_all_but(std::span<const int> keep);
/// Name shown by ps, at most 15 characters.
void set_process_name(const char* name);

/// Blocks the signals for this thread (children inherit it) and reads them through a descriptor.
Result<Fd> signal_fd(std::initializer_list<int> signals);
/// The next signal number; nullopt if none waits.
std::optional<int> next_signal(int fd);
/// Unblocks all and restores default actions; SIGPIPE is ignored: a reader of the log that goes away must not kill who
/// logs.
void reset_signals();

/// "killed by signal 9", "exited with status 1".
std::string describe_wait_status(int status);

}  // namespace baton::posix
