// What the steward has to do with the other hosts: it tells them of this one and the engine of them, says when one is
// lost, and accompanies planned moves.
#include <algorithm>

#include "log/log.h"
#include "posix/clock.h"
#include "steward/move_plan.h"
#include "steward/steward_process.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kEnginePatience = 5s;
constexpr Nanos kMovePatience = 15min;

}  // namespace

// ---- The other hosts ----------------------------------------------------------------------------------------------

void StewardProcess::talk_to_peers(Instant now) {
  if (!peer_channel_.enabled()) return;
  if (peer_channel_.next_deadline() <= now) {
    const HostView host = view();
    peer_channel_.send(now, own_report(host), busy(host));
  }
  for (const auto& [host, peer] : peer_channel_.peers()) {
    tell_engine(peer);
    watch_peer(peer, now);
  }
}

/// All of this daemon ends, its engine before it: what stands on the state board is final.
void StewardProcess::say_goodbye() {
  if (!peer_channel_.enabled()) return;
  PeerReport report = own_report(view());
  report.engine = kStopped;
  peer_channel_.say_goodbye(report);
}

/// Somebody's role is on its way: the hosts wait for each other's words.
bool StewardProcess::busy(const HostView& host) const {
  if (own_wish_ || desk_.busy(host.now)) return true;
  using Step = ports::PromotionStep;
  const auto moves = [](Step step) {
    return step != Step::kReading && step != Step::kStandby && step != Step::kActive;
  };
  for (const InstanceView& each : host.instances) {
    const auto phase = each.word.phase;
    if (moves(static_cast<Step>(each.state.promotion_step)) || phase == ports::HandoverPhase::kAsking) return true;
  }
  for (const PeerView& peer : host.peers) {
    if (peer.lost) continue;
    for (const auto& [name, said] : peer.instances) {
      if (moves(said.first.step) || said.first.handover.phase == ports::HandoverPhase::kAsking) return true;
    }
  }
  return false;
}

PeerReport StewardProcess::own_report(const HostView& host) const {
  PeerReport report;
  report.config_hash = host.config_hash;
  report.engine = static_cast<std::uint8_t>(host.engine);
  report.instances_all = static_cast<std::uint16_t>(host.instances.size());
  report.wall_clock_ns = host.wall_clock_ns;
  std::map<std::string, bool> relative;
  for (const InstanceView& each : host.instances) {
    for (const CheckUseView& use : each.checks) {
      if (use.reference.relative && use.check != nullptr) relative[use.check->name] = use.check->passes();
    }
  }
  report.checks.assign(relative.begin(), relative.end());
  if (own_wish_) report.wish = own_wish_->wish;
  report.answers = desk_.answers(host.now);
  for (const InstanceView& each : host.instances) {
    PeerInstance instance;
    instance.name = each.name();
    instance.state = each.state.state;
    instance.effective_priority = each.state.effective_priority;
    instance.holds_addresses = each.state.holding == ports::HoldingState::kHeld;
    instance.against = each.state.against;
    instance.data_role = each.state.data_role;
    instance.step = static_cast<ports::PromotionStep>(each.state.promotion_step);
    instance.dirty = each.state.data_dirty;
    instance.generation = each.state.generation;
    instance.promoted = each.state.promoted;
    instance.handover = each.word;
    instance.promise = ports::promise_of(each.state.handover);
    if (each.data != nullptr && each.data->latest) {
      instance.role = each.data->latest->role;
      instance.probe = each.data->latest->state;
      instance.lag_bytes = each.data->latest->lag_bytes;
      instance.lag_ms = each.data->latest->lag_ms;
      instance.position = each.data->latest->position;
      instance.position_age = posix::now() - each.data->latest->started;
    }
    report.instances.push_back(std::move(instance));
  }
  return report;
}

