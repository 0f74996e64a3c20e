#include "daemon/engine_process.h"

#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "daemon/config_child.h"
#include "daemon/engine_ports.h"
#include "daemon/stop_limit.h"
#include "engine/engine.h"
#include "linux/network.h"
#include "log/log.h"
#include "posix/clock.h"
#include "posix/event_loop.h"
#include "posix/memfd.h"
#include "posix/process.h"

namespace baton::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Adverts due within the same millisecond leave together (design section 2).
constexpr Nanos kSlack = milliseconds{1};
constexpr Nanos kSurveyInterval = milliseconds{200};
/// The heartbeat is never rarer than this, whatever the intervals.
constexpr Nanos kSlowestHeartbeat = milliseconds{500};
/// The guardian waits 5 s for Goodbye, and for actions that leave; releasing takes milliseconds.
constexpr Nanos kReleaseLimit = seconds{4};
/// A scribe that owes an answer for so long is silent (F51).
constexpr Nanos kScribePatience = seconds{5};

/// Options that the host may refuse: then the engine runs as any other process, and says so.
void raise_priority(const config::Daemon& daemon) {
  const auto refused = [](const char* key) {
    log::warning("option_refused", {{"key", key}, {"errno", std::strerror(errno)}}, "going on without it");
  };
  sched_param lowest{};
  lowest.sched_priority = ::sched_get_priority_min(SCHED_RR);
  if (daemon.realtime && ::sched_setscheduler(0, SCHED_RR, &lowest) != 0) refused("realtime");
  if (daemon.memory_lock && ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) refused("memory_lock");
}

