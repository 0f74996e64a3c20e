// The guardian's part in a re-exec, the upgrade without a failover. The program on disk is asked whether it could run
// here; this process becomes it, with all children and descriptors; an engine of it prepares while the old one goes on
// sending; the old one ends between two adverts and the new one adopts, as after a death; last the side processes. Up
// to that moment every failure leads back to the old program. Decides nothing about the election: the board says it
// all.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "base/version.h"
#include "daemon/guardian.h"
#include "daemon/under_way.h"
#include "log/log.h"
#include "posix/clock.h"
#include "posix/program.h"
#include "posix/unix_socket.h"

namespace baton::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// To open sockets and read all links and addresses, and to find a quiet moment.
constexpr Nanos kPrepareLimit = seconds{10};
/// How often to look whether what is under way is over.
constexpr Nanos kQuietPause = milliseconds{20};
/// The engine chooses the moment within a second.
constexpr Nanos kStepAsideLimit = seconds{3};
constexpr Nanos kTakeOverLimit = seconds{10};
constexpr Nanos kReplaceLimit = seconds{2};
constexpr std::size_t kMaxSentence = 500;
constexpr const char* kNewGoesOn = "the new program goes on: ";

constexpr std::array kWorkers{ipc::Process::kEngine, ipc::Process::kSteward, ipc::Process::kScribe};

std::string in_milliseconds(Nanos time) { return std::to_string(time / milliseconds{1}) + " ms"; }

}  // namespace

// --- The old program -----------------------------------------------------------------------------------------------

std::string Guardian::instance_under_way() const {
  const auto board = ipc::BoardReader::open(memory_.const_bytes());
  return board ? under_way(*board) : board.error().message();
}

std::string Guardian::why_not_now() const {
  if (phase_ != Phase::kRunning) return "the daemon is starting, stopping or down";
  if (reader_ || applying_ || rolled_by_ || !wishes_.empty()) return "a reload is under way";
  if (unconfirmed_) return "a reload waits for `batonctl confirm`";
  const bool all_there = std::all_of(kWorkers.begin(), kWorkers.end(), [this](Process process) {
    const Worker& one = workers_[static_cast<std::size_t>(process)];
    return one.child.running() && one.channel.open();
  });
  if (!engine_ready_ || !all_there) return "a process of the daemon is being started anew";
  return instance_under_way();
}

void Guardian::wish_reexec(std::uint64_t nonce) {
  const std::string why = reexec_ ? "a re-exec is under way already" : why_not_now();
  if (!why.empty()) {
    log::info("reexec_put_off", {}, why);
    return answer_reexec(nonce, false, true, why + "; try again later");
  }
  reexec_.emplace(Reexec{});
  reexec_->nonce = nonce;
  reexec_->began = posix::now();
  reexec_->from = kVersion;
  if (auto started = start_self_check(*reexec_); !started) reexec_failed("self-check", started.error().message());
}

Result<void> Guardian::start_self_check(Reexec& reexec) {
  const auto path = posix::own_program_path();
  if (!path) return Unexpected<Error>{path.error()};
  // Opened once: what was checked is what runs, whatever stands there a moment later.
  reexec.program.reset(::open(path->c_str(), O_PATH | O_CLOEXEC));
  if (!reexec.program.valid()) return fail("open the program", errno, *path);
  auto left = posix::sealed_memfd("baton-inheritance", encode(leave()));
  if (!left) return Unexpected<Error>{left.error()};
  auto check =
      SelfCheck::start({reexec.program.get(), options_.arguments, left->get(), {board_.get(), configuration_.get()}});
  if (!check) return Unexpected<Error>{check.error()};
  reexec.check.emplace(std::move(*check));
  reexec.deadline = posix::now() + kSelfCheckLimit;
  log::info("reexec_begun", {{"path", *path}, {"version", kVersion}});
  return loop_.add(reexec.check->pidfd(), EPOLLIN, [this](std::uint32_t) { on_self_check(); });
}

void Guardian::on_self_check() {
  loop_.remove(reexec_->check->pidfd());
  const auto version = reexec_->check->finish();
  reexec_->check.reset();
  reexec_->deadline.reset();
  if (!version) return reexec_failed("self-check", version.error().message());
  const std::string why = why_not_now();
  if (why.empty()) return go_over(*version);
  answer_reexec(reexec_->nonce, false, true, why + "; try again later");
  reexec_over();
}

