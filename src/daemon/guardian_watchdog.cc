// The guardian's part with the watchdog: armed before the first engine starts, tried again while it cannot be, fed as
// Feeder says, and closed in order only when nothing here is the writable one any more.
#include "daemon/guardian.h"
#include "log/log.h"
#include "posix/clock.h"

namespace baton::daemon {
namespace {

constexpr Nanos kOpenPause = std::chrono::seconds{5};

}  // namespace

void Guardian::tell_watchdog_state() {
  auto writer = ipc::BoardWriter::open(memory_.bytes());
  if (!writer) return;
  const bool wanted = !facts_.watchdog.empty();
  writer->set_watchdog(!wanted             ? ipc::WatchdogState::kNotWanted
                       : watchdog_.armed() ? ipc::WatchdogState::kArmed
                                           : ipc::WatchdogState::kMissing);
}

/// Each trouble is told once, however often it is met.
void Guardian::watchdog_trouble(const Error& error) {
  if (error.message() == watchdog_words_) return;
  watchdog_words_ = error.message();
  log::error("watchdog_failed", {{"path", facts_.watchdog}}, error.message() + "; nothing is promoted here without it");
}

void Guardian::arm_watchdog() {
  const Instant now = posix::now();
  if (facts_.watchdog.empty()) return tell_watchdog_state();
  auto opened = WatchdogDevice::open(facts_.watchdog, facts_.watchdog_timeout);
  if (opened) {
    watchdog_ = std::move(*opened);
    watchdog_words_.clear();
    next_feed_ = now + feeder_.interval();
    const std::string limit = std::to_string(facts_.watchdog_timeout / std::chrono::seconds{1}) + "s";
    log::info("watchdog_armed", {{"path", facts_.watchdog}, {"timeout", limit}});
    if (!watchdog_.real()) {
      log::warning("watchdog_is_a_file", {{"path", facts_.watchdog}}, "it records how it is fed, but resets nobody");
    }
  } else {
    watchdog_trouble(opened.error());
    next_feed_ = now + kOpenPause;
  }
  tell_watchdog_state();
}

void Guardian::change_watchdog(const ConfigFacts& before) {
  feeder_.forget();
  if (before.watchdog == facts_.watchdog && before.watchdog_timeout == facts_.watchdog_timeout) return;
  feeder_ = Feeder{facts_.watchdog_timeout};
  if (before.watchdog == facts_.watchdog && watchdog_.armed()) {
    if (auto set = watchdog_.set_timeout(facts_.watchdog_timeout); !set) watchdog_trouble(set.error());
    next_feed_ = posix::now();
    return;
  }
  watchdog_.disarm();
  arm_watchdog();
}

void Guardian::feed_watchdog(Instant now) {
  if (facts_.watchdog.empty() || now < next_feed_) return;
  if (!watchdog_.armed()) return arm_watchdog();
  next_feed_ = now + feeder_.interval();
  const auto board = ipc::BoardReader::open(memory_.const_bytes());
  const bool deserved = board && feeder_.deserves(*board, now);
  if (deserved == hungry_) {
    hungry_ = !deserved;
    if (hungry_) {
      log::error("watchdog_unfed", {{"path", facts_.watchdog}},
                 "what is the writable one here has no grant for much longer, or the engine stands still: this host is "
                 "reset unless that ends");
    } else {
      log::info("watchdog_fed", {{"path", facts_.watchdog}}, "again");
    }
  }
  if (!deserved) return;
  if (auto fed = watchdog_.feed(); !fed) {
    // It is opened anew: a device that was taken away and given back (a module loaded again) needs that.
    watchdog_trouble(fed.error());
    watchdog_.abandon();
    next_feed_ = now;
    tell_watchdog_state();
  }
}

/// The engine is gone: what it left writable is nobody's concern any more but the watchdog's.
void Guardian::let_go_of_watchdog() {
  if (!watchdog_.armed()) return;
  const auto board = ipc::BoardReader::open(memory_.const_bytes());
  if (board) feeder_.deserves(*board, posix::now());
  if (board && feeder_.nothing_writable()) {
    watchdog_.disarm();
    log::info("watchdog_closed", {{"path", facts_.watchdog}});
    return;
  }
  log::error("watchdog_left_armed", {{"path", facts_.watchdog}},
             "a database of this host may still be the writable one: the watchdog resets the host");
  watchdog_.abandon();
}

}  // namespace baton::daemon