/// What has come since the last time. The engine counts each word's age from when it gets it.
void StewardProcess::tell_engine(const PeerView& peer) {
  Watched& watched = watched_[peer.host];
  if (!engine_.open()) return;
  for (const auto& [name, said] : peer.instances) {
    const auto& [instance, at] = said;
    if (at <= watched.told || instance.data_role == ports::DataRole::kNone) continue;
    engine_.send(ipc::PeerNews{{.host = peer.host,
                                .instance = name,
                                .state = instance.state,
                                .data_role = instance.data_role,
                                .step = instance.step,
                                .generation = instance.generation,
                                .promoted = instance.promoted,
                                .dirty = instance.dirty,
                                .role = instance.role,
                                .position = instance.position,
                                .position_age = instance.position_age + (posix::now() - at),
                                .against = ReasonSet::from_bits(instance.against),
                                .handover = instance.handover,
                                .promise = instance.promise,
                                .left = peer.engine == kStopped}});
  }
  tell_checks(peer, watched.told);
  if (peer.heard_ever) watched.told = std::max(watched.told, peer.heard_at);
  refresh_interest(engine_);
}

/// Those that were heard later than `since`.
void StewardProcess::tell_checks(const PeerView& peer, Instant since) {
  for (const auto& [section, said] : peer.checks) {
    if (said.second <= since) continue;
    engine_.send(ipc::PeerCheck{.host = peer.host, .section = section, .passes = said.first});
  }
}

/// To a new engine, which would count a relative check that fails here and passes elsewhere as passed until the next
/// word comes.
void StewardProcess::tell_checks_again() {
  const Instant now = posix::now();
  for (const auto& [name, peer] : peer_channel_.peers()) {
    if (!peer_channel_.lost(peer, now)) tell_checks(peer, now - PeerChannel::kLostAfter);
  }
}

void StewardProcess::watch_peer(const PeerView& peer, Instant now) {
  Watched& watched = watched_[peer.host];
  if (watched.since == Instant{}) watched.since = now;
  // A host that has just been started is given as long as one that has just fallen silent.
  const bool lost = peer_channel_.lost(peer, now) && now - watched.since > PeerChannel::kLostAfter;
  const bool differs = !lost && peer.heard_ever && peer.config_hash != config_.hash;
  // One alarm for all hosts: it ends with the last of them.
  const auto change = [&](bool Watched::*fact, bool value, ports::Alarm alarm) {
    if (watched.*fact == value) return;
    watched.*fact = value;
    const bool any = std::any_of(watched_.begin(), watched_.end(), [&](const auto& each) { return each.second.*fact; });
    if (value || !any) raise(alarm, peer, value, now);
  };
  change(&Watched::lost, lost, ports::Alarm::kPeerLost);
  change(&Watched::differs, differs, ports::Alarm::kConfigDiffers);
}

/// Who is no longer a peer can be neither lost nor different.
void StewardProcess::forget_peers(Instant now) {
  const auto gone = [&](const std::string& host) {
    return !peer_channel_.enabled() || !peer_channel_.peers().contains(host);
  };
  const auto end = [&](bool Watched::*fact, ports::Alarm alarm) {
    const auto has = [&](const auto& each) { return each.second.*fact; };
    const auto last = std::find_if(watched_.begin(), watched_.end(), has);
    if (last == watched_.end()) return;
    for (auto& [host, watched] : watched_) watched.*fact &= !gone(host);
    PeerView peer;
    peer.host = last->first;
    if (std::none_of(watched_.begin(), watched_.end(), has)) raise(alarm, peer, false, now);
  };
  end(&Watched::lost, ports::Alarm::kPeerLost);
  end(&Watched::differs, ports::Alarm::kConfigDiffers);
  std::erase_if(watched_, [&](const auto& each) { return gone(each.first); });
}

void StewardProcess::raise(ports::Alarm alarm, const PeerView& peer, bool on, Instant now) {
  ports::Report report;
  report.kind = on ? ports::EventKind::kAlarm : ports::EventKind::kAlarmCleared;
  report.alarm = alarm;
  report.instance = ports::kNoInstance;
  report.at = now;
  for (const config::Peer& known : config_.peers) {
    if (known.host == peer.host && !known.addresses.empty()) report.other = known.addresses.front();
  }
  if (on) log::warning(ports::alarm_token(alarm), {{"peer", peer.host}}, peer.trouble);
  on_report({.instance = "", .sequence = 0, .dropped = 0, .report = report});
}

// ---- Planned moves ------------------------------------------------------------------------------------------------

