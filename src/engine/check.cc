#include "engine/check.h"

#include <algorithm>

namespace baton::engine {

void Check::configure(Instant now, const config::Plugin& plugin) {
  interval_ = plugin.interval;
  rise_ = plugin.rise;
  fall_ = plugin.fall;
  if (renewed_ == Instant{}) renewed_ = since_ = now;
}

void Check::count(bool pass, std::uint32_t outcomes) {
  if (pass) {
    good_ = std::min<std::uint32_t>(good_ + outcomes, 1'000'000);
    bad_ = 0;
  } else {
    bad_ = std::min<std::uint32_t>(bad_ + outcomes, 1'000'000);
    good_ = 0;
  }
}

bool Check::observe(Instant now, const ports::ProbeReading& reading) {
  if (reading.sequence == 0 || reading.sequence == sequence_) return false;
  const bool pass = reading.state == ProbeState::kPass;
  // A page that was begun anew counts from one again.
  const std::uint64_t fresh = reading.sequence > sequence_ ? reading.sequence - sequence_ : reading.sequence;
  if (reading.streak < fresh) {
    // Others lay in between: only the run that is still going on counts.
    good_ = bad_ = 0;
    count(pass, reading.streak);
  } else {
    count(pass, static_cast<std::uint32_t>(fresh));
  }
  sequence_ = reading.sequence;
  renewed_ = std::min(reading.finished, now);
  ever_ = true;
  last_ = reading.state;
  const bool told = warning_ != reading.warning || role_ != reading.role || generation_ != reading.generation ||
                    (!passes() && (lapsed_ || status_ != reading.status));
  warning_ = reading.warning;
  role_ = reading.role;
  if (reading.status == VerbStatus::kOk && reading.state != ProbeState::kUnknown) told_role_ = reading.role;
  generation_ = reading.generation;
  status_ = reading.status;
  sentence_ = reading.sentence;
  explained_ = !pass && reading.status >= VerbStatus::kTimeout;
  lapsed_ = false;
  return settle(now) || told;
}

bool Check::lose(Instant now, VerbStatus status, std::string_view sentence) {
  count(false, 1);
  ever_ = true;
  last_ = ProbeState::kUnknown;
  const bool told = !passes() && (lapsed_ || status_ != status);
  status_ = status;
  sentence_ = ports::Sentence{sentence};
  explained_ = true;
  lapsed_ = false;
  return settle(now) || told;
}

bool Check::settle(Instant now) {
  if (flapping_) {
    if (good_ == 0) calm_since_ = now;
    if (now - calm_since_ < kCalm) return false;
    flapping_ = false;
    fall_count_ = 0;
  }
  if (good_ >= rise_) return become(now, Settled::kPass);
  if (bad_ >= fall_) return become(now, last_ == ProbeState::kFail ? Settled::kFail : Settled::kUnknown);
  return false;
}

bool Check::become(Instant now, Settled next) {
  if (settled_ == next) return false;
  if (settled_ == Settled::kPass) {
    const Instant oldest = falls_[fall_next_];
    falls_[fall_next_] = now;
    fall_next_ = (fall_next_ + 1) % kFlapLimit;
    fall_count_ = std::min(fall_count_ + 1, kFlapLimit + 1);
    flapping_ = fall_count_ > kFlapLimit && now - oldest < kFlapWindow;
    calm_since_ = now;
  }
  settled_ = next;
  since_ = looked_ = now;
  return true;
}

bool Check::on_deadline(Instant now) {
  if (now < next_deadline()) return false;
  if (flapping_ && good_ > 0 && now - calm_since_ >= kCalm) return settle(now);
  looked_ = now;
  if (now - renewed_ < lease() || settled_ == Settled::kUnknown) return false;
  // No renewal in three intervals: whatever was known is worth nothing.
  count(false, fall_);
  last_ = ProbeState::kUnknown;
  // Who knows why there is none says that.
  if (!explained_) {
    sentence_ = ports::Sentence{ever_ ? "no result for three intervals" : "no result since it was started"};
    status_ = VerbStatus::kTimeout;
    lapsed_ = true;
  }
  flapping_ = false;
  return become(now, Settled::kUnknown);
}

Instant Check::next_deadline() const {
  // What is unknown is looked at, too: its host may be back with what it said before, and then it does not ring.
  const Instant lapse = (settled_ == Settled::kUnknown ? looked_ : renewed_) + lease();
  return flapping_ && good_ > 0 ? std::min(calm_since_ + kCalm, lapse) : lapse;
}

}  // namespace baton::engine
