#include "plugin_host/watchdog.h"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "plugin_host/descendants.h"

namespace baton::plugin_host {

Result<Watchdog*> Watchdog::start(std::function<void()> late) {
  posix::Fd timer{::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)};
  if (!timer.valid()) return fail("watch the plugin", errno);
  auto* const watchdog = new Watchdog{std::move(timer), std::move(late)};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread{[watchdog] { watchdog->run(); }}.detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return watchdog;
}

void Watchdog::arm(Nanos limit) {
  state_.store(kArmed);
  itimerspec when{};
  when.it_value.tv_sec = limit / std::chrono::seconds{1};
  when.it_value.tv_nsec = (limit % std::chrono::seconds{1}).count();
  if (limit <= Nanos{0}) when.it_value.tv_nsec = 1;
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void Watchdog::disarm() {
  int armed = kArmed;
  if (!state_.compare_exchange_strong(armed, kIdle)) {
    while (true) ::pause();
  }
  const itimerspec never{};
  ::timerfd_settime(timer_.get(), 0, &never, nullptr);
}

void Watchdog::run() {
  while (true) {
    std::uint64_t expirations = 0;
    if (::read(timer_.get(), &expirations, sizeof expirations) < 0 && errno != EINTR) {
      // The plugin has closed our descriptor: without a watch nothing may run.
      ::kill(0, SIGKILL);
    }
    int armed = kArmed;
    if (expirations == 0 || !state_.compare_exchange_strong(armed, kLate)) continue;
    late_();
    ::signal(SIGTERM, SIG_IGN);
    ::kill(0, SIGTERM);
    ::poll(nullptr, 0, static_cast<int>(kGrace / std::chrono::milliseconds{1}));
    end_descendants();
    ::kill(0, SIGKILL);
  }
}

}  // namespace baton::plugin_host
