// Waiting for descriptors and a deadline: epoll, one handler a descriptor. Decides nothing about what the events mean.
// wait() and dispatch() are apart so that a caller can look at the clock between them. One thread.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "posix/fd.h"

namespace baton::posix {

class EventLoop {
 public:
  /// `events`: the EPOLL bits that are ready.
  using Handler = std::function<void(std::uint32_t events)>;

  static Result<EventLoop> create();
  EventLoop(EventLoop&&) noexcept = default;
  EventLoop& operator=(EventLoop&&) noexcept = default;

  /// Watches `fd`, which the caller keeps open until remove(). Level-triggered unless EPOLLET is asked for.
  Result<void> add(int fd, std::uint32_t events, Handler handler);
  /// REQUIRES that `fd` is watched.
  Result<void> modify(int fd, std::uint32_t events);
  /// Before the descriptor is closed. Allowed inside any handler, also its own. Unwatched descriptors are ignored.
  void remove(int fd);
  bool watches(int fd) const;

  /// Sleeps until something is ready or `deadline` (nullopt: no limit), nanosecond resolution. Returns how many are
  /// ready; a signal counts as none.
  Result<std::size_t> wait(std::optional<Instant> deadline);
  /// Calls the handlers of what the last wait() found.
  void dispatch();
  /// wait and dispatch.
  Result<void> turn(std::optional<Instant> deadline);

 private:
  struct Entry {
    std::uint32_t generation = 0;
    std::unique_ptr<Handler> handler;
  };
  explicit EventLoop(Fd epoll) : epoll_(std::move(epoll)), ready_(64) {}

  Fd epoll_;
  std::vector<Entry> entries_;                       ///< by descriptor
  std::vector<std::unique_ptr<Handler>> graveyard_;  ///< removed while dispatching; freed after it
  std::vector<epoll_event> ready_;
  std::size_t ready_count_ = 0;
  std::uint32_t next_generation_ = 1;
};

/// The kernel may delay this thread's timers by 50 us by default; an engine wants 1 ns.
void set_timer_slack(Nanos slack);

}  // namespace baton::posix
