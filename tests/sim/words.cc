// What the hosts say to each other, as their stewards do it: once a second, and while somebody's role is on its way at
// once and ten times a second. A word is lost, comes late, or is heard in one direction only; an older one that comes
// after a newer one does not count.
#include <algorithm>

#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanos kInterval = seconds{1};
constexpr Nanos kBusyInterval = milliseconds{100};
constexpr Nanos kPause = milliseconds{20};

bool moves(ports::PromotionStep step, ports::HandoverPhase phase) {
  using Step = ports::PromotionStep;
  return (step != Step::kReading && step != Step::kStandby && step != Step::kActive) ||
         phase == ports::HandoverPhase::kAsking;
}

}  // namespace

void World::schedule_words() {
  stewards_.resize(static_cast<std::size_t>(hosts()));
  for (int host = 0; host < hosts(); ++host) say_at(host, random_.between(Nanos{0}, kInterval));
}

void World::say_at(int host, Nanos at) {
  Steward& there = stewards_[static_cast<std::size_t>(host)];
  there.next = at;
  schedule(at, EventType::kPeerSays, host, ++there.serial);
}

void World::hurry(int host) {
  if (stewards_.empty()) return;
  const Steward& there = stewards_[static_cast<std::size_t>(host)];
  const Nanos at = std::max(now_ + Nanos{microseconds{100}}, there.said + kPause);
  if (at < there.next) say_at(host, at);
}

/// By any link. Each word goes by all of them.
bool World::heard_by(int from, int to) const {
  for (std::size_t link = 0; link < segments_.size(); ++link) {
    const bool up = hosts_[static_cast<std::size_t>(from)]->hears(static_cast<int>(link)) &&
                    hosts_[static_cast<std::size_t>(to)]->hears(static_cast<int>(link));
    if (up && !segments_[link].cut[from][to]) return true;
  }
  return false;
}

bool World::busy(int host) const {
  for (const auto& state : hosts_[static_cast<std::size_t>(host)]->board().instances) {
    if (!state || state->data_role == ports::DataRole::kNone) continue;
    if (moves(static_cast<ports::PromotionStep>(state->promotion_step), state->handover.phase)) return true;
  }
  const auto& busy_at = stewards_[static_cast<std::size_t>(host)].busy_at;
  return std::any_of(busy_at.begin(), busy_at.end(),
                     [&](Nanos at) { return at > Nanos{0} && now_ - at <= ports::kPeerLease; });
}

/// What a host's steward reads off its state board.
void World::say_to_peers(int from, std::uint32_t serial) {
  Steward& steward = stewards_[static_cast<std::size_t>(from)];
  if (serial != steward.serial) return;
  Host& there = host(from);
  steward.said = now_;
  say_at(from, now_ + (busy(from) ? kBusyInterval : kInterval));
  if (!there.paused()) tell_peers(from, false);
}

/// The steward's last word, after its engine has ended in order.
void World::say_goodbye(int from) {
  if (!stewards_.empty()) tell_peers(from, true);
}

void World::tell_peers(int from, bool left) {
  Steward& steward = stewards_[static_cast<std::size_t>(from)];
  ++steward.words;
  for (int to = 0; to < hosts(); ++to) {
    if (to == from || !heard_by(from, to) || in_force(FaultKind::kPeersLost, from) || random_.permille(30)) continue;
    if (words_lost(from, to)) continue;
    Nanos takes = random_.between(Nanos{microseconds{200}}, Nanos{milliseconds{random_.permille(50) ? 600 : 20}});
    if (in_force(FaultKind::kWordsLate, from)) takes = random_.between(Nanos{milliseconds{200}}, Nanos{seconds{3}});
    for (std::size_t unit = 0; unit < scenario_.data.size(); ++unit) {
      auto fact = host(from).word_about(static_cast<int>(unit));
      if (!fact) continue;
      fact->left = left;
      std::uint32_t index = 0;
      if (free_words_.empty()) {
        index = static_cast<std::uint32_t>(words_.size());
        words_.emplace_back();
      } else {
        index = free_words_.back();
        free_words_.pop_back();
      }
      words_[index] = {std::move(*fact), from, steward.words};
      schedule(now_ + takes, EventType::kPeerHeard, to, index);
    }
  }
}

bool World::words_lost(int from, int to) const {
  return std::any_of(active_.begin(), active_.end(), [&](std::size_t index) {
    const Fault& fault = scenario_.faults[index];
    return fault.kind == FaultKind::kWordsOneWay && fault.host == from && fault.other == to;
  });
}

void World::hear_peer(int to, std::uint32_t index) {
  Host& there = host(to);
  Steward& steward = stewards_[static_cast<std::size_t>(to)];
  const Word& word = words_[index];
  const auto from = static_cast<std::size_t>(word.from);
  // All units of one word count; of an older one none.
  if (word.number >= steward.heard[from] && there.powered() && !there.paused()) {
    if (word.number > steward.heard[from]) steward.busy_at[from] = Nanos{0};
    steward.heard[from] = word.number;
    if (moves(word.fact.step, word.fact.handover.phase)) steward.busy_at[from] = now_;
    if (there.running()) there.hear_word(word.fact);
  }
  free_words_.push_back(index);
}

}  // namespace baton::sim
