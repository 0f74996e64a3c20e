// What the engine keeps on the state board: enough for a successor engine to continue (adoption) and for the steward to
// show status. Plain, trivially copyable, fixed size; times are nanoseconds of base/time.h's clock, 0 = none.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/plugin_verb.h"
#include "ports/data_record.h"
#include "ports/handover.h"
#include "vrrp/virtual_router.h"

namespace baton::ports {

inline constexpr std::size_t kMaxRouters = 64;  ///< virtual routers of one group; the configuration reader enforces it
inline constexpr std::size_t kNameBytes = 33;   ///< config::kMaxNameLength and a NUL

enum class HoldingState : std::uint8_t {
  kNone = 0,  ///< no address of ours on the links
  kInstalling = 1,
  kHeld = 2,  ///< all installed
  kReleasing = 3,
};

inline constexpr std::size_t kPositionBytes = 1024;  ///< a position and a NUL

/// HandoverWord, but for its texts, and Promise as they stand on the board; names end with a NUL.
struct HandoverState {
  HandoverPhase phase = HandoverPhase::kNone;
  bool gives = false;
  std::uint64_t number = 0;
  std::array<char, kNameBytes> with{};
  std::array<char, kNameBytes> promised_to{};
  std::uint64_t promised_generation = 0;
};
static_assert(std::is_trivially_copyable_v<HandoverState>);
HandoverState state_of(const HandoverWord& word, const Promise& promise);
Promise promise_of(const HandoverState& state);

/// The texts of the word of that number, each ending with a NUL. They are long, and beside the state because a thousand
/// instances that move no data publish theirs, too. Published before the state that they belong to.
struct HandoverTexts {
  std::uint64_t number = 0;
  std::array<char, kPositionBytes> position{};
  std::array<char, 201> sentence{};
};
static_assert(std::is_trivially_copyable_v<HandoverTexts>);
HandoverTexts texts_of(const HandoverWord& word);
/// Texts of another number are another word's.
HandoverWord word_of(const HandoverState& state, const HandoverTexts& texts);

/// How far the follow-ups of an instance are.
enum class FollowUpState : std::uint8_t {
  kNone = 0,      ///< it has none
  kEntering = 1,  ///< enter acts are under way or wait for another try
  kEntered = 2,
  kLeaving = 3,
  kLeft = 4,
  kFailed = 5,  ///< one failed; see the alarm
};

/// Counters under RFC 8347's names (protocol rule M-01); a successor continues them.
struct RouterCounters {
  std::uint64_t master_transitions = 0;
  std::uint64_t advertisement_rcvd = 0;
  std::uint64_t advertisement_sent = 0;
  std::uint64_t interval_errors = 0;
  std::uint64_t priority_zero_pkts_rcvd = 0;
  std::uint64_t priority_zero_pkts_sent = 0;
  std::uint64_t invalid_type_pkts_rcvd = 0;
  std::uint64_t address_list_errors = 0;
  std::uint64_t packet_length_errors = 0;
  std::uint64_t checksum_errors = 0;
  std::uint64_t version_errors = 0;
  std::uint64_t ip_ttl_errors = 0;
  std::uint64_t other_discards = 0;
  std::uint64_t message_only_rcvd = 0;  ///< v3/IPv4 checksum forms, counted apart (C-04)
  std::uint64_t pseudo_header_rcvd = 0;
  std::uint64_t answers_suppressed = 0;  ///< storm guard (S-08)
};

/// RFC 8347 last-event (M-02); values of the YANG identities in order.
enum class LastEvent : std::uint8_t {
  kNone,
  kStartup,
  kShutdown,
  kHigherPriorityBackup,
  kMasterTimeout,
  kInterfaceUp,
  kInterfaceDown,
  kNoPrimaryIpAddress,
  kPrimaryIpAddress,
  kNoVirtualIpAddresses,
  kVirtualIpAddresses,
  kPreemptHoldTimeout,
  kLowerPriorityMaster,
  kOwnerPreempt,
};
/// RFC 8347 new-master-reason.
enum class NewMasterReason : std::uint8_t { kNotMaster, kPriority, kPreempted, kNoResponse };

/// One virtual router. Published before each advert, so it is small; its counters live beside it
/// (ReportPort::counters).
struct RouterState {
  vrrp::RouterSnapshot machine;
  std::uint32_t instance_slot = 0;
  std::uint8_t member = 0;  ///< index in the group
  std::uint8_t vrid = 0;
  std::uint8_t family = 4;
  std::uint8_t version = 3;
  std::uint8_t checksum_form = 0;  ///< the form sent now (vrrp::ChecksumForm)
  LastEvent last_event = LastEvent::kNone;
  std::uint8_t heard_priority = 0;
  std::uint8_t both_checksum_forms = 0;         ///< 1: each advert goes out in both
  std::array<char, 16> interface {};            ///< name, NUL-terminated
  std::array<std::uint8_t, 16> heard_source{};  ///< last accepted Active, family as above; all zero = none
  std::array<std::uint8_t, 16> primary{};       ///< our source address
  std::int64_t heard_at_ns = 0;
};
static_assert(std::is_trivially_copyable_v<RouterState>);

/// One instance, or one group with all its members. Published when it changes.
struct InstanceState {
  std::array<char, kNameBytes> name{};
  bool is_group = false;
  vrrp::State state = vrrp::State::kInitialize;
  HoldingState holding = HoldingState::kNone;
  Reason reason = Reason::kNone;  ///< of the last transition, or why it is in Initialize
  NewMasterReason new_master_reason = NewMasterReason::kNotMaster;
  std::uint8_t configured_priority = 0;
  std::uint8_t effective_priority = 0;
  std::uint8_t router_count = 0;
  FollowUpState follow_up = FollowUpState::kNone;
  DataRole data_role = DataRole::kNone;  ///< kNone: it promotes nothing
  std::uint8_t promotion_step = 0;       ///< engine::PromotionStep
  bool data_dirty = false;
  std::uint8_t follow_up_done = 0;  ///< of the row, for the present target
  std::uint8_t follow_up_count = 0;
  std::uint16_t addresses_wanted = 0;
  std::uint16_t addresses_held = 0;
  std::uint32_t transitions = 0;
  std::uint32_t first_router_slot = 0;  ///< its routers' records are [first, first + router_count)
  std::uint64_t against = 0;            ///< ReasonSet bits: all that speaks against being Active now
  std::uint64_t alarms = 0;             ///< bit set of ports::Alarm in force
  std::int64_t since_ns = 0;            ///< of the last transition
  std::int64_t granted_until_ns = 0;    ///< promoting instances: INT64_MAX = does not lapse
  std::uint64_t promoted = 0;           ///< the highest generation of which it is known that somebody was promoted
  std::uint64_t generation = 0;         ///< of the data's last promotion, as far as this host knows
  std::int64_t yielded_until_ns = 0;    ///< switchover, freeze: 0 = not; INT64_MAX = until lifted
  std::int64_t rested_at_ns = 0;        ///< end of cooldown after the last promotion; 0 = there was none
  std::int64_t budget_free_at_ns = 0;   ///< when promotion_budget allows another one; 0 = it does
  HandoverState handover;
};
static_assert(std::is_trivially_copyable_v<InstanceState>);

/// A [plugin] section as a check. Published when what is settled changes; what its probe says now stands on its page.
struct CheckState {
  std::array<char, kNameBytes> name{};
  bool pending = true;  ///< nothing is known yet
  ProbeState state = ProbeState::kUnknown;
  ApplicationRole role = ApplicationRole::kNone;
  VerbStatus status = VerbStatus::kOk;
  bool warning = false;
  bool flapping = false;
  std::int64_t since_ns = 0;  ///< of the settled state
  std::array<char, 201> sentence{};
};
static_assert(std::is_trivially_copyable_v<CheckState>);

/// What a successor engine starts from.
struct AdoptedInstance {
  InstanceState instance;
  std::vector<RouterState> routers;
  HandoverWord word = {};  ///< instance.handover with its texts
};

}  // namespace baton::ports
