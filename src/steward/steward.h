// The steward process: control socket, events, and what people ask for. Unprivileged; it reads the state board, never
// writes it. The guardian forks, drops rights (uid baton-steward, no capability, no_new_privs, PDEATHSIG) and then
// calls run().
#pragma once

#include <sys/types.h>

#include <string>

#include "posix/fd.h"

namespace baton::steward {

struct StewardArguments {
  posix::Fd guardian;       ///< ipc channel; its end means: exit
  posix::Fd engine;         ///< ipc channel; replaced by ChannelReplaced{kEngine} when a new engine runs
  posix::Fd scribe;         ///< ipc channel; replaced by ChannelReplaced{kScribe}
  posix::Fd control;        ///< listening SOCK_STREAM socket RUNTIME_DIR/control.sock, non-blocking
  posix::Fd board;          ///< the state board (ipc/state_board.h), opened read-only
  posix::Fd configuration;  ///< sealed memfd of config/serialize.h: what the engine runs
  std::string config_path;  ///< for messages; reloads are asked of the guardian
  gid_t view_gid = 0;       ///< group baton-view: may read
  gid_t admin_gid = 0;      ///< group baton-admin: may change; so may uid 0
  pid_t guardian_pid = 0;
};

/// The whole life of the process. Returns its exit status: 0 after Terminate or when the guardian is gone.
int run(StewardArguments arguments);

}  // namespace baton::steward
