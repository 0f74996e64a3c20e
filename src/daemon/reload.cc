// The guardian's part in a reload: one at a time, read by a child, passed on unread, applied by the engine. A bad one
// changes nothing.
#include <sys/epoll.h>

#include "daemon/guardian.h"
#include "log/log.h"
#include "posix/clock.h"

namespace baton::daemon {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxWishes = 8;
constexpr Nanos kApplyLimit = seconds{5};

}  // namespace

void Guardian::wish_reload(ReloadWish wish) {
  if (phase_ != Phase::kRunning || wishes_.size() >= kMaxWishes) {
    answer_reload(wish, {}, {});
    return;
  }
  wishes_.push_back(wish);
  start_reader();
}

void Guardian::start_reader() {
  if (reader_ || applying_ || reexec_ || wishes_.empty() || phase_ == Phase::kStopping) return;
  reading_ = wishes_.front();
  wishes_.pop_front();
  // One at a time: what would come back must be one that somebody has confirmed.
  if (unconfirmed_ && !reading_.dry_run) {
    log::error("reload_refused", {}, "an earlier reload waits for `batonctl confirm`: nothing was changed");
    answer_reload(reading_, {.waits = true}, {});
    return start_reader();
  }
  auto child = ConfigChild::start({options_, premises_.users.steward, configuration_.get(), false});
  if (!child) {
    log::error("reload_failed", {}, child.error().message());
    answer_reload(reading_, {}, {});
    return;
  }
  reader_ = std::move(*child);
  reader_deadline_ = posix::now() + kConfigChildLimit;
  const auto added = loop_.add(reader_->fd(), EPOLLIN, [this](std::uint32_t) { on_reader(); });
  if (!added) reader_deadline_ = posix::now();
}

/// The reader has answered, died, or run out of time.
void Guardian::on_reader() {
  loop_.remove(reader_->fd());
  auto answer = reader_->finish();
  reader_.reset();
  if (!answer) {
    log::error("reload_refused", {}, answer.error().message());
    answer_reload(reading_, {}, {});
  } else if (!answer->valid) {
    log::error("reload_refused", {}, "the configuration is not valid: nothing was changed");
    answer_reload(reading_, {}, answer->report);
  } else if (reading_.dry_run) {
    answer_reload(reading_, {.valid = true}, answer->report);
  } else {
    const int fds[] = {answer->configuration.get()};
    applying_ = Applying{reading_, std::move(*answer), posix::now() + kApplyLimit};
    if (send(Process::kEngine, ipc::Configuration{reading_.nonce}, fds) == ipc::SendStatus::kClosed) {
      answer_reload(reading_, {.valid = true}, applying_->answer.report);
      applying_.reset();
    }
  }
  start_reader();
}

void Guardian::on_reloaded(const ipc::Reloaded& message) {
  if (message.nonce == kRollbackNonce) rolled_by_.reset();
  if (!applying_ || applying_->wish.nonce != message.nonce) return;
  Applying applied = std::move(*applying_);
  applying_.reset();
  const posix::Fd report = std::move(applied.answer.report);
  ConfigAnswer before = put_in_force(std::move(applied.answer), message.nonce);
  if (applied.wish.confirm_within > Nanos{0}) {
    await_confirmation(std::move(before), applied.wish.confirm_within);
  } else if (std::exchange(rolled_back_, false)) {
    tell_reload_state();
  }
  answer_reload(applied.wish, {.valid = true, .applied = true}, report);
  start_reader();
}

/// The engine has it already. Returns what was in force.
ConfigAnswer Guardian::put_in_force(ConfigAnswer fresh, std::uint64_t nonce) {
  if (fresh.facts.log_file != facts_.log_file) {
    log::warning("restart_needed", {{"key", "log_file"}}, "log_file changes when batond is started again");
    fresh.facts.log_file = facts_.log_file;
  }
  ConfigAnswer before;
  before.valid = true;
  before.facts = std::exchange(facts_, fresh.facts);
  before.configuration = std::exchange(configuration_, std::move(fresh.configuration));
  before.for_steward = std::exchange(for_steward_, std::move(fresh.for_steward));
  before.fleet = std::exchange(fleet_, std::move(fresh.fleet));
  change_watchdog(before.facts);
  change_recording(before.facts);
  log::set_level(facts_.log_level);
  take_fleet(fleet_);
  const int fds[] = {for_steward_.get()};
  send(Process::kSteward, ipc::Configuration{nonce}, fds);
  return before;
}

void Guardian::answer_reload(const ReloadWish& wish, ReloadOutcome outcome, const posix::Fd& report) {
  const ipc::ReloadResult result{wish.nonce, outcome.valid, outcome.applied, outcome.waits};
  if (report.valid()) {
    const int fds[] = {report.get()};
    send(Process::kSteward, result, fds);
  } else {
    send(Process::kSteward, result);
  }
}

}  // namespace baton::daemon
