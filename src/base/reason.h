// Why an instance changed, or does not change, its role. One enum for log, history, metrics, status and explain.
#pragma once

#include <cstdint>
#include <string_view>

namespace baton {

/// Values are stored in the state board and in history: add at the end, never renumber.
enum class Reason : std::uint8_t {
  kNone = 0,
  // The election (RFC 9568 §6.4).
  kStartup = 1,
  kShutdown = 2,
  kOwnerStartup = 3,
  kActiveDownExpired = 4,  ///< nobody was heard for Active_Down_Interval
  kActiveResigned = 5,     ///< the Active sent priority 0
  kPreemptLower = 6,       ///< a router of lower priority was Active
  kPreemptDelayOver = 7,
  kHigherPriority = 8,  ///< a router of higher priority is Active
  kEqualPriorityHigherAddress = 9,
  kGroupMember = 10,  ///< another member of the group decided
  // Facts about this host.
  kInterfaceMissing = 20,
  kInterfaceDown = 21,
  kNoPrimaryAddress = 22,
  kNoVirtualAddresses = 23,
  kStall = 24,           ///< the process did not run for longer than Active_Down_Interval
  kAddressFight = 25,    ///< somebody else keeps removing or taking our address
  kInstallFailed = 26,   ///< the kernel refused a virtual address
  kAddressForeign = 27,  ///< the virtual address is on this host but not ours
  kSendFailed = 28,
  kDuplicateHost = 29,  ///< our own source address was heard from another host
  kCheckFailed = 30,
  kCheckUnknown = 31,
  kStartupDelay = 32,
  kPromoteFailed = 33,
  kNoGrant = 34,
  kNeedsRejoin = 35,
  kAddressTentative = 36,  ///< the link-local source still waits for duplicate address detection, or failed it
  kMtuTooSmall = 37,
  kRivalAddress = 38,  ///< ARP or NA of another host claims our address
  kGateClosed = 39,    ///< a `gate` check does not pass: no new Active, but no reason to give up
  // Database roles.
  kNotPrimary = 40,       ///< grant = follow: the database's primary is elsewhere
  kFenced = 41,           ///< evidence of a split brain, or a record that cannot be read: an operator decides
  kPromotionBudget = 42,  ///< promoted too often in promotion_budget's time
  kCooldown = 43,         ///< the last promotion is less than cooldown ago
  kStateUnread = 44,      ///< what this host did before its start is not known yet
  kNeedsProof = 45,       ///< it was the writable one; whether another has taken over since is not known
  kDataLost = 46,         ///< the database has ceased to be the writable one
  kPromoteRefused = 47,   ///< the database's data must not be promoted now
  kDemoteFailed = 48,
  kFenceFailed = 49,
  // The operator.
  kDrained = 50,
  kSwitchover = 51,  ///< gave up on request and stays yielded
  kFrozen = 52,
  kConfigRemoved = 53,
  kConfigChanged = 54,
  kHandedOver = 55,  ///< the other host handed the role over, in a planned move
  kPromised = 56,    ///< grant = peer: another host has been promised that it may promote
  kNoWatchdog = 57,  ///< the watchdog that is configured is not armed
  kContinued = 58,   ///< it held the role when Baton ended, and nobody has taken it since
  kIsolated = 59,    ///< no other host is heard, and what this host pings does not answer, either
  // The daemon's own life.
  kAdopted = 60,  ///< a new engine took over the state of a dead one: no change on the wire
  kEngineDied = 61,
  kTooManyDeaths = 62,
  kSameGeneration = 63,  ///< a database role: another host was promoted under this host's generation
};

/// Stable lower-case token: "active_down_expired". For logs, JSON and metrics labels.
std::string_view reason_token(Reason reason);
/// For people: "the Active was not heard for Active_Down_Interval".
std::string_view reason_words(Reason reason);

/// A set of reasons that speak against being Active; recomputed from facts, never counted up and down.
class ReasonSet {
 public:
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool has(Reason reason) const { return (bits_ & bit(reason)) != 0; }
  constexpr void set(Reason reason, bool on = true) { bits_ = on ? bits_ | bit(reason) : bits_ & ~bit(reason); }
  constexpr std::uint64_t bits() const { return bits_; }
  static constexpr ReasonSet from_bits(std::uint64_t bits) {
    ReasonSet set;
    set.bits_ = bits;
    return set;
  }
  /// The one to show: the lowest number; kNone if empty.
  constexpr Reason first() const {
    for (unsigned i = 0; i < 64; ++i) {
      if ((bits_ >> i & 1) != 0) return static_cast<Reason>(i);
    }
    return Reason::kNone;
  }
  constexpr bool operator==(const ReasonSet&) const = default;

 private:
  static constexpr std::uint64_t bit(Reason reason) { return std::uint64_t{1} << static_cast<unsigned>(reason); }
  std::uint64_t bits_ = 0;
};

}  // namespace baton