/// With a peer channel it is known whether another host can take the role; then it is looked at first.
void StewardProcess::start_move(Clients::Id client, const Request& request, const HostView& host) {
  if (const auto already = already_there(host, request.instance, request.to); !already.empty()) {
    return answer(client, answer_line(Verb::kSwitchover, {{"lines", already}}));
  }
  const bool wished = WishDesk::is_wish(client);
  // Asked by another host: it would have asked the one that this one would ask.
  const MoveHolder holder = wished ? MoveHolder{} : holder_of(host, request.instance, request.to);
  if (!holder.refusal.empty()) return answer(client, refusal_line(ExitCode::kRefused, "refused: " + holder.refusal));
  if (!holder.host.empty()) return wish_for(client, request, host, holder.host);
  std::vector<const InstanceView*> concerned;
  for (const InstanceView& each : host.instances) {
    const bool named =
        request.instance.empty() ? each.state.state == vrrp::State::kActive : each.name() == request.instance;
    if (named) concerned.push_back(&each);
  }
  bool data = std::any_of(concerned.begin(), concerned.end(), [](const auto* each) { return moves_data(*each); });
  // Without a channel nothing is known of the other host; the engine says what it does then.
  if (!peer_channel_.enabled() || concerned.empty() || (data && concerned.size() > 1))
    return ask_engine(client, request);
  Json preflight = Json::array();
  std::string objections;
  Request asked = request;
  for (const InstanceView* each : concerned) {
    const MovePlan plan = plan_move(host, *each, request.to, wished ? AskedFrom::kAnother : AskedFrom::kThisHost);
    for (const std::string& line : plan.lines) preflight.push_back(each->name() + ": " + line);
    for (const std::string& why : plan.objections) objections += (objections.empty() ? "" : "; ") + why;
    asked.to = plan.to;
    data &= !plan.addresses_only;
  }
  if (!objections.empty()) {
    return answer(client, refusal_line(ExitCode::kRefused, "refused: " + objections, {{"preflight", preflight}}));
  }
  const std::uint64_t nonce = next_nonce_;
  engine::Command command = engine_command(asked);
  command.number = data ? static_cast<std::uint64_t>(posix::wall_clock_ns()) : 0;
  ask(engine_, ipc::CommandMessage{.nonce = nonce, .command = command}, client, asked, kEnginePatience, "engine");
  const auto found = pending_.find(nonce);
  if (found == pending_.end()) return;
  found->second.move = command.number;
  found->second.began = posix::now();
  found->second.preflight = preflight.get<std::vector<std::string>>();
}

/// The engine has begun it; the client is answered when it is over.
void StewardProcess::move_begun(Pending pending, const engine::CommandResult& result) {
  pending.preflight.insert(pending.preflight.end(), result.lines.begin(), result.lines.end());
  pending.deadline = posix::now() + kMovePatience;
  pending_.emplace(next_nonce_++, std::move(pending));
}

void StewardProcess::look_at_moves(Instant now) {
  const auto waits = [](const auto& each) { return each.second.move != 0; };
  if (std::none_of(pending_.begin(), pending_.end(), waits)) return;
  const HostView host = view();
  for (auto entry = pending_.begin(); entry != pending_.end();) {
    Pending& pending = entry->second;
    const auto found = std::find_if(host.instances.begin(), host.instances.end(), [&](const InstanceView& each) {
      return pending.move != 0 && each.word.number == pending.move && each.word.gives;
    });
    const ports::HandoverWord word = found == host.instances.end() ? ports::HandoverWord{} : found->word;
    if (word.number == 0 || !is_over(word.phase)) {
      ++entry;
      continue;
    }
    const std::string line = found->name() + ": " + move_outcome(word, now - pending.began);
    Json lines = pending.preflight;
    const bool done = word.phase == ports::HandoverPhase::kTaken || word.phase == ports::HandoverPhase::kReady;
    if (done) {
      lines.push_back(line);
      answer(pending.client, answer_line(Verb::kSwitchover, {{"lines", lines}}));
    } else {
      const ExitCode exit = word.phase == ports::HandoverPhase::kRefused ? ExitCode::kRefused : ExitCode::kFailed;
      answer(pending.client, refusal_line(exit, line, {{"preflight", lines}}));
    }
    entry = pending_.erase(entry);
  }
}

}  // namespace baton::steward
