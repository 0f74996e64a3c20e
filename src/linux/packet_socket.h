// Packet sockets: whole Ethernet frames out and in. A send socket a link; receive sockets a link for IPv4, ARP and
// IPv6, whose filters let the kernel reject ordinary traffic at once. Not blocking; closing one waits for an RCU grace
// period and belongs to the worker.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "posix/fd.h"

namespace baton::linux {

/// Receives nothing (protocol 0), sends on one interface with the priority of network control.
Result<posix::Fd> open_send_socket(int ifindex);

/// What a receive socket lets through. Never: our own outgoing frames, frames to another host's MAC, VLAN-tagged
/// copies.
enum class Tap : std::uint8_t {
  kIpv4,  ///< protocol 112
  kArp,
  kIpv6,  ///< next header 112, Neighbor Advertisements, Neighbor Solicitations from :: (duplicate address detection)
  /// The one exception: VRRP to the groups that another program of this host sends. Every frame that leaves the
  /// interface is looked at, so it is open only while there is such a program.
  kOutgoing,
};
inline constexpr std::size_t kTaps = 4;
Result<posix::Fd> open_receive_socket(int ifindex, Tap tap);

/// The frames of one link and turn, sent by one sendmmsg.
class FrameQueue {
 public:
  /// Copies the frame.
  void add(ConstBytes frame);
  bool empty() const { return frames_.empty(); }
  bool full() const { return frames_.size() >= kLimit; }
  /// Sends all and forgets them. 0, or the errno of the last frame that was refused. A refused frame does not stop the
  /// others, except when the interface is down or gone.
  int send(int fd);
  void clear();

 private:
  static constexpr std::size_t kLimit = 512;
  struct Frame {
    std::size_t offset = 0;
    std::size_t size = 0;
  };
  std::vector<std::uint8_t> bytes_;
  std::vector<Frame> frames_;
  std::vector<mmsghdr> headers_;
  std::vector<iovec> parts_;
};

/// Buffers for one recvmmsg, allocated once.
class FrameReader {
 public:
  FrameReader();
  /// Hands over what has arrived, at most about `limit` frames; returns how many. Errors (the interface went down) are
  /// no frames.
  std::size_t read(int fd, std::size_t limit, const std::function<void(ConstBytes)>& take);

 private:
  static constexpr std::size_t kBatch = 32;
  static constexpr std::size_t kFrame = 9216 + 64;  ///< jumbo frames whole; what is longer is cut and will not decode
  std::unique_ptr<std::uint8_t[]> bytes_;           ///< pages that nothing was read into cost nothing
  std::vector<mmsghdr> headers_;
  std::vector<iovec> parts_;
};

}  // namespace baton::linux
