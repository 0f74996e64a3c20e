// What a transaction says of itself: what speaks against this host, what its data is to people, when it is to be looked
// at again.
#include <algorithm>

#include "base/defect.h"
#include "engine/promotion.h"

namespace baton::engine {

using ports::DataRole;
using Step = PromotionStep;

bool Promotion::data_lost(Instant now) const {
  return step_ == Step::kActive && std::any_of(contrary_since_.begin(), contrary_since_.end(), [&](Instant since) {
           return since != Instant{} && now - since >= kDriftTime && !BATON_DEFECT(62);
         });
}

Instant Promotion::budget_free_at() const {
  if (promotions_.size() < setup_.budget) return Instant{};
  return promotions_[promotions_.size() - setup_.budget] + setup_.budget_window;
}

Instant Promotion::rested_at() const { return promotions_.empty() ? Instant{} : promotions_.back() + setup_.cooldown; }

ReasonSet Promotion::against(Instant now) const {
  ReasonSet set;
  set.set(Reason::kStateUnread, step_ == Step::kReading || step_ == Step::kProving);
  if (step_ == Step::kProving) return set;
  set.set(Reason::kFenced, record_.role == DataRole::kFenced);
  set.set(Reason::kSameGeneration, !double_.empty());
  set.set(Reason::kNeedsRejoin, record_.role == DataRole::kNeedsRejoin && !BATON_DEFECT(52));
  set.set(Reason::kDemoteFailed, stuck_);
  set.set(Reason::kDataLost, data_lost(now));
  if (now < trouble_until_) set.set(trouble_);
  const bool decided = (step_ >= Step::kDeciding && step_ <= Step::kActive) || step_ == Step::kUnblocking ||
                       (giving() && step_ <= Step::kHanding);
  set.set(Reason::kNoGrant, set.has(Reason::kNoGrant) || (decided && grant_lost(now)));
  if (step_ >= Step::kClaiming && step_ <= Step::kActive) return set;
  if (giving() || (step_ >= Step::kHanding && step_ <= Step::kUnblocking)) return set;
  const bool promised = setup_.grant == config::Grant::kPeer && !promise_.to.empty();
  set.set(Reason::kPromised, promised && !silent(promise_.to, now));
  const bool witness = setup_.grant == config::Grant::kWitness;
  set.set(Reason::kNeedsProof, unproven_ && !witness && !setup_.resume_alone);
  if (setup_.grant == config::Grant::kManual && !permitted_) set.set(Reason::kNoGrant);
  set.set(Reason::kNoWatchdog, !guarded_);
  set.set(Reason::kPromotionBudget, now < budget_free_at() && !permitted_);
  set.set(Reason::kCooldown, now < rested_at() && !permitted_);
  return set;
}

DataRole Promotion::role() const {
  if (record_.role == DataRole::kFenced || record_.role == DataRole::kNeedsRejoin) return record_.role;
  if (step_ == Step::kActive) return DataRole::kActive;
  const bool promotes = step_ == Step::kPromoting || step_ == Step::kVerifying || step_ == Step::kProving;
  if (promotes) return DataRole::kPromoting;
  if (climbing()) return DataRole::kClaiming;
  if (step_ >= Step::kHanding && step_ <= Step::kUnblocking) return DataRole::kDemoting;
  if (descending_ || step_ == Step::kBlocking || step_ == Step::kClearing) return DataRole::kDemoting;
  return step_ == Step::kReading ? DataRole::kNone : DataRole::kStandby;
}

Instant Promotion::granted_until() const {
  if (setup_.grant != config::Grant::kWitness) return kNever;
  Instant until = kNever;
  for (const Lease& lease : leases_) until = std::min(until, lease.until());
  return until;
}

Instant Promotion::next_deadline(Instant now) const {
  Instant next = kNever;
  const auto at = [&](Instant when) {
    if (when > now) next = std::min(next, when);
  };
  at(not_before_);
  at(trouble_until_);
  at(budget_free_at());
  at(rested_at());
  for (const Instant since : contrary_since_) {
    if (since != Instant{}) at(since + kDriftTime);
  }
  if (step_ == Step::kWaiting) {
    at(free_at_);
    if (awaits_promise(now)) at(since_ + kWordTime);
    if (awaits_promise(now)) at(since_ + kGrantPatience);
  }
  if (step_ == Step::kProving) {
    at(since_ + kWordTime);
    at(since_ + kProvingPatience);
  }
  if (step_ == Step::kGranting || step_ == Step::kRegaining) {
    at(since_ + ports::kPeerLease);
    at(since_ + kGrantPatience);
    at(since_ + kLeasePatience);
  }
  at(patience_until_);
  if (awaits_word(now)) at(word_until_);
  if (permitted_ && step_ == Step::kStandby) at(permit_ends_);
  if (conflict_since_ != Instant{}) at(conflict_since_ + kConflictTime);
  if (step_ == Step::kActive) at(settled_at_);
  if (step_ == Step::kPassed) at(since_ + 2 * ports::kPeerLease);
  for (const auto& [host, heard] : heard_) at(heard.at + ports::kPeerLease + Nanos{1});
  if (record_.role == DataRole::kNeedsRejoin) at(rejoin_at_);
  for (const Lease& lease : leases_) {
    at(lease.next_deadline());
    if (step_ >= Step::kDeciding && step_ <= Step::kUnblocking) at(lease.give_up_at());
  }
  return next;
}

}  // namespace baton::engine
