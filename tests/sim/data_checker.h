// The invariants of promotion (I7, I8, and I15 for what is promoted), watched from outside: what the engines ask, what
// stands on disk, what the witness has granted, where clients can write. It knows the truth that no host knows.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "ports/ports.h"
#include "tests/sim/database.h"
#include "tests/sim/move_checker.h"
#include "tests/sim/scenario.h"

namespace baton::sim {

class Host;
class World;

class DataChecker {
 public:
  explicit DataChecker(World& world);

  struct Totals {
    std::uint64_t promotions = 0, moves = 0, crashes = 0, lost = 0, acts = 0, adopted_midway = 0, held_by_record = 0,
                  calm_moves = 0;
  };
  const Totals& totals() const { return totals_; }
  const MoveChecker& moves() const { return moves_; }
  bool passed_to(const Host& host, std::string_view instance) const;
  /// After a restart of all of Baton, as the one that it was.
  bool goes_on(const Host& host, std::string_view instance) const;
  /// The last time that something did not do as it should.
  Nanos troubled_at(int unit, int host) const;

  // ---- What an engine asks, and what comes of it ----
  void asked(Host& host, int unit, int set, const ports::ActOrder& order);
  void takes_effect(Host& host, int unit, int set, const ports::ActOrder& order);
  void took_effect(Host& host, int unit, int set, const ports::ActOrder& order);
  void answered(Host& host, int unit, int set, const ports::ActOrder& order, VerbStatus status);
  void heard(const Host& host, const ports::PeerFact& fact);
  void recorded(Host& host, const ports::DataRecord& record);
  void published(Host& host, const ports::InstanceState& state);
  void turn_ends(Host& host);
  void submitted(Host& host, const ports::AddressCommand& command);
  void commanding(Host& host, const engine::Command& command);
  void refused(Host& host, const engine::Command& command);
  /// It is Active on the wire no more.
  void left(const Host& host, std::string_view instance);

  // ---- What befalls a host ----
  /// Its engine is gone, new, or was still: until now nothing could be expected of it.
  void interrupted(Host& host);
  void engine_gone(Host& host);
  void starting(Host& host, bool adopt);
  void started(Host& host, bool adopt);
  /// A database, a witness or an act does not do as it should.
  void trouble(int host);

  void tick();
  bool settled() const;
  void run_ends();

 private:
  struct View {            // of one host's part in one unit
    Nanos interrupted{0};  ///< the engine, last
    Nanos trouble{0};      ///< a database, a witness or an act, last
    Nanos not_writable_since = Nanos::max();
    int outstanding = 0;          ///< acts of the transaction
    bool maybe_writable = false;  ///< asked to be promoted since it was last asked to stop
    bool forgiven = false, permitted = false;
    bool proves = false;          ///< after a restart of all: it was the writable one
    bool may_hold_alone = false;  ///< it served, and nothing has shown that others hold what was written
    std::uint64_t asked = 0;      ///< the highest generation that it was asked to promote
    std::uint64_t refused = 0;    ///< the generation whose promotion its database refused; 0: the last one it did not
    std::uint64_t claimed = 0;    ///< the generation of the last claim on record
    bool claims_anew = false;     ///< nothing has been promoted by this claim yet
    bool owes_demotion = false;   ///< its predecessor had begun one
    std::vector<bool> agreed;     ///< by set: can_promote said yes to this claim
    std::vector<bool> fenced;     ///< by host, for this claim
    std::vector<bool> blocked;    ///< by set, since the last promotion
    std::optional<ports::InstanceState> before;  ///< what a successor finds
    Nanos blocked_at{0};
    bool calm_move = false;
    ports::PromotionStep shown = ports::PromotionStep::kReading;
  };
  struct Unit {
    std::vector<View> hosts;
    std::uint64_t asked = 0;       ///< the highest generation that any was asked to promote
    bool by_word = false;          ///< an operator has had somebody promoted whom the others had not promised it
    int holder = -1;               ///< whose database was promoted last
    std::vector<History> holders;  ///< by set, as the block left it
    Nanos alone_since = Nanos::max();
    Nanos idle_since = Nanos::max();
  };

  View& view(const Host& host, int unit) {
    return units_[static_cast<std::size_t>(unit)].hosts[static_cast<std::size_t>(index(host))];
  }
  static int index(const Host& host);
  const DataUnit& data(int unit) const;
  int unit_named(std::string_view instance) const;
  void fail(const char* invariant, const Host* host, int unit, const std::string& what);
  const ports::InstanceState* board(const Host& host, int unit) const;
  ports::PromotionStep step(const Host& host, int unit) const;

  void promotion_asked(Host& host, int unit, int set, const ports::ActOrder& order);
  bool continues(const Host& host, int unit, int set, const ports::ActOrder& order) const;
  void check_grant(const Host& host, int unit, const ports::ActOrder& order);
  void check_record(const Host& host, int unit, const ports::ActOrder& order);
  void check_generation(const Host& host, int unit, std::uint64_t generation);
  void check_others_demoted(const Host& host, int unit);
  void check_others_left(const Host& host, int unit);
  void check_fenced(const Host& host, int unit, const ports::ActOrder& order);
  void check_promised(const Host& host, int unit, const ports::ActOrder& order);
  void check_calm_move(const Host& host, int unit, int set);
  bool alone(int unit) const;
  void check_one_serves(int unit);
  void check_lease_while_serving(const Host& host, int unit);
  void check_generations(const Host& host, int unit);
  void check_address_truth(Host& host, int unit);
  bool healthy_for(const Host& host, int unit, Nanos length) const;
  bool forbidden(int unit) const;
  void look_for_holder(int unit);
  static constexpr Nanos kLiveness = std::chrono::seconds{420};

  World& world_;
  std::vector<Unit> units_;
  MoveChecker moves_;
  std::vector<std::vector<int>> installs_;  ///< by host: units whose addresses were asked for in this turn
  Totals totals_;
};

}  // namespace baton::sim
