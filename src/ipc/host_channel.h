// What engine and act host say to each other: one request at a time, one answer. Bounded, strictly decoded at both
// ends: a plugin can send anything. SOCK_SEQPACKET; one message a packet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/plugin_verb.h"
#include "base/time.h"
#include "ipc/probe_page.h"

namespace baton::ipc {

inline constexpr std::size_t kMaxHostMessage = 8192;

struct ActRequest {
  std::uint64_t nonce = 0;  ///< comes back in the answer
  PluginVerb verb = PluginVerb::kEnter;
  Nanos timeout{0};  ///< counted from when the host reads it
  std::string instance;
  std::string from_state;  ///< tokens, "" if none
  std::string to_state;
  std::string reason;
  std::string reason_words;
  std::string target;
  std::string position;
  Nanos position_age{-1};  ///< negative: not known
  bool planned = false;
  bool forced = false;   ///< BATON_CALL_FORCED
  bool resumes = false;  ///< BATON_CALL_RESUMES
  std::uint64_t generation = 0;
  std::int64_t wall_clock_ns = 0;  ///< CLOCK_REALTIME of the event
  bool operator==(const ActRequest&) const = default;
};

struct ActAnswer {
  std::uint64_t nonce = 0;
  VerbStatus status = VerbStatus::kOk;
  ApplicationRole role = ApplicationRole::kNone;
  std::int64_t lag_ms = -1;
  std::int64_t lag_bytes = -1;
  std::uint64_t generation = 0;
  std::uint64_t token = 0;
  Nanos lease{0};
  Nanos took{0};
  std::string sentence;
  std::string position;
  FactList facts;
  std::vector<std::string> refusals;  ///< at most 8
  bool operator==(const ActAnswer&) const = default;
};

/// Texts beyond kSentenceLimit (facts: their limits) are cut; a position beyond kPositionLimit is REQUIRED not to be.
std::vector<std::uint8_t> encode(const ActRequest& request);
std::vector<std::uint8_t> encode(const ActAnswer& answer);
/// Strict: wrong length, trailing bytes, unknown enumerators, control characters in texts are errors.
Result<ActRequest> decode_request(ConstBytes bytes);
Result<ActAnswer> decode_answer(ConstBytes bytes);

}  // namespace baton::ipc
