#include "tests/sim/witness.h"

#include <algorithm>

namespace baton::sim {

Witness::Answer Witness::acquire(Nanos now, int host, int boot, std::uint64_t generation) {
  const bool ours = held(now) && is(host, boot);
  if (held(now) && !ours) return {VerbStatus::kRefused, 0, highest_};
  // Whoever was granted the highest may have it again, also when its lease has lapsed meanwhile.
  const bool again = is(host, boot) && generation == generation_ && generation == highest_;
  if (!again && generation <= highest_) return {VerbStatus::kRefused, 0, highest_};
  if (!ours) ++token_;
  host_ = host;
  boot_ = boot;
  until_ = now + length_;
  generation_ = generation;
  highest_ = std::max(highest_, generation);
  return {VerbStatus::kOk, token_, highest_};
}

Witness::Answer Witness::renew(Nanos now, int host, int boot, std::uint64_t generation) {
  if (!held(now) || !is(host, boot) || generation != generation_) return {VerbStatus::kRefused, 0, highest_};
  until_ = now + length_;
  return {VerbStatus::kOk, token_, highest_};
}

Witness::Answer Witness::release(Nanos now, int host, int boot, std::uint64_t generation) {
  if (held(now) && is(host, boot) && generation_ <= generation) until_ = now;
  return {VerbStatus::kOk, token_, highest_};
}

}  // namespace baton::sim
