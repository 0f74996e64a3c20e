// The rules of planned moves and of promises (I7, I8), watched from outside: what each host says of a move on its state
// board, what its plugins are asked, what its database truly holds. A move loses nothing, whatever befalls it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "ports/ports.h"
#include "ports/snapshot.h"
#include "tests/sim/scenario.h"

namespace baton::sim {

class Host;
class World;

class MoveChecker {
 public:
  explicit MoveChecker(World& world);

  static constexpr std::size_t kPhases = 11;  ///< of ports::HandoverPhase
  struct Totals {
    std::uint64_t begun = 0, only_asked = 0, taken = 0, calm = 0, refused = 0, promises = 0, by_promise = 0,
                  by_fence = 0, by_word = 0, spared = 0;
    std::array<std::uint64_t, kPhases> aborted{};  ///< by the last that the giver had said
  };
  const Totals& totals() const { return totals_; }

  void published(Host& host, int unit, const ports::InstanceState& state);
  /// Another host's word, as this host's engine gets it.
  void heard(const Host& host, int unit, const ports::PeerFact& fact);
  void asked(Host& host, int unit, int set, const ports::ActOrder& order);
  void answered(Host& host, int unit, int set, const ports::ActOrder& order, VerbStatus status);
  void tick(int unit);
  /// An operator wants something else meanwhile.
  void interfered();

  /// This host has been passed the role in the move that it says it takes part in.
  bool passed_to(const Host& host, int unit) const;
  /// All that this host had is in the data of the one that took over.
  bool handed_over(const Host& host, int unit) const;
  bool promised(int unit, int by, const Host& to, std::uint64_t generation) const;
  /// `by` stopped in order, as far as `to` has heard. Then it really must not be writable.
  bool has_left(int unit, int by, const Host& to);
  void claim_granted(bool by_fence, bool by_word);

 private:
  using Phase = ports::HandoverPhase;
  struct Move {
    int giver = -1, taker = -1;
    Nanos begun{0};
    bool calm = false;  ///< nothing was wrong when it began
    bool only_asked = false;
    Phase giver_said = Phase::kNone, taker_said = Phase::kNone;
    bool passed = false;
    bool giver_gone = false;       ///< it knows of the move no more
    std::uint64_t generation = 0;  ///< the highest of either host in it
    std::vector<bool> caught_up;   ///< by set: can_promote and drain agreed
    bool over() const;
  };
  /// What a host's board says.
  struct Part {
    Phase phase = Phase::kNone;
    bool gives = false;
    std::uint64_t number = 0;
    std::string promised_to;
    std::uint64_t promised_generation = 0;
    ports::PromotionStep step = ports::PromotionStep::kReading;
  };
  struct Unit {
    std::map<std::uint64_t, Move> moves;  ///< by number
    std::vector<Part> hosts;
    std::set<std::tuple<int, int, std::uint64_t>> promises;  ///< as heard: by whom, to whom, for which generation
    std::set<std::pair<int, int>> left;                      ///< as heard: by whom, to whom
    Nanos given_up = Nanos::max();                           ///< a move, and nobody has served since
    Nanos stuck_since = Nanos::max();
  };

  Unit& at(int unit) { return units_[static_cast<std::size_t>(unit)]; }
  const Unit& at(int unit) const { return units_[static_cast<std::size_t>(unit)]; }
  const Part& part(const Host& host, int unit) const;
  const Move* current(const Host& host, int unit) const;
  void fail(const char* invariant, const Host* host, int unit, const std::string& what);
  void says(Host& host, int unit, const Part& before, const ports::InstanceState& state);
  void giver_says(Host& host, int unit, Move& move, Phase before, const ports::InstanceState& state);
  void promise_made(Host& host, int unit, const ports::InstanceState& state);
  void check_given(const Host& host, int unit);
  void check_passed(const Host& host, int unit, const Move& move);
  void check_loss(const Host& host, int unit, int set);
  void check_unblock(Host& host, int unit, const ports::ActOrder& order);
  void check_ends(int unit);
  bool nothing_wrong(int unit, int giver, int taker) const;
  bool calm_since(int unit, const Move& move, Nanos since) const;
  std::int64_t lacks(int unit, int taker, int giver) const;
  static constexpr Nanos kEnds = std::chrono::seconds{240};

  World& world_;
  std::vector<Unit> units_;
  Totals totals_;
};

}  // namespace baton::sim
