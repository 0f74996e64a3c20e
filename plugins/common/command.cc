// SPDX-License-Identifier: GPL-2.0-or-later
//
// Starts a program, reads what it says and ends it with all its descendants. The calling process is their subreaper for
// that time, so that none gets away by setsid or a double fork; children that it had before are left alone.
#include "common/command.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/text_file.h"

namespace baton::plugin {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr std::size_t kMaximumInput = 4096;  // a pipe takes that much at once, whatever its size

nanoseconds monotonic() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds{now.tv_sec} + nanoseconds{now.tv_nsec};
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }
  void reset() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

/// Above 2, so that the child's dup2 to 0, 1 and 2 never meets it.
Descriptor moved_up(int number) {
  if (number > 2 || number < 0) return Descriptor{number};
  const Descriptor low{number};
  return Descriptor{::fcntl(number, F_DUPFD_CLOEXEC, 3)};
}

struct Pipe {
  Descriptor from;
  Descriptor to;
  bool open() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    from = moved_up(ends[0]);
    to = moved_up(ends[1]);
    if (!from.valid() || !to.valid()) return false;
    return ::fcntl(from.get(), F_SETFL, O_NONBLOCK) == 0;
  }
};

struct Stream {
  Descriptor from;
  std::string text;
  bool cut = false;

  /// Reads what there is; closes at the end of the file.
  void drain(std::size_t limit) {
    std::array<char, 16384> chunk;
    while (from.valid()) {
      const ssize_t count = ::read(from.get(), chunk.data(), chunk.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) return from.reset();
      const std::size_t room = limit - std::min(limit, text.size());
      const std::size_t kept = std::min(room, static_cast<std::size_t>(count));
      text.append(chunk.data(), kept);
      cut = cut || kept < static_cast<std::size_t>(count);
      if (count < static_cast<ssize_t>(chunk.size())) return;
    }
  }
};

/// What the child reports when it cannot become the program.
struct StartFailure {
  int step;
  int error;
};
enum Step { kStepDirectory = 1, kStepProgram = 2, kStepDescriptors = 3 };

struct ChildPlan {
  pid_t parent;
  const char* program;
  char* const* argv;
  char* const* environment;
  const char* directory;
  int input;  ///< -1: nothing
  int output;
  int error_output;
  int status;
};

[[noreturn]] void give_up(int status, int step) {
  const StartFailure failure{step, errno};
  if (::write(status, &failure, sizeof failure) != sizeof failure) ::_exit(126);
  ::_exit(127);
}

/// Between fork and exec: only calls that are safe there, no memory is taken.
[[noreturn]] void become(const ChildPlan& plan) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(127);  // died before we could ask to die with it
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) ::sigaction(signal, &plain, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = plan.input >= 0 ? plan.input : ::open("/dev/null", O_RDONLY);
  if (input < 0 || ::dup2(input, 0) < 0 || ::dup2(plan.output, 1) < 0 || ::dup2(plan.error_output, 2) < 0) {
    give_up(plan.status, kStepDescriptors);
  }
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);  // Linux before 5.11: ours are close-on-exec anyway
  if (::chdir(plan.directory) != 0) give_up(plan.status, kStepDirectory);
  ::execve(plan.program, plan.argv, plan.environment);
  give_up(plan.status, kStepProgram);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

/// Later entries of a name win.
std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> all{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
  for (const std::string& entry : command.environment) {
    const std::string name = entry.substr(0, entry.find('=') + 1);
    std::erase_if(all, [&](const std::string& other) { return other.starts_with(name); });
    all.push_back(entry);
  }
  return all;
}

/// Children of this thread's process, as the kernel lists them.
std::vector<pid_t> children() {
  const TextFile file = read_text_file("/proc/thread-self/children", 1 << 20);
  std::vector<pid_t> all;
  pid_t number = 0;
  for (const char letter : file.text) {
    if (letter >= '0' && letter <= '9') {
      number = number * 10 + (letter - '0');
    } else if (number != 0) {
      all.push_back(std::exchange(number, 0));
    }
  }
  if (number != 0) all.push_back(number);
  return all;
}

