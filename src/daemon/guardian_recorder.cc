// The guardian's part in the flight recorder: it opens the sockets, which takes CAP_NET_RAW, and gives them to the
// scribe, which has no capability. The kernel's filter in them is locked before.
#include <algorithm>

#include "daemon/guardian.h"
#include "linux/capture_socket.h"
#include "log/log.h"

namespace baton::daemon {

/// A scribe was started: it records nothing yet.
void Guardian::begin_recording() {
  if (facts_.recorder <= Nanos{0}) return;
  for (const std::string& interface : facts_.interfaces) record(interface);
}

void Guardian::record(const std::string& interface) {
  const auto socket = linux::open_capture_socket();
  if (!socket) {
    log::warning("recorder_failed", {{"what", interface}}, socket.error().message());
    return;
  }
  const int fds[] = {socket->get()};
  send(Process::kScribe, ipc::RecordLink{.interface = interface, .window_ns = facts_.recorder.count()}, fds);
}

/// After a reload. What is recorded already goes on without a gap.
void Guardian::change_recording(const ConfigFacts& before) {
  const auto has = [](const ConfigFacts& facts, const std::string& interface) {
    return facts.recorder > Nanos{0} &&
           std::find(facts.interfaces.begin(), facts.interfaces.end(), interface) != facts.interfaces.end();
  };
  for (const std::string& interface : before.interfaces) {
    if (has(before, interface) && !has(facts_, interface)) send(Process::kScribe, ipc::RecordLink{interface, 0});
  }
  for (const std::string& interface : facts_.interfaces) {
    if (!has(facts_, interface)) continue;
    if (!has(before, interface)) {
      record(interface);
    } else if (before.recorder != facts_.recorder) {
      send(Process::kScribe, ipc::RecordLink{interface, facts_.recorder.count()});
    }
  }
}

}  // namespace baton::daemon