/// Waits for the end of a predecessor that still runs. Everything that it uses, the journal of addresses for one, is
/// its own until then, and whatever comes stays in its socket; what the guardian says meanwhile is kept in `heard`.
/// Nullopt: no successor is needed any more.
std::optional<ipc::TakeOver> stand_by(ipc::Channel& guardian, std::vector<ipc::Incoming>& heard) {
  guardian.send(ipc::Prepared{});
  while (true) {
    ipc::Incoming incoming = guardian.receive();
    if (incoming.status == ipc::ReceiveStatus::kNothing) {
      pollfd ready{guardian.fd(), POLLIN, 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    if (incoming.status != ipc::ReceiveStatus::kMessage) return std::nullopt;
    if (const auto* take_over = std::get_if<ipc::TakeOver>(&incoming.message)) return *take_over;
    if (std::holds_alternative<ipc::Terminate>(incoming.message)) return std::nullopt;
    heard.push_back(std::move(incoming));
  }
}

class EngineProcess : public linux::NetworkSink, public PluginSink {
 public:
  EngineProcess(EngineArguments arguments, ipc::Channel guardian, const config::Config& config, posix::Mapping memory,
                std::unique_ptr<linux::Network> network, posix::EventLoop loop);

  /// `heard`: what the guardian has said before.
  Result<void> start(bool adopt, bool drained, std::optional<Instant> frozen_until, std::vector<ipc::Incoming> heard);
  Result<void> run();

  void on_frame(Instant now, const ports::ReceivedFrame& frame) override { engine_.on_frame(now, frame); }
  void on_link(Instant now, const ports::LinkState& state) override { engine_.on_link(now, state); }
  void on_address(Instant now, const ports::AddressFact& fact) override { engine_.on_address(now, fact); }
  void on_dump_begin(Instant now) override { engine_.on_dump_begin(now); }
  void on_dump_end(Instant now) override { engine_.on_dump_end(now); }
  void on_address_result(Instant now, const ports::AddressResult& result) override {
    engine_.on_address_result(now, result);
  }
  void on_send_error(Instant now, ports::LinkId link, int sys_errno) override {
    engine_.on_send_error(now, link, sys_errno);
  }
  void on_membership(Instant now, const linux::MembershipSocket& socket) override;
  void on_trouble(Instant now, linux::Trouble trouble, int sys_errno) override;

  void on_plugin_news(Instant now, ports::PluginId plugin) override { engine_.on_plugin_news(now, plugin); }
  void on_probe_lost(Instant now, ports::PluginId plugin, VerbStatus status, std::string_view sentence) override {
    engine_.on_probe_lost(now, plugin, status, sentence);
  }
  void on_act_result(Instant now, const ports::ActResult& result) override { engine_.on_act_result(now, result); }

 private:
  Instant next_wake(Instant now) const;
  void turn(Instant now);
  void survey(Instant now);
  void watch_scribe(Instant now);
  void watch_guard(Instant now);
  void release();
  bool may_step_aside(Instant now) const;
  [[noreturn]] void step_aside(Instant now);

  Result<void> watch(ipc::Channel& channel, void (EngineProcess::*receive)());
  /// Reads all that waits; false: the channel is at its end.
  template <class Handler>
  bool drain(ipc::Channel& channel, Handler handler);
  void receive_guardian();
  void receive_steward();
  void receive_scribe();
  void on_guardian(ipc::Incoming incoming);
  void reload(std::uint64_t nonce, int memory);

  posix::Mapping memory_;
  std::unique_ptr<linux::Network> network_;
  posix::EventLoop loop_;
  ipc::Channel guardian_;
  EnginePorts ports_;
  EnginePlugins plugins_;
  engine::Engine engine_;

  Instant now_{};  ///< of the running turn, for the channel handlers
  Instant last_beat_{};
  Instant last_survey_{};
  Nanos beat_interval_ = kSlowestHeartbeat;
  Nanos leaving_limit_{0};
  std::optional<Instant> scribe_owes_since_;
  bool scribe_silent_ = false;
  bool guarded_ = true;
  std::optional<Instant> release_deadline_;
  std::optional<Instant> step_aside_by_;  ///< the successor waits
  bool guardian_gone_ = false;
  bool done_ = false;
};

EngineProcess::EngineProcess(EngineArguments arguments, ipc::Channel guardian, const config::Config& config,
                             posix::Mapping memory, std::unique_ptr<linux::Network> network, posix::EventLoop loop)
    : memory_(std::move(memory)),
      network_(std::move(network)),
      loop_(std::move(loop)),
      guardian_(std::move(guardian)),
      ports_(*ipc::BoardWriter::open(memory_.bytes()),
             ipc::Channel{std::move(arguments.steward), ipc::Process::kEngine, ipc::Process::kSteward},
             ipc::Channel{std::move(arguments.scribe), ipc::Process::kEngine, ipc::Process::kScribe}),
      plugins_(loop_, [this](const ipc::PluginHostEnd& end) { guardian_.send(end); }),
      engine_(config,
              ports::Ports{network_->frames(), network_->links(), network_->addresses(), ports_, ports_, plugins_},
              {ports_.board().capacity().instances, ports_.board().capacity().routers}) {
  leaving_limit_ = leaving_limit(config);
  ports_.set_peers(config.peers);
  for (HeldMembership& held : arguments.memberships) {
    network_->adopt_membership(held.interface, held.family, std::move(held.socket));
  }
  // Before the engine starts: the first look at a check finds what its host has said so far.
  for (HeldPlugin& held : arguments.plugins) {
    plugins_.on_host(posix::now(), std::move(held.host), std::move(held.fds));
  }
}

Result<void> EngineProcess::watch(ipc::Channel& channel, void (EngineProcess::*receive)()) {
  if (!channel.open()) return {};
  return loop_.add(channel.fd(), EPOLLIN, [this, receive](std::uint32_t) { (this->*receive)(); });
}

Result<void> EngineProcess::start(bool adopt, bool drained, std::optional<Instant> frozen_until,
                                  std::vector<ipc::Incoming> heard) {
  if (auto added = loop_.add(network_->poll_fd(), EPOLLIN, [](std::uint32_t) {}); !added) return added;
  if (auto added = watch(guardian_, &EngineProcess::receive_guardian); !added) return added;
  if (auto added = watch(ports_.steward(), &EngineProcess::receive_steward); !added) return added;
  if (auto added = watch(ports_.scribe(), &EngineProcess::receive_scribe); !added) return added;
  const Instant now = posix::now();
  now_ = now;
  for (ipc::Incoming& one : heard) on_guardian(std::move(one));
  ports_.board().begin(::getpid());
  ports_.board().heartbeat(now);
  std::vector<ports::AdoptedInstance> adopted;
  if (adopt) {
    const auto reader = ipc::BoardReader::open(memory_.const_bytes());
    if (reader) adopted = reader->adopted();
  }
  watch_guard(now);
  engine_.start(now, adopted, drained, frozen_until && *frozen_until > now ? frozen_until : std::nullopt);
  engine_.end_turn(now);
  last_beat_ = posix::now();
  survey(last_beat_);
  guardian_.send(ipc::Ready{});
  ::malloc_trim(0);  // what reading the configuration took
  return {};
}

Instant EngineProcess::next_wake(Instant now) const {
  Instant wake = last_beat_ + beat_interval_;
  if (const auto due = engine_.next_deadline()) wake = std::min(wake, *due);
  if (const auto due = engine_.next_alert()) wake = std::min(wake, *due);
  if (const auto due = network_->next_wakeup()) wake = std::min(wake, *due);
  if (release_deadline_) wake = std::min(wake, *release_deadline_);
  if (step_aside_by_ && !release_deadline_) wake = std::min(wake, *step_aside_by_);
  if (const auto due = ports_.reports_due()) wake = std::min(wake, *due);
  if (const auto due = plugins_.next_deadline()) wake = std::min(wake, *due);
  return std::max(wake, now);
}

/// One turn, in the order that network.h and engine.h prescribe: the stall test comes before anything can be sent.
void EngineProcess::turn(Instant now) {
  now_ = now;
  engine_.begin_turn(now);
  network_->dispatch(now, *this);
  loop_.dispatch();
  const Instant after = posix::now();
  // Frozen in the middle of the turn: the stall test again, before anything leaves.
  if (after - now > beat_interval_) engine_.begin_turn(after);
  plugins_.dispatch(after, *this);
  if (const auto due = engine_.next_deadline(); due && *due <= after) {
    network_->drain_frames(after, *this);
    engine_.on_deadline(after, kSlack);
  }
  engine_.end_turn(after);
  if (const auto due = ports_.reports_due(); due && *due <= after) ports_.flush_reports();
  for (ipc::Channel* channel : {&guardian_, &ports_.steward(), &ports_.scribe()}) channel->flush();
  ports_.board().heartbeat(after);
  last_beat_ = after;
  if (after - last_survey_ >= kSurveyInterval) survey(after);
}

/// What is looked at now and then only: with a thousand routers it costs more than a heartbeat.
void EngineProcess::survey(Instant now) {
  last_survey_ = now;
  const Nanos shortest = engine_.shortest_active_down_interval();
  ports_.board().set_shortest_active_down_interval(shortest);
  ports_.board().set_host_counters(engine_.counters());
  ports_.board().heartbeat(now);
  beat_interval_ = std::clamp<Nanos>(shortest / 4, milliseconds{1}, kSlowestHeartbeat);
  watch_scribe(now);
  watch_guard(now);
}

/// The guardian's word on the state board: whether the watchdog is armed.
void EngineProcess::watch_guard(Instant now) {
  const auto reader = ipc::BoardReader::open(memory_.const_bytes());
  const bool guarded = !reader || reader->watchdog() != ipc::WatchdogState::kMissing;
  engine_.on_guard(now, guarded);
  if (std::exchange(guarded_, guarded) == guarded) return;
  ports_.report_host(guarded ? ports::EventKind::kAlarmCleared : ports::EventKind::kAlarm, ports::Alarm::kWatchdog, 0,
                     now);
}

/// F51: elections go on without the scribe; people hear of it once.
void EngineProcess::watch_scribe(Instant now) {
  if (!ports_.scribe_owes()) {
    scribe_owes_since_.reset();
  } else if (!scribe_owes_since_) {
    scribe_owes_since_ = now;
  }
  const bool silent = scribe_owes_since_ && now - *scribe_owes_since_ > kScribePatience;
  if (silent == scribe_silent_) return;
  scribe_silent_ = silent;
  ports_.report_host(silent ? ports::EventKind::kAlarm : ports::EventKind::kAlarmCleared, ports::Alarm::kScribeSilent,
                     0, now);
}

Result<void> EngineProcess::run() {
  while (!done_) {
    if (const auto ready = loop_.wait(next_wake(posix::now())); !ready) return Unexpected<Error>{ready.error()};
    const Instant now = posix::now();
    turn(now);
    if (step_aside_by_ && may_step_aside(posix::now())) step_aside(posix::now());
    if (!release_deadline_) continue;
    if (engine_.finished() || now >= *release_deadline_) release();
  }
  return {};
}

/// All was released, or it is too late for that: say so and end.
void EngineProcess::release() {
  if (!engine_.finished()) log::warning("release_incomplete", {}, "not every address could be removed in time");
  plugins_.dispatch(posix::now(), *this);  // who is only told hears of the end, too
  ports_.flush_reports();
  guardian_.send(ipc::Goodbye{});
  done_ = true;
}

/// A successor needs a moment before it can send the next advert: that moment is one in which none is due. With very
/// many routers there is none, and any will do.
bool EngineProcess::may_step_aside(Instant now) const {
  if (release_deadline_) return false;
  if (now >= *step_aside_by_) return true;
  if (ports_.reports_due() || ports_.scribe_owes() || plugins_.owes_word()) return false;
  const Nanos room = std::clamp<Nanos>(engine_.shortest_active_down_interval() / 12, milliseconds{5}, milliseconds{50});
  const auto due = engine_.next_deadline();
  return !due || *due - now >= room;
}

/// Nothing is released and no destructor runs: the kernel closes the sockets, and what the address worker has begun is
/// what the successor finds.
void EngineProcess::step_aside(Instant now) {
  ports_.flush_reports();
  survey(now);
  guardian_.send(ipc::SteppedAside{});
  for (ipc::Channel* channel : {&guardian_, &ports_.steward(), &ports_.scribe()}) channel->flush();
  ::_exit(0);
}

template <class Handler>
bool EngineProcess::drain(ipc::Channel& channel, Handler handler) {
  // Bounded: a flood from one peer must not hold the loop.
  for (int i = 0; i < 64; ++i) {
    ipc::Incoming incoming = channel.receive();
    if (incoming.status == ipc::ReceiveStatus::kNothing) return true;
    if (incoming.status != ipc::ReceiveStatus::kMessage) {
      if (incoming.status == ipc::ReceiveStatus::kMalformed) {
        log::error("ipc_malformed", {{"peer", std::to_string(static_cast<int>(channel.peer()))}}, incoming.error);
      }
      loop_.remove(channel.fd());
      channel.close();
      return false;
    }
    const int before = channel.fd();
    handler(std::move(incoming));
    if (channel.fd() != before) return true;
  }
  return true;
}

void EngineProcess::receive_guardian() {
  if (drain(guardian_, [this](ipc::Incoming incoming) { on_guardian(std::move(incoming)); })) return;
  // Without the guardian nobody would clean up after us: release and end.
  log::error("guardian_lost", {}, "the guardian is gone: releasing all addresses");
  if (!release_deadline_) {
    release_deadline_ = now_ + kReleaseLimit;
    engine_.shutdown(now_);
  }
}

void EngineProcess::on_guardian(ipc::Incoming incoming) {
  if (std::holds_alternative<ipc::Terminate>(incoming.message)) {
    if (release_deadline_) return;
    release_deadline_ = now_ + kReleaseLimit + leaving_limit_;
    engine_.shutdown(now_);
    return;
  }
  if (std::holds_alternative<ipc::StepAside>(incoming.message)) {
    const Nanos patience = std::clamp<Nanos>(engine_.shortest_active_down_interval(), milliseconds{100}, seconds{1});
    step_aside_by_ = now_ + patience;
    return;
  }
  if (const auto* down = std::get_if<ipc::PluginHostDown>(&incoming.message)) return plugins_.on_host_down(now_, *down);
  if (incoming.fds.empty()) return;
  if (auto* host = std::get_if<ipc::PluginHost>(&incoming.message)) {
    return plugins_.on_host(now_, std::move(*host), std::move(incoming.fds));
  }
  if (const auto* configuration = std::get_if<ipc::Configuration>(&incoming.message)) {
    reload(configuration->nonce, incoming.fds.front().get());
    return;
  }
  if (const auto* replaced = std::get_if<ipc::ChannelReplaced>(&incoming.message)) {
    const bool steward = replaced->peer == ipc::Process::kSteward;
    ipc::Channel& old = steward ? ports_.steward() : ports_.scribe();
    if (old.open()) loop_.remove(old.fd());
    ipc::Channel fresh{std::move(incoming.fds.front()), ipc::Process::kEngine, replaced->peer};
    steward ? ports_.replace_steward(std::move(fresh)) : ports_.replace_scribe(std::move(fresh));
    if (auto added = watch(old, steward ? &EngineProcess::receive_steward : &EngineProcess::receive_scribe); !added) {
      log::error("ipc_lost", {}, added.error().message());
    }
  }
}

void EngineProcess::reload(std::uint64_t nonce, int memory) {
  const auto config = read_back(memory);
  if (!config) {
    log::error("reload_failed", {}, config.error().message());
    return;
  }
  ipc::Reloaded answer;
  answer.nonce = nonce;
  ports_.set_peers(config->peers);
  answer.summary = engine_.reload(now_, *config);
  leaving_limit_ = leaving_limit(*config);
  log::set_level(static_cast<log::Level>(config->daemon.log_level));
  log::info("reloaded", {{"unchanged", std::to_string(answer.summary.unchanged.size())},
                         {"changed", std::to_string(answer.summary.changed.size())},
                         {"restarted", std::to_string(answer.summary.restarted.size())},
                         {"added", std::to_string(answer.summary.added.size())},
                         {"removed", std::to_string(answer.summary.removed.size())}});
  guardian_.send(answer);
  survey(now_);
}

void EngineProcess::receive_steward() {
  drain(ports_.steward(), [this](const ipc::Incoming& incoming) {
    if (const auto* news = std::get_if<ipc::PeerNews>(&incoming.message)) return engine_.on_peer(now_, news->fact);
    if (const auto* said = std::get_if<ipc::PeerCheck>(&incoming.message)) {
      return engine_.on_peer_check(now_, said->host, said->section, said->passes);
    }
    const auto& command = std::get<ipc::CommandMessage>(incoming.message);
    ports_.steward().send(ipc::CommandResultMessage{command.nonce, engine_.on_command(now_, command.command)});
  });
}

void EngineProcess::receive_scribe() {
  drain(ports_.scribe(), [this](const ipc::Incoming& incoming) {
    if (const auto* recalled = std::get_if<ipc::Recalled>(&incoming.message)) {
      if (recalled->last) return engine_.on_all_recalled(now_);
      return engine_.on_recalled(now_, recalled->record);
    }
    const std::uint64_t ticket = std::get<ipc::IntentRecorded>(incoming.message).ticket;
    ports_.intent_recorded(ticket);
    engine_.on_intent_recorded(now_, ticket);
  });
}

void EngineProcess::on_membership(Instant, const linux::MembershipSocket& socket) {
  const ipc::Membership message{socket.interface, socket.family};
  if (socket.fd < 0) {
    guardian_.send(message);
    return;
  }
  const int fds[] = {socket.fd};
  guardian_.send(message, fds);
}

void EngineProcess::on_trouble(Instant now, linux::Trouble trouble, int sys_errno) {
  if (trouble == linux::Trouble::kNetlinkOverrun) {
    ports_.report_host(sys_errno != 0 ? ports::EventKind::kAlarm : ports::EventKind::kAlarmCleared,
                       ports::Alarm::kNetlinkOverrun, sys_errno, now);
    return;
  }
  const char* what = trouble == linux::Trouble::kJournal      ? "address_journal"
                     : trouble == linux::Trouble::kMembership ? "multicast_membership"
                     : trouble == linux::Trouble::kSocket     ? "packet_socket"
                                                              : "netlink_dump";
  if (sys_errno == 0) {
    log::info("trouble_over", {{"trouble", what}});
  } else {
    log::warning("trouble", {{"trouble", what}, {"errno", std::strerror(sys_errno)}});
  }
}

int engine_failed(const Error& error) {
  log::error("engine_failed", {}, error.message());
  return 1;
}

}  // namespace

int run_engine(EngineArguments arguments) {
  posix::set_timer_slack(Nanos{1});
  auto config = read_back(arguments.configuration.get());
  if (!config) return engine_failed(config.error());
  raise_priority(config->daemon);
  auto memory = posix::Mapping::read_write(arguments.board.get());
  if (!memory) return engine_failed(memory.error());
  auto loop = posix::EventLoop::create();
  if (!loop) return engine_failed(loop.error());
  ipc::Channel guardian{std::move(arguments.guardian), ipc::Process::kEngine, ipc::Process::kGuardian};
  std::vector<ipc::Incoming> heard;
  if (arguments.stand_by) {
    const auto take_over = stand_by(guardian, heard);
    if (!take_over) return 0;
    arguments.drained = take_over->drained;
    arguments.frozen_until.reset();
    if (take_over->frozen_until_ns != 0) arguments.frozen_until = Instant{Nanos{take_over->frozen_until_ns}};
  }
  linux::NetworkOptions options;
  options.runtime_dir = arguments.runtime_dir.get();
  auto network = linux::Network::open(options);
  if (!network) return engine_failed(network.error());
  const bool adopt = arguments.adopt;
  const bool drained = arguments.drained;
  const std::optional<Instant> frozen_until = arguments.frozen_until;
  EngineProcess process{std::move(arguments), std::move(guardian), *config,
                        std::move(*memory),   std::move(*network), std::move(*loop)};
  *config = config::Config{};  // the engine has its own copy
  auto ended = process.start(adopt, drained, frozen_until, std::move(heard));
  if (ended) ended = process.run();
  return ended ? 0 : engine_failed(ended.error());
}

}  // namespace baton::daemon
