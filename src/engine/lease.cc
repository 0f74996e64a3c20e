#include "engine/lease.h"

#include <utility>

#include "base/defect.h"

namespace baton::engine {

void Lease::want(std::uint64_t generation) {
  if (wanted_ && generation == generation_) return;
  wanted_ = true;
  refused_ = false;
  generation_ = generation;
  next_at_ = Instant{};
  // Held for an older generation: asked for anew.
  until_ = Instant{};
}

void Lease::let_go() {
  wanted_ = refused_ = false;
  until_ = Instant{};
  next_at_ = Instant{};
}

void Lease::adopt(Instant until, Nanos length, std::uint64_t generation) {
  wanted_ = maybe_held_ = true;
  until_ = until;
  length_ = length;
  generation_ = generation;
  next_at_ = Instant{};
}

std::optional<PluginVerb> Lease::next(Instant now) {
  if (running_ || now < next_at_) return std::nullopt;
  if (wanted_) {
    running_ = until_ > now ? PluginVerb::kRenew : PluginVerb::kAcquire;
    maybe_held_ = true;
  } else if (maybe_held_) {
    running_ = PluginVerb::kRelease;
  }
  asked_ = now;
  asked_generation_ = generation_;
  return running_;
}

void Lease::finished(Instant now, VerbStatus status, Nanos length, std::uint64_t token, std::uint64_t generation) {
  const PluginVerb verb = *std::exchange(running_, std::nullopt);
  highest_ = std::max(highest_, generation);
  if (verb == PluginVerb::kRelease) {
    // It lapses by itself if the witness was not reached; nobody waits for that.
    if (!wanted_) maybe_held_ = false;
    return;
  }
  if (!wanted_ || asked_generation_ != generation_) return;  // no longer the question
  if (status == VerbStatus::kOk && length > Nanos{0}) {
    until_ = (BATON_DEFECT(44) ? now : asked_) + length;
    length_ = length;
    token_ = token;
    refused_ = false;
    next_at_ = asked_ + length / kRenewals;
    return;
  }
  refused_ = status == VerbStatus::kRefused || status == VerbStatus::kConflict;
  if (refused_) until_ = Instant{};  // somebody else has it: what was known is void
  next_at_ = now + (length_ > Nanos{0} ? std::min(kPause, length_ / 16) : kPause);
}

Instant Lease::next_deadline() const {
  if (running_) return kNever;
  if (wanted_ || maybe_held_) return next_at_;
  return kNever;
}

}  // namespace baton::engine
