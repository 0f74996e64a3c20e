// The engine process: the election of src/engine on the network of src/linux, its loop, and its lines to the other
// processes. The guardian forks, drops rights (uid baton-engine, NET_ADMIN and NET_RAW, no_new_privs) and then calls
// run_engine().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "daemon/engine_plugins.h"
#include "posix/fd.h"

namespace baton::daemon {

/// A multicast membership that the guardian held while no engine ran.
struct HeldMembership {
  std::string interface;
  Family family = Family::kIpv4;
  posix::Fd socket;
};

struct EngineArguments {
  posix::Fd guardian;  ///< ipc channels
  posix::Fd steward;
  posix::Fd scribe;
  posix::Fd board;  ///< the state board, writable
  posix::Fd configuration;
  posix::Fd runtime_dir;
  std::vector<HeldMembership> memberships;
  std::vector<HeldPlugin> plugins;
  bool stand_by = false;  ///< of a predecessor that still runs: prepare everything, then wait for its end (TakeOver)
  bool adopt = false;     ///< continue what the board says; otherwise start anew: step down, listen
  bool drained = false;
  std::optional<Instant> frozen_until;  ///< by an operator's word before the start
};

/// The whole life of the process. Returns its exit status: 0 after everything was released (Terminate, or the guardian
/// is gone).
int run_engine(EngineArguments arguments);

}  // namespace baton::daemon
