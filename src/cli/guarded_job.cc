#include "cli/guarded_job.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "posix/clock.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kLook = 20ms;  // between two looks at a group that is ending
constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

/// The terminal's group may be changed by who is in the background, too.
void give_terminal(pid_t group) {
  const auto before = std::signal(SIGTTOU, SIG_IGN);
  static_cast<void>(::tcsetpgrp(STDIN_FILENO, group));
  std::signal(SIGTTOU, before);
}

int execute(const std::vector<std::string>& command,
            const std::vector<std::pair<std::string, std::string>>& environment, bool terminal) {
  static_cast<void>(::setpgid(0, 0));
  if (terminal) give_terminal(::getpid());
  posix::reset_signals();
  std::signal(SIGPIPE, SIG_DFL);
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  const int error = errno;
  std::fprintf(stderr, "batonctl: cannot execute %s: %s\n", command[0].c_str(), std::strerror(error));
  return error == ENOENT ? kNotFound : kNotExecutable;
}

void pause_for(Nanos length) { ::poll(nullptr, 0, static_cast<int>(length / 1ms)); }

}  // namespace

Result<GuardedJob> GuardedJob::start(const std::vector<std::string>& command,
                                     const std::vector<std::pair<std::string, std::string>>& environment) {
  const bool terminal = ::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
  auto child = posix::spawn([&] { return execute(command, environment, terminal); });
  if (!child) return Unexpected<Error>{child.error()};
  // In both processes, whoever comes first: the group must be there before it is signalled.
  static_cast<void>(::setpgid(child->pid(), child->pid()));
  GuardedJob job{std::move(*child)};
  job.has_terminal_ = terminal;
  return job;
}

GuardedJob::GuardedJob(GuardedJob&& other) noexcept
    : child_(std::move(other.child_)),
      group_(other.group_),
      status_(other.status_),
      has_terminal_(std::exchange(other.has_terminal_, false)) {}

GuardedJob::~GuardedJob() {
  if (has_terminal_) give_terminal(::getpgrp());
}

void GuardedJob::reap() {
  if (!child_.running()) return;
  if (const auto status = child_.reap()) status_ = *status;
}

bool GuardedJob::wait(int signals, Nanos limit) {
  std::array<pollfd, 2> waiting{pollfd{child_.pidfd(), POLLIN, 0}, pollfd{signals, POLLIN, 0}};
  ::poll(waiting.data(), waiting.size(), static_cast<int>(limit / 1ms));
  reap();
  return !child_.running();
}

void GuardedJob::stop(Nanos grace) {
  const Instant deadline = posix::now() + grace;
  ::kill(-group_, SIGTERM);
  ::kill(-group_, SIGCONT);  // one that is stopped would not hear of it
  for (;;) {
    reap();
    if (!child_.running() && ::kill(-group_, 0) != 0) return;
    if (posix::now() >= deadline) break;
    pause_for(std::clamp(deadline - posix::now(), Nanos{1ms}, kLook));
  }
  ::kill(-group_, SIGKILL);
  if (child_.running()) status_ = child_.wait();
}

int GuardedJob::exit_status() const {
  if (WIFSIGNALED(status_)) return 128 + WTERMSIG(status_);
  return WEXITSTATUS(status_);
}

}  // namespace baton::cli
