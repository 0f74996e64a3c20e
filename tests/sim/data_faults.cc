// Databases in the world: their events, the words that hosts send each other, and the faults that concern them.
#include <algorithm>

#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanos kEachSecond = seconds{1};  ///< probes and words to the peers

}  // namespace

void World::schedule_data() {
  schedule(Databases::kTick, EventType::kData, 0);
  for (int host = 0; host < hosts(); ++host) {
    schedule(random_.between(Nanos{0}, kEachSecond), EventType::kProbe, host);
    schedule(random_.between(Nanos{0}, kEachSecond), EventType::kPeerSays, host);
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
    case EventType::kPeerSays:
      if (!there.paused()) say_to_peers(event.host);
      return schedule(now_ + kEachSecond, EventType::kPeerSays, event.host);
    case EventType::kPeerHeard: return hear_peer(event.host, event.index);
    case EventType::kScribe: return there.save_records();
    case EventType::kRecall: return there.recall(static_cast<int>(event.index));
    default: return;
  }
}

// ---- The hosts' words -----------------------------------------------------------------------------------------------

bool World::reachable(int a, int b) const {
  for (std::size_t link = 0; link < segments_.size(); ++link) {
    const Segment& segment = segments_[link];
    const bool up = hosts_[static_cast<std::size_t>(a)]->hears(static_cast<int>(link)) &&
                    hosts_[static_cast<std::size_t>(b)]->hears(static_cast<int>(link));
    if (up && !segment.cut[a][b] && !segment.cut[b][a]) return true;
  }
  return false;
}

/// What a host's steward reads off its state board, once a second.
void World::say_to_peers(int from) {
  Host& there = host(from);
  for (std::size_t unit = 0; unit < scenario_.data.size(); ++unit) {
    const auto fact = there.word_about(static_cast<int>(unit));
    if (!fact) continue;
    for (int to = 0; to < hosts(); ++to) {
      if (to == from || !reachable(from, to) || in_force(FaultKind::kPeersLost, from)) continue;
      if (random_.permille(30)) continue;
      std::uint32_t index = 0;
      if (free_words_.empty()) {
        index = static_cast<std::uint32_t>(words_.size());
        words_.emplace_back();
      } else {
        index = free_words_.back();
        free_words_.pop_back();
      }
      words_[index] = {*fact, from};
      const bool late = random_.permille(50);
      schedule(now_ + random_.between(Nanos{microseconds{200}}, Nanos{milliseconds{late ? 600 : 20}}),
               EventType::kPeerHeard, to, index);
    }
  }
}

void World::hear_peer(int to, std::uint32_t index) {
  Host& there = host(to);
  if (there.running() && !there.paused()) there.hear_word(words_[index].fact);
  free_words_.push_back(index);
}

// ---- What the faults in force do ------------------------------------------------------------------------------------

bool World::in_force(FaultKind kind, int host) const {
  return std::any_of(active_.begin(), active_.end(), [&](std::size_t index) {
    return scenario_.faults[index].kind == kind && scenario_.faults[index].host == host;
  });
}

bool World::undisturbed() const {
  return std::all_of(active_.begin(), active_.end(),
                     [&](std::size_t index) { return scenario_.faults[index].kind == FaultKind::kMove; });
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
    if (fault.kind != FaultKind::kCrashMidway || 2 + fault.argument % 14 != step) continue;
    fault.kind = FaultKind::kMove;  // once is enough
    schedule(now_ + random_.between(Nanos{0}, Nanos{milliseconds{25}}), EventType::kKill, index);
    return;
  }
}

void World::cut_power(int index) {
  Host& there = host(index);
  if (!there.powered()) return;
  there.power_off();
  schedule(now_ + random_.between(Nanos{seconds{3}}, Nanos{seconds{20}}), EventType::kStart, index, 0);
}

void World::start_databases(int index) {
  schedule(now_ + random_.between(Nanos{0}, Nanos{seconds{5}}), EventType::kDataStart, index, 0);
}

// ---- Faults ---------------------------------------------------------------------------------------------------------

void World::begin_data_fault(const Fault& fault) {
  const int unit = fault.unit % std::max(databases_.units(), 1);
  data_checker_.trouble(fault.host);
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
    default: return;
  }
}

void World::end_data_fault(const Fault& fault) {
  const int unit = fault.unit % std::max(databases_.units(), 1);
  data_checker_.trouble(fault.host);
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
