// What a transaction knows from an earlier life: from this host's record after a restart of all of Baton, from the
// state board after one of the engine alone (roles section 3, the crash table).
#include <algorithm>

#include "base/defect.h"
#include "engine/promotion.h"

namespace baton::engine {

using ports::DataRole;
using ports::HandoverPhase;
using Step = PromotionStep;

void Promotion::recall(Instant now, const ports::DataRecord& record) {
  if (step_ != Step::kReading) {
    record_.generation = std::max(record_.generation, record.generation);
    record_.promoted = std::max(record_.promoted, record.promoted);
    if (promotions_.empty()) promotions_.assign(record.promotions.begin(), record.promotions.end());
    return;
  }
  record_ = written_ = record;
  record_.instance = instance_;
  promotions_.assign(record.promotions.begin(), record.promotions.end());
  switch (record.role) {
    // In an unfinished promotion or demotion the data may have been writable.
    case DataRole::kPromoting:
    case DataRole::kActive:
    case DataRole::kDemoting: record_.dirty = !BATON_DEFECT(61); [[fallthrough]];
    case DataRole::kNone:
    case DataRole::kStandby:
    case DataRole::kClaiming: record_.role = DataRole::kStandby; break;
    case DataRole::kFenced:
    case DataRole::kNeedsRejoin: break;
  }
  unproven_ = dirty_before_ = record_.dirty;
  own_ = record.role == DataRole::kActive ? record.promoted : 0;
  claimed_in_boot_ = record.same_boot;
  rejoin_at_ = now + kRejoinPause;
  word_until_ = now + ports::kPeerLease;
  const bool had_it = record.role == DataRole::kPromoting || record.role == DataRole::kActive;
  // A reboot has started the database anew, as a standby.
  enter(now, had_it && record.same_boot ? Step::kProving : Step::kStandby);
}

// ---- Going on after a restart of all of Baton -----------------------------------------------------------------------

/// What a section's probe says decides whether the data still is what the record says.
void Promotion::look_for_proof(ApplicationRole role, std::uint64_t generation) {
  const bool primary = role == ApplicationRole::kPrimary;
  stamped_ |= primary && generation == record_.generation;
  disproved_ |= !primary || (generation != 0 && generation != record_.generation);
}

/// Since this host was promoted nobody else can have been.
bool Promotion::still_granted(Instant now) const {
  switch (setup_.grant) {
    case config::Grant::kWitness:
      return std::all_of(leases_.begin(), leases_.end(), [&](const Lease& lease) { return lease.held(now); });
    case config::Grant::kPeer:
      return promise_.to.empty() && std::all_of(setup_.others.begin(), setup_.others.end(),
                                                [&](const std::string& host) { return has_promised(host, now); });
    default: break;
  }
  const bool all_silent = std::all_of(setup_.others.begin(), setup_.others.end(),
                                      [&](const std::string& host) { return silent(host, now); });
  if (all_silent && setup_.resume_alone) return now - since_ >= kWordTime;
  return nobody_took_over(now, record_.generation);
}

/// It still is the writable one, by its own generation, and nobody else can have become it: then it goes on where it
/// was. In all other cases it is demoted first, as after any start. True: moved.
bool Promotion::prove(Instant now) {
  const bool refused = std::any_of(leases_.begin(), leases_.end(), [](const Lease& lease) { return lease.refused(); });
  ReasonSet objections = objections_;
  const bool unknown = objections.has(Reason::kCheckUnknown);
  for (const Reason none : {Reason::kStateUnread, Reason::kCheckUnknown, Reason::kGateClosed, Reason::kNoWatchdog}) {
    objections.set(none, false);
  }
  const bool late = now - since_ >= kProvingPatience;
  if (disproved_ || refused || !double_.empty() || !wanted_upstream_.empty() || !objections.empty() || late) {
    return enter(now, Step::kStandby), true;  // the grant goes back after the demotion
  }
  if (!stamped_ || unknown || !guarded_ || !still_granted(now)) return false;
  target_ = Target::kActive;
  continued_ = true;
  return enter(now, Step::kPromoting), true;
}

void Promotion::adopt(Instant now, const ports::InstanceState& old, const ports::HandoverWord& word) {
  const auto step = static_cast<Step>(old.promotion_step);
  if (step == Step::kReading || step > ports::kLastStep) return;
  const std::uint64_t generation = old.generation;
  const Instant lease_until{Nanos{old.granted_until_ns}};
  record_.role = old.data_role;
  record_.generation = generation;
  record_.dirty = old.data_dirty;
  record_.promoted = old.data_role == DataRole::kActive ? generation : old.promoted;
  own_ = old.data_role == DataRole::kActive ? generation : 0;
  dirty_before_ = old.data_dirty;  // what it was before the promotion is not known any more
  written_ = record_;
  // What is asked for anew need not be on disk yet.
  if (step == Step::kRegaining || step == Step::kUnblocking) written_.generation = 0;
  word_ = word;
  promise_ = ports::promise_of(old.handover);
  others_ = promise_.generation;
  if (planned()) {
    positions_ = positions_of(word_.position);
    positions_.resize(setup_.promote.size());
  }
  const bool passed = step == Step::kPassing || step == Step::kPassed || step == Step::kRegaining;
  // Nothing was passed on: this host decides alone, and what the other waits for will not come.
  if ((!is_over(word_.phase) || takes(step)) && !passed && !planned()) {
    conclude(HandoverPhase::kAborted, "the engine of one of the hosts was started anew");
  }
  const bool may_be_writable = step == Step::kActive || step == Step::kPromoting || step == Step::kVerifying ||
                               step == Step::kHanding || step == Step::kUnblocking;
  if (may_be_writable) {
    for (Lease& lease : leases_) lease.adopt(lease_until, std::max(lease_until - now, Nanos{1}), generation);
  }
  // Its mastership was lost already, and nobody has handed the role over: that is undone.
  const bool climbs = step == Step::kPromoting || step == Step::kVerifying;
  const bool left = climbs && !planned() && old.state != vrrp::State::kActive;
  if ((may_be_writable || passed) && !left) target_ = Target::kActive;
  touched_ = climbs;
  if (step == Step::kActive || climbs) {
    step_ = step == Step::kActive ? step : Step::kPromoting;
    since_ = now;
  } else if (step == Step::kHanding || step == Step::kUnblocking) {
    enter(now, Step::kUnblocking);
  } else if (passed) {
    enter(now, step);
  } else if (step >= Step::kBlocking && step <= Step::kDemoting) {
    descending_ = true;
    enter(now, BATON_DEFECT(49) ? Step::kClosing : Step::kBlocking);
  } else {
    unproven_ = record_.dirty;  // whether that was proven is not known any more
    const bool rests = step == Step::kStandby || step == Step::kProving || takes(step);
    enter(now, rests ? Step::kStandby : Step::kReturning);
  }
}

void Promotion::saw_generation(std::uint64_t generation) {
  seen_ = std::max(seen_, generation);
  // Who may have been overtaken, or serves, must not take the other's generation for its own.
  if (!unproven_ && step_ != Step::kActive) record_.generation = std::max(record_.generation, generation);
}

}  // namespace baton::engine
