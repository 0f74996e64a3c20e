#include "daemon/guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "daemon/engine_process.h"
#include "daemon/last_resort.h"
#include "daemon/status_line.h"
#include "log/log.h"
#include "posix/clock.h"

namespace baton::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanos kScribeStartLimit = seconds{1};
constexpr Nanos kStopLimit = seconds{5};
constexpr Nanos kStartRetry = milliseconds{200};
constexpr Nanos kLastResortLimit = seconds{5};
/// An engine that has not said Ready may take this long: it opens a socket a link and reads all addresses.
constexpr Nanos kStartLimit = seconds{2};
/// With intervals of a few centiseconds half of Active_Down_Interval is less than what a loaded host may need to run us
/// at all.
constexpr Nanos kShortestLimit = milliseconds{50};
constexpr int kHighDescriptor = 512;
constexpr int kStatusUnknown = -1;
constexpr Nanos kLongestLimit = seconds{10};
constexpr Nanos kStatusInterval = seconds{1};
/// Between two feedings of the manager's watchdog.
constexpr int kSecondLooks = 10;

}  // namespace

Guardian::Guardian(const Options& options, Premises premises, ConfigAnswer first, posix::EventLoop loop,
                   posix::Fd signals, posix::Fd board, posix::Mapping memory)
    : options_(options),
      premises_(std::move(premises)),
      facts_(first.facts),
      configuration_(std::move(first.configuration)),
      for_steward_(std::move(first.for_steward)),
      fleet_(std::move(first.fleet)),
      loop_(std::move(loop)),
      signals_(std::move(signals)),
      board_(std::move(board)),
      memory_(std::move(memory)),
      feeder_(facts_.watchdog_timeout),
      hosts_(loop_, host_setting(), [this](Process process, const ipc::Message& message, std::span<const int> fds) {
        send(process, message, fds);
      }) {}

Result<std::unique_ptr<Guardian>> Guardian::create(const Options& options, Premises premises, ConfigAnswer first) {
  auto loop = posix::EventLoop::create();
  if (!loop) return Unexpected<Error>{loop.error()};
  auto signals = posix::signal_fd({SIGTERM, SIGINT, SIGHUP, SIGCHLD});
  if (!signals) return Unexpected<Error>{signals.error()};
  const ipc::BoardCapacity capacity;
  auto board = posix::shared_memfd("baton-state", ipc::board_size(capacity));
  if (!board) return Unexpected<Error>{board.error()};
  auto memory = posix::Mapping::read_write(board->get());
  if (!memory) return Unexpected<Error>{memory.error()};
  ipc::format_board(memory->bytes(), capacity);
  return std::unique_ptr<Guardian>{new Guardian{options, std::move(premises), std::move(first), std::move(*loop),
                                                std::move(*signals), std::move(*board), std::move(*memory)}};
}

int Guardian::run() {
  const auto added = loop_.add(signals_.get(), EPOLLIN, [this](std::uint32_t) {
    while (const auto number = posix::next_signal(signals_.get())) on_signal(*number);
  });
  if (!added) {
    log::error("start_failed", {}, added.error().message());
    return 1;
  }
  // What a plugin leaves behind comes to us.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  planned_wake_ = posix::now();
  if (phase_ == Phase::kStarting) start_all();
  if (reexec_) prepare_successor();
  while (!done_) turn();
  return exit_status_;
}

void Guardian::start_all() {
  arm_watchdog();
  start_scribe();
  // The scribe knows whether this host was drained before the reboot; an engine must not wait for a broken disk,
  // though.
  const Instant limit = posix::now() + kScribeStartLimit;
  while (!recovered_ && !done_ && phase_ == Phase::kStarting && posix::now() < limit) {
    if (!loop_.turn(limit)) break;
  }
  if (phase_ != Phase::kStarting) return;
  phase_ = Phase::kRunning;
  start_engine(false);
  start_steward();
  take_fleet(fleet_);
}

