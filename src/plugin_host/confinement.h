// What plugin code may not do, set before any of it is loaded: rights, limits, system calls.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "ipc/host_order.h"

namespace baton::plugin_host {

/// Never again: no capability but what `needs` says (and none for programs that it starts), no new rights by exec, not
/// readable by other processes of the same user, ends with its parent. REQUIRES one thread.
Result<void> give_up_rights(std::uint32_t needs);
/// Memory, descriptors, processes, core and file sizes. Programs that the plugin starts have them, too.
void set_limits(ipc::HostKind kind);
/// For probes: gets its share of the processor, but never interrupts another process for it (SCHED_BATCH).
void yield_to_others();
/// System calls that no check and no act needs fail with EPERM from now on, also in what it starts.
Result<void> forbid_system_calls();

/// How much this process has grown; for leaks.
struct Growth {
  std::size_t memory = 0;  ///< resident bytes
  std::size_t descriptors = 0;
};
Growth measure_growth();

}  // namespace baton::plugin_host
