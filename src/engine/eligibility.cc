#include "engine/eligibility.h"

#include <algorithm>

namespace baton::engine {

ReasonSet against(const Facts& facts) {
  ReasonSet set;
  set.set(Reason::kDrained, facts.drained);
  set.set(Reason::kSwitchover, facts.switched_over);
  set.set(Reason::kFrozen, facts.frozen);
  set.set(Reason::kStartupDelay, facts.startup_delay);
  set.set(Reason::kAddressFight, facts.address_fight);
  set.set(Reason::kAddressForeign, facts.address_foreign);
  set.set(Reason::kInstallFailed, facts.install_failed);
  set.set(Reason::kSendFailed, facts.send_failed);
  set.set(Reason::kDuplicateHost, facts.duplicate_host);
  set.set(Reason::kNoVirtualAddresses, facts.no_addresses);
  set.set(Reason::kCheckFailed, facts.check_failed);
  set.set(Reason::kCheckUnknown, facts.check_unknown || facts.check_pending);
  set.set(Reason::kGateClosed, facts.gate_closed);
  set.set(Reason::kNotPrimary, facts.not_primary);
  set.set(Reason::kIsolated, facts.isolated);
  return ReasonSet::from_bits(set.bits() | facts.promotion.bits());
}

bool must_release(const Facts& facts, ReasonSet against) {
  ReasonSet hard = against;
  hard.set(Reason::kFrozen, false);
  hard.set(Reason::kGateClosed, false);
  if (!facts.check_unknown || facts.hold_on_unknown) hard.set(Reason::kCheckUnknown, false);
  if (!against.has(Reason::kFrozen)) return !hard.empty();
  return hard.has(Reason::kAddressFight) || hard.has(Reason::kAddressForeign) || hard.has(Reason::kInstallFailed) ||
         hard.has(Reason::kSendFailed) || hard.has(Reason::kDuplicateHost) || hard.has(Reason::kNoVirtualAddresses) ||
         hard.has(Reason::kDrained) || hard.has(Reason::kSwitchover) || hard.has(Reason::kNoGrant) ||
         hard.has(Reason::kNotPrimary);
}

Verdict weigh(const std::vector<config::CheckReference>& references, const std::vector<const Check*>& checks,
              const std::vector<bool>& nobody_better) {
  Verdict verdict;
  for (std::size_t i = 0; i < references.size(); ++i) {
    const config::CheckReference& reference = references[i];
    const Check& check = *checks[i];
    const bool pending = check.settled() == Check::Settled::kPending;
    const bool passes = check.passes() || (i < nobody_better.size() && nobody_better[i] && !pending);
    switch (reference.use) {
      case config::CheckUse::kPrefer:
        if (passes == (reference.prefer > 0)) verdict.preference += reference.prefer;
        break;
      case config::CheckUse::kGate: verdict.gate_closed |= !passes; break;
      case config::CheckUse::kRequired:
        if (passes) break;
        verdict.failed |= check.settled() == Check::Settled::kFail;
        // F75: who may not look has not seen that it is down. That takes nothing and gives nothing.
        if (check.settled() == Check::Settled::kUnknown && check.status() == VerbStatus::kConfig) {
          verdict.pending = true;
        } else {
          verdict.unknown |= check.settled() == Check::Settled::kUnknown;
        }
        verdict.pending |= pending;
        if (verdict.culprit == nullptr || (verdict.culprit->settled() == Check::Settled::kPending && !pending)) {
          verdict.culprit = &check;
          verdict.culprit_index = i;
        }
        break;
    }
  }
  return verdict;
}

Priority effective_priority(Priority configured, bool owner, int preference) {
  if (owner) return kOwnerPriority;
  return Priority{static_cast<std::uint8_t>(std::clamp(configured.value() + preference, 1, 254))};
}

}  // namespace baton::engine