Instant Guardian::next_wake() const {
  Instant wake = kNever;
  const auto sooner = [&](Instant at) { wake = std::min(wake, at); };
  const Worker& engine = workers_[static_cast<std::size_t>(Process::kEngine)];
  if (phase_ == Phase::kRunning && engine.child.running()) {
    const auto board = ipc::BoardReader::open(memory_.const_bytes());
    const Instant beat = board ? std::max(board->heartbeat().at, engine.started) : engine.started;
    sooner(std::max(beat + heartbeat_limit(), grace_until_));
  }
  for (const Worker& one : workers_) {
    if (one.restart_at && !successor_.child.running()) sooner(*one.restart_at);
    if (one.replace_by) sooner(*one.replace_by);
  }
  if (const auto due = reexec_due()) sooner(*due);
  if (reader_) sooner(reader_deadline_);
  if (applying_) sooner(applying_->deadline);
  if (unconfirmed_ && phase_ != Phase::kStopping) sooner(unconfirmed_->deadline);
  if (rolled_by_) sooner(*rolled_by_);
  if (stop_deadline_) sooner(*stop_deadline_);
  if (const auto due = hosts_.next_deadline()) sooner(*due);
  if (notifier_.watchdog_interval()) sooner(next_notice_);
  if (notifier_.listens() && engine_ready_ && phase_ == Phase::kRunning) sooner(next_status_);
  if (!facts_.watchdog.empty()) sooner(next_feed_);
  return wake;
}

void Guardian::turn() {
  planned_wake_ = next_wake();
  if (const auto ready = loop_.wait(planned_wake_); !ready) {
    log::error("guardian_failed", {}, ready.error().message());
    exit_status_ = 1;
    done_ = true;
    return;
  }
  const Instant now = posix::now();
  const Nanos lateness = planned_wake_ == kNever ? Nanos{0} : std::max(now - planned_wake_, Nanos{0});
  loop_.dispatch();
  watch_heartbeat(now, lateness);
  for (const Process process : {Process::kEngine, Process::kSteward, Process::kScribe}) {
    if (!worker(process).restart_at || *worker(process).restart_at > now) continue;
    if (successor_.child.running()) continue;  // it knows the ones that there are
    worker(process).restart_at.reset();
    if (process != Process::kEngine) start_side_process(process);
    if (process == Process::kEngine && phase_ == Phase::kRunning) start_engine(board_is_fresh(now));
  }
  if (reader_ && now >= reader_deadline_) on_reader();
  if (applying_ && now >= applying_->deadline) {
    log::error("reload_failed", {}, "the engine did not answer");
    answer_reload(applying_->wish, {.valid = true}, applying_->answer.report);
    applying_.reset();
  }
  watch_rollback(now);
  tick_reexec(now);
  hosts_.tick(now);
  if (stop_deadline_ && now >= *stop_deadline_) finish_stop();
  feed_watchdog(posix::now());
  feed_manager(now);
  tell_roles(now);
  flush_channels();
}

void Guardian::on_signal(int number) {
  if (number == SIGHUP) {
    wish_reload({});
  } else if (number == SIGCHLD) {
    hosts_.reap_strays();
  } else {
    log::info("stopping", {{"signal", std::to_string(number)}});
    begin_stop();
  }
}

/// Design section 2: half the shortest Active_Down_Interval, so that a replacement is on the wire before a neighbour's
/// timer fires.
Nanos Guardian::heartbeat_limit() const {
  const auto board = ipc::BoardReader::open(memory_.const_bytes());
  const Nanos interval = board ? board->heartbeat().shortest_active_down_interval : Nanos{0};
  const Nanos limit = interval > Nanos{0} ? std::clamp(interval / 2, kShortestLimit, kLongestLimit) : kStartLimit;
  return engine_ready_ ? limit : std::max(limit, kStartLimit);
}

void Guardian::watch_heartbeat(Instant now, Nanos own_lateness) {
  Worker& engine = worker(Process::kEngine);
  if (phase_ != Phase::kRunning || !engine.child.running()) return;
  const Nanos limit = heartbeat_limit();
  // The whole host was stopped, or we were: an engine that was stopped with us must get its turn, in which it steps
  // down by itself.
  if (own_lateness > limit / 4) grace_until_ = now + limit;
  const auto board = ipc::BoardReader::open(memory_.const_bytes());
  const Instant beat = board ? std::max(board->heartbeat().at, engine.started) : engine.started;
  if (now - beat < limit) {
    pulse_.note();
    return;
  }
  if (now < grace_until_) return;
  if (pulse_.starved(now - beat)) {
    if (!starving_)
      log::warning("engine_starved", {}, "the host does not let the engine run; it is not replaced for that");
    starving_ = true;
    grace_until_ = now + limit / 4;
    return;
  }
  log::error("engine_hung", {{"silent_ms", std::to_string((now - beat).count() / 1'000'000)},
                             {"limit_ms", std::to_string(limit.count() / 1'000'000)}});
  replace_engine();
}

