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
    answer_reload(wish, false, false, {});
    return;
  }
  wishes_.push_back(wish);
  start_reader();
}

void Guardian::start_reader() {
  if (reader_ || applying_ || wishes_.empty()) return;
  reading_ = wishes_.front();
  wishes_.pop_front();
  auto child = ConfigChild::start({options_, premises_.users.steward, configuration_.get(), false});
  if (!child) {
    log::error("reload_failed", {}, child.error().message());
    answer_reload(reading_, false, false, {});
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
    answer_reload(reading_, false, false, {});
  } else if (!answer->valid) {
    log::error("reload_refused", {}, "the configuration is not valid: nothing was changed");
    answer_reload(reading_, false, false, answer->report);
  } else if (reading_.dry_run) {
    answer_reload(reading_, true, false, answer->report);
  } else {
    const int fds[] = {answer->configuration.get()};
    applying_ = Applying{reading_, std::move(*answer), posix::now() + kApplyLimit};
    if (send(Process::kEngine, ipc::Configuration{reading_.nonce}, fds) == ipc::SendStatus::kClosed) {
      answer_reload(reading_, true, false, applying_->answer.report);
      applying_.reset();
    }
  }
  start_reader();
}

void Guardian::on_reloaded(const ipc::Reloaded& message) {
  if (!applying_ || applying_->wish.nonce != message.nonce) return;
  Applying applied = std::move(*applying_);
  applying_.reset();
  if (applied.answer.facts.log_file != facts_.log_file) {
    log::warning("restart_needed", {{"key", "log_file"}}, "log_file changes when batond is started again");
    applied.answer.facts.log_file = facts_.log_file;
  }
  const ConfigFacts before = std::exchange(facts_, applied.answer.facts);
  change_watchdog(before);
  change_recording(before);
  log::set_level(facts_.log_level);
  configuration_ = std::move(applied.answer.configuration);
  for_steward_ = std::move(applied.answer.for_steward);
  take_fleet(applied.answer.fleet);
  const int fds[] = {for_steward_.get()};
  send(Process::kSteward, ipc::Configuration{message.nonce}, fds);
  answer_reload(applied.wish, true, true, applied.answer.report);
  start_reader();
}

void Guardian::answer_reload(const ReloadWish& wish, bool valid, bool applied, const posix::Fd& report) {
  const ipc::ReloadResult result{wish.nonce, valid, applied};
  if (report.valid()) {
    const int fds[] = {report.get()};
    send(Process::kSteward, result, fds);
  } else {
    send(Process::kSteward, result);
  }
}

}  // namespace baton::daemon
