// What /proc tells of processes. Reads only; what goes away while it is read is not there.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton_process {

struct Process {
  pid_t pid = 0;
  std::string comm;        ///< up to 15 bytes of the program's name
  char state = '?';        ///< of stat: R S D T t Z X I
  std::int64_t start = 0;  ///< clock ticks after boot
  uid_t user = 0;
  std::string program;    ///< the path of its program; "" if we may not know
  std::string argument0;  ///< its first argument

  bool is_dead() const { return state == 'Z' || state == 'X'; }
  bool is_stopped() const { return state == 'T' || state == 't'; }
};

/// nullopt: there is none.
std::optional<Process> process_of(pid_t pid);
std::vector<pid_t> all_pids();

/// A name, or an absolute path of a program.
bool is_called(const Process& process, const std::string& name);

/// When it started, on the real-time clock as it stands now.
std::chrono::nanoseconds started_at(const Process& process);

/// Whether other users' processes are kept from us (hidepid).
bool others_are_hidden();

/// "1234 (nginx)".
std::string words_of(const Process& process);

}  // namespace baton_process