/// The engine hangs or has hung up. After SIGKILL it runs no instruction of its own any more, but the kernel may need
/// 100 ms and more to close its packet sockets: the successor does not wait for that.
void Guardian::replace_engine() {
  Worker& engine = worker(Process::kEngine);
  loop_.remove(engine.child.pidfd());
  engine.child.signal(SIGKILL);
  const auto status = engine.child.reap();
  if (!status) bury(std::move(engine.child));
  engine_died(status.value_or(kStatusUnknown));
}

/// Reaps it once the kernel is done with it.
void Guardian::bury(posix::Child child) {
  const int pidfd = child.pidfd();
  dying_.push_back(std::move(child));
  const auto added = loop_.add(pidfd, EPOLLIN, [this, pidfd](std::uint32_t) {
    const auto dead = std::find_if(dying_.begin(), dying_.end(), [&](const auto& one) { return one.pidfd() == pidfd; });
    loop_.remove(pidfd);
    if (dead == dying_.end()) return;
    const auto status = dead->reap();
    log::info("engine_ended", {{"status", status ? posix::describe_wait_status(*status) : "unknown"}});
    dying_.erase(dead);
  });
  if (!added) log::error("process_lost", {}, added.error().message());
}

bool Guardian::board_is_fresh(Instant now) const {
  const auto board = ipc::BoardReader::open(memory_.const_bytes());
  if (!board) return false;
  const ipc::BoardHeartbeat beat = board->heartbeat();
  return beat.at != Instant{} && now - beat.at < std::max(beat.shortest_active_down_interval, kShortestLimit);
}

bool Guardian::board_says_drained() const {
  const auto board = ipc::BoardReader::open(memory_.const_bytes());
  if (!board) return drained_;
  const auto entries = board->entries();
  if (entries.empty()) return drained_;
  return std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
    return ReasonSet::from_bits(entry.instance.against).has(Reason::kDrained);
  });
}

std::optional<Instant> Guardian::board_says_frozen() const {
  const auto board = ipc::BoardReader::open(memory_.const_bytes());
  if (!board) return frozen_until_;
  const auto entries = board->entries();
  if (entries.empty()) return frozen_until_;
  std::optional<Instant> until;
  for (const auto& entry : entries) {
    if (!ReasonSet::from_bits(entry.instance.against).has(Reason::kFrozen)) continue;
    until = std::max(until.value_or(Instant{}), Instant{Nanos{entry.instance.yielded_until_ns}});
  }
  return until;
}

/// What an operator said before this start.
void Guardian::take_intentions(const ipc::Recovered& recovered) {
  drained_ = recovered.drained;
  frozen_until_.reset();
  if (recovered.frozen_for_ns <= 0) return;
  const Nanos left{recovered.frozen_for_ns};
  frozen_until_ = posix::now() + left;
  log::warning("still_frozen", {{"seconds", std::to_string(left / std::chrono::seconds{1})}},
               "an operator froze this host before this start: it takes and gives nothing by itself; `batonctl thaw` "
               "ends that");
}

void Guardian::clear_board() {
  const auto size = static_cast<off_t>(memory_.bytes().size());
  if (::fallocate(board_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size) != 0) {
    std::fill(memory_.bytes().begin(), memory_.bytes().end(), std::uint8_t{0});
  }
  ipc::format_board(memory_.bytes(), ipc::BoardCapacity{});
  tell_watchdog_state();
}

void Guardian::engine_died(int status) {
  const Instant now = posix::now();
  Worker& engine = worker(Process::kEngine);
  if (engine.channel.open()) loop_.remove(engine.channel.fd());
  engine.channel.close();
  engine_ready_ = false;
  forget_ends(Process::kEngine);
  if (applying_) {
    answer_reload(applying_->wish, {.valid = true}, applying_->answer.report);
    applying_.reset();
  }
  rolled_by_.reset();  // the next one starts with what is in force
  drop_successor();    // it was to follow this very one
  if (phase_ != Phase::kRunning) return;
  const AfterDeath next = deaths_.died(now);
  log::error("engine_died", {{"status", status < 0 ? "hung up" : posix::describe_wait_status(status)}});
  tell_steward(Process::kEngine, Reason::kEngineDied, status);
  if (next == AfterDeath::kStayDown && !unconfirmed_) {
    stay_down();
    return;
  }
  drained_ = board_says_drained();
  frozen_until_ = board_says_frozen();
  // What nobody has confirmed may be what kills it: the configuration that ran before gets its chance.
  if (next == AfterDeath::kStayDown) {
    roll_back("as the engine died three times in a minute");
    deaths_ = DeathCount{};
  }
  start_engine(next == AfterDeath::kAdopt && board_is_fresh(now));
}

