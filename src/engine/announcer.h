// Which addresses still have to be announced by gratuitous ARP or unsolicited NA, in which order and how fast. A queue
// without duplicates, so never longer than the list of addresses. Makes the frames; sends nothing by itself.
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.h"
#include "engine/addresses.h"
#include "engine/links.h"
#include "ports/ports.h"

namespace baton::engine {

class Announcer {
 public:
  /// Largest number of addresses in one turn; the rest follows at 25,000 a second or more.
  static constexpr std::size_t kBurst = 256;
  static constexpr Nanos kPacedPause = std::chrono::milliseconds{10};
  static constexpr Nanos kLeastRepeatPause = std::chrono::milliseconds{100};

  void enqueue(VipTable& vips, std::uint32_t index);
  void clear(VipTable& vips);
  bool idle() const { return next_ == queue_.size(); }
  /// Sends what may go now. Returns when to come again; kNever if the queue is empty.
  Instant pump(Instant now, VipTable& vips, const std::vector<config::Instance>& members, const LinkTable& links,
               ports::FramePort& port);
  /// One announcement at once, beside the queue.
  static void announce(const Vip& vip, const config::Instance& instance, const Link& link, ports::FramePort& port);

 private:
  std::vector<std::uint32_t> queue_;
  std::size_t next_ = 0;  ///< in queue_; what is before it has been sent
  Instant not_before_{};
};

}  // namespace baton::engine
