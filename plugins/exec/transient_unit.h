// A command as a transient unit of systemd: a cgroup of its own, so that what it starts outlives Baton.
#pragma once

#include <string>

#include "common/command.h"

namespace baton_exec {

/// Whether systemd runs this machine.
bool systemd_runs();

/// `baton-SECTION-enter-RUN.service`, another one for each run: what an earlier one has left running keeps its unit.
/// What a unit's name cannot have becomes _.
std::string unit_name(const std::string& section, const std::string& verb);

/// The command that runs `command` as a unit of this process' own user and waits for its end. systemd ends the unit if
/// nobody waits any longer.
baton::plugin::Command as_transient_unit(const baton::plugin::Command& command, const std::string& name,
                                         const baton::plugin::CommandLimits& limits);

/// Whether it was systemd-run that failed, not the command: what it said; else "".
std::string refusal_of_systemd(const baton::plugin::CommandResult& result);

}  // namespace baton_exec
