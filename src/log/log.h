// One line for one thing that happened, fields first: `level=info process=engine event=transition instance=web vrid=7
// ...`. Goes to journald with fields when it listens, else to stderr or a log file. Decides that the caller never
// waits: what the receiver does not take at once is dropped and counted. Any thread; one log a process.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "posix/fd.h"

namespace baton::log {

enum class Level : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError };

struct Field {
  std::string_view key;  ///< lower case, digits and '_'
  std::string value;
};

struct Options {
  std::string process;  ///< "guardian", "engine", ...
  Level level = Level::kInfo;
  bool journald = true;  ///< only if stderr is connected to it (JOURNAL_STREAM)
};

/// Call first, and again in each process after fork (with its own name). Lines before it go to stderr.
void open(const Options& options);
void set_level(Level level);
/// Writes into `pipe` instead (to whoever writes the log file) from the next open() on, also after fork; -1: no longer.
/// Borrowed.
void use_pipe(int pipe);
/// What use_pipe() was given; -1: nothing.
int pipe_in_use();
/// Descriptors that a child must not close.
std::vector<int> descriptors();

/// `event`: a stable id, lower case with '_'; warnings and errors are listed in baton-messages.7.
void write(Level level, std::string_view event, std::span<const Field> fields, std::string_view text = {});
inline void write(Level level, std::string_view event, std::initializer_list<Field> fields,
                  std::string_view text = {}) {
  write(level, event, std::span<const Field>{fields.begin(), fields.size()}, text);
}
inline void info(std::string_view event, std::initializer_list<Field> fields, std::string_view text = {}) {
  write(Level::kInfo, event, fields, text);
}
inline void warning(std::string_view event, std::initializer_list<Field> fields, std::string_view text = {}) {
  write(Level::kWarning, event, fields, text);
}
inline void error(std::string_view event, std::initializer_list<Field> fields, std::string_view text = {}) {
  write(Level::kError, event, fields, text);
}

/// Lines lost so far because the receiver did not keep up.
std::uint64_t dropped();

/// A descriptor to stderr whose writes do not block, whatever stderr is shared with. Falls back to stderr itself.
posix::Fd open_stderr();
/// Where another program may write plain lines of its own. A description of its own where the kernel gives one, so that
/// it cannot make our writes block.
posix::Fd open_for_program();

}  // namespace baton::log
