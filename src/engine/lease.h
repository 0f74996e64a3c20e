// The grant of one witness: acquired before a promotion, renewed while it is needed, given back after the demotion.
// Decides when to ask and how long the answer may be relied upon: counted from when the question left, so that a slow
// witness never makes it longer. Pure; asks nobody itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/plugin_verb.h"
#include "base/time.h"

namespace baton::engine {

class Lease {
 public:
  /// Asked for from now on, for this generation.
  void want(std::uint64_t generation);
  /// Given back, if it is or may be held.
  void let_go();
  /// Continues a predecessor's.
  void adopt(Instant until, Nanos length, std::uint64_t generation);

  /// The verb to ask for now: acquire, renew or release; it counts as running until finished().
  std::optional<PluginVerb> next(Instant now);
  /// `length`: how long it is held, counted from the question. `generation`: the highest that the witness knows.
  void finished(Instant now, VerbStatus status, Nanos length, std::uint64_t token, std::uint64_t generation);

  bool wanted() const { return wanted_; }
  bool held(Instant now) const { return until_ > now; }
  /// The witness has said no since want().
  bool refused() const { return refused_; }
  /// Nothing runs, and nothing is or may be held.
  bool gone() const { return !running_ && !maybe_held_; }
  Instant until() const { return until_; }
  /// When the demotion has to begin in order to be finished in time, if no renewal succeeds.
  Instant give_up_at() const { return until_ - length_ / kReserve; }
  Nanos length() const { return length_; }
  std::uint64_t token() const { return token_; }
  std::uint64_t highest_generation() const { return highest_; }
  std::uint64_t generation() const { return generation_; }
  /// How long an answer may take.
  Nanos patience() const { return until_ == Instant{} ? kAcquirePatience : std::max(length_ / kRenewals, kShortest); }
  /// When next() has something; kNever: after an event only.
  Instant next_deadline() const;

 private:
  static constexpr int kRenewals = 4;  ///< within one length
  static constexpr int kReserve = 3;   ///< this part of the length is for the demotion
  static constexpr Nanos kAcquirePatience = std::chrono::seconds{5};
  static constexpr Nanos kShortest = std::chrono::milliseconds{250};
  static constexpr Nanos kPause = std::chrono::milliseconds{500};

  bool wanted_ = false;
  bool refused_ = false;
  bool maybe_held_ = false;  ///< an acquire has left since the last release
  std::optional<PluginVerb> running_;
  Instant asked_{};
  std::uint64_t asked_generation_ = 0;
  Instant until_{};
  Instant next_at_{};
  Nanos length_{0};
  std::uint64_t generation_ = 0;
  std::uint64_t token_ = 0;
  std::uint64_t highest_ = 0;
};

}  // namespace baton::engine
