// The log file, written by a small process of its own: a disk that is slow or full must not hold anybody who logs.
#pragma once

#include "base/error.h"
#include "daemon/config_child.h"
#include "posix/process.h"
#include "posix/rights.h"

namespace baton::daemon {

/// With a log_file: opens it, starts its writer (which ends with the last process that logs) and sends this process's
/// log there. Without one: nothing.
Result<posix::Child> start_log_writer(const ConfigFacts& facts, const posix::User& user);

}  // namespace baton::daemon
