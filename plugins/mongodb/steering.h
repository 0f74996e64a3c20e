// Moving the primary of a replica set to a member of our choice, by what MongoDB offers for it: a step-down that waits
// for a secondary to catch up, members that are asked to stay out of one election, and priorities. Never force, neither
// in a step-down nor in a reconfiguration.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "mongodb/replica_set.h"

namespace baton::mongodb {

enum class Priorities { kLeave, kRaise };

struct Move {
  std::string target;  ///< as the set's configuration names it
  Priorities priorities = Priorities::kLeave;
  std::chrono::nanoseconds max_lag;
  std::chrono::seconds stay_down;  ///< how long the old primary stays out of elections
  std::chrono::seconds catch_up;   ///< how long the step-down waits for a secondary
};

/// What became of it. The primary is the target, by the majority's word.
struct Moved {
  bool already = false;
  bool reconfigured = false;
  std::chrono::milliseconds without_primary{0};
};

class Steering {
 public:
  Steering(const ServerSettings& settings, Clock::time_point until) : settings_(settings), until_(until) {}

  /// Every reason against it, seen from `seen` (the primary, or the target itself); empty: none.
  std::vector<std::string> refusals(Server& seen, const Move& move);
  /// Throws ServerTrouble. `primary` is the one that has the role.
  Moved move(const std::string& primary, const Move& move);
  /// Waits until the majority says that `name` is primary.
  void await(const std::string& name);

 private:
  void raise(Server& primary, const std::string& target, bool& changed);
  std::vector<std::string> candidates(Server& primary, const std::string& target);
  void freeze(const std::vector<std::string>& names, std::chrono::seconds seconds);
  void step_down(const std::string& primary, const Move& move);
  void put_back(Server& primary, const std::string& name);

  const ServerSettings& settings_;
  Clock::time_point until_;
};

/// A configuration in which `target` has the highest priority, with everything else but the version as it was; nothing
/// if it has that already. Throws ServerTrouble if it cannot be.
std::optional<Document> with_priority(const Document& config, const std::string& target);

}  // namespace baton::mongodb