void Guardian::go_over(const std::string& version) {
  flush_channels();
  Inheritance left = leave();
  const posix::Fd own{::open("/proc/self/exe", O_PATH | O_CLOEXEC)};
  if (!own.valid()) return reexec_failed("execute", Error{"open /proc/self/exe", errno, {}}.message());
  left.program = own.get();
  log::info("reexec_goes_over", {{"from", kVersion}, {"to", version}});
  const Error error = hand_over(left, reexec_->program.get(), {});
  reexec_failed("execute", error.message());
}

/// Returns only if it cannot be done; then all is as before.
Error Guardian::hand_over(const Inheritance& left, int program, const std::string& failure) {
  for (const Process process : kWorkers) {
    if (workers_[static_cast<std::size_t>(process)].channel.wants_write()) {
      return {std::string{"the "} + name_of(process) + " does not listen", 0, ""};
    }
  }
  const auto memory = posix::sealed_memfd("baton-inheritance", encode(left));
  if (!memory) return memory.error();
  std::vector<int> all = descriptors(left);
  all.push_back(memory->get());
  std::vector<std::string> environment = posix::environment_without(kInheritanceVariable);
  environment.push_back(kInheritanceVariable + ("=" + std::to_string(memory->get())));
  if (!failure.empty()) environment.push_back(kFailureVariable + ("=" + failure));
  if (auto kept = posix::keep_across_exec(kGuardianCapabilities); !kept) return kept.error();
  posix::set_inherited(all, true);
  const Error error = posix::execute(program, options_.arguments, environment);
  posix::set_inherited(all, false);
  if (auto kept = keep_guardian_capabilities(); !kept) log::warning("option_refused", {}, kept.error().message());
  return error;
}

Inheritance Guardian::leave() const {
  Inheritance left;
  left.layouts = own_layouts();
  left.version = reexec_->from;
  left.nonce = reexec_->nonce;
  left.asked = reexec_->began;
  const std::optional<ConfigAnswer>& before = reexec_->before;
  left.facts = before ? before->facts : facts_;
  left.configuration = before ? before->configuration.get() : configuration_.get();
  left.for_steward = before ? before->for_steward.get() : for_steward_.get();
  left.fleet = before ? before->fleet.get() : fleet_.get();
  left.rolled_back = rolled_back_;
  left.board = board_.get();
  left.lock = premises_.lock.get();
  left.runtime_dir = premises_.runtime_dir.get();
  left.state_dir = premises_.state_dir.get();
  left.control = premises_.control.get();
  left.log_pipe = log::pipe_in_use();
  left.log_writer = {log_writer_.pid(), log_writer_.pidfd()};
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const Worker& one = workers_[i];
    left.workers[i] = {
        {one.child.pid(), one.child.pidfd()}, one.channel.fd(), one.started, one.back_off, one.restart_at};
    for (std::size_t peer = 0; peer < workers_.size(); ++peer) left.ends[i][peer] = ends_[i][peer].get();
  }
  for (const auto& [key, socket] : memberships_) {
    left.memberships.push_back({key.first, static_cast<std::uint8_t>(key.second), socket.get()});
  }
  left.drained = drained_;
  left.frozen_until = frozen_until_;
  left.deaths = deaths_.list();
  left.watchdog = watchdog_.fd();
  left.watchdog_is_real = watchdog_.real();
  left.writable = feeder_.writable();
  for (const ReloadWish& wish : wishes_) left.wishes.push_back({wish.nonce, wish.dry_run, wish.confirm_within});
  left.hosts = hosts_.leave();
  return left;
}

// --- The new program -----------------------------------------------------------------------------------------------

/// All that can go wrong comes before anything is taken or changed.
struct Guardian::Resumed {
  Inheritance left;
  Users users;
  ConfigAnswer configuration;  ///< not valid: the one in force, as it was left
  posix::Mapping memory;
  posix::EventLoop loop;
  posix::Fd signals;
};

