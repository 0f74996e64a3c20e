// The steps on the way to serving clients, in order (design section 7). Which of them an instance has is a matter of
// its configuration; those that it does not have are passed over. Pure.
#pragma once

#include <cstdint>

#include "config/config.h"

namespace baton::engine {

enum class TransactionStep : std::uint8_t {
  kClaim,
  kGrant,
  kFence,
  kPromote,
  kInstall,
  kAnnounce,
  kFollowUp,
  kServing
};

/// Whether this instance has anything to do in `step`.
inline bool has_step(const config::Election& election, TransactionStep step) {
  switch (step) {
    case TransactionStep::kGrant: return election.grant != config::Grant::kNone;
    case TransactionStep::kFence: return !election.fence.empty();
    case TransactionStep::kPromote: return !election.promote.empty();
    case TransactionStep::kFollowUp: return !election.follow_up.empty();
    case TransactionStep::kClaim:
    case TransactionStep::kInstall:
    case TransactionStep::kAnnounce:
    case TransactionStep::kServing: return true;
  }
  return false;
}

inline TransactionStep next_step(const config::Election& election, TransactionStep step) {
  while (step != TransactionStep::kServing) {
    step = static_cast<TransactionStep>(static_cast<std::uint8_t>(step) + 1);
    if (has_step(election, step)) break;
  }
  return step;
}

}  // namespace baton::engine
