#include "steward/steward_process.h"

#include <sys/wait.h>

#include <algorithm>

#include "config/serialize.h"
#include "log/log.h"
#include "posix/clock.h"
#include "posix/program.h"
#include "steward/format.h"
#include "steward/move_plan.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kEnginePatience = 5s;
constexpr Nanos kScribePatience = 5s;
constexpr Nanos kReloadPatience = 30s;
constexpr Nanos kReexecPatience = 60s;
constexpr std::size_t kMaxReloadResult = 16u << 20;
constexpr std::size_t kMaxConfiguration = 64u << 20;
constexpr std::size_t kMaxPending = 64;

Result<config::Config> read_configuration(int fd) {
  const auto bytes = posix::read_sealed(fd, kMaxConfiguration);
  if (!bytes) return Unexpected<Error>{bytes.error()};
  return config::deserialize(*bytes);
}

std::string_view process_word(ipc::Process process) {
  switch (process) {
    case ipc::Process::kGuardian: return "guardian";
    case ipc::Process::kEngine: return "engine";
    case ipc::Process::kSteward: return "steward";
    case ipc::Process::kScribe: return "scribe";
  }
  return "process";
}

std::string death_words(const ipc::Lifecycle& lifecycle) {
  std::string text = "the " + std::string{process_word(lifecycle.process)};
  if (lifecycle.wait_status < 0) {
    text += " ended";  // its successor was started before the kernel said how
  } else if (WIFSIGNALED(lifecycle.wait_status)) {
    text += " was killed by signal " + std::to_string(WTERMSIG(lifecycle.wait_status));
  } else {
    text += " ended with status " + std::to_string(WEXITSTATUS(lifecycle.wait_status));
  }
  // That its state could not be continued is known only when the next one has started, and then said by it.
  if (lifecycle.reason == Reason::kTooManyDeaths || lifecycle.reason == Reason::kStall) {
    text += ": " + std::string{reason_words(lifecycle.reason)};
  }
  return text;
}

/// "" stands for all of them.
bool is_configured(const HostView& host, const std::string& instance) {
  return instance.empty() || std::any_of(host.instances.begin(), host.instances.end(),
                                         [&](const InstanceView& one) { return one.name() == instance; });
}

std::string no_instance(const std::string& instance) { return "no instance or group '" + instance + "'"; }

}  // namespace

engine::Command engine_command(const Request& request) {
  engine::Command command;
  command.instance = request.instance;
  command.duration = request.duration;
  command.dry_run = request.dry_run;
  command.to = request.to;
  switch (request.verb) {
    case Verb::kFreeze: command.verb = engine::Verb::kFreeze; break;
    case Verb::kThaw: command.verb = engine::Verb::kThaw; break;
    case Verb::kDrain: command.verb = engine::Verb::kDrain; break;
    case Verb::kUndrain: command.verb = engine::Verb::kUndrain; break;
    case Verb::kForgive: command.verb = engine::Verb::kForgive; break;
    case Verb::kFailover: command.verb = engine::Verb::kFailover; break;
    default: command.verb = engine::Verb::kSwitchover; break;
  }
  return command;
}

Result<std::unique_ptr<StewardProcess>> StewardProcess::create(StewardArguments arguments) {
  auto loop = posix::EventLoop::create();
  if (!loop) return Unexpected<Error>{loop.error()};
  auto board = posix::Mapping::read_only(arguments.board.get());
  if (!board) return Unexpected<Error>{board.error()};
  auto reader = ipc::BoardReader::open(board->const_bytes());
  if (!reader) return Unexpected<Error>{reader.error()};
  auto config = read_configuration(arguments.configuration.get());
  if (!config) return Unexpected<Error>{config.error()};
  std::unique_ptr<StewardProcess> process{
      new StewardProcess(std::move(arguments), std::move(*loop), std::move(*board), *reader, std::move(*config))};
  if (const auto watched = process->watch_all(); !watched) return Unexpected<Error>{watched.error()};
  return process;
}