Result<Guardian::Resumed> Guardian::look_at(const Options& options, ConstBytes inheritance) {
  auto left = decode_inheritance(inheritance);
  if (!left) return Unexpected<Error>{left.error()};
  if (left->log_pipe >= 0) log::use_pipe(left->log_pipe);
  log::open({"guardian", left->facts.log_level});
  auto users = find_users();
  if (!users) return Unexpected<Error>{users.error()};
  auto memory = posix::Mapping::read_write(left->board);
  if (!memory) return Unexpected<Error>{memory.error()};
  auto loop = posix::EventLoop::create();
  if (!loop) return Unexpected<Error>{loop.error()};
  auto signals = posix::signal_fd({SIGTERM, SIGINT, SIGHUP, SIGCHLD});
  if (!signals) return Unexpected<Error>{signals.error()};
  ConfigAnswer configuration;
  if (!read_back(left->configuration)) {
    // Another version writes it down in another way: it is read from the files, as at a reload.
    auto read = read_configuration({options, users->steward, -1, false});
    if (!read) return Unexpected<Error>{read.error()};
    if (!read->valid) return fail(options.config_path + " is not valid");
    configuration = std::move(*read);
    configuration.facts.log_file = left->facts.log_file;
  }
  return Resumed{std::move(*left),   *users,           std::move(configuration),
                 std::move(*memory), std::move(*loop), std::move(*signals)};
}

std::unique_ptr<Guardian> Guardian::take_up(const Options& options, Resumed resumed) {
  Inheritance& left = resumed.left;
  posix::set_inherited(descriptors(left), false);
  Premises premises;
  premises.users = resumed.users;
  premises.lock.reset(left.lock);
  premises.runtime_dir.reset(left.runtime_dir);
  premises.state_dir.reset(left.state_dir);
  premises.control.reset(left.control);
  ConfigAnswer before;
  before.facts = left.facts;
  before.configuration.reset(left.configuration);
  before.for_steward.reset(left.for_steward);
  before.fleet.reset(left.fleet);
  const bool read_anew = resumed.configuration.valid;
  if (!read_anew) resumed.configuration = std::move(before);
  std::unique_ptr<Guardian> guardian{new Guardian{options, std::move(premises), std::move(resumed.configuration),
                                                  std::move(resumed.loop), std::move(resumed.signals),
                                                  posix::Fd{left.board}, std::move(resumed.memory)}};
  guardian->inherit(std::move(left), read_anew);
  if (read_anew) guardian->reexec_->before = std::move(before);
  return guardian;
}

Result<std::unique_ptr<Guardian>> Guardian::resume(const Options& options, int inheritance) {
  posix::set_process_name("batond");
  const std::string failure = inherited_failure();
  const auto bytes = posix::read_sealed(inheritance, kMaxInheritance);
  if (!bytes) return Unexpected<Error>{bytes.error()};
  auto resumed = look_at(options, *bytes);
  if (resumed) {
    if (auto kept = keep_guardian_capabilities(); !kept) return Unexpected<Error>{kept.error()};
    ::close(inheritance);
    auto guardian = take_up(options, std::move(*resumed));
    if (!failure.empty()) {
      guardian->take_fleet(guardian->fleet_);  // the new program may have had another
      guardian->reexec_failed("new program", failure);
    }
    return guardian;
  }
  if (!failure.empty()) return Unexpected<Error>{resumed.error()};  // there and back, and no way on
  std::vector<std::string> environment = posix::environment_without(kInheritanceVariable);
  environment.push_back(kInheritanceVariable + ("=" + std::to_string(inheritance)));
  environment.push_back(kFailureVariable + ("=" + resumed.error().message()));
  return Unexpected<Error>{posix::execute(program_to_return_to(*bytes), options.arguments, environment)};
}

void Guardian::inherit_worker(Process process, const LeftWorker& left) {
  Worker& one = worker(process);
  one.child = posix::Child{left.child.pid, posix::Fd{left.child.pidfd}};
  one.channel = ipc::Channel{posix::Fd{left.channel}, Process::kGuardian, process};
  one.started = left.started;
  one.back_off = left.back_off;
  one.restart_at = left.restart_at;
  if (!one.child.running()) return;
  if (auto watched = watch_worker(process); !watched) log::error("process_lost", {}, watched.error().message());
}

