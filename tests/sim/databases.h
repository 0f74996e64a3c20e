// All databases and witnesses of one run, whatever the hosts' engines believe of them: how data is copied, what clients
// write and where, what each verb of a plugin does to them, and what was lost.
#pragma once

#include <cstdint>
#include <vector>

#include "ports/ports.h"
#include "tests/sim/database.h"
#include "tests/sim/scenario.h"
#include "tests/sim/witness.h"

namespace baton::sim {

class World;

class Databases {
 public:
  /// Replication and clients.
  static constexpr Nanos kTick = std::chrono::milliseconds{50};
  static constexpr std::int64_t kCopies = 1000;  ///< in a tick

  explicit Databases(World& world);

  int units() const { return static_cast<int>(units_.size()); }
  Database& at(int unit, int set, int host);
  const Database& at(int unit, int set, int host) const;
  Witness& witness(int unit, int index);
  const std::vector<Witness>& witnesses(int unit) const { return units_[static_cast<std::size_t>(unit)].witnesses; }

  void tick();
  /// What a plugin answers; nullopt: nothing, the server does not.
  std::optional<ports::ActResult> perform(int unit, int set, int host, const ports::ActOrder& order);
  std::optional<ports::ActResult> ask_witness(int unit, int index, int host, const ports::ActOrder& order);
  ports::ActResult fence(int unit, int host, const ports::ActOrder& order);
  /// One database through another: this one ends the other.
  ports::ActResult fence_one(int unit, int set, int host, int target);

  /// Clients reach the addresses of the unit here.
  bool has_address(int unit, int host) const;
  /// All databases of the unit can be written here.
  bool writable(int unit, int host) const;
  /// Clients write here.
  bool serves(int unit, int host) const { return has_address(unit, host) && writable(unit, host); }

  // ---- Faults ----
  void crash(int unit, int host);
  void start(int unit, int host);
  void freeze(int unit, int host, Nanos until);
  void host_down(int host);
  void host_up(int host);
  void slow_copies(bool slow) { slow_copies_ = slow; }
  void heal();

 private:
  struct Set {
    std::vector<Database> hosts;
  };
  struct Unit {
    std::vector<Set> sets;
    std::vector<Witness> witnesses;
    std::vector<int> witness_away;  ///< by host: how many faults keep it away
  };
  ports::ActResult can_promote(int unit, int set, int host, const ports::ActOrder& order);
  ports::ActResult promote(int unit, int set, int host, const ports::ActOrder& order);
  ports::ActResult demote(int unit, int set, int host, const ports::ActOrder& order);
  void copy(int unit, Set& set);
  int target_of(int host, const std::string& target) const;
  bool reaches(int unit, int set, int host, int target) const;

  World& world_;
  std::vector<Unit> units_;
  std::uint64_t segments_ = 0;
  bool slow_copies_ = false;
};

}  // namespace baton::sim