StewardProcess::StewardProcess(StewardArguments arguments, posix::EventLoop loop, posix::Mapping board,
                               ipc::BoardReader reader, config::Config config)
    : arguments_(std::move(arguments)),
      loop_(std::move(loop)),
      board_(std::move(board)),
      reader_(reader),
      config_(std::move(config)),
      guardian_(std::move(arguments_.guardian), ipc::Process::kSteward, ipc::Process::kGuardian),
      engine_(std::move(arguments_.engine), ipc::Process::kSteward, ipc::Process::kEngine),
      scribe_(std::move(arguments_.scribe), ipc::Process::kSteward, ipc::Process::kScribe),
      metrics_listener_(
          loop_, ScrapeLimits{}, [this](MetricsWish wish) { return metrics(wish); }, [] { return posix::now(); }),
      peer_channel_(loop_) {
  peer_channel_.configure(config_);
  knowledge_.note_configured(posix::wall_clock_ns());
  const auto handler = [this](Clients::Id client, Authority authority, const std::string& line) {
    on_request(client, authority, line);
  };
  clients_.emplace(loop_, std::move(arguments_.control), AuthorityGroups{arguments_.view_gid, arguments_.admin_gid},
                   ClientLimits{}, handler, [] { return posix::now(); });
}

Result<void> StewardProcess::watch_all() {
  for (ipc::Channel* channel : {&guardian_, &engine_, &scribe_}) {
    if (!channel->open()) continue;
    if (const auto watched = watch(*channel); !watched) return watched;
  }
  metrics_listener_.configure(config_.daemon.metrics_listen);
  return clients_->start();
}

Result<void> StewardProcess::watch(ipc::Channel& channel) {
  return loop_.add(channel.fd(), EPOLLIN, [this, &channel](std::uint32_t events) { on_channel(channel, events); });
}

void StewardProcess::refresh_interest(ipc::Channel& channel) {
  if (!channel.open()) return;
  const std::uint32_t events = EPOLLIN | (channel.wants_write() ? std::uint32_t{EPOLLOUT} : 0);
  if (!loop_.modify(channel.fd(), events)) drop_channel(channel);
}

void StewardProcess::on_channel(ipc::Channel& channel, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) channel.flush();
  const int fd = channel.fd();
  // A replaced channel ends this loop: what comes now belongs to its own event.
  while (channel.open() && channel.fd() == fd) {
    ipc::Incoming incoming = channel.receive();
    if (incoming.status == ipc::ReceiveStatus::kNothing) break;
    if (incoming.status != ipc::ReceiveStatus::kMessage) return drop_channel(channel);
    on_message(channel, std::move(incoming));
  }
  refresh_interest(channel);
}

void StewardProcess::drop_channel(ipc::Channel& channel) {
  if (!channel.open()) return;
  const ipc::Process peer = channel.peer();
  loop_.remove(channel.fd());
  channel.close();
  if (peer == ipc::Process::kGuardian) finished_ = true;
  if (peer == ipc::Process::kEngine) knowledge_.note_engine_gone();
}

void StewardProcess::on_message(ipc::Channel& channel, ipc::Incoming incoming) {
  if (&channel == &guardian_) return on_guardian_message(incoming);
  if (const auto* report = std::get_if<ipc::ReportMessage>(&incoming.message)) return on_report(*report);
  if (const auto* result = std::get_if<ipc::CommandResultMessage>(&incoming.message)) return on_command_result(*result);
  if (const auto* entry = std::get_if<ipc::HistoryEntry>(&incoming.message)) return on_history_entry(*entry);
  if (const auto* end = std::get_if<ipc::HistoryEnd>(&incoming.message)) {
    if (const auto pending = take_pending(end->nonce)) answer_history(*pending);
  }
}

