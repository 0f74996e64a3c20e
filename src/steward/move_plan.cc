#include "steward/move_plan.h"

#include <algorithm>
#include <charconv>

#include "steward/format.h"

namespace baton::steward {
namespace {

using ports::DataRole;

std::string reasons_text(const std::string& host, ReasonSet set) {
  std::string text;
  for (unsigned i = 1; i < 64; ++i) {
    if (!set.has(static_cast<Reason>(i))) continue;
    text += (text.empty() ? "" : "; ") + told_of(host, reason_words(static_cast<Reason>(i)));
  }
  return text;
}

/// What keeps a host from claiming by itself, but not from being handed the role.
ReasonSet without_own_restraint(ReasonSet set) {
  for (const Reason each :
       {Reason::kNoGrant, Reason::kPromised, Reason::kCooldown, Reason::kPromotionBudget, Reason::kNotPrimary}) {
    set.set(each, false);
  }
  return set;
}

/// What the holder's database says of its replica; "" = nothing.
std::string fact_here(const InstanceView& instance, const std::string& key) {
  if (instance.data == nullptr || !instance.data->latest) return {};
  for (const auto& [name, value] : instance.data->latest->facts) {
    if (name == key) return value;
  }
  return {};
}

/// Of the only replica that the primary here has. Some (Redis) cannot know how far behind they are; their primary does.
std::string replica_fact(const HostView& host, const InstanceView& instance, const std::string& key) {
  const bool pair = host.peers.size() == 1 && instance.state.state == vrrp::State::kActive;
  return pair ? fact_here(instance, key) : std::string{};
}

/// "replica, 12 bytes behind at 0/500", "replica at 0/500, lag not known: ...".
std::string replica_words(const HostView& host, const InstanceView& instance, const PeerInstance& there) {
  const std::string role{role_token(there.role)};
  const std::string at = there.position.empty() ? "" : " at " + there.position;
  if (there.lag_bytes >= 0) return role + ", " + std::to_string(there.lag_bytes) + " bytes behind" + at;
  if (there.lag_ms >= 0) return role + ", " + std::to_string(there.lag_ms) + " ms behind" + at;
  const std::string seen = replica_fact(host, instance, "replica_lag_bytes");
  if (!seen.empty()) return role + at + ", " + seen + " bytes behind, as the database of " + host.host + " sees it";
  std::string why = instance.data == nullptr ? "its check" : "[plugin " + instance.data->name + "] there";
  why += there.probe == ProbeState::kUnknown ? " gives no answer" : " reports none";
  if (replica_fact(host, instance, "replicas") == "0") why = "no replica is attached to the database of " + host.host;
  return role + at + ", lag not known: " + why;
}

void look_here(const HostView& host, const InstanceView& instance, AskedFrom from, MovePlan& plan) {
  const ports::InstanceState& state = instance.state;
  const std::string place = from == AskedFrom::kThisHost ? " (here): " : ": ";
  std::string line = host.host + place + std::string{state_word(state.state)} + ", " +
                     std::to_string(state.addresses_held) + " of " + std::to_string(state.addresses_wanted) +
                     " addresses held";
  if (state.data_role != DataRole::kNone) {
    line += "; data " + std::string{ports::data_role_token(state.data_role)} + ", generation " +
            std::to_string(state.generation);
  }
  if (instance.data != nullptr && instance.data->latest) {
    line += "; database " + std::string{role_token(instance.data->latest->role)};
    if (!instance.data->latest->position.empty()) line += " at " + instance.data->latest->position;
  }
  plan.lines.push_back(line);
  if (state.state != vrrp::State::kActive) {
    plan.objections.push_back(host.host + " is not Active for " + instance.name() + ": ask the host that is");
  } else if (state.data_role != DataRole::kNone && state.data_role != DataRole::kActive) {
    plan.objections.push_back(host.host + " is " + std::string{ports::data_role_token(state.data_role)} +
                              " itself: wait until that is over");
  }
}

std::vector<std::string> objections_of(const PeerView& peer, const PeerInstance* there, bool data) {
  std::vector<std::string> found;
  const auto object = [&](const std::string& what) { found.push_back(peer.host + " " + what); };
  if (peer.engine == kStopped) return object("has been stopped"), found;
  if (peer.lost) return object(peer.heard_ever ? "is not heard any more" : "has not been heard"), found;
  if (there == nullptr) return object("does not run this instance"), found;
  if (there->state != vrrp::State::kBackup) object("is " + std::string{state_word(there->state)} + ", not Backup");
  const ReasonSet against = without_own_restraint(ReasonSet::from_bits(there->against));
  if (!against.empty()) {
    const bool undrain = against.has(Reason::kDrained) || against.has(Reason::kSwitchover);
    object("may not take it: " + reasons_text(peer.host, against) + (undrain ? " (`batonctl undrain` there)" : ""));
  }
  if (!data) return found;
  if (there->probe != ProbeState::kPass) found.push_back(peer.host + "'s database does not pass its check");
  // Where the database elects for itself, several may be writable.
  const bool writable = there->data_role == DataRole::kNone && there->role == ApplicationRole::kPrimary;
  if (there->role != ApplicationRole::kReplica && !writable) found.push_back(peer.host + "'s database is no replica");
  if (there->data_role != DataRole::kNone && there->data_role != DataRole::kStandby) {
    object("is " + std::string{ports::data_role_token(there->data_role)} + ", not a standby");
  } else if (there->data_role == DataRole::kStandby && there->step != ports::PromotionStep::kStandby &&
             there->step < ports::PromotionStep::kOffered) {  // what was asked before is over in a moment
    object("is not settled as a standby yet: " + std::string{ports::step_token(there->step)});
  }
  return found;
}

/// Fresh, or nullptr.
const PeerInstance* said_by(const HostView& host, const PeerView& peer, const InstanceView& instance) {
  const auto said = peer.instances.find(instance.name());
  if (peer.lost || said == peer.instances.end()) return nullptr;
  return host.now - said->second.second > PeerChannel::kLostAfter ? nullptr : &said->second.first;
}

/// The other hosts that say that they are Active; without a peer channel the one whose adverts are heard.
std::vector<std::string> others_that_have(const HostView& host, const InstanceView& instance) {
  std::vector<std::string> holders;
  for (const PeerView& peer : host.peers) {
    const PeerInstance* said = said_by(host, peer, instance);
    if (said != nullptr && said->state == vrrp::State::kActive) holders.push_back(peer.host);
  }
  const RouterView* router = instance.heard_router();
  if (!host.peers.empty() || router == nullptr || instance.state.state != vrrp::State::kBackup) return holders;
  const std::string heard = host.names.host(router->heard());
  if (!heard.empty()) holders.push_back(heard);
  return holders;
}

/// Not on its way there or away.
bool settled_at(const HostView& host, const InstanceView& instance, const std::string& holder) {
  const auto settled = [](DataRole role) { return role == DataRole::kNone || role == DataRole::kActive; };
  if (holder == host.host) return settled(instance.state.data_role);
  for (const PeerView& peer : host.peers) {
    const PeerInstance* said = peer.host == holder ? said_by(host, peer, instance) : nullptr;
    if (said != nullptr) return settled(said->data_role);
  }
  return true;
}

std::string peer_line(const HostView& host, const InstanceView& instance, const PeerView& peer,
                      const PeerInstance* there) {
  if (peer.lost || there == nullptr) return peer.host + ": nothing is known of it now";
  std::string line = peer.host + ": heard " + exact_duration(host.now - peer.heard_at) + " ago by " +
                     std::to_string(peer.alive) + " of " + std::to_string(peer.paths) + " paths, " +
                     (peer.config_hash == host.config_hash ? "same" : "another") + " configuration; " +
                     std::string{state_word(there->state)} + ", priority " + std::to_string(there->effective_priority);
  if (!moves_data(instance)) return line;
  if (there->data_role != DataRole::kNone) {
    line += "; data " + std::string{ports::data_role_token(there->data_role)} + ", generation " +
            std::to_string(there->generation);
  }
  return line + "; database " + replica_words(host, instance, *there);
}

/// Why none of the others can; "" = one can, or nothing is known of them.
std::string nobody_takes(const HostView& host, const InstanceView& instance) {
  std::string why;
  for (const PeerView& peer : host.peers) {
    const std::vector<std::string> objections =
        objections_of(peer, said_by(host, peer, instance), moves_data(instance));
    if (objections.empty()) return {};
    for (const std::string& each : objections) why += (why.empty() ? "" : "; ") + each;
  }
  return why;
}

}  // namespace

std::int64_t lag_bytes_of(const HostView& host, const std::string& instance, const PeerInstance& there) {
  if (there.lag_bytes >= 0 || there.role != ApplicationRole::kReplica) return there.lag_bytes;
  for (const InstanceView& each : host.instances) {
    if (each.name() != instance) continue;
    const std::string seen = replica_fact(host, each, "replica_lag_bytes");
    std::int64_t bytes = -1;
    if (std::from_chars(seen.data(), seen.data() + seen.size(), bytes).ec == std::errc{}) return bytes;
  }
  return -1;
}

std::string move_outcome(const ports::HandoverWord& word, Nanos took) {
  using Phase = ports::HandoverPhase;
  switch (word.phase) {
    case Phase::kTaken:
      return word.with + " has taken over after " + exact_duration(took) +
             (word.position.empty() ? "" : ", with all data up to " + word.position);
    case Phase::kReady: return word.with + " could take over: nothing speaks against it";
    case Phase::kRefused:
      return "refused, nothing has changed: " + (word.gives ? told_of(word.with, word.sentence) : word.sentence);
    default: return "given up: " + word.sentence;
  }
}

std::vector<std::string> already_there(const HostView& host, const std::string& instance, const std::string& to) {
  std::vector<std::string> lines;
  for (const InstanceView& each : host.instances) {
    if (to.empty() || (!instance.empty() && each.name() != instance)) continue;
    std::vector<std::string> holders = others_that_have(host, each);
    if (each.state.state == vrrp::State::kActive) holders.push_back(host.host);
    if (holders.empty()) continue;
    // Somebody else's role may be moved; one that is only being taken is no role yet.
    if (holders.size() > 1 || holders.front() != to || !settled_at(host, each, to)) return {};
    lines.push_back(to + " already is Active for " + each.name() + "; nothing to do");
  }
  return lines;
}

std::vector<std::string> drain_lines(const HostView& host) {
  std::vector<std::string> lines;
  for (const InstanceView& each : host.instances) {
    if (each.state.state == vrrp::State::kActive) {
      lines.push_back(each.name() + ": " + host.host + " gives up its role and stays Backup until `batonctl undrain`");
      const std::string why = nobody_takes(host, each);
      if (!why.empty()) lines.push_back(each.name() + ": NOBODY takes it over: " + why);
      continue;
    }
    std::string holders;
    for (const std::string& holder : others_that_have(host, each)) {
      holders += (holders.empty() ? "" : " and ") + holder;
    }
    lines.push_back(each.name() + ": " + host.host +
                    " is drained: it does not become Active until `batonctl undrain`; " +
                    (holders.empty() ? "no Active is known" : "the role stays at " + holders));
  }
  if (lines.empty()) lines.push_back("no instance is running");
  return lines;
}

bool moves_data(const InstanceView& instance) { return instance.data != nullptr; }

MoveHolder holder_of(const HostView& host, const std::string& instance, const std::string& to) {
  if (host.peers.empty()) return {};
  bool active_here = false;
  std::vector<std::string> holders;
  for (const InstanceView& each : host.instances) {
    if (!instance.empty() && each.name() != instance) continue;
    active_here |= each.state.state == vrrp::State::kActive;
    if (each.state.state == vrrp::State::kActive) continue;
    for (const std::string& holder : others_that_have(host, each)) {
      if (std::find(holders.begin(), holders.end(), holder) == holders.end()) holders.push_back(holder);
    }
  }
  // Who asks for everything means what this host has, unless it is to come here.
  if (active_here && (!instance.empty() || to != host.host)) return {};
  const std::string not_here =
      host.host + (instance.empty() ? " is Active for nothing" : " is not Active for " + instance);
  if (holders.empty()) return {.refusal = not_here + ", and no host is heard that is: `batonctl explain` says why"};
  if (holders.size() == 1) return {.host = holders.front()};
  std::string names;
  for (const std::string& each : holders) names += (names.empty() ? "" : " and ") + each;
  return {.refusal = instance.empty() ? names + " have something each: name the instance"
                                      : names + " are both Active for " + instance + ": look at them first"};
}

MovePlan plan_move(const HostView& host, const InstanceView& instance, const std::string& to, AskedFrom from) {
  MovePlan plan;
  const bool data = moves_data(instance);
  look_here(host, instance, from, plan);
  std::vector<std::string> others;
  int best = -1;
  for (const PeerView& peer : host.peers) {
    if (!to.empty() && peer.host != to) continue;
    const auto said = peer.instances.find(instance.name());
    const PeerInstance* there = peer.lost || said == peer.instances.end() ? nullptr : &said->second.first;
    plan.lines.push_back(peer_line(host, instance, peer, there));
    const std::vector<std::string> against = objections_of(peer, there, data);
    others.insert(others.end(), against.begin(), against.end());
    if (!against.empty() || there->effective_priority <= best) continue;
    best = there->effective_priority;
    plan.to = peer.host;
    plan.addresses_only = there->data_role == DataRole::kNone && there->role == ApplicationRole::kPrimary;
  }
  if (plan.to.empty()) {
    plan.objections.insert(plan.objections.end(), others.begin(), others.end());
    const bool to_itself = to == host.host && !plan.objections.empty();
    if (others.empty() && !to_itself)
      plan.objections.push_back(to.empty() ? "there is no other host" : "no other host is named " + to);
  } else if (!data && !to.empty() && host.peers.size() > 1) {
    plan.objections.push_back("among several hosts the priorities decide who takes it: --to cannot");
  }
  return plan;
}

}  // namespace baton::steward
