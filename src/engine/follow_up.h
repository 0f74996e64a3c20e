// What an instance still has to do after it became Active (enter, in order) or ceased to be (leave, in reverse order):
// one act at a time, newest target wins. Decides the order and what a failure means; asks nobody itself. Pure.
//
// A failed enter ends the row: what comes later may depend on it. What may work later (transient, timeout, crashed, not
// running) is tried again with back-off as long as the target stands. A failed leave never keeps the others from
// leaving.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/plugin_verb.h"
#include "base/time.h"
#include "ports/ports.h"
#include "ports/snapshot.h"

namespace baton::engine {

class FollowUp {
 public:
  struct Act {
    std::size_t index = 0;  ///< in the configured list
    PluginVerb verb = PluginVerb::kEnter;
  };

  /// The configured row. What runs is finished first; then everything of the current target is asked again
  /// (idempotent).
  void configure(std::size_t count);
  /// Continues a predecessor's: nothing is asked again if it had come to its end.
  void adopt(ports::FollowUpState state);
  void enter();
  /// `last`: the instance ends, so each is asked once only.
  void leave(bool last);

  /// The act to ask for now; it counts as running until finished(). nullopt: wait.
  std::optional<Act> next(Instant now);
  void finished(Instant now, VerbStatus status);

  bool running() const { return running_.has_value(); }
  /// Nothing is running and nothing is to come for the current target, not even again.
  bool done() const { return !running_ && (next_ >= count_ || gave_up_); }
  /// When next() has something again; kNever: after an event only.
  Instant next_deadline() const { return running_ || done() ? kNever : retry_at_; }
  ports::FollowUpState state() const;
  std::size_t behind() const { return next_; }

 private:
  enum class Target : std::uint8_t { kNothing, kEnter, kLeave };
  static bool may_work_later(VerbStatus status);
  void aim(Target target);

  std::size_t count_ = 0;
  Target target_ = Target::kNothing;
  std::size_t next_ = 0;  ///< how many of the row are behind us
  std::optional<Act> running_;
  bool stale_ = false;    ///< what runs belongs to an older target
  bool gave_up_ = false;  ///< enter failed for good
  bool skipped_ = false;  ///< a leave was given up, so that the others could leave
  bool last_ = false;
  Instant retry_at_{};
  Nanos pause_ = kFirstPause;

  static constexpr Nanos kFirstPause = std::chrono::seconds{1};
  static constexpr Nanos kLongestPause = std::chrono::seconds{60};
};

}  // namespace baton::engine