void Guardian::inherit(Inheritance left, bool read_anew) {
  phase_ = Phase::kRunning;
  ever_ready_ = engine_ready_ = recovered_ = true;
  for (const Process process : kWorkers) inherit_worker(process, left.workers[static_cast<std::size_t>(process)]);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    for (std::size_t peer = 0; peer < workers_.size(); ++peer) ends_[i][peer].reset(left.ends[i][peer]);
  }
  for (const LeftMembership& each : left.memberships) {
    memberships_[{each.interface, static_cast<Family>(each.family)}].reset(each.socket);
  }
  drained_ = left.drained;
  rolled_back_ = left.rolled_back;
  frozen_until_ = left.frozen_until;
  deaths_.inherit(left.deaths);
  feeder_.inherit(std::move(left.writable));
  if (left.watchdog >= 0) {
    watchdog_ = WatchdogDevice::inherit(posix::Fd{left.watchdog}, left.watchdog_is_real, left.facts.watchdog);
  }
  for (const LeftWish& wish : left.wishes) wishes_.push_back({wish.nonce, wish.dry_run, wish.confirm_within});
  hosts_.inherit(std::move(left.hosts));
  hold_log_writer(posix::Child{left.log_writer.pid, posix::Fd{left.log_writer.pidfd}});
  pulse_ = Pulse{worker(Process::kEngine).child.pid()};
  pulse_.note();
  if (read_anew) {
    change_watchdog(left.facts);
    take_fleet(fleet_);
  }
  reexec_.emplace(Reexec{});
  reexec_->step = Reexec::Step::kPrepare;
  reexec_->nonce = left.nonce;
  reexec_->began = left.asked;
  reexec_->from = left.version;
  reexec_->program.reset(left.program);
}

void Guardian::prepare_successor() {
  reexec_->deadline = posix::now() + kPrepareLimit;
  if (auto started = start_successor(); !started) return_to_old(started.error().message());
}

/// Its connections are made now and told to the others when it takes over: until then they talk to the old one.
Result<void> Guardian::start_successor() {
  auto steward = posix::seqpacket_pair();
  auto scribe = posix::seqpacket_pair();
  if (!steward) return Unexpected<Error>{steward.error()};
  if (!scribe) return Unexpected<Error>{scribe.error()};
  reexec_->steward_end = std::move(steward->second);
  reexec_->scribe_end = std::move(scribe->second);
  auto spawned = spawn_engine(successor_, std::move(steward->first), std::move(scribe->first), true, true);
  if (!spawned) return spawned;
  const auto listen = [this](std::uint32_t) { on_successor(); };
  if (auto added = loop_.add(successor_.channel.fd(), EPOLLIN, listen); !added) return added;
  return loop_.add(successor_.child.pidfd(), EPOLLIN, listen);
}

/// It says that it is prepared, or ends.
void Guardian::on_successor() {
  if (!successor_.child.running()) return;
  ipc::Incoming incoming = successor_.channel.receive();
  if (incoming.status == ipc::ReceiveStatus::kMessage && std::holds_alternative<ipc::Prepared>(incoming.message)) {
    reexec_->prepared = true;
    return let_step_aside(posix::now());
  }
  if (incoming.status == ipc::ReceiveStatus::kMessage) return;
  const int pidfd = successor_.child.pidfd();
  const auto status = successor_.child.reap();
  if (!status && incoming.status == ipc::ReceiveStatus::kNothing) return;
  if (status) {
    loop_.remove(pidfd);
    loop_.remove(successor_.channel.fd());
    successor_.channel.close();
  }
  successor_died(status ? posix::describe_wait_status(*status) : "it hung up");
}

void Guardian::successor_died(const std::string& how) {
  if (reexec_->step == Reexec::Step::kPrepare) return return_to_old("the new engine: " + how);
  // The old one is asked to end already: as after a death.
  drop_successor();
  log::warning("successor_died", {}, how);
}

