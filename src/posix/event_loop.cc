// See event_loop.h. A descriptor's generation travels in the epoll data, so that an event for a closed descriptor whose
// number was used again in the same batch is not given to the wrong handler.
#include "posix/event_loop.h"

#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/check.h"
#include "posix/clock.h"

namespace baton::posix {

Result<EventLoop> EventLoop::create() {
  Fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  if (!epoll.valid()) return fail("make an event loop", errno);
  return EventLoop{std::move(epoll)};
}

Result<void> EventLoop::add(int fd, std::uint32_t events, Handler handler) {
  CHECK(fd >= 0);
  const auto index = static_cast<std::size_t>(fd);
  if (index >= entries_.size()) entries_.resize(index + 1);
  CHECK(entries_[index].handler == nullptr);
  const std::uint32_t generation = next_generation_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail("watch a descriptor", errno);
  entries_[index].generation = generation;
  entries_[index].handler = std::make_unique<Handler>(std::move(handler));
  return {};
}

Result<void> EventLoop::modify(int fd, std::uint32_t events) {
  CHECK(watches(fd));
  epoll_event event{};
  event.events = events;
  event.data.u64 =
      std::uint64_t{entries_[static_cast<std::size_t>(fd)].generation} << 32 | static_cast<std::uint32_t>(fd);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) return fail("watch a descriptor", errno);
  return {};
}

void EventLoop::remove(int fd) {
  if (!watches(fd)) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  graveyard_.push_back(std::move(entries_[static_cast<std::size_t>(fd)].handler));
}

bool EventLoop::watches(int fd) const {
  return fd >= 0 && static_cast<std::size_t>(fd) < entries_.size() &&
         entries_[static_cast<std::size_t>(fd)].handler != nullptr;
}

Result<std::size_t> EventLoop::wait(std::optional<Instant> deadline) {
  timespec timeout{};
  timespec* limit = nullptr;
  if (deadline && *deadline != kNever) {
    const Nanos rest = std::max(*deadline - now(), Nanos{0});
    timeout.tv_sec = static_cast<time_t>(rest.count() / 1'000'000'000);
    timeout.tv_nsec = static_cast<long>(rest.count() % 1'000'000'000);
    limit = &timeout;
  }
  const int count = ::epoll_pwait2(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), limit, nullptr);
  ready_count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
  if (count < 0 && errno != EINTR) return fail("wait for events", errno);
  return ready_count_;
}

void EventLoop::dispatch() {
  for (std::size_t i = 0; i < ready_count_; ++i) {
    const epoll_event event = ready_[i];
    const auto index = static_cast<std::size_t>(event.data.u64 & 0xFFFFFFFF);
    if (entries_[index].handler == nullptr || entries_[index].generation != event.data.u64 >> 32) continue;
    (*entries_[index].handler)(event.events);
  }
  ready_count_ = 0;
  graveyard_.clear();
}

Result<void> EventLoop::turn(std::optional<Instant> deadline) {
  if (const auto count = wait(deadline); !count) return Unexpected<Error>{count.error()};
  dispatch();
  return {};
}

void set_timer_slack(Nanos slack) { ::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack.count()), 0, 0, 0); }

}  // namespace baton::posix