void StewardProcess::on_guardian_message(ipc::Incoming& incoming) {
  if (std::holds_alternative<ipc::Terminate>(incoming.message)) {
    say_goodbye();
    finished_ = true;
  } else if (std::holds_alternative<ipc::Configuration>(incoming.message) && !incoming.fds.empty()) {
    auto config = read_configuration(incoming.fds.front().get());
    if (config) {
      config_ = std::move(*config);
      knowledge_.keep_configured(config_);
      knowledge_.note_configured(posix::wall_clock_ns());
      peer_channel_.configure(config_);
      forget_peers(posix::now());
      metrics_listener_.configure(config_.daemon.metrics_listen);
    } else {
      log::error("configuration_unreadable", {}, config.error().message());
    }
  } else if (const auto* replaced = std::get_if<ipc::ChannelReplaced>(&incoming.message)) {
    replace_channel(replaced->peer, incoming.fds);
  } else if (const auto* lifecycle = std::get_if<ipc::Lifecycle>(&incoming.message)) {
    on_lifecycle(*lifecycle);
  } else if (const auto* result = std::get_if<ipc::ReloadResult>(&incoming.message)) {
    on_reload_result(*result, incoming.fds);
  } else if (const auto* confirmed = std::get_if<ipc::ConfirmResult>(&incoming.message)) {
    on_confirm_result(*confirmed);
  } else if (const auto* state = std::get_if<ipc::ReloadState>(&incoming.message)) {
    on_reload_state(*state);
  } else if (const auto* reexec = std::get_if<ipc::ReexecResult>(&incoming.message)) {
    on_reexec_result(*reexec);
  } else if (const auto* host = std::get_if<ipc::PluginHost>(&incoming.message)) {
    if (host->kind != ipc::HostKind::kProbe || incoming.fds.empty()) return;
    auto page = posix::Mapping::read_only(incoming.fds.front().get());
    if (page) knowledge_.note_plugin_page(host->section, std::move(*page));
  } else if (const auto* down = std::get_if<ipc::PluginHostDown>(&incoming.message)) {
    if (down->kind == ipc::HostKind::kProbe) knowledge_.note_plugin_down(*down);
  }
}

void StewardProcess::replace_channel(ipc::Process peer, std::vector<posix::Fd>& fds) {
  if (fds.empty() || (peer != ipc::Process::kEngine && peer != ipc::Process::kScribe)) return;
  ipc::Channel& channel = peer == ipc::Process::kEngine ? engine_ : scribe_;
  if (channel.open()) on_channel(channel, EPOLLIN);  // the old one's last words
  drop_channel(channel);
  channel = ipc::Channel(std::move(fds.front()), ipc::Process::kSteward, peer);
  if (const auto watched = watch(channel); !watched) {
    log::error("channel_unwatched", {}, watched.error().message());
    channel.close();
    return;
  }
  if (peer == ipc::Process::kEngine) {
    knowledge_.note_engine_replaced();
    tell_checks_again();
  }
  if (peer == ipc::Process::kScribe) knowledge_.note_scribe_replaced();
}

void StewardProcess::on_lifecycle(const ipc::Lifecycle& lifecycle) {
  knowledge_.note_lifecycle(lifecycle);
  if (lifecycle.reason == Reason::kAdopted) return;  // the new engine reports that itself
  Event event;
  event.report.reason = lifecycle.reason;
  event.report.instance = ports::kNoInstance;
  event.report.at = Instant{Nanos{lifecycle.at_ns}};
  event.text = death_words(lifecycle);
  publish(std::move(event));
}

void StewardProcess::on_reload_result(const ipc::ReloadResult& result, const std::vector<posix::Fd>& fds) {
  const auto pending = take_pending(result.nonce);
  const bool tried = !pending || !pending->request.dry_run;  // without a client it was a signal
  if (tried && !result.applied) knowledge_.note_reload_refused();
  if (!pending) return;
  Json document = Json::object();
  if (!fds.empty()) {
    if (const auto bytes = posix::read_sealed(fds.front().get(), kMaxReloadResult)) {
      document = Json::parse(bytes->begin(), bytes->end(), nullptr, false);
      if (!document.is_object()) document = Json::object();
    }
  }
  document["valid"] = result.valid;
  document["applied"] = result.applied;
  if (result.applied && pending->request.confirm_within > Nanos{0}) {
    document["confirm_within_ms"] = pending->request.confirm_within / 1ms;
  }
  if (result.waits) {
    const std::string refusal = "an earlier reload waits for its confirmation: say `batonctl confirm`, or " +
                                std::string{"`batonctl confirm --revert`, first; nothing was changed"};
    answer(pending->client, refusal_line(ExitCode::kRefused, refusal));
  } else if (!result.valid) {
    answer(pending->client,
           refusal_line(ExitCode::kConfigInvalid, "the configuration is invalid; nothing was changed", document));
  } else if (!result.applied && !pending->request.dry_run) {
    answer(pending->client,
           refusal_line(ExitCode::kFailed, "the configuration is valid but was not applied", document));
  } else {
    answer(pending->client, answer_line(Verb::kReload, document));
  }
}

