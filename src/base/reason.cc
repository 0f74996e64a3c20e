#include "base/reason.h"

namespace baton {
namespace {

struct Words {
  std::string_view token;
  std::string_view sentence;
};

Words words(Reason reason) {
  switch (reason) {
    case Reason::kNone: return {"none", "no reason"};
    case Reason::kStartup: return {"startup", "started; listening for an Active first"};
    case Reason::kShutdown: return {"shutdown", "the daemon was stopped"};
    case Reason::kOwnerStartup: return {"owner_startup", "this host owns the address (priority 255)"};
    case Reason::kActiveDownExpired: return {"active_down_expired", "no Active was heard for Active_Down_Interval"};
    case Reason::kActiveResigned: return {"active_resigned", "the Active resigned (priority 0)"};
    case Reason::kPreemptLower: return {"preempt_lower", "the Active had a lower priority and preempt is on"};
    case Reason::kPreemptDelayOver:
      return {"preempt_delay_over", "preempt_delay is over and the Active has a lower priority"};
    case Reason::kHigherPriority: return {"higher_priority", "a router of higher priority is Active"};
    case Reason::kEqualPriorityHigherAddress:
      return {"equal_priority_higher_address", "a router of equal priority and greater address is Active"};
    case Reason::kGroupMember: return {"group_member", "another member of the group decided"};
    case Reason::kInterfaceMissing: return {"interface_missing", "the interface does not exist"};
    case Reason::kInterfaceDown: return {"interface_down", "the interface is down or has no carrier"};
    case Reason::kNoPrimaryAddress: return {"no_primary_address", "the interface has no address of its own yet"};
    case Reason::kNoVirtualAddresses: return {"no_virtual_addresses", "no virtual address is configured"};
    case Reason::kStall: return {"stall", "the daemon did not run for longer than Active_Down_Interval"};
    case Reason::kAddressFight: return {"address_fight", "somebody keeps taking the address away"};
    case Reason::kInstallFailed: return {"install_failed", "the kernel refused a virtual address"};
    case Reason::kAddressForeign: return {"address_foreign", "the virtual address is on this host and is not Baton's"};
    case Reason::kSendFailed: return {"send_failed", "advertisements cannot be sent"};
    case Reason::kDuplicateHost: return {"duplicate_host", "another host uses this host's own address"};
    case Reason::kCheckFailed: return {"check_failed", "a required check fails"};
    case Reason::kCheckUnknown: return {"check_unknown", "a required check has no fresh result"};
    case Reason::kStartupDelay: return {"startup_delay", "startup_delay is running"};
    case Reason::kPromoteFailed: return {"promote_failed", "a promotion failed"};
    case Reason::kNoGrant: return {"no_grant", "no grant to promote"};
    case Reason::kNeedsRejoin: return {"needs_rejoin", "this host's data must rejoin first"};
    case Reason::kAddressTentative: return {"address_tentative", "the link-local address is not usable yet"};
    case Reason::kMtuTooSmall: return {"mtu_too_small", "the advertisement does not fit the interface's MTU"};
    case Reason::kRivalAddress: return {"rival_address", "another host announces our address"};
    case Reason::kGateClosed: return {"gate_closed", "a gate check does not pass"};
    case Reason::kNotPrimary: return {"not_primary", "the database's primary is on another host"};
    case Reason::kFenced: return {"fenced", "evidence of a split brain: an operator has to decide (batonctl forgive)"};
    case Reason::kPromotionBudget: return {"promotion_budget", "promoted as often as promotion_budget allows"};
    case Reason::kCooldown: return {"cooldown", "the last promotion is less than cooldown ago"};
    case Reason::kStateUnread: return {"state_unread", "what this host did before its start is not read yet"};
    case Reason::kNeedsProof:
      return {"needs_proof", "this host was the writable one; whether another has taken over since is not known"};
    case Reason::kDataLost: return {"data_lost", "the database has ceased to be the writable one"};
    case Reason::kPromoteRefused: return {"promote_refused", "the database refuses to be promoted now"};
    case Reason::kDemoteFailed: return {"demote_failed", "the database cannot be made a standby"};
    case Reason::kFenceFailed: return {"fence_failed", "the other host could not be fenced"};
    case Reason::kDrained: return {"drained", "this host is drained"};
    case Reason::kSwitchover: return {"switchover", "gave up on request and stays yielded"};
    case Reason::kFrozen: return {"frozen", "this host is frozen"};
    case Reason::kConfigRemoved: return {"config_removed", "the instance was removed from the configuration"};
    case Reason::kConfigChanged: return {"config_changed", "the instance's configuration changed"};
    case Reason::kHandedOver: return {"handed_over", "the other host handed the role over"};
    case Reason::kPromised: return {"promised", "another host has been promised that it alone promotes"};
    case Reason::kAdopted: return {"adopted", "a new engine continues the state of the previous one"};
    case Reason::kEngineDied: return {"engine_died", "the engine died and its state could not be continued"};
    case Reason::kNoWatchdog: return {"no_watchdog", "the watchdog is not armed: nothing is promoted without it"};
    case Reason::kContinued:
      return {"continued", "this host had the role when Baton ended, and nobody has taken it since"};
    case Reason::kIsolated:
      return {"isolated", "no other host is heard, and what this host pings does not answer, either"};
    case Reason::kTooManyDeaths: return {"too_many_deaths", "the engine died three times in a minute"};
    case Reason::kSameGeneration:
      return {"same_generation", "another host says that it was promoted under this host's generation"};
  }
  return {"unknown", "unknown"};
}

}  // namespace

std::string_view reason_token(Reason reason) { return words(reason).token; }
std::string_view reason_words(Reason reason) { return words(reason).sentence; }

}  // namespace baton
