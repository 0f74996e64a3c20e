#include "scribe/scribe.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "ipc/channel.h"
#include "log/log.h"
#include "posix/clock.h"
#include "posix/event_loop.h"
#include "scribe/data_file.h"
#include "scribe/history.h"
#include "scribe/intent.h"
#include "scribe/recorder.h"

namespace baton::scribe {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kRetry = 5s;                     ///< how long a disk that failed is left alone
constexpr std::string_view kFreeze = "freeze ";  ///< and nanoseconds
constexpr std::size_t kMaxQueries = 64;
constexpr std::size_t kMaxMessagesPerTurn = 256;  ///< of one channel, before what they brought is written

/// One HistoryQuery being answered, as fast as the steward reads.
struct Answer {
  std::uint64_t nonce = 0;
  std::deque<Record> records;
};

class Scribe {
 public:
  Scribe(ScribeArguments arguments, posix::EventLoop loop, posix::Fd directory)
      : arguments_(std::move(arguments)),
        loop_(std::move(loop)),
        directory_(std::move(directory)),
        history_(directory_.get(), arguments_.history_limit),
        data_files_(directory_.get(), boot_id()),
        recorder_(loop_, directory_.get(), arguments_.state_path),
        guardian_(std::move(arguments_.guardian), ipc::Process::kScribe, ipc::Process::kGuardian),
        engine_(std::move(arguments_.engine), ipc::Process::kScribe, ipc::Process::kEngine),
        steward_(std::move(arguments_.steward), ipc::Process::kScribe, ipc::Process::kSteward) {}

  int run();

 private:
  void recover();
  void watch(ipc::Channel& channel);
  void drop(ipc::Channel& channel);
  void on_channel(ipc::Channel& channel, std::uint32_t events);
  void on_message(ipc::Incoming& incoming);
  void replace(ipc::Process peer, std::vector<posix::Fd>& fds);
  void on_record_link(const ipc::RecordLink& link, std::vector<posix::Fd>& fds);
  void on_history(const ipc::History& history);
  void on_intent(const ipc::Intent& intent);
  void on_remember(const ipc::Remember& remember);
  void recall_all();
  bool save_records();
  void save(Instant now);
  void save_intent();
  void tell_trouble(int sys_errno);
  void answer_queries();
  void refresh(ipc::Channel& channel);

  ScribeArguments arguments_;
  posix::EventLoop loop_;
  posix::Fd directory_;
  History history_;
  DataFiles data_files_;
  Recorder recorder_;
  std::map<std::string, ports::DataRecord> records_;  ///< the newest, by instance
  std::set<std::string> unsaved_records_;
  Intentions intentions_;
  bool intent_unsaved_ = false;
  std::vector<std::uint64_t> unacknowledged_;  ///< tickets whose intent is not on disk yet
  int intent_failure_ = 0;
  int told_failure_ = 0;  ///< the errno that was told last
  std::optional<Instant> retry_at_;
  std::deque<Answer> answers_;
  ipc::Channel guardian_;
  ipc::Channel engine_;
  ipc::Channel steward_;
  bool finished_ = false;
};

void Scribe::recover() {
  const LoadedIntentions loaded = load_intentions(directory_.get());
  intentions_ = loaded.intentions;
  if (!loaded.trouble.empty()) {
    log::error("intent_unreadable", {{"directory", arguments_.state_path}},
               loaded.trouble + "; this host counts as drained until `batonctl undrain`");
  }
  if (history_.damaged() != 0) {
    log::warning("history_damaged",
                 {{"directory", arguments_.state_path}, {"records", std::to_string(history_.damaged())}},
                 "damaged records were skipped");
  }
  DataFiles::Loaded loaded_records = data_files_.load();
  for (ports::DataRecord& record : loaded_records.records) records_[record.instance] = std::move(record);
  for (const std::string& trouble : loaded_records.troubles) {
    log::error("state_unreadable", {{"directory", arguments_.state_path}},
               trouble + "; this host will not promote it (batonctl forgive)");
  }
  const std::int64_t left_ns = intentions_.frozen_until_ns - posix::wall_clock_ns();
  guardian_.send(ipc::Recovered{.drained = intentions_.drained, .frozen_for_ns = std::max<std::int64_t>(left_ns, 0)});
}

void Scribe::watch(ipc::Channel& channel) {
  if (!channel.open()) return;
  const auto watched =
      loop_.add(channel.fd(), EPOLLIN, [this, &channel](std::uint32_t events) { on_channel(channel, events); });
  if (!watched) drop(channel);
}

void Scribe::drop(ipc::Channel& channel) {
  if (!channel.open()) return;
  if (channel.peer() == ipc::Process::kGuardian) finished_ = true;
  if (channel.peer() == ipc::Process::kSteward) answers_.clear();
  // A dead engine's tickets mean nothing to its successor.
  if (channel.peer() == ipc::Process::kEngine) unacknowledged_.clear();
  loop_.remove(channel.fd());
  channel.close();
}

void Scribe::on_channel(ipc::Channel& channel, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) channel.flush();
  const int fd = channel.fd();
  for (std::size_t i = 0; i < kMaxMessagesPerTurn && channel.open() && channel.fd() == fd; ++i) {
    ipc::Incoming incoming = channel.receive();
    if (incoming.status == ipc::ReceiveStatus::kNothing) return;
    if (incoming.status != ipc::ReceiveStatus::kMessage) return drop(channel);
    on_message(incoming);
  }
}