void StewardProcess::on_confirm_result(const ipc::ConfirmResult& result) {
  const auto pending = take_pending(result.nonce);
  if (!pending) return;
  const bool revert = pending->request.revert;
  if (result.waited) {
    const std::string done = revert ? "the configuration before the reload is in force again; " +
                                          arguments_.config_path + " still holds the other one"
                                    : "the reload stays in force";
    return answer(pending->client, answer_line(Verb::kConfirm, {{"lines", Json::array({done})}}));
  }
  const std::string refusal =
      view().rolled_back ? "too late: the reload has been rolled back" : "no reload waits for a confirmation";
  answer(pending->client, refusal_line(ExitCode::kRefused, refusal));
}

void StewardProcess::on_reload_state(const ipc::ReloadState& state) {
  knowledge_.note_reload_state(state);
  if (state.news.empty()) return;
  Event event;
  event.report.kind = ports::EventKind::kNotice;
  event.report.reason = Reason::kConfigChanged;
  event.report.instance = ports::kNoInstance;
  event.report.at = posix::now();
  event.text = state.news;
  publish(std::move(event));
}

void StewardProcess::on_reexec_result(const ipc::ReexecResult& result) {
  const auto pending = take_pending(result.nonce);
  if (!pending) return;
  if (result.done)
    return answer(pending->client, answer_line(Verb::kReexec, {{"lines", Json::array({result.sentence})}}));
  const ExitCode exit = result.busy ? ExitCode::kRefused : ExitCode::kFailed;
  answer(pending->client, refusal_line(exit, (result.busy ? "refused: " : "") + result.sentence));
}

void StewardProcess::on_report(const ipc::ReportMessage& message) {
  knowledge_.note_report(message, last_heard(message.report));
  peer_channel_.hurry();
  Event event;
  event.instance = message.instance;
  event.report = message.report;
  publish(std::move(event));
}

void StewardProcess::publish(Event event) {
  // The report's own time, told in the clock that people read.
  const Instant now = posix::now();
  const Nanos age = std::max(Nanos{0}, now - event.report.at);
  event.wall_clock_ns = posix::wall_clock_ns() - (event.report.at == Instant{} ? 0 : age.count());
  const Event& kept = ring_.push(std::move(event));
  const std::string line = event_line(document_of(kept));
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    if (!clients_->knows(stream->first)) {
      stream = streams_.erase(stream);
      continue;
    }
    if (stream->second.empty() || stream->second == kept.instance) clients_->send(stream->first, line);
    ++stream;
  }
}

Json StewardProcess::document_of(const Event& event) const {
  Json document =
      event_document(event.report, event.instance, event.sequence, event.wall_clock_ns, host_names(config_));
  if (!event.text.empty()) document["text"] = event.text;
  return document;
}

void StewardProcess::on_command_result(const ipc::CommandResultMessage& message) {
  auto pending = take_pending(message.nonce);
  if (!pending) return;
  if (pending->move != 0 && message.result.accepted) return move_begun(std::move(*pending), message.result);
  Json document = command_document(message.result);
  if (message.result.accepted && !pending->lines.empty()) document["lines"] = pending->lines;
  if (message.result.accepted) return answer(pending->client, answer_line(pending->request.verb, document));
  std::string error;
  for (const std::string& line : message.result.lines) error += (error.empty() ? "" : "; ") + line;
  const ExitCode exit = message.result.refused_by_safety ? ExitCode::kRefused : ExitCode::kFailed;
  answer(pending->client, refusal_line(exit, error.empty() ? "the engine refused" : error, document));
}

