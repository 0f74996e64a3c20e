// SPDX-License-Identifier: GPL-2.0-or-later
//
// Wraps a command into systemd-run. The unit has the user and the no_new_privs of this process, never more.
#include "transient_unit.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace baton_exec {

using baton::plugin::Command;
using baton::plugin::CommandEnd;
using baton::plugin::CommandLimits;
using baton::plugin::CommandResult;

namespace {

/// systemd expands ${NAME} in what it executes; $$ is a plain $.
std::string without_expansion(const std::string& word) {
  std::string safe;
  for (const char letter : word) safe.append(letter == '$' ? 2 : 1, letter);
  return safe;
}

}  // namespace

bool systemd_runs() {
  struct stat found {};
  return ::lstat("/run/systemd/system", &found) == 0 && S_ISDIR(found.st_mode);
}

std::string unit_name(const std::string& section, const std::string& verb) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
  std::string name = "baton-";
  for (const char letter : section) name += kAllowed.find(letter) == std::string_view::npos ? '_' : letter;
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const std::int64_t run = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  return name + "-" + verb + "-" + std::to_string(run) + ".service";
}

Command as_transient_unit(const Command& command, const std::string& name, const CommandLimits& limits) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  const auto most = duration_cast<milliseconds>(limits.timeout + limits.grace).count();
  Command wrapped{
      .argv = {"/usr/bin/systemd-run", "--wait", "--collect", "--pipe", "--quiet", "--no-ask-password",
               "--unit=" + name, "--description=" + name + ": " + command.argv.front(), "--service-type=exec",
               "--uid=" + std::to_string(::geteuid()), "--gid=" + std::to_string(::getegid()),
               "--working-directory=" + command.directory, "--property=RuntimeMaxSec=" + std::to_string(most) + "ms",
               // What the command leaves running is what it was to start.
               "--property=KillMode=process"},
      .environment = {},
      .directory = "/",
      .output_limit = command.output_limit};
  if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) wrapped.argv.emplace_back("--property=NoNewPrivileges=yes");
  for (const std::string& entry : command.environment) wrapped.argv.push_back("--setenv=" + entry);
  wrapped.argv.emplace_back("--");
  wrapped.argv.push_back(command.argv.front());
  for (std::size_t i = 1; i < command.argv.size(); ++i) wrapped.argv.push_back(without_expansion(command.argv[i]));
  return wrapped;
}

std::string refusal_of_systemd(const CommandResult& result) {
  if (result.end != CommandEnd::kExited || result.exit_code != 1) return {};
  constexpr std::array<std::string_view, 4> kOwnWords{"Failed to start transient service unit",
                                                      "Failed to connect to bus", "Failed to create bus connection",
                                                      "Failed to find executable"};
  const std::string line = result.error_output.substr(0, result.error_output.find('\n'));
  for (const std::string_view words : kOwnWords) {
    if (line.starts_with(words)) return line;
  }
  return {};
}

}  // namespace baton_exec
