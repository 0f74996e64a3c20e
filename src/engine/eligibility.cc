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
  return set;
}

bool must_release(ReasonSet against) {
  ReasonSet hard = against;
  hard.set(Reason::kFrozen, false);
  if (!against.has(Reason::kFrozen)) return !hard.empty();
  return hard.has(Reason::kAddressFight) || hard.has(Reason::kAddressForeign) || hard.has(Reason::kInstallFailed) ||
         hard.has(Reason::kSendFailed) || hard.has(Reason::kDuplicateHost) || hard.has(Reason::kNoVirtualAddresses) ||
         hard.has(Reason::kDrained) || hard.has(Reason::kSwitchover);
}

Priority effective_priority(Priority configured, bool owner, int preference) {
  if (owner) return kOwnerPriority;
  return Priority{static_cast<std::uint8_t>(std::clamp(configured.value() + preference, 1, 254))};
}

}  // namespace baton::engine
