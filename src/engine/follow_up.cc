#include "engine/follow_up.h"

#include <algorithm>
#include <utility>

namespace baton::engine {

using ports::FollowUpState;

void FollowUp::configure(std::size_t count) {
  count_ = count;
  aim(target_);
}

void FollowUp::adopt(FollowUpState state) {
  if (state == FollowUpState::kEntered) {
    target_ = Target::kEnter;
    next_ = count_;
  } else if (state == FollowUpState::kLeft) {
    target_ = Target::kLeave;
    next_ = count_;
  }
}

void FollowUp::aim(Target target) {
  target_ = target;
  next_ = 0;
  stale_ = running_.has_value();
  gave_up_ = skipped_ = false;
  retry_at_ = Instant{};
  pause_ = kFirstPause;
}

void FollowUp::enter() {
  if (target_ != Target::kEnter) aim(Target::kEnter);
}

void FollowUp::leave(bool last) {
  last_ |= last;
  if (target_ != Target::kLeave) aim(Target::kLeave);
}

std::optional<FollowUp::Act> FollowUp::next(Instant now) {
  if (running_ || target_ == Target::kNothing || done() || now < retry_at_) return std::nullopt;
  const bool enter = target_ == Target::kEnter;
  running_ = Act{enter ? next_ : count_ - 1 - next_, enter ? PluginVerb::kEnter : PluginVerb::kLeave};
  return running_;
}

bool FollowUp::may_work_later(VerbStatus status) {
  return status == VerbStatus::kTransient || status == VerbStatus::kTimeout || status == VerbStatus::kCrashed ||
         status == VerbStatus::kGarbage || status == VerbStatus::kNotRunning;
}

void FollowUp::finished(Instant now, VerbStatus status) {
  running_.reset();
  if (std::exchange(stale_, false)) return;
  if (status == VerbStatus::kOk) {
    ++next_;
    retry_at_ = Instant{};
    pause_ = kFirstPause;
    return;
  }
  const bool again = may_work_later(status) && !last_;
  if (target_ == Target::kLeave && (!again || pause_ > kFirstPause)) {
    // Twice in vain: the others have to leave, too.
    skipped_ = true;
    ++next_;
    retry_at_ = Instant{};
    pause_ = kFirstPause;
  } else if (!again) {
    gave_up_ = true;
  } else {
    retry_at_ = now + pause_;
    pause_ = std::min(pause_ * 2, kLongestPause);
  }
}

FollowUpState FollowUp::state() const {
  if (count_ == 0 || target_ == Target::kNothing) return FollowUpState::kNone;
  if (gave_up_ || skipped_) return FollowUpState::kFailed;
  if (target_ == Target::kEnter) return done() ? FollowUpState::kEntered : FollowUpState::kEntering;
  return done() ? FollowUpState::kLeft : FollowUpState::kLeaving;
}

}  // namespace baton::engine
