// The scribe process: sole owner of /var/lib/baton. Intent, history, generations: fixed records, fsync, then ack. And
// the flight recorder, which nobody waits for.
// The guardian forks, drops rights (uid baton-scribe, no capability, no_new_privs, PDEATHSIG) and then calls run().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ports/capture.h"
#include "posix/fd.h"

namespace baton::scribe {

struct ScribeArguments {
  posix::Fd guardian;  ///< ipc channel; its end means: finish writing and exit. Recovered is sent here once at start
  posix::Fd engine;    ///< ipc channel; replaced by ChannelReplaced{kEngine}
  posix::Fd steward;   ///< ipc channel; replaced by ChannelReplaced{kSteward}
  posix::Fd state_directory;  ///< O_PATH|O_DIRECTORY of the state directory, owned by baton-scribe, mode 0750; files by
                              ///< openat
  std::string state_path;     ///< for messages
  std::uint32_t history_limit = 1000;
  /// Makes the flight recorder's port of the socket that the guardian sends for an interface; empty: nothing is
  /// recorded.
  std::function<std::unique_ptr<ports::CapturePort>(posix::Fd socket, const std::string& interface)> capture = {};
};

/// The whole life of the process. Returns its exit status: 0 after Terminate or when the guardian is gone.
int run(ScribeArguments arguments);

}  // namespace baton::scribe
