// What one host tells another about itself: the payload of peer_packet.h. Each part stands for itself, so that a lost
// one costs only what it carries.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/plugin_verb.h"
#include "base/reason.h"
#include "ports/data_record.h"
#include "ports/handover.h"
#include "steward/exit_code.h"
#include "vrrp/virtual_router.h"

namespace baton::steward {

struct PeerInstance {
  std::string name;
  vrrp::State state = vrrp::State::kInitialize;
  std::uint8_t effective_priority = 0;
  bool holds_addresses = false;
  std::uint64_t against = 0;  ///< ReasonSet bits
  ports::DataRole data_role = ports::DataRole::kNone;
  ports::PromotionStep step = ports::PromotionStep::kReading;
  bool dirty = false;
  std::uint64_t generation = 0;
  std::uint64_t promoted = 0;  ///< the highest of which it knows that somebody was promoted
  // What the probe of its first `promote` section says.
  ApplicationRole role = ApplicationRole::kNone;
  ProbeState probe = ProbeState::kUnknown;
  std::int64_t lag_bytes = -1;  ///< -1: not known
  std::int64_t lag_ms = -1;     ///< the same as a time
  std::string position;         ///< left out while the handover has one: both would not fit
  Nanos position_age{0};        ///< since the probe that saw it; on the wire in milliseconds
  ports::HandoverWord handover = {};
  ports::Promise promise = {};
  bool operator==(const PeerInstance&) const = default;
};

/// A planned move that an operator asks for on another host than the one that has to give. Stands in the report until
/// it is answered, or waited for in vain.
struct Wish {
  std::string of = {};        ///< HOST that is asked
  std::uint64_t session = 0;  ///< of its steward: a successor does not know what has become of it, and leaves it alone
  std::uint64_t number = 0;   ///< 0: there is none; another one for each
  std::string instance = {};  ///< "" = all that it holds
  std::string to = {};        ///< HOST
  bool dry_run = false;
  bool operator==(const Wish&) const = default;
};

/// What became of another host's wish. Stands as long as the wish.
struct WishAnswer {
  std::string to = {};  ///< HOST whose wish it is
  std::uint64_t number = 0;
  bool over = false;  ///< else: it is being done
  ExitCode exit = ExitCode::kOk;
  std::string error = {};
  std::vector<std::string> lines = {};
  bool operator==(const WishAnswer&) const = default;
};
/// Cut to what fits one frame; the last line, which says how it ended, is the last to go.
WishAnswer fitted(WishAnswer answer);

/// PeerReport::engine of a host whose daemon was stopped in order.
inline constexpr std::uint8_t kStopped = 3;

struct PeerReport {
  std::string config_hash;
  std::uint8_t engine = 0;          ///< 0: runs, 1: is being started, 2: given up, kStopped: this is its last word
  std::uint16_t instances_all = 0;  ///< that the host has, in however many parts
  std::vector<PeerInstance> instances;
  std::vector<std::pair<std::string, bool>> checks = {};  ///< its `relative` ones: section, and whether it passes
  Wish wish = {};
  std::vector<WishAnswer> answers = {};            ///< each fitted
  std::optional<std::int64_t> wall_clock_ns = {};  ///< when it was made, since 1970; never negative
  bool operator==(const PeerReport&) const = default;
};

/// As many parts as it takes; at least one.
std::vector<std::vector<std::uint8_t>> encode(const PeerReport& report);
/// Strict: enumerators out of range, control characters, trailing bytes are errors.
Result<PeerReport> decode_peer_report(ConstBytes bytes);

}  // namespace baton::steward