void StewardProcess::on_history_entry(const ipc::HistoryEntry& entry) {
  if (entry.nonce == 0) {  // the scribe's own alarm: it cannot write, or can again
    return on_report({.instance = "", .sequence = 0, .dropped = 0, .report = entry.report});
  }
  const auto found = pending_.find(entry.nonce);
  if (found == pending_.end()) return;
  Json document =
      event_document(entry.report, entry.instance, entry.sequence, entry.wall_clock_ns, host_names(config_));
  if (!entry.capture.empty()) document["capture"] = entry.capture;
  found->second.history.push_back(std::move(document));
}

/// What is no longer configured is known as long as the history tells of it.
void StewardProcess::answer_history(const Pending& pending) {
  const std::string& instance = pending.request.instance;
  if (pending.history.empty() && !is_configured(view(), instance)) {
    return answer(pending.client, refusal_line(ExitCode::kFailed, no_instance(instance)));
  }
  answer(pending.client, answer_line(Verb::kHistory, {{"entries", pending.history}}));
}

void StewardProcess::answer(Clients::Id asker, const std::string& line) {
  if (!WishDesk::is_wish(asker)) return clients_->answer(asker, line);
  desk_.answer(asker, line);
  peer_channel_.hurry();
}

void StewardProcess::on_request(Clients::Id client, Authority authority, const std::string& line) {
  const auto request = parse_request(line);
  if (!request) return answer(client, refusal_line(ExitCode::kUsage, request.error()));
  if (authority != Authority::kChange && !only_reads(request->verb, request->dry_run)) {
    const std::string verb{verb_token(request->verb)};
    return answer(client,
                  refusal_line(ExitCode::kNotPermitted, "not permitted: " + verb + " needs root or group baton-admin"));
  }
  perform(client, *request);
}

void StewardProcess::perform(Clients::Id client, const Request& request) {
  const HostView host = view();
  if (request.verb != Verb::kHistory && !is_configured(host, request.instance)) {
    return answer(client, refusal_line(ExitCode::kFailed, no_instance(request.instance)));
  }
  switch (request.verb) {
    case Verb::kStatus: return answer(client, answer_line(request.verb, status_document(host, request.instance)));
    case Verb::kExplain: return answer(client, answer_line(request.verb, explain_document(host, request.instance)));
    case Verb::kConfig:
      return answer(client, answer_line(request.verb, config_document(config_, arguments_.config_path)));
    case Verb::kMetrics: return answer(client, answer_line(request.verb, metrics_document(request.metrics)));
    case Verb::kVersion: return answer(client, answer_line(request.verb, {{"version", kVersion}}));
    case Verb::kEvents: return start_events(client, request);
    case Verb::kHistory: return ask_scribe(client, request);
    case Verb::kReload:
    case Verb::kConfirm:
    case Verb::kReexec: return ask_guardian(client, request);
    case Verb::kSwitchover: return start_move(client, request, host);
    case Verb::kFreeze:
    case Verb::kThaw:
    case Verb::kDrain:
    case Verb::kUndrain:
    case Verb::kForgive:
    case Verb::kFailover: return ask_engine(client, request);
  }
}

void StewardProcess::start_events(Clients::Id client, const Request& request) {
  Json list = Json::array();
  for (const Event& event : ring_.events()) {
    if (request.instance.empty() || event.instance == request.instance) list.push_back(document_of(event));
  }
  // The snapshot and the stream meet without a gap: nothing happens between these lines.
  answer(client, answer_line(Verb::kEvents, {{"entries", std::move(list)}}));
  if (!request.follow || !clients_->knows(client)) return;
  clients_->stream(client);
  streams_[client] = request.instance;
}

void StewardProcess::ask_engine(Clients::Id client, const Request& request) {
  ask(engine_, ipc::CommandMessage{.nonce = next_nonce_, .command = engine_command(request)}, client, request,
      kEnginePatience, "engine");
}

