#include "tests/sim/databases.h"

#include <algorithm>

#include "tests/sim/world.h"

namespace baton::sim {
namespace {

ports::ActResult answer(VerbStatus status, std::string_view sentence) {
  ports::ActResult result;
  result.status = status;
  result.sentence = ports::Sentence{sentence};
  return result;
}

}  // namespace

Databases::Databases(World& world) : world_(world) {
  for (const DataUnit& data : world.scenario().data) {
    Unit unit;
    unit.sets.resize(static_cast<std::size_t>(data.sets));
    for (Set& set : unit.sets) set.hosts.resize(static_cast<std::size_t>(world.scenario().hosts));
    for (int i = 0; i < data.witnesses; ++i) unit.witnesses.emplace_back(data.lease);
    units_.push_back(std::move(unit));
  }
}

Database& Databases::at(int unit, int set, int host) {
  return units_[static_cast<std::size_t>(unit)]
      .sets[static_cast<std::size_t>(set)]
      .hosts[static_cast<std::size_t>(host)];
}

const Database& Databases::at(int unit, int set, int host) const {
  return units_[static_cast<std::size_t>(unit)]
      .sets[static_cast<std::size_t>(set)]
      .hosts[static_cast<std::size_t>(host)];
}

Witness& Databases::witness(int unit, int index) {
  return units_[static_cast<std::size_t>(unit)].witnesses[static_cast<std::size_t>(index)];
}

// ---- Time passes ----------------------------------------------------------------------------------------------------

void Databases::tick() {
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const int unit = static_cast<int>(u);
    // First: what is written now is copied a tick later.
    for (Set& set : units_[u].sets) copy(unit, set);
    for (int host = 0; host < world_.hosts(); ++host) {
      if (!serves(unit, host)) continue;
      for (Set& set : units_[u].sets) {
        Database& there = set.hosts[static_cast<std::size_t>(host)];
        if (there.answers(world_.now())) there.write();
      }
    }
  }
}

void Databases::copy(int, Set& set) {
  const Nanos now = world_.now();
  if (slow_copies_ && now / kTick % 4 != 0) return;  // and falls behind
  for (int host = 0; host < world_.hosts(); ++host) {
    Database& own = set.hosts[static_cast<std::size_t>(host)];
    const int upstream = own.upstream();
    if (upstream < 0 || own.writable() || !own.answers(now) || world_.host(host).paused()) continue;
    const Database& other = set.hosts[static_cast<std::size_t>(upstream)];
    if (!other.answers(now) || world_.host(upstream).paused() || !world_.reachable(host, upstream)) continue;
    own.copy_from(other, slow_copies_ ? 1 : kCopies);
  }
}

bool Databases::has_address(int unit, int host) const {
  const DataUnit& data = world_.scenario().data[static_cast<std::size_t>(unit)];
  if (world_.host(host).paused()) return false;
  const auto& instances = world_.scenario().configs[static_cast<std::size_t>(host)].instances;
  const config::Instance& instance = instances[static_cast<std::size_t>(data.unit)];
  const KernelLink& link = world_.host(host).kernel().links[static_cast<std::size_t>(instance.interface.back() - '0')];
  if (!link.present || !link.up) return false;
  return std::any_of(link.addresses.begin(), link.addresses.end(), [&](const KernelAddress& each) {
    return each.ours &&
           std::find(instance.addresses.begin(), instance.addresses.end(), each.prefix) != instance.addresses.end();
  });
}

bool Databases::writable(int unit, int host) const {
  const auto& sets = units_[static_cast<std::size_t>(unit)].sets;
  return std::all_of(sets.begin(), sets.end(),
                     [&](const Set& set) { return set.hosts[static_cast<std::size_t>(host)].writable(); });
}

// ---- What plugins do ------------------------------------------------------------------------------------------------

/// plugin.h: "" is, in a pair, the other one.
int Databases::target_of(int host, const std::string& target) const {
  if (target.empty()) return world_.hosts() == 2 ? 1 - host : -1;
  return target.back() - '0';
}

bool Databases::reaches(int unit, int set, int host, int target) const {
  return target >= 0 && target != host && !world_.host(target).paused() && world_.reachable(host, target) &&
         at(unit, set, target).answers(world_.now());
}

std::optional<ports::ActResult> Databases::perform(int unit, int set, int host, const ports::ActOrder& order) {
  if (order.verb == PluginVerb::kFence) return fence_one(unit, set, host, target_of(host, order.target));
  Database& own = at(unit, set, host);
  if (own.frozen(world_.now())) return std::nullopt;
  if (!own.running()) return answer(VerbStatus::kTransient, "connection refused");
  ports::ActResult result;
  switch (order.verb) {
    case PluginVerb::kCanPromote: result = can_promote(unit, set, host, order); break;
    case PluginVerb::kPromote: result = promote(unit, set, host, order); break;
    case PluginVerb::kBlockWrites: own.block(); break;
    case PluginVerb::kDemote:
    case PluginVerb::kRejoin: result = demote(unit, set, host, order); break;
    case PluginVerb::kUnblockWrites:
      if (!own.unblock()) result = answer(VerbStatus::kRefused, "it is not the one that was blocked");
      break;
    case PluginVerb::kDrain:  // whoever carries it out waits
      if (!contains(own.history(), history_of(order.position))) result = answer(VerbStatus::kTransient, "not reached");
      break;
    default: break;
  }
  result.role = own.writable() ? ApplicationRole::kPrimary : ApplicationRole::kReplica;
  result.generation = own.generation();
  if (order.verb == PluginVerb::kBlockWrites) result.position = position_text(own.history());
  return result;
}

