#include "base/plugin_verb.h"

#include <array>

namespace baton {
namespace {

constexpr std::array<std::string_view, kPluginVerbs> kTokens = {
    "probe",  "position", "can_promote", "block_writes", "unblock_writes", "drain",   "promote", "demote",  "step_down",
    "rejoin", "verify",   "enter",       "leave",        "notify",         "acquire", "renew",   "release", "fence"};

}  // namespace

std::string_view verb_token(PluginVerb verb) {
  const auto index = static_cast<std::size_t>(verb);
  return index < kTokens.size() ? kTokens[index] : "invalid";
}

std::optional<PluginVerb> verb_from(std::string_view token) {
  for (std::size_t i = 0; i < kTokens.size(); ++i) {
    if (kTokens[i] == token) return static_cast<PluginVerb>(i);
  }
  return std::nullopt;
}

std::string_view status_token(VerbStatus status) {
  switch (status) {
    case VerbStatus::kOk: return "ok";
    case VerbStatus::kTransient: return "transient";
    case VerbStatus::kRefused: return "refused";
    case VerbStatus::kConfig: return "config";
    case VerbStatus::kConflict: return "conflict";
    case VerbStatus::kFatal: return "fatal";
    case VerbStatus::kTimeout: return "timeout";
    case VerbStatus::kCrashed: return "crashed";
    case VerbStatus::kGarbage: return "garbage";
    case VerbStatus::kNotRunning: return "not_running";
  }
  return "invalid";
}

bool valid(VerbStatus status) { return status_token(status) != "invalid"; }

std::string_view state_token(ProbeState state) {
  switch (state) {
    case ProbeState::kUnknown: return "unknown";
    case ProbeState::kPass: return "pass";
    case ProbeState::kFail: return "fail";
  }
  return "invalid";
}

std::string_view role_token(ApplicationRole role) {
  switch (role) {
    case ApplicationRole::kNone: return "none";
    case ApplicationRole::kPrimary: return "primary";
    case ApplicationRole::kReplica: return "replica";
  }
  return "invalid";
}

}  // namespace baton