/// Killed and buried, if there is one.
void Guardian::drop_successor() {
  if (successor_.child.running()) {
    loop_.remove(successor_.channel.fd());
    loop_.remove(successor_.child.pidfd());
    successor_.channel.close();
    successor_.child.signal(SIGKILL);
    bury(std::move(successor_.child));
  }
  if (!reexec_ || reexec_->step == Reexec::Step::kSelfCheck || reexec_->step > Reexec::Step::kTakeOver) return;
  reexec_->step = Reexec::Step::kTakeOver;
  reexec_->deadline = posix::now() + kTakeOverLimit;
}

/// A stop comes first. An old engine that was told to step aside releases instead; a new one that has taken over is
/// told to release.
void Guardian::call_off_reexec() {
  if (!reexec_ || reexec_->step != Reexec::Step::kPrepare) return;
  drop_successor();
  reexec_failed("new engine", "the daemon stops", "");
}

void Guardian::let_step_aside(Instant now) {
  if (!reexec_->prepared || reexec_->step != Reexec::Step::kPrepare || !instance_under_way().empty()) return;
  reexec_->step = Reexec::Step::kStepAside;
  reexec_->deadline = now + kStepAsideLimit;
  send(Process::kEngine, ipc::StepAside{});
}

void Guardian::on_stepped_aside() {
  if (!reexec_ || !successor_.child.running()) return;  // its end is seen next, as any death
  Worker& engine = worker(Process::kEngine);
  loop_.remove(engine.channel.fd());
  loop_.remove(engine.child.pidfd());
  bury(std::move(engine.child));
  loop_.remove(successor_.channel.fd());
  loop_.remove(successor_.child.pidfd());
  engine = std::exchange(successor_, {});
  drained_ = board_says_drained();
  frozen_until_ = board_says_frozen();
  engine.channel.send(ipc::TakeOver{.drained = drained_,
                                    .frozen_until_ns = frozen_until_ ? frozen_until_->time_since_epoch().count() : 0});
  engine.started = posix::now();
  adopting_ = true;
  reexec_->step = Reexec::Step::kTakeOver;
  reexec_->deadline = engine.started + kTakeOverLimit;
  if (auto watched = watch_worker(Process::kEngine); !watched)
    log::error("process_lost", {}, watched.error().message());
  forget_ends(Process::kEngine);
  for (auto& [peer, end] :
       {std::pair{Process::kSteward, &reexec_->steward_end}, std::pair{Process::kScribe, &reexec_->scribe_end}}) {
    const int fds[] = {end->get()};
    if (worker(peer).channel.open()) {
      send(peer, ipc::ChannelReplaced{Process::kEngine}, fds);
      end->reset();
    } else {
      ends_[static_cast<std::size_t>(peer)][static_cast<std::size_t>(Process::kEngine)] = std::move(*end);
    }
  }
  pulse_ = Pulse{engine.child.pid()};
  pulse_.note();
  starving_ = false;
  if (phase_ == Phase::kStopping) send(Process::kEngine, ipc::Terminate{});
}

/// The engine is ready; whether it was the prepared one or one that followed a death does not matter any more.
void Guardian::on_taken_over() {
  if (!reexec_ || reexec_->step != Reexec::Step::kTakeOver) return;
  reexec_->step = Reexec::Step::kScribe;
  reexec_->deadline.reset();
  reexec_->program.reset();
  reexec_->before.reset();
  hosts_.renew(posix::now());
  if (!replace_side_process(Process::kScribe)) renew_steward();
}

/// False: it is being started anew in any case, from this program.
bool Guardian::replace_side_process(Process process) {
  Worker& one = worker(process);
  if (!one.child.running() || !one.channel.open()) return false;
  one.replace_by = posix::now() + kReplaceLimit;
  if (process == Process::kScribe) {
    send(process, ipc::Terminate{});
    return true;
  }
  // Terminate would make the steward tell the other hosts that this one leaves. The end of its channel does not. What
  // it has said is read until it ends: closing now could cost it the answer that waits for it.
  one.channel.flush();
  ::shutdown(one.channel.fd(), SHUT_WR);
  return true;
}

/// True: it was to end, and its successor runs.
bool Guardian::side_process_replaced(Process process) {
  Worker& one = worker(process);
  if (!one.replace_by) return false;
  one.replace_by.reset();
  start_side_process(process);
  // A new steward has requests of its own: nobody waits for the answers to the old one's.
  if (process == Process::kSteward) {
    for (ReloadWish& wish : wishes_) wish.nonce = 0;
  }
  side_process_renewed(process);
  return true;
}

