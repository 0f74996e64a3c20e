// How often the engine died, and what follows from it. Pure.
#pragma once

#include <deque>
#include <vector>

#include "base/time.h"

namespace baton::daemon {

enum class AfterDeath {
  kAdopt,     ///< a new engine on the same state
  kAfresh,    ///< a new engine without it: step down, listen
  kStayDown,  ///< no more
};

class DeathCount {
 public:
  /// Design section 2: a second death within 10 s starts afresh; three in a minute are the end.
  AfterDeath died(Instant now) {
    while (!deaths_.empty() && now - deaths_.front() > kWindow) deaths_.pop_front();
    const bool again = !deaths_.empty() && now - deaths_.back() <= kAgain;
    deaths_.push_back(now);
    if (deaths_.size() >= kTooMany) return AfterDeath::kStayDown;
    return again ? AfterDeath::kAfresh : AfterDeath::kAdopt;
  }

  /// For a guardian that goes on as another program.
  std::vector<Instant> list() const { return {deaths_.begin(), deaths_.end()}; }
  void inherit(const std::vector<Instant>& deaths) { deaths_.assign(deaths.begin(), deaths.end()); }

 private:
  static constexpr Nanos kWindow = std::chrono::minutes{1};
  static constexpr Nanos kAgain = std::chrono::seconds{10};
  static constexpr std::size_t kTooMany = 3;
  std::deque<Instant> deaths_;
};

}  // namespace baton::daemon