/// This process adopts the orphans among its descendants while the object lives; all that are new are ended at the end.
class Adoption {
 public:
  Adoption() : before_(children()) {
    ::prctl(PR_GET_CHILD_SUBREAPER, &was_);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  Adoption(const Adoption&) = delete;
  Adoption& operator=(const Adoption&) = delete;
  ~Adoption() {
    // An ended one's children become ours in turn: again until none is left. Bounded, for what forks faster than we
    // end.
    constexpr int kMostRounds = 200;
    for (int round = 0; round < kMostRounds && sweep(); ++round) {
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, was_);
  }

 private:
  bool sweep() const {
    bool any = false;
    for (const pid_t child : children()) {
      if (std::find(before_.begin(), before_.end(), child) != before_.end()) continue;
      any = true;
      ::kill(child, SIGKILL);
    }
    if (!any) return false;
    for (const pid_t child : children()) {
      if (std::find(before_.begin(), before_.end(), child) != before_.end()) continue;
      if (::waitpid(child, nullptr, WNOHANG) == 0) ::poll(nullptr, 0, 1);
    }
    return true;
  }

  std::vector<pid_t> before_;
  int was_ = 0;
};

std::string start_words(const Command& command, const StartFailure& failure) {
  const std::string& program = command.argv.front();
  const std::string why = std::strerror(failure.error);
  struct stat found {};
  switch (failure.step) {
    case kStepDirectory: return "cannot change to the directory " + command.directory + ": " + why;
    case kStepDescriptors: return "cannot prepare " + program + ": " + why;
    default: break;
  }
  const bool exists = ::stat(program.c_str(), &found) == 0;
  if (failure.error == ENOENT && exists) {
    return program + ": its interpreter (the #! line, or the loader) does not exist";
  }
  if (failure.error == ENOEXEC) return program + ": neither a program for this machine nor a script with a #! line";
  if (failure.error == EACCES && exists && S_ISDIR(found.st_mode)) return program + ": is a directory";
  if (failure.error == EACCES && exists) return program + ": not executable for this user (" + why + ")";
  return program + ": " + why;
}

/// One running command.
class Run {
 public:
  Run(const Command& command, const CommandLimits& limits) : command_(command), limits_(limits), begin_(monotonic()) {}

  CommandResult run() {
    if (start()) follow();
    result_.output = std::move(output_.text);
    result_.error_output = std::move(error_output_.text);
    result_.output_cut = output_.cut || error_output_.cut;
    result_.took = monotonic() - begin_;
    return std::move(result_);
  }

 private:
  bool refuse(int error, const std::string& what) {
    result_.end = CommandEnd::kNotStarted;
    result_.start_errno = error;
    result_.start_trouble = what + ": " + std::strerror(error);
    if (error == EAGAIN) result_.start_trouble += " (the limit of processes is reached)";
    return false;
  }

  /// A pipe that has the whole input in it and no writer any more.
  bool fill(Pipe& input) {
    if (command_.input.empty()) return true;
    if (command_.input.size() > kMaximumInput) return refuse(EMSGSIZE, "its input is too long");
    if (!input.open()) return refuse(errno, "cannot make a pipe");
    const auto written = ::write(input.to.get(), command_.input.data(), command_.input.size());
    if (written != static_cast<ssize_t>(command_.input.size())) return refuse(errno, "cannot write its input");
    input.to.reset();
    // Programs do not expect a stdin that does not wait.
    if (::fcntl(input.from.get(), F_SETFL, 0) != 0) return refuse(errno, "cannot prepare its input");
    return true;
  }

