// One program run to its end, for plugins: argv and never a shell, a clean environment, a short text or nothing on
// stdin, output kept up to a limit, and a deadline by which it and everything that it started is gone. Not for what
// shall outlive the call.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "plugin.hpp"

namespace baton::plugin {

struct Command {
  std::vector<std::string> argv;         ///< the first is the path of the program; it is not looked for in PATH
  std::vector<std::string> environment;  ///< NAME=VALUE, beside PATH and LANG (and in their place)
  std::string directory = "/";
  /// What it reads on stdin before the end of the file, up to 4096 bytes. For secrets: argv and the environment can be
  /// seen by others.
  std::string input{};
  std::size_t output_limit = 65536;  ///< of each stream; what exceeds it is read and forgotten
};

/// After `timeout` the command's process group gets SIGTERM, after `grace` more SIGKILL.
struct CommandLimits {
  std::chrono::nanoseconds timeout;
  std::chrono::nanoseconds grace;
};

/// Leaves time within the call's deadline for an end by SIGTERM, for one by SIGKILL and for the answer.
CommandLimits command_limits(const Call& call);

enum class CommandEnd {
  kExited,
  kSignalled,   ///< by a signal that is not ours
  kNotStarted,  ///< see start_errno and start_trouble
  kTimedOut,
};

struct CommandResult {
  CommandEnd end = CommandEnd::kNotStarted;
  int exit_code = -1;
  int signal = 0;
  int start_errno = 0;
  std::string start_trouble;  ///< "/opt/check: No such file or directory"
  bool obeyed_sigterm = true;
  bool output_cut = false;
  std::string output;
  std::string error_output;
  std::chrono::nanoseconds took{0};

  bool succeeded() const { return end == CommandEnd::kExited && exit_code == 0; }
  /// What it said: the first line of its output that is not empty, else of its error output.
  std::string first_line() const;
  /// How it ended, as the end of a sentence: "exited with 3", "was ended by SIGSEGV", "gave no answer within 800 ms".
  std::string end_words() const;
  /// Why it did not succeed, as the type of a result: EAGAIN and a timeout may pass, a missing program is for a person.
  Status status() const;
  /// For the fact `cause`: missing, permission, resources, start, timeout, signal, exit.
  std::string cause() const;
};

/// Blocks until the command and all that it started have ended. Of its descendants, those that left its process group
/// or session are ended with it, too.
CommandResult run_command(const Command& command, const CommandLimits& limits);

/// "800 ms", "12 s".
std::string duration_words(std::chrono::nanoseconds duration);

}  // namespace baton::plugin
