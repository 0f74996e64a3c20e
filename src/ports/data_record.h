// What a host knows of its part in a database's roles, as it must outlive a crash (design section 7). Written by the
// scribe before the act that it announces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace baton::ports {

/// Values are stored on disk and on the state board: add at the end, never renumber.
enum class DataRole : std::uint8_t {
  kNone = 0,     ///< nothing is recorded
  kStandby = 1,  ///< not the writable one
  kClaiming = 2,
  kPromoting = 3,  ///< the point of no return is behind it
  kActive = 4,
  kDemoting = 5,
  kFenced = 6,       ///< evidence of a split brain, or a record that cannot be read: an operator decides
  kNeedsRejoin = 7,  ///< it was the writable one, another took over, and its data is not part of the other's history
};
std::string_view data_role_token(DataRole role);

/// Values stand on the state board: add at the end.
enum class PromotionStep : std::uint8_t {
  kReading = 0,  ///< what this host did before its start is not known yet
  kStandby = 1,
  kClaiming = 2,
  kGranting = 3,
  kWaiting = 4,  ///< for the lifetime of the old holder's addresses
  kFencing = 5,
  kAsking = 6,  ///< can_promote
  kDeciding = 7,
  kPromoting = 8,
  kVerifying = 9,
  kActive = 10,
  kBlocking = 11,
  kClearing = 12,  ///< the addresses leave
  kDemoting = 13,
  kReturning = 14,  ///< the grant goes back
  kClosing = 15,
  // A planned move, the host that gives; it was kActive, kBlocking and kClearing before.
  kHanding = 16,     ///< the final position is told; the other host catches up
  kPassing = 17,     ///< the grant goes back
  kPassed = 18,      ///< the other host alone may promote
  kRegaining = 19,   ///< the other host could not: the grant is asked for again
  kUnblocking = 20,  ///< back to kActive
  // The host that takes; kClaiming follows.
  kOffered = 21,  ///< can_promote, for a planned move
  kReady = 22,    ///< waits for the final position
  kDraining = 23,
  kCaughtUp = 24,  ///< waits until it may promote
  // After a restart of all of Baton.
  kProving = 25,  ///< it was the writable one: whether it still is, and alone, is being found out
};
inline constexpr PromotionStep kLastStep = PromotionStep::kProving;
std::string_view step_token(PromotionStep step);

inline constexpr std::size_t kMaxPromotions = 64;

struct DataRecord {
  std::string instance = {};
  DataRole role = DataRole::kNone;
  std::uint64_t generation = 0;  ///< the highest that this host has used or seen
  bool dirty = false;            ///< may hold writes that no other host has
  std::uint64_t promoted = 0;    ///< the generation of this host's last promotion
  std::string position = {};     ///< final one of a demotion, up to 1023 bytes; "" = not known
  std::string holder = {};       ///< HOST that has the role, as far as known
  bool same_boot = false;        ///< read back: written since the host was booted
  /// That count for budget and cooldown: the newest kMaxPromotions since the host was booted, oldest first.
  std::vector<Instant> promotions = {};
  bool operator==(const DataRecord&) const = default;
};

}  // namespace baton::ports
