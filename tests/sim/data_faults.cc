// Databases in the world: their events, the words that hosts send each other, and the faults that concern them.
#include <algorithm>

#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanos kEachSecond = seconds{1};  ///< probes

}  // namespace

void World::schedule_data() {
  schedule(Databases::kTick, EventType::kData, 0);
  schedule_words();
  for (int host = 0; host < hosts(); ++host) {
    schedule(random_.between(Nanos{0}, kEachSecond), EventType::kProbe, host);
  }
}

void World::handle_data(const Event& event) {
  Host& there = host(event.host);
  switch (event.type) {
    case EventType::kData:
      databases_.tick();
      data_checker_.tick();
      return schedule(now_ + Databases::kTick, EventType::kData, 0);
    case EventType::kDataStart:
      if (event.index == 0) return there.powered() ? databases_.host_up(event.host) : void();
      return there.powered() ? databases_.start(static_cast<int>(event.index) - 1, event.host) : void();
    case EventType::kAct: return there.acts().on_event(event.index);
    case EventType::kProbe:
      if (there.powered() && !there.paused()) there.acts().probe();
      return schedule(now_ + kEachSecond + random_.between(Nanos{0}, Nanos{milliseconds{5}}), EventType::kProbe,
                      event.host);
    case EventType::kPeerSays: return say_to_peers(event.host, event.index);
    case EventType::kPeerHeard: return hear_peer(event.host, event.index);
    case EventType::kScribe: return there.save_records();
    case EventType::kRecall: return there.recall(static_cast<int>(event.index));
    default: return;
  }
}

bool World::reachable(int a, int b) const {
  for (std::size_t link = 0; link < segments_.size(); ++link) {
    const Segment& segment = segments_[link];
    const bool up = hosts_[static_cast<std::size_t>(a)]->hears(static_cast<int>(link)) &&
                    hosts_[static_cast<std::size_t>(b)]->hears(static_cast<int>(link));
    if (up && !segment.cut[a][b] && !segment.cut[b][a]) return true;
  }
  return false;
}

// ---- What the faults in force do ------------------------------------------------------------------------------------

bool World::in_force(FaultKind kind, int host) const {
  return std::any_of(active_.begin(), active_.end(), [&](std::size_t index) {
    return scenario_.faults[index].kind == kind && scenario_.faults[index].host == host;
  });
}

bool World::undisturbed() const {
  return std::all_of(active_.begin(), active_.end(),
                     [&](std::size_t index) { return by_operator(scenario_.faults[index].kind); });
}

bool World::witness_away(int, int host) const {
  const bool down = std::any_of(active_.begin(), active_.end(), [&](std::size_t index) {
    return scenario_.faults[index].kind == FaultKind::kWitnessDown;
  });
  return down || in_force(FaultKind::kWitnessAway, host);
}

Nanos World::witness_delay(int, int host) {
  if (!in_force(FaultKind::kWitnessSlow, host)) return random_.between(Nanos{0}, Nanos{milliseconds{3}});
  return random_.between(Nanos{milliseconds{50}}, Nanos{seconds{2}});
}

unsigned World::act_trouble(int host) const {
  return in_force(FaultKind::kActTrouble, host) ? 450 : healed() ? 0 : scenario_.act_trouble;
}

Nanos World::fsync_time(int host) {
  if (in_force(FaultKind::kSlowDisk, host)) return random_.between(Nanos{milliseconds{100}}, Nanos{seconds{8}});
  return random_.between(Nanos{microseconds{300}}, Nanos{milliseconds{15}});
}

/// A transaction has come to a step: the engine may die in it.
void World::step_begins(int index, std::uint8_t step) {
  for (const std::size_t each : active_) {
    Fault& fault = scenario_.faults[each];
    const bool drain = fault.kind == FaultKind::kCrashMidway && 2 + fault.argument % 14 == step;
    const bool hand_over = fault.kind == FaultKind::kCrashHandOver && 3 + fault.argument % 22 == step;
    if (!drain && !hand_over) continue;
    fault.kind = drain ? FaultKind::kMove : FaultKind::kHandOver;  // once is enough
    const std::uint32_t way = fault.argument >> 16 & 7;
    const Death how = drain || way < 5 ? kAdopted : way < 7 ? kForgotten : kWithItsHost;
    schedule(now_ + random_.between(Nanos{0}, Nanos{milliseconds{25}}), EventType::kKill, index, how);
    return;
  }
}

