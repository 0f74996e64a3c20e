#include "plugin_host/watchdog.h"

#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "ipc/host_order.h"
#include "plugin_host/descendants.h"

namespace baton::plugin_host {

Watchdog& Watchdog::start(std::function<void()> late) {
  auto* const watchdog = new Watchdog{std::move(late)};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread{[watchdog] { watchdog->run(); }}.detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return *watchdog;
}

void Watchdog::arm(Nanos limit) {
  const std::lock_guard lock{mutex_};
  state_ = State::kArmed;
  ++calls_;
  limit_ = limit;
  changed_.notify_one();
}

void Watchdog::disarm() {
  std::unique_lock lock{mutex_};
  if (state_ == State::kLate) {
    lock.unlock();
    while (true) ::pause();
  }
  state_ = State::kIdle;
  changed_.notify_one();
}

void Watchdog::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    changed_.wait(lock, [&] { return state_ == State::kArmed; });
    const std::uint64_t call = calls_;
    const auto is_back = [&] { return state_ != State::kArmed || calls_ != call; };
    if (changed_.wait_for(lock, limit_, is_back)) continue;
    state_ = State::kLate;
    break;
  }
  lock.unlock();
  late_();
  ::signal(SIGTERM, SIG_IGN);
  ::kill(0, SIGTERM);
  ::poll(nullptr, 0, static_cast<int>(kGrace / std::chrono::milliseconds{1}));
  end_descendants();
  // The guardian ends whatever is left of the group.
  ::_exit(ipc::kHostLate);
}

}  // namespace baton::plugin_host
