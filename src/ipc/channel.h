// One end of a connection between two processes of the daemon: a non-blocking SOCK_SEQPACKET socket that carries
// messages.h. Decides that a malformed message, or one that this direction does not allow, is the end of the
// connection. Never blocks.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "ipc/messages.h"
#include "posix/fd.h"

namespace baton::ipc {

/// What the socket does not take at once waits here; beyond the limit new messages are dropped and counted.
struct ChannelLimits {
  std::size_t queue = 256;  ///< messages
};

enum class SendStatus {
  kSent,
  kQueued,   ///< call flush() when the socket is writable
  kDropped,  ///< the queue was full; counted in dropped()
  kClosed,
};

enum class ReceiveStatus {
  kMessage,
  kNothing,
  kClosed,
  kMalformed,  ///< see Incoming::error; do not use the channel again
};

struct Incoming {
  ReceiveStatus status = ReceiveStatus::kNothing;
  Message message;
  std::vector<posix::Fd> fds;
  std::string error;
};

class Channel {
 public:
  Channel() = default;
  /// `self` and `peer` decide which messages are allowed each way.
  Channel(posix::Fd socket, Process self, Process peer, ChannelLimits limits = {});

  bool open() const { return socket_.valid(); }
  int fd() const { return socket_.get(); }
  Process peer() const { return peer_; }
  void close() { socket_.reset(); }

  /// REQUIRES a message that this direction allows. Descriptors stay the caller's (duplicates wait in the queue).
  /// On a channel that is not open: kClosed.
  SendStatus send(const Message& message, std::span<const int> fds = {});
  /// Sends what waits. False: something still waits.
  bool flush();
  /// Watch for EPOLLOUT.
  bool wants_write() const { return !queue_.empty(); }
  std::size_t waiting() const { return queue_.size(); }
  std::uint64_t dropped() const { return dropped_; }

  /// The next message. Call until it is not kMessage.
  Incoming receive();

 private:
  struct Queued {
    std::vector<std::uint8_t> bytes;
    std::vector<posix::Fd> fds;
  };
  SendStatus write(ConstBytes bytes, std::span<const int> fds);

  posix::Fd socket_;
  Process self_ = Process::kGuardian;
  Process peer_ = Process::kGuardian;
  ChannelLimits limits_;
  std::deque<Queued> queue_;
  std::uint64_t dropped_ = 0;
};

}  // namespace baton::ipc
