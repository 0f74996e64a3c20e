// The real network behind src/ports: packet sockets, raw sockets, netlink and the worker thread, bundled for the
// daemon's main loop.
//
// The loop, on the protocol thread:
//   wait on poll_fd() until min(engine.next_deadline(), network.next_wakeup())
//   engine.begin_turn(now); network.dispatch(now, sink);
//   if (an engine deadline is due) { network.drain_frames(now, sink); engine.on_deadline(now, slack); }    (T-06)
//   engine.end_turn(now);      -> which calls frames().flush() and addresses().flush()
// Nothing here blocks: what may wait for the rtnl lock or for an RCU grace period runs on the worker thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "linux/sink.h"
#include "ports/ports.h"
#include "posix/fd.h"

namespace baton::linux {

struct NetworkOptions {
  /// Directory for the journal `addresses`, normally /run/baton; borrowed for the call only. -1: no journal.
  int runtime_dir = -1;
  /// How long received frames may wait above 1000 a second before they are looked at, unless a deadline of the engine
  /// comes first; above 5000 a second four times as long.
  Nanos receive_pause = std::chrono::milliseconds{1};
  /// Tests: receive buffer of the monitor in bytes, 0 = the default (8 MiB).
  int monitor_buffer = 0;
  /// Tests: false behaves as on kernels before 5.18, which keep no IFA_PROTO.
  bool kernel_marks = true;
};

class Network {
 public:
  /// Opens the sockets and starts the worker thread and the first dump. Call after capabilities were dropped to
  /// NET_ADMIN and NET_RAW (threads inherit them), in the network namespace to work in. The worker blocks all signals.
  static Result<std::unique_ptr<Network>> open(const NetworkOptions& options);
  ~Network();

  /// A membership socket of a dead predecessor. Call before watch(); used if its interface is still the same, else
  /// closed.
  void adopt_membership(const std::string& interface, Family family, posix::Fd socket);

  ports::FramePort& frames();
  ports::LinkPort& links();
  ports::AddressPort& addresses();

  /// An epoll descriptor: readable when dispatch() has something to deliver.
  int poll_fd() const;
  /// When dispatch() wants to be called even if poll_fd() stays silent (receive pause, retries). In the past: at once.
  std::optional<Instant> next_wakeup() const;

  /// Delivers in this order: links and addresses, results of commands, errors, then frames unless they are paused.
  void dispatch(Instant now, NetworkSink& sink);
  /// Delivers every frame that has arrived by now (at most some thousands: a flood must not hold the loop).
  void drain_frames(Instant now, NetworkSink& sink);

 private:
  class Impl;
  explicit Network(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace baton::linux