  bool start() {
    Pipe output;
    Pipe error_output;
    Pipe status;
    if (!output.open() || !error_output.open() || !status.open()) return refuse(errno, "cannot make a pipe");
    Pipe input;
    if (!fill(input)) return false;
    std::vector<std::string> environment = environment_of(command_);
    const std::vector<char*> argv = pointers(command_.argv);
    const std::vector<char*> variables = pointers(environment);
    const ChildPlan plan{.parent = ::getpid(),
                         .program = argv[0],
                         .argv = argv.data(),
                         .environment = variables.data(),
                         .directory = command_.directory.c_str(),
                         .input = input.from.get(),
                         .output = output.to.get(),
                         .error_output = error_output.to.get(),
                         .status = status.to.get()};
    pid_ = ::fork();
    if (pid_ < 0) return refuse(errno, "cannot start " + command_.argv.front());
    if (pid_ == 0) become(plan);
    ::setpgid(pid_, pid_);  // whoever of the two is first
    const int watch = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0U));
    if (watch < 0) {
      const int error = errno;
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      return refuse(error, "cannot watch " + command_.argv.front());
    }
    watch_ = Descriptor{watch};
    output_.from = std::move(output.from);
    error_output_.from = std::move(error_output.from);
    status_ = std::move(status.from);
    return true;
  }

  /// Until it has ended or will not even by SIGKILL.
  void follow() {
    nanoseconds next = begin_ + limits_.timeout;
    int stage = 0;  // 1: SIGTERM sent, 2: SIGKILL sent
    while (!ended_) {
      const nanoseconds now = monotonic();
      if (now >= next) {
        if (stage == 2) break;  // uninterruptible, such as on a dead network file system
        ::kill(-pid_, stage == 0 ? SIGTERM : SIGKILL);
        if (stage == 1) result_.obeyed_sigterm = false;
        next = now + (stage == 0 ? limits_.grace : std::max<nanoseconds>(limits_.grace, 20ms));
        ++stage;
        continue;
      }
      wait_until(next - now);
    }
    collect(stage != 0);
  }

  void wait_until(nanoseconds patience) {
    std::array<pollfd, 3> watched{pollfd{watch_.get(), POLLIN, 0}, pollfd{output_.from.get(), POLLIN, 0},
                                  pollfd{error_output_.from.get(), POLLIN, 0}};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::min<nanoseconds>(patience, 1h)).count();
    if (::poll(watched.data(), watched.size(), static_cast<int>(ms)) <= 0) return;
    if (watched[1].revents != 0) output_.drain(command_.output_limit);
    if (watched[2].revents != 0) error_output_.drain(command_.output_limit);
    ended_ = watched[0].revents != 0;
  }

  void collect(bool timed_out) {
    // Before it is reaped: its number, which is the group's, cannot be another's yet.
    ::kill(-pid_, SIGKILL);
    siginfo_t info{};
    if (ended_) ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
    output_.drain(command_.output_limit);
    error_output_.drain(command_.output_limit);
    StartFailure failure{};
    if (::read(status_.get(), &failure, sizeof failure) == sizeof failure) {
      result_.end = CommandEnd::kNotStarted;
      result_.start_errno = failure.error;
      result_.start_trouble = start_words(command_, failure);
    } else if (timed_out) {
      result_.end = CommandEnd::kTimedOut;
    } else if (info.si_code == CLD_EXITED) {
      result_.end = CommandEnd::kExited;
      result_.exit_code = info.si_status;
    } else {
      result_.end = CommandEnd::kSignalled;
      result_.signal = info.si_status;
    }
    if (timed_out) result_.took = limits_.timeout;
  }

  const Command& command_;
  CommandLimits limits_;
  nanoseconds begin_;
  CommandResult result_;
  pid_t pid_ = -1;
  bool ended_ = false;
  Descriptor watch_;
  Descriptor status_;
  Stream output_;
  Stream error_output_;
};

std::string first_line_of(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    if (!line.empty()) return std::string{line};
  }
  return {};
}

}  // namespace

CommandLimits command_limits(const Call& call) {
  const nanoseconds left = call.remaining();
  const nanoseconds grace = std::clamp<nanoseconds>(left / 10, 20ms, 2s);
  return {.timeout = std::max<nanoseconds>(left - 2 * grace, 1ms), .grace = grace};
}

CommandResult run_command(const Command& command, const CommandLimits& limits) {
  const Adoption adoption;
  return Run{command, limits}.run();
}

std::string CommandResult::first_line() const {
  std::string line = first_line_of(output);
  return line.empty() ? first_line_of(error_output) : line;
}

std::string CommandResult::end_words() const {
  switch (end) {
    case CommandEnd::kExited: return "exited with " + std::to_string(exit_code);
    case CommandEnd::kNotStarted: return "could not be started: " + start_trouble;
    case CommandEnd::kTimedOut:
      return "gave no answer within " + duration_words(took) + (obeyed_sigterm ? "" : " and ignored SIGTERM");
    case CommandEnd::kSignalled: break;
  }
  const char* name = ::sigabbrev_np(signal);
  return "was ended by " + (name == nullptr ? "signal " + std::to_string(signal) : "SIG" + std::string{name});
}

Status CommandResult::status() const {
  if (succeeded()) return Status::kOk;
  if (end == CommandEnd::kTimedOut) return Status::kTransient;
  if (end != CommandEnd::kNotStarted) return Status::kFatal;
  const bool passing = start_errno == EAGAIN || start_errno == ENOMEM || start_errno == EMFILE ||
                       start_errno == ENFILE || start_errno == ETXTBSY || start_errno == EIO || start_errno == ESTALE;
  return passing ? Status::kTransient : Status::kConfig;
}

std::string CommandResult::cause() const {
  if (end == CommandEnd::kExited) return "exit";
  if (end == CommandEnd::kSignalled) return "signal";
  if (end == CommandEnd::kTimedOut) return "timeout";
  if (start_errno == ENOENT || start_errno == ENOTDIR) return "missing";
  if (start_errno == EACCES || start_errno == EPERM) return "permission";
  return status() == Status::kTransient ? "resources" : "start";
}

std::string duration_words(nanoseconds duration) {
  if (duration < 10s) return std::to_string(duration / 1ms) + " ms";
  return std::to_string(duration / 1s) + " s";
}

}  // namespace baton::plugin