void StewardProcess::ask_guardian(Clients::Id client, const Request& request) {
  if (request.verb == Verb::kReexec) {
    return ask(guardian_, ipc::ReexecRequest{.nonce = next_nonce_}, client, request, kReexecPatience, "guardian");
  }
  ipc::Message message = ipc::ConfirmRequest{.nonce = next_nonce_, .revert = request.revert};
  if (request.verb == Verb::kReload) {
    message = ipc::ReloadRequest{
        .nonce = next_nonce_, .dry_run = request.dry_run, .confirm_within_ns = request.confirm_within.count()};
  }
  ask(guardian_, message, client, request, kReloadPatience, "guardian");
}

void StewardProcess::ask_scribe(Clients::Id client, const Request& request) {
  ask(scribe_, ipc::HistoryQuery{.nonce = next_nonce_, .limit = request.limit, .instance = request.instance}, client,
      request, kScribePatience, "scribe");
}

void StewardProcess::ask(ipc::Channel& channel, const ipc::Message& message, Clients::Id client, const Request& request,
                         Nanos patience, std::string_view who) {
  const ipc::SendStatus status = pending_.size() >= kMaxPending ? ipc::SendStatus::kDropped : channel.send(message);
  if (status == ipc::SendStatus::kClosed || status == ipc::SendStatus::kDropped) {
    const std::string state = status == ipc::SendStatus::kClosed ? " is not running" : " is too busy";
    return answer(client,
                  refusal_line(ExitCode::kFailed, "the " + std::string{who} + state + "; see `batonctl status`"));
  }
  Pending pending;
  pending.client = client;
  pending.request = request;
  if (request.verb == Verb::kDrain) pending.lines = drain_lines(view());
  pending.deadline = posix::now() + patience;
  pending_.emplace(next_nonce_++, std::move(pending));
  refresh_interest(channel);
}

std::optional<StewardProcess::Pending> StewardProcess::take_pending(std::uint64_t nonce) {
  const auto found = pending_.find(nonce);
  if (found == pending_.end()) return std::nullopt;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  return pending;
}

void StewardProcess::expire(Instant now) {
  for (auto entry = pending_.begin(); entry != pending_.end();) {
    if (entry->second.deadline > now) {
      ++entry;
      continue;
    }
    const std::string verb{verb_token(entry->second.request.verb)};
    answer(entry->second.client, refusal_line(ExitCode::kTimedOut, verb + ": no answer in time; it may still happen"));
    entry = pending_.erase(entry);
  }
  clients_->expire(now);
  metrics_listener_.expire(now);
}

HostView StewardProcess::view() const {
  HostView host = knowledge_.view(reader_, config_, arguments_.config_path, posix::now(), posix::wall_clock_ns());
  host.old_binary = posix::own_program_replaced();
  if (!peer_channel_.enabled()) return host;
  for (const auto& [name, peer] : peer_channel_.peers()) {
    host.peers.push_back(peer);
    host.peers.back().lost = peer_channel_.lost(peer, host.now);
  }
  return host;
}

int StewardProcess::run() {
  while (!finished_) {
    std::optional<Instant> deadline = clients_->next_deadline();
    for (const auto& [nonce, pending] : pending_)
      deadline = std::min(deadline.value_or(pending.deadline), pending.deadline);
    if (const auto due = metrics_listener_.next_deadline()) deadline = std::min(deadline.value_or(*due), *due);
    if (const auto talk = peer_channel_.next_deadline()) deadline = std::min(deadline.value_or(*talk), *talk);
    if (const auto turned = loop_.turn(deadline); !turned) {
      log::error("event_loop_failed", {}, turned.error().message());
      return 1;
    }
    expire(posix::now());
    talk_to_peers(posix::now());
    hear_wishes();
    look_at_moves(posix::now());
    look_at_own_wish(posix::now());
  }
  return 0;
}

int run(StewardArguments arguments) {
  auto process = StewardProcess::create(std::move(arguments));
  if (!process) {
    log::error("steward_start_failed", {}, process.error().message());
    return 1;
  }
  return (*process)->run();
}

}  // namespace baton::steward
