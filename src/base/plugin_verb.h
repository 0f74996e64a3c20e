// The verbs of a plugin, in the order of plugin_api/plugin.h. One enum for configuration, processes and people.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace baton {

enum class PluginVerb : std::uint8_t {
  kProbe,
  kPosition,
  kCanPromote,
  kBlockWrites,
  kUnblockWrites,
  kDrain,
  kPromote,
  kDemote,
  kStepDown,
  kRejoin,
  kVerify,
  kEnter,
  kLeave,
  kNotify,
  kAcquire,
  kRenew,
  kRelease,
  kFence,
};
inline constexpr std::size_t kPluginVerbs = 18;

/// "probe", "can_promote", ...
std::string_view verb_token(PluginVerb verb);
std::optional<PluginVerb> verb_from(std::string_view token);

/// The verbs that a module has.
class VerbSet {
 public:
  constexpr bool has(PluginVerb verb) const { return (bits_ >> static_cast<unsigned>(verb) & 1) != 0; }
  constexpr void add(PluginVerb verb) { bits_ |= 1u << static_cast<unsigned>(verb); }
  constexpr std::uint32_t bits() const { return bits_; }
  static constexpr VerbSet from_bits(std::uint32_t bits) {
    VerbSet set;
    set.bits_ = bits & ((1u << kPluginVerbs) - 1);
    return set;
  }
  constexpr bool operator==(const VerbSet&) const = default;

 private:
  std::uint32_t bits_ = 0;
};

/// What a verb returns: roles' typed errors, plus what befell a process that did not answer.
enum class VerbStatus : std::uint8_t {
  kOk = 0,
  kTransient = 1,
  kRefused = 2,
  kConfig = 3,
  kConflict = 4,
  kFatal = 5,
  // Not the plugin's own words:
  kTimeout = 16,     ///< it was not back at the deadline and was killed: whether it was done is unknown
  kCrashed = 17,     ///< the process died
  kGarbage = 18,     ///< what it answered is not an answer
  kNotRunning = 19,  ///< there is no process: it cannot be started, or has died too often
};
/// "ok", "transient", ..., "timeout". "invalid" for what is none of them.
std::string_view status_token(VerbStatus status);
bool valid(VerbStatus status);

/// plugin.h's BATON_STATE_ and BATON_ROLE_.
enum class ProbeState : std::uint8_t { kUnknown = 0, kPass = 1, kFail = 2 };
enum class ApplicationRole : std::uint8_t { kNone = 0, kPrimary = 1, kReplica = 2 };
std::string_view state_token(ProbeState state);
std::string_view role_token(ApplicationRole role);

}  // namespace baton