void Guardian::start_engine(bool adopt) {
  if (!adopt) clear_board();
  adopting_ = adopt;
  posix::Fd steward = end_for(Process::kEngine, Process::kSteward);
  posix::Fd scribe = end_for(Process::kEngine, Process::kScribe);
  auto started = spawn_engine(worker(Process::kEngine), std::move(steward), std::move(scribe), adopt, false);
  if (started) started = watch_worker(Process::kEngine);
  if (!started) {
    log::error("engine_not_started", {}, started.error().message());
    // No process could be made (F50): that is no death of an engine, and is tried again.
    worker(Process::kEngine).restart_at = posix::now() + kStartRetry;
    return;
  }
  pulse_ = Pulse{worker(Process::kEngine).child.pid()};
  pulse_.note();
  starving_ = false;
}

Result<void> Guardian::spawn_engine(Worker& place, posix::Fd steward, posix::Fd scribe, bool adopt, bool stand_by) {
  EngineArguments arguments;
  std::vector<int> keep{
      steward.get(),       scribe.get(), board_.get(), configuration_.get(), premises_.runtime_dir.get(),
      premises_.lock.get()};
  const std::vector<int> held = hosts_.held_descriptors();
  keep.insert(keep.end(), held.begin(), held.end());
  for (const auto& [key, socket] : memberships_) keep.push_back(socket.get());
  const pid_t guardian = ::getpid();
  const auto body = [&](posix::Fd channel) {
    // No parent-death signal stays: an engine that loses its guardian releases its addresses before it ends. The lock
    // stays open until then, so that no second daemon starts beside it.
    auto dropped = posix::drop_to_user(premises_.users.engine, kEngineCapabilities);
    if (!dropped || ::getppid() != guardian) {
      if (!dropped) log::error("engine_failed", {}, dropped.error().message());
      return 1;
    }
    // The kernel closes a dead process's descriptors from the highest down, and packet sockets take long: this one goes
    // first, so that the guardian hears of the death at once.
    const int high = ::fcntl(channel.get(), F_DUPFD_CLOEXEC, kHighDescriptor);
    if (high >= 0) channel.reset(high);
    arguments.guardian = std::move(channel);
    arguments.steward = std::move(steward);
    arguments.scribe = std::move(scribe);
    arguments.board.reset(board_.get());
    arguments.configuration.reset(configuration_.get());
    arguments.runtime_dir.reset(premises_.runtime_dir.get());
    for (auto& [key, socket] : memberships_) {
      arguments.memberships.push_back({key.first, key.second, std::move(socket)});
    }
    arguments.plugins = hosts_.take_held();
    arguments.adopt = adopt;
    arguments.stand_by = stand_by;
    arguments.drained = drained_;
    arguments.frozen_until = frozen_until_;
    return run_engine(std::move(arguments));
  };
  return spawn_worker(place, Process::kEngine, body, keep);
}

/// Three deaths in a minute: whatever kills it would kill the next one too, and the addresses must not flap.
void Guardian::stay_down() {
  phase_ = Phase::kStayDown;
  if (reexec_) reexec_failed("engine", "it died three times within a minute", "");
  run_last_resort_child();
  mark_board_down();
  memberships_.clear();
  log::error(
      "engine_given_up", {{"reason", std::string{reason_token(Reason::kTooManyDeaths)}}},
      "the engine died three times within a minute: addresses removed, priority 0 sent; restart batond to try again");
  status("DOWN: the engine died three times within a minute; restart batond to try again");
  tell_steward(Process::kEngine, Reason::kTooManyDeaths, 0);
  if (ever_ready_) return;
  log::error("start_failed", {}, "the engine never came up");
  exit_status_ = 1;
  begin_stop();
}

