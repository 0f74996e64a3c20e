// The guardian's part in `reload --confirm-within`: it keeps the configuration that was in force, as the sealed memory
// that it was, and puts it back unless somebody confirms in time. Nothing is read anew for that, so that neither a file
// that has changed nor a process that has died meanwhile can keep it from coming back.
#include "daemon/guardian.h"
#include "log/log.h"
#include "posix/clock.h"

namespace baton::daemon {
namespace {

using std::chrono::seconds;

/// An engine that has not gone back by then is replaced by one that starts with what is in force.
constexpr Nanos kRollbackLimit = seconds{5};

std::string in_words(Nanos time) { return std::to_string(time / seconds{1}) + " s"; }

}  // namespace

void Guardian::await_confirmation(ConfigAnswer before, Nanos within) {
  rolled_back_ = false;
  unconfirmed_ = Unconfirmed{std::move(before), posix::now() + within, within};
  const std::string news =
      "a reload is in force and waits for `batonctl confirm`; it is rolled back in " + in_words(within);
  log::info("reload_waits", {{"seconds", std::to_string(within / seconds{1})}}, news);
  tell_reload_state(news);
}

void Guardian::on_confirm(const ipc::ConfirmRequest& request) {
  const bool waited = unconfirmed_.has_value();
  if (waited && request.revert) roll_back("as an operator asked");
  if (waited && !request.revert) {
    unconfirmed_.reset();
    log::info("reload_confirmed", {}, "the reload was confirmed: it stays in force");
    tell_reload_state("the reload was confirmed: it stays in force");
  }
  send(Process::kSteward, ipc::ConfirmResult{request.nonce, waited});
}

void Guardian::watch_rollback(Instant now) {
  if (unconfirmed_ && phase_ != Phase::kStopping && now >= unconfirmed_->deadline) {
    roll_back("not confirmed within " + in_words(unconfirmed_->within));
  }
  if (!rolled_by_ || now < *rolled_by_) return;
  rolled_by_.reset();
  log::error("engine_hung", {}, "it did not take the configuration back in time");
  if (phase_ == Phase::kRunning && worker(Process::kEngine).child.running()) replace_engine();
}

void Guardian::roll_back(const std::string& why) {
  ConfigAnswer before = std::move(unconfirmed_->before);
  unconfirmed_.reset();
  rolled_back_ = true;
  // Before its plugins, so that it knows their sections. If it dies over it, the next one starts with what is in force.
  if (worker(Process::kEngine).channel.open()) {
    const int fds[] = {before.configuration.get()};
    send(Process::kEngine, ipc::Configuration{kRollbackNonce}, fds);
    rolled_by_ = posix::now() + kRollbackLimit;
  }
  put_in_force(std::move(before), 0);
  const std::string news = "the reload was rolled back, " + why + "; " + options_.config_path + " is not what runs";
  log::warning("reload_rolled_back", {{"file", options_.config_path}}, news);
  tell_reload_state(news);
}

void Guardian::tell_reload_state(const std::string& news) {
  ipc::ReloadState state;
  if (unconfirmed_) state.deadline_ns = unconfirmed_->deadline.time_since_epoch().count();
  state.rolled_back = rolled_back_;
  state.news = news;
  send(Process::kSteward, state);
  if (!news.empty()) write_history(news);
}

void Guardian::write_history(const std::string& news) {
  ports::Report report;
  report.kind = ports::EventKind::kNotice;
  report.instance = ports::kNoInstance;
  report.reason = Reason::kConfigChanged;
  report.sentence = ports::Sentence{news};
  report.at = posix::now();
  send(Process::kScribe, ipc::History{"", report});
}

}  // namespace baton::daemon