void World::cut_power(int index) {
  Host& there = host(index);
  if (!there.powered()) return;
  there.power_off();
  if (healed()) checker_.all_healed();
  schedule(now_ + random_.between(Nanos{seconds{3}}, Nanos{seconds{20}}), EventType::kStart, index, 0);
}

void World::start_databases(int index) {
  schedule(now_ + random_.between(Nanos{0}, Nanos{seconds{5}}), EventType::kDataStart, index, 0);
}

// ---- Faults ---------------------------------------------------------------------------------------------------------

void World::begin_data_fault(const Fault& fault) {
  const int unit = fault.unit % std::max(databases_.units(), 1);
  if (!by_operator(fault.kind)) data_checker_.trouble(fault.host);
  Host& there = host(fault.host);
  const std::string& instance = scenario_.data[static_cast<std::size_t>(unit)].instance;
  switch (fault.kind) {
    case FaultKind::kDataCrash:
      trace_.add(now_, fault.host, What::kDatabaseUp, static_cast<std::uint64_t>(unit), 0);
      return databases_.crash(unit, fault.host);
    case FaultKind::kDataFreeze: return databases_.freeze(unit, fault.host, fault.ends);
    case FaultKind::kSlowCopies: return databases_.slow_copies(true);
    case FaultKind::kForgive: return there.command({engine::Verb::kForgive, instance, Nanos{0}, false});
    case FaultKind::kFailover: return there.command({engine::Verb::kFailover, instance, Nanos{0}, false});
    case FaultKind::kCrashMidway:
    case FaultKind::kMove:
      for (int host = 0; host < hosts(); ++host) {
        if (!databases_.serves(unit, host)) continue;
        hosts_[static_cast<std::size_t>(host)]->command({engine::Verb::kDrain, instance, Nanos{0}, false});
      }
      return;
    case FaultKind::kHandOver:
    case FaultKind::kCrashHandOver: return hand_over(fault, unit);
    default: return;
  }
}

/// From the host that serves to any other one, whatever that is able to.
void World::hand_over(const Fault& fault, int unit) {
  int from = fault.host;
  for (int host = 0; host < hosts(); ++host) {
    if (databases_.serves(unit, host)) from = host;
  }
  const int to = (from + 1 + static_cast<int>(fault.argument % static_cast<unsigned>(hosts() - 1))) % hosts();
  const bool only_asks = (fault.argument >> 8) % 10 == 0;
  host(from).command({.verb = engine::Verb::kSwitchover,
                      .instance = scenario_.data[static_cast<std::size_t>(unit)].instance,
                      .dry_run = only_asks,
                      .to = host(to).config().host,
                      .number = ++moves_});
}

void World::end_data_fault(const Fault& fault) {
  const int unit = fault.unit % std::max(databases_.units(), 1);
  if (!by_operator(fault.kind)) data_checker_.trouble(fault.host);
  if (fault.kind == FaultKind::kDataCrash) {
    trace_.add(now_, fault.host, What::kDatabaseUp, static_cast<std::uint64_t>(unit), 1);
    schedule(now_, EventType::kDataStart, fault.host, static_cast<std::uint32_t>(unit) + 1);
  }
  if (fault.kind == FaultKind::kSlowCopies) databases_.slow_copies(false);
  if (fault.kind == FaultKind::kMove || fault.kind == FaultKind::kCrashMidway) {
    for (const auto& host : hosts_) host->command({engine::Verb::kUndrain, "", Nanos{0}, false});
  }
}

void World::heal_data() {
  databases_.heal();
  for (int host = 0; host < hosts(); ++host) {
    data_checker_.trouble(host);
    start_databases(host);
  }
}

}  // namespace baton::sim
