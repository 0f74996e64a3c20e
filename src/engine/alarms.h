// The alarms of one instance (or of the host): which are in force, and how often people hear of them. At most one
// report per alarm in 10 s (I6), whatever arrives. An alarm that is only ever seen again (a wrong packet) ends when it
// has not been seen for a while.
#pragma once

#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/time.h"
#include "ports/ports.h"

namespace baton::engine {

inline constexpr std::size_t kAlarms = 64;  ///< bits of InstanceState::alarms

class Alarms {
 public:
  static constexpr Nanos kReportGap = std::chrono::seconds{10};

  /// Begins or repeats the alarm. `report` holds the details; kind, alarm and time are filled here. `lasts`: ends by
  /// itself after so long without a repetition; Nanos::max() = until clear(). Returns true if the bits changed.
  bool raise(Instant now, ports::Report report, ports::Alarm alarm, Nanos lasts, ports::ReportPort& port);
  /// Ends it. Returns true if the bits changed.
  bool clear(Instant now, std::uint32_t instance, ports::Alarm alarm, ports::ReportPort& port);
  /// Ends what was not repeated in time. Returns true if the bits changed.
  bool expire(Instant now, std::uint32_t instance, ports::ReportPort& port);

  bool has(ports::Alarm alarm) const { return (bits_ >> static_cast<unsigned>(alarm) & 1) != 0; }
  std::uint64_t bits() const { return bits_; }
  /// kNever if no alarm ends by itself.
  Instant next_expiry() const { return next_expiry_; }
  /// After adoption: in force, already reported by the predecessor.
  void restore(Instant now, std::uint64_t bits, Nanos lasts);

 private:
  struct State {
    ports::Alarm alarm = ports::Alarm::kNone;
    Instant ends = kNever;
    Instant reported{};
    bool ever_reported = false;
    bool announced = false;  ///< people know that it is in force
  };
  State& state_of(ports::Alarm alarm);
  void find_next_expiry();

  std::uint64_t bits_ = 0;
  Instant next_expiry_ = kNever;
  std::vector<State> states_;  ///< of those that were ever raised: few
};

}  // namespace baton::engine
