// One [plugin] section as a check: from the outcomes of its probe to a settled state. Counts `rise` and `fall`, lets a
// result lapse that is not renewed (a result is a lease), and holds down a check that flaps (F83). Pure: outcomes and
// times come in, a state comes out. Everything that is not a pass counts against the check, and it says which.
#pragma once

#include <array>
#include <cstdint>

#include "base/plugin_verb.h"
#include "base/time.h"
#include "config/config.h"
#include "ports/ports.h"

namespace baton::engine {

class Check {
 public:
  enum class Settled : std::uint8_t {
    kPending,  ///< nothing is known yet: no reason to take a role, nor to give it up
    kPass,
    kFail,
    kUnknown,  ///< no answer, no fresh answer, or none that could be understood; counts as failed
  };
  /// A result that is not renewed for so many intervals is unknown.
  static constexpr int kLeaseIntervals = 3;
  /// So often in kFlapWindow from pass to not-pass, and it is held down until it has passed for kCalm.
  static constexpr std::size_t kFlapLimit = 10;
  static constexpr Nanos kFlapWindow = std::chrono::hours{1};
  static constexpr Nanos kCalm = std::chrono::minutes{5};

  Check() = default;
  /// Takes over changed keys; what is known stays.
  void configure(Instant now, const config::Plugin& plugin);

  /// True if anything that is shown changed: state, warning, role, flapping, or why it does not pass.
  bool observe(Instant now, const ports::ProbeReading& reading);
  /// The probe's process died or cannot be had: one failed outcome.
  bool lose(Instant now, VerbStatus status, std::string_view sentence);
  /// The lease or a hold-down may be over.
  bool on_deadline(Instant now);
  Instant next_deadline() const;

  Settled settled() const { return settled_; }
  bool passes() const { return settled_ == Settled::kPass; }
  bool warning() const { return warning_; }
  bool flapping() const { return flapping_; }
  ApplicationRole role() const { return role_; }
  /// The last that was said about it by an answer that could know: not by one that is late, lost or locked out.
  ApplicationRole told_role() const { return told_role_; }
  VerbStatus status() const { return status_; }
  const ports::Sentence& sentence() const { return sentence_; }
  /// That stands in the data; 0: none, or not known.
  std::uint64_t generation() const { return generation_; }
  /// When the probe looked that said all this.
  Instant looked_at() const { return renewed_; }
  /// Of the settled state.
  Instant since() const { return since_; }

 private:
  bool settle(Instant now);
  bool become(Instant now, Settled next);
  void count(bool pass, std::uint32_t outcomes);
  Nanos lease() const { return kLeaseIntervals * interval_; }

  Nanos interval_ = std::chrono::seconds{1};
  std::uint32_t rise_ = 1;
  std::uint32_t fall_ = 3;

  std::uint64_t sequence_ = 0;
  std::uint32_t good_ = 0;  ///< outcomes in a row
  std::uint32_t bad_ = 0;
  ProbeState last_ = ProbeState::kUnknown;
  Instant renewed_{};  ///< the lease counts from here
  Instant looked_{};   ///< kUnknown: for an answer that is no news to who gives it
  bool ever_ = false;

  Settled settled_ = Settled::kPending;
  bool warning_ = false;
  ApplicationRole role_ = ApplicationRole::kNone;
  ApplicationRole told_role_ = ApplicationRole::kNone;
  std::uint64_t generation_ = 0;
  VerbStatus status_ = VerbStatus::kOk;
  ports::Sentence sentence_;
  bool explained_ = false;  ///< the sentence says why there is no result
  bool lapsed_ = false;     ///< the sentence says that nobody knows
  Instant since_{};

  std::array<Instant, kFlapLimit> falls_{};  ///< the last times it fell from pass
  std::size_t fall_next_ = 0;
  std::size_t fall_count_ = 0;
  bool flapping_ = false;
  Instant calm_since_{};  ///< flapping: it passes since then
};

}  // namespace baton::engine