ports::ActResult Databases::can_promote(int unit, int set, int host, const ports::ActOrder& order) {
  const Database& own = at(unit, set, host);
  if (own.writable()) return {};
  const int target = target_of(host, order.target);
  if (order.planned) {
    // Without a position: could it take it?
    if (order.position.empty() && own.upstream() == target) return {};
    if (!order.position.empty() && contains(own.history(), history_of(order.position))) return {};
    return answer(VerbStatus::kRefused, "does not follow, or has not reached the position");
  }
  // A live stream from the one that is believed dead.
  const bool live = reaches(unit, set, host, target) && at(unit, set, target).writable();
  if (live && own.upstream() == target) return answer(VerbStatus::kRefused, "its primary is alive");
  return {};
}

ports::ActResult Databases::promote(int unit, int set, int host, const ports::ActOrder& order) {
  Database& own = at(unit, set, host);
  if (own.writable()) {
    if (own.generation() == order.generation) return {};
    return answer(VerbStatus::kConflict, "it is the writable one of another generation");
  }
  if (order.planned && (order.position.empty() || !contains(own.history(), history_of(order.position)))) {
    return answer(VerbStatus::kRefused, "position not reached");
  }
  own.promote(order.generation, ++segments_);
  return {};
}

/// As the real ones do it: nobody writes here after it, whatever the answer; it follows only whom it is part of.
ports::ActResult Databases::demote(int unit, int set, int host, const ports::ActOrder& order) {
  const DataUnit& data = world_.scenario().data[static_cast<std::size_t>(unit)];
  Database& own = at(unit, set, host);
  own.block();
  const int target = target_of(host, order.target);
  if (!reaches(unit, set, host, target)) {
    own.detach();
    if (order.verb == PluginVerb::kRejoin) return answer(VerbStatus::kTransient, "the other one is not reached");
    return {};
  }
  const Database& other = at(unit, set, target);
  if (contains(other.history(), own.history())) {
    own.follow(target);
    return {};
  }
  own.detach();
  if (!other.writable()) {
    if (order.verb == PluginVerb::kRejoin) return answer(VerbStatus::kTransient, "the other one is no primary yet");
    return {};
  }
  if (order.verb == PluginVerb::kRejoin && data.rebuild) {
    own.rebuild_from(other, target);
    return {};
  }
  return answer(VerbStatus::kConflict, "its data is not part of the other's");
}

std::optional<ports::ActResult> Databases::ask_witness(int unit, int index, int host, const ports::ActOrder& order) {
  const Unit& there = units_[static_cast<std::size_t>(unit)];
  if (world_.witness_away(unit, host)) return std::nullopt;
  Witness& witness = units_[static_cast<std::size_t>(unit)].witnesses[static_cast<std::size_t>(index)];
  const int boot = world_.host(host).boot();
  const Nanos now = world_.now();
  const Witness::Answer said = order.verb == PluginVerb::kAcquire ? witness.acquire(now, host, boot, order.generation)
                               : order.verb == PluginVerb::kRenew ? witness.renew(now, host, boot, order.generation)
                                                                  : witness.release(now, host, boot, order.generation);
  ports::ActResult result = answer(said.status, "");
  result.token = said.token;
  result.generation = said.generation;
  if (said.status == VerbStatus::kOk) result.lease = there.witnesses[static_cast<std::size_t>(index)].length();
  return result;
}

/// By a power switch, which always works, or through the other's database, which has to be reached.
ports::ActResult Databases::fence(int unit, int host, const ports::ActOrder& order) {
  const DataUnit& data = world_.scenario().data[static_cast<std::size_t>(unit)];
  const int target = target_of(host, order.target);
  if (data.power_switch) {
    world_.cut_power(target);
    return {};
  }
  for (int set = 0; set < data.sets; ++set) {
    auto one = fence_one(unit, set, host, target);
    if (one.status != VerbStatus::kOk) return one;
  }
  return {};
}

ports::ActResult Databases::fence_one(int unit, int set, int host, int target) {
  if (!reaches(unit, set, host, target)) return answer(VerbStatus::kTransient, "the other one is not reached");
  at(unit, set, target).block();
  at(unit, set, target).detach();
  return {};
}

// ---- Faults ---------------------------------------------------------------------------------------------------------

void Databases::crash(int unit, int host) {
  for (Set& set : units_[static_cast<std::size_t>(unit)].sets) set.hosts[static_cast<std::size_t>(host)].crash();
}

void Databases::start(int unit, int host) {
  const bool guarded = world_.scenario().data[static_cast<std::size_t>(unit)].boot_guard;
  for (Set& set : units_[static_cast<std::size_t>(unit)].sets) set.hosts[static_cast<std::size_t>(host)].start(guarded);
}

void Databases::freeze(int unit, int host, Nanos until) {
  for (Set& set : units_[static_cast<std::size_t>(unit)].sets) set.hosts[static_cast<std::size_t>(host)].freeze(until);
}

void Databases::host_down(int host) {
  for (int unit = 0; unit < units(); ++unit) crash(unit, host);
}

void Databases::host_up(int host) {
  for (int unit = 0; unit < units(); ++unit) start(unit, host);
}

void Databases::heal() {
  slow_copies(false);
  for (Unit& unit : units_) {
    for (Set& set : unit.sets) {
      for (Database& each : set.hosts) each.thaw();
    }
  }
}

}  // namespace baton::sim
