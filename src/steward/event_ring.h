// The last events of this host, numbered, for `events` and `events -f`. Bounded: the oldest make room, and a reader
// that was too slow can tell by the numbers.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "ports/ports.h"

namespace baton::steward {

struct Event {
  std::uint64_t sequence = 0;  ///< from 1, without gaps while this steward lives
  std::int64_t wall_clock_ns = 0;
  std::string instance;  ///< "" = the host
  ports::Report report;
  std::string text;  ///< instead of the report's sentence; "" = none
};

class EventRing {
 public:
  explicit EventRing(std::size_t limit = 1000) : limit_(limit) {}

  /// Numbers the event and keeps it; the reference is good until the next push().
  const Event& push(Event event) {
    event.sequence = next_++;
    events_.push_back(std::move(event));
    if (events_.size() > limit_) events_.pop_front();
    return events_.back();
  }
  const std::deque<Event>& events() const { return events_; }

 private:
  std::size_t limit_;
  std::uint64_t next_ = 1;
  std::deque<Event> events_;
};

}  // namespace baton::steward