void Guardian::run_last_resort_child() {
  const std::vector<int> keep{board_.get(), configuration_.get(), premises_.runtime_dir.get()};
  auto child = posix::spawn([&] {
    posix::reset_signals();
    std::vector<int> kept = log::descriptors();
    kept.insert(kept.end(), keep.begin(), keep.end());
    posix::close_all_but(kept);
    posix::set_process_name("baton-cleanup");
    if (!posix::drop_to_user(premises_.users.engine, kEngineCapabilities)) return 1;
    return run_last_resort({board_.get(), configuration_.get(), premises_.runtime_dir.get()});
  });
  if (!child) {
    log::error("cleanup_failed", {}, child.error().message());
    return;
  }
  pollfd ended{child->pidfd(), POLLIN, 0};
  ::poll(&ended, 1, static_cast<int>(kLastResortLimit / milliseconds{1}));
  child->signal(SIGKILL);
  if (const int result = child->wait(); result != 0) {
    log::error("cleanup_failed", {{"status", posix::describe_wait_status(result)}});
  }
}

/// Nobody else writes the board now: it must not go on showing what the dead engine was.
void Guardian::mark_board_down() {
  const auto reader = ipc::BoardReader::open(memory_.const_bytes());
  auto writer = ipc::BoardWriter::open(memory_.bytes());
  if (!reader || !writer) return;
  for (ipc::BoardReader::Entry& entry : reader->entries()) {
    entry.instance.state = vrrp::State::kInitialize;
    entry.instance.holding = ports::HoldingState::kNone;
    entry.instance.reason = Reason::kTooManyDeaths;
    entry.instance.addresses_held = 0;
    entry.instance.since_ns = posix::now().time_since_epoch().count();
    for (std::uint32_t i = 0; i < entry.routers.size(); ++i) {
      entry.routers[i].machine = vrrp::RouterSnapshot{};
      writer->publish_router(entry.instance.first_router_slot + i, entry.routers[i]);
    }
    writer->publish_instance(entry.slot, entry.instance);
  }
}

void Guardian::begin_stop() {
  if (phase_ == Phase::kStopping) return;
  phase_ = Phase::kStopping;
  call_off_reexec();
  notifier_.send("STOPPING=1\nSTATUS=Releasing all addresses");
  if (!worker(Process::kEngine).child.running()) {
    finish_stop();
    return;
  }
  const Nanos limit = kStopLimit + facts_.leaving_limit;
  if (facts_.leaving_limit > Nanos{0}) {
    notifier_.send("EXTEND_TIMEOUT_USEC=" + std::to_string((limit + seconds{5}) / std::chrono::microseconds{1}));
  }
  stop_deadline_ = posix::now() + limit;
  send(Process::kEngine, ipc::Terminate{});
}

/// The engine is gone, or must go now; then the others, who still write down what it said last.
void Guardian::finish_stop() {
  stop_deadline_.reset();
  drop_successor();
  Worker& engine = worker(Process::kEngine);
  if (engine.child.running()) {
    log::error("engine_hung", {}, "it did not release in time");
    end_child(engine);
    run_last_resort_child();
  }
  let_go_of_watchdog();
  hosts_.stop();
  for (const Process process : {Process::kSteward, Process::kScribe}) {
    Worker& one = worker(process);
    one.restart_at.reset();
    if (!one.child.running()) continue;
    send(process, ipc::Terminate{});
    pollfd ended{one.child.pidfd(), POLLIN, 0};
    ::poll(&ended, 1, 1000);
    end_child(one);
  }
  ::unlink((options_.runtime_dir + "/control.sock").c_str());
  log::info("stopped", {});
  done_ = true;
}

/// The service manager's watchdog, which starts batond anew; the host's own is in guardian_watchdog.cc.
void Guardian::feed_manager(Instant now) {
  const auto interval = notifier_.watchdog_interval();
  if (!interval || now < next_notice_) return;
  // Only a healthy election feeds the manager's watchdog; staying down on purpose is healthy too. A stale board is
  // looked at again soon: an engine that is being replaced is fresh long before the manager's time is over.
  const bool healthy = phase_ == Phase::kStayDown || board_is_fresh(now);
  next_notice_ = now + (healthy ? *interval : *interval / kSecondLooks);
  if (healthy) notifier_.send("WATCHDOG=1");
}

/// For `systemctl status`: looked at each second, told when it has changed.
void Guardian::tell_roles(Instant now) {
  if (!notifier_.listens() || !engine_ready_ || phase_ != Phase::kRunning || now < next_status_) return;
  next_status_ = now + kStatusInterval;
  const auto board = ipc::BoardReader::open(memory_.const_bytes());
  if (!board) return;
  if (const std::string line = status_line(board->entries()); line != told_) status(line);
}

void Guardian::status(const std::string& text) {
  told_ = text;
  notifier_.send("STATUS=" + text);
}

}  // namespace baton::daemon
