// The flight recorder's door to the wire: frames as they passed, both ways, with the kernel's time. src/linux has the
// one that reads packet sockets; tests have their own. One thread.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "base/time.h"

namespace baton::ports {

/// Bytes kept of a frame: the longest advert there can be, 255 IPv6 addresses, with its headers.
inline constexpr std::uint32_t kSnapLength = 4200;

struct CapturedFrame {
  std::int64_t wall_clock_ns = 0;  ///< when the kernel saw it
  std::uint32_t length = 0;        ///< on the wire
  bool outgoing = false;           ///< sent by this host
  ConstBytes bytes;                ///< from the Ethernet header on, at most kSnapLength; valid during the call
};

class CapturePort {
 public:
  virtual ~CapturePort() = default;
  /// Readable when there are frames.
  virtual int fd() const = 0;
  /// Finds the interface, also one that was deleted and made again. False: there is none now.
  virtual bool attach() = 0;
  /// Hands over at most `limit` frames of those that wait, in order; returns how many. Never blocks.
  virtual std::size_t read(std::size_t limit, const std::function<void(const CapturedFrame&)>& take) = 0;
  /// How long a frame may be on its way before it can be read.
  virtual Nanos delay() const = 0;
  /// Frames that the kernel had no room for since the last call.
  virtual std::uint64_t lost() = 0;
};

}  // namespace baton::ports