void Scribe::on_message(ipc::Incoming& incoming) {
  if (std::holds_alternative<ipc::Terminate>(incoming.message)) {
    finished_ = true;
  } else if (const auto* replaced = std::get_if<ipc::ChannelReplaced>(&incoming.message)) {
    replace(replaced->peer, incoming.fds);
  } else if (const auto* link = std::get_if<ipc::RecordLink>(&incoming.message)) {
    on_record_link(*link, incoming.fds);
  } else if (const auto* history = std::get_if<ipc::History>(&incoming.message)) {
    on_history(*history);
  } else if (const auto* intent = std::get_if<ipc::Intent>(&incoming.message)) {
    on_intent(*intent);
  } else if (const auto* remember = std::get_if<ipc::Remember>(&incoming.message)) {
    on_remember(*remember);
  } else if (const auto* query = std::get_if<ipc::HistoryQuery>(&incoming.message)) {
    if (answers_.size() >= kMaxQueries) return;  // the steward asks one at a time for each client; it times out
    const std::vector<Record> records = history_.newest(query->limit, query->instance);
    answers_.push_back({query->nonce, {records.begin(), records.end()}});
  }
}

void Scribe::replace(ipc::Process peer, std::vector<posix::Fd>& fds) {
  if (fds.empty() || (peer != ipc::Process::kEngine && peer != ipc::Process::kSteward)) return;
  ipc::Channel& channel = peer == ipc::Process::kEngine ? engine_ : steward_;
  if (channel.open()) on_channel(channel, EPOLLIN);  // the old one's last words
  drop(channel);
  channel = ipc::Channel(std::move(fds.front()), ipc::Process::kScribe, peer);
  watch(channel);
  if (peer == ipc::Process::kEngine) recall_all();
  if (peer == ipc::Process::kSteward) told_failure_ = 0;  // it has not heard of trouble yet
}

void Scribe::on_record_link(const ipc::RecordLink& link, std::vector<posix::Fd>& fds) {
  const Nanos window{link.window_ns};
  if (window <= Nanos{0}) return recorder_.forget(link.interface);
  std::unique_ptr<ports::CapturePort> port;
  if (!fds.empty() && arguments_.capture) port = arguments_.capture(std::move(fds.front()), link.interface);
  recorder_.watch(link.interface, window, std::move(port));
}

void Scribe::on_history(const ipc::History& history) {
  const std::int64_t wall_clock_ns = posix::wall_clock_ns();
  const ports::Report& report = history.report;
  const std::uint64_t sequence = history_.append(history.instance, report, wall_clock_ns);
  if (report.kind != ports::EventKind::kTransition) return;
  const std::string words = history.instance + ": " + std::string{vrrp::state_token(report.from)} + " -> " +
                            std::string{vrrp::state_token(report.to)} + ": " + std::string{reason_words(report.reason)};
  recorder_.transition(posix::now(), report.at, sequence, wall_clock_ns, words);
}

/// Only what must outlive a reboot is kept: drain and freeze of the whole host, and their ends. Anything else is
/// acknowledged as it is.
void Scribe::on_intent(const ipc::Intent& intent) {
  if (intent.instance.empty() && (intent.what == "drain" || intent.what == "undrain")) {
    intentions_.drained = intent.what == "drain";
    intent_unsaved_ = true;
  }
  if (intent.instance.empty() && (intent.what == "thaw" || intent.what.starts_with(kFreeze))) {
    std::int64_t left_ns = 0;
    if (intent.what != "thaw") {
      const char* const end = intent.what.data() + intent.what.size();
      std::from_chars(intent.what.data() + kFreeze.size(), end, left_ns);
    }
    intentions_.frozen_until_ns = left_ns > 0 ? posix::wall_clock_ns() + left_ns : 0;
    intent_unsaved_ = true;
  }
  unacknowledged_.push_back(intent.ticket);
}

void Scribe::on_remember(const ipc::Remember& remember) {
  records_[remember.record.instance] = remember.record;
  unsaved_records_.insert(remember.record.instance);
  unacknowledged_.push_back(remember.ticket);
}

/// What a new engine has to know before it promotes anything.
void Scribe::recall_all() {
  for (const auto& [instance, record] : records_) engine_.send(ipc::Recalled{.last = false, .record = record});
  engine_.send(ipc::Recalled{.last = true, .record = {}});
}

