// Removes what a dead Baton left on the interfaces. For `batonctl cleanup`, the guardian's last resort and the start of
// the daemon: blocking, no thread, not for the protocol thread.
#pragma once

#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/error.h"

namespace baton::linux {

struct CleanupEntry {
  std::string interface;
  Prefix prefix;
  int sys_errno = 0;  ///< 0: removed
};
struct CleanupReport {
  std::vector<CleanupEntry> entries;  ///< every address that was ours, removed or not
  bool complete() const;
};

/// Removes every address that carries our mark (kernels that keep marks) or stands in the journal of `runtime_dir`
/// (those that do not), on all interfaces of this network namespace, and no other. `runtime_dir` -1: no journal.
Result<CleanupReport> cleanup(int runtime_dir);

/// Sends one whole Ethernet frame on `interface`: the guardian's prepared resignation.
Result<void> send_frame_once(const std::string& interface, ConstBytes frame);

}  // namespace baton::linux