/// Or it is too slow to wait for: a hung disk holds the scribe, and nothing else. It follows whenever it ends.
void Guardian::side_process_renewed(Process process) {
  if (!reexec_) return;
  if (process == Process::kScribe && reexec_->step == Reexec::Step::kScribe) return renew_steward();
  if (process == Process::kSteward && reexec_->step == Reexec::Step::kSteward) reexec_over();
}

/// Last of all, since who asked waits there for the answer.
void Guardian::renew_steward() {
  reexec_->step = Reexec::Step::kSteward;
  const Nanos took = posix::now() - reexec_->began;
  log::info("reexec_done",
            {{"from", reexec_->from}, {"to", kVersion}, {"took_ms", std::to_string(took / milliseconds{1})}});
  answer_reexec(
      reexec_->nonce, true, false,
      "the daemon went over from version " + reexec_->from + " to " + kVersion + " in " + in_milliseconds(took));
  if (!replace_side_process(Process::kSteward)) reexec_over();
}

void Guardian::reexec_over() {
  reexec_.reset();
  start_reader();
}

/// A stop comes first: of its steps only the self-check still ends then.
bool Guardian::reexec_goes_on() const {
  return reexec_ && (phase_ != Phase::kStopping || reexec_->step == Reexec::Step::kSelfCheck);
}

std::optional<Instant> Guardian::reexec_due() const {
  if (!reexec_goes_on()) return std::nullopt;
  // Prepared, but something is under way: looked at now and then.
  if (reexec_->step == Reexec::Step::kPrepare && reexec_->prepared) return posix::now() + kQuietPause;
  return reexec_->deadline;
}

void Guardian::tick_reexec(Instant now) {
  for (const Process process : {Process::kScribe, Process::kSteward}) {
    Worker& one = worker(process);
    if (!one.replace_by || now < *one.replace_by) continue;
    one.child.signal(SIGKILL);
    one.replace_by = now + kReplaceLimit;
    side_process_renewed(process);
  }
  if (!reexec_goes_on()) return;
  using Step = Reexec::Step;
  if (reexec_->step == Step::kPrepare) let_step_aside(now);
  if (!reexec_->deadline || now < *reexec_->deadline) return;
  switch (reexec_->step) {
    case Step::kSelfCheck: return on_self_check();
    case Step::kPrepare: {
      const std::string why = instance_under_way();
      return return_to_old(why.empty() ? "the new engine was not prepared in time" : why + "; try again later");
    }
    case Step::kStepAside: return replace_engine();
    case Step::kTakeOver: return reexec_failed("take-over", "the new engine did not say that it is ready", kNewGoesOn);
    case Step::kScribe:
    case Step::kSteward: return;
  }
}

/// The old engine goes on all the time; only this process has to become what it was.
void Guardian::return_to_old(const std::string& why) {
  if (successor_.child.running()) {
    loop_.remove(successor_.channel.fd());
    loop_.remove(successor_.child.pidfd());
    successor_.channel.close();
    successor_.child.signal(SIGKILL);
    successor_.child.wait();
  }
  successor_ = {};
  Inheritance left = leave();
  if (reexec_->program.valid()) {
    const Error error = hand_over(left, reexec_->program.get(), why);
    log::error("reexec_no_way_back", {}, error.message());
  }
  reexec_failed("new engine", why, kNewGoesOn);
}

// --- Both ----------------------------------------------------------------------------------------------------------

void Guardian::reexec_failed(const std::string& step, const std::string& why, const char* who_goes_on) {
  log::error("reexec_failed", {{"step", step}}, why);
  answer_reexec(reexec_->nonce, false, false, who_goes_on + step + ": " + why);
  reexec_over();
}

void Guardian::answer_reexec(std::uint64_t nonce, bool done, bool busy, const std::string& sentence) {
  send(Process::kSteward, ipc::ReexecResult{nonce, done, busy, sentence.substr(0, kMaxSentence)});
}

}  // namespace baton::daemon