bool Scribe::save_records() {
  while (!unsaved_records_.empty()) {
    const auto saved = data_files_.save(records_.at(*unsaved_records_.begin()));
    if (!saved) {
      intent_failure_ = saved.error().sys_errno;
      return false;
    }
    unsaved_records_.erase(unsaved_records_.begin());
  }
  return true;
}

void Scribe::save_intent() {
  if (intent_unsaved_) {
    const auto saved = save_intentions(directory_.get(), intentions_);
    intent_failure_ = saved ? 0 : saved.error().sys_errno;
    intent_unsaved_ = !saved;
  }
  if (!save_records() || intent_unsaved_) return;
  intent_failure_ = 0;
  for (const std::uint64_t ticket : unacknowledged_) engine_.send(ipc::IntentRecorded{.ticket = ticket});
  unacknowledged_.clear();
}

void Scribe::save(Instant now) {
  save_intent();
  if (retry_at_ && now < *retry_at_) return tell_trouble(intent_failure_ != 0 ? intent_failure_ : history_.failure());
  const bool written = history_.save();
  retry_at_ =
      written && !intent_unsaved_ && unsaved_records_.empty() ? std::nullopt : std::optional<Instant>{now + kRetry};
  tell_trouble(intent_failure_ != 0 ? intent_failure_ : history_.failure());
}

/// One alarm when it begins, one word when it is over (F51): to the log, and to the steward as an entry of nobody's
/// query.
void Scribe::tell_trouble(int sys_errno) {
  if ((sys_errno == 0) == (told_failure_ == 0)) return;
  ports::Report report;
  report.kind = sys_errno != 0 ? ports::EventKind::kAlarm : ports::EventKind::kAlarmCleared;
  report.alarm = ports::Alarm::kScribeSilent;
  report.instance = ports::kNoInstance;
  report.sys_errno = sys_errno;
  report.at = posix::now();
  if (sys_errno != 0) {
    log::error("scribe_silent", {{"directory", arguments_.state_path}, {"errno", std::to_string(sys_errno)}},
               "history and intent cannot be written");
  } else {
    log::info("scribe_silent_over", {{"directory", arguments_.state_path}}, "history and intent are written again");
  }
  told_failure_ = sys_errno;
  steward_.send(ipc::HistoryEntry{
      .nonce = 0, .sequence = 0, .wall_clock_ns = posix::wall_clock_ns(), .instance = "", .report = report});
}

void Scribe::answer_queries() {
  while (!answers_.empty() && steward_.open() && !steward_.wants_write()) {
    Answer& answer = answers_.front();
    if (answer.records.empty()) {
      steward_.send(ipc::HistoryEnd{.nonce = answer.nonce});
      answers_.pop_front();
      continue;
    }
    Record& record = answer.records.front();
    const bool transition = record.report.kind == ports::EventKind::kTransition;
    steward_.send(
        ipc::HistoryEntry{.nonce = answer.nonce,
                          .sequence = record.sequence,
                          .wall_clock_ns = record.wall_clock_ns,
                          .instance = std::move(record.instance),
                          .report = record.report,
                          .capture = transition ? recorder_.find(record.sequence, record.wall_clock_ns) : ""});
    answer.records.pop_front();
  }
}

void Scribe::refresh(ipc::Channel& channel) {
  if (!channel.open()) return;
  const std::uint32_t events = EPOLLIN | (channel.wants_write() ? std::uint32_t{EPOLLOUT} : 0);
  if (!loop_.modify(channel.fd(), events)) drop(channel);
}

int Scribe::run() {
  recover();
  for (ipc::Channel* channel : {&guardian_, &engine_, &steward_}) watch(*channel);
  recall_all();
  save(posix::now());  // tells at once if the disk cannot be written
  while (!finished_) {
    for (ipc::Channel* channel : {&guardian_, &engine_, &steward_}) refresh(*channel);
    std::optional<Instant> deadline = recorder_.next_deadline();
    if (retry_at_) deadline = std::min(deadline.value_or(*retry_at_), *retry_at_);
    if (const auto turned = loop_.turn(deadline); !turned) {
      log::error("event_loop_failed", {}, turned.error().message());
      return 1;
    }
    save(posix::now());
    answer_queries();
    recorder_.tick(posix::now());  // after all that somebody waits for
  }
  save_intent();
  history_.save();
  recorder_.finish(posix::now());
  history_.save();  // what came meanwhile
  return 0;
}

}  // namespace

int run(ScribeArguments arguments) {
  auto loop = posix::EventLoop::create();
  // The descriptor that was given can only name the directory; to fsync it, it must be opened for reading.
  posix::Fd directory{::openat(arguments.state_directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!loop || !directory.valid()) {
    log::error("scribe_start_failed", {{"directory", arguments.state_path}},
               loop ? "cannot open the directory" : loop.error().message());
    return 1;
  }
  return Scribe{std::move(arguments), std::move(*loop), std::move(directory)}.run();
}

}  // namespace baton::scribe
