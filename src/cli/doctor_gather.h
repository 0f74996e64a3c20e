// Asks the daemon, the kernel and the wire what doctor.h's judgements need. Blocks for as long as it listens.
#pragma once

#include "base/time.h"
#include "cli/connection.h"
#include "cli/doctor.h"
#include "cli/options.h"

namespace baton::cli {

/// What the daemon's status, peers and alarms say. Pure: `status` is the status document (src/steward/CONTROL.md).
DaemonFacts daemon_facts(const Json& status);

/// How long to listen for these instances: three intervals of the slowest and a second, at least three seconds.
Nanos listening_time(const DoctorFacts& facts);

/// Fills in all but `config`, `chosen` and `config_warnings`. `listen` 0: not at all. `unreachable`: why no daemon
/// answers; "" = one does.
void gather(DoctorFacts& facts, const Options& options, Nanos listen, const std::string& unreachable);

}  // namespace baton::cli
