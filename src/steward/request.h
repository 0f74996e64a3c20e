// The request half of the control protocol (CONTROL.md): one JSON object on one line, bounded in size and depth, every
// argument known to its verb. What does not fit is refused with a sentence; nothing is guessed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "steward/metrics_text.h"

namespace baton::steward {

inline constexpr std::size_t kMaxRequest = 64 * 1024;  ///< bytes of a line
inline constexpr int kMaxDepth = 4;                    ///< of objects and arrays
inline constexpr std::uint32_t kMaxHistory = 100'000;
inline constexpr Nanos kMaxConfirm = std::chrono::hours{24};
inline constexpr Nanos kMaxFreeze = std::chrono::hours{24 * 365};

enum class Verb : std::uint8_t {
  kStatus,
  kExplain,
  kHistory,
  kEvents,
  kConfig,
  kVersion,
  kMetrics,
  kReload,
  kConfirm,
  kSwitchover,
  kFreeze,
  kThaw,
  kDrain,
  kUndrain,
  kForgive,
  kFailover,
  kReexec,
};
std::string_view verb_token(Verb verb);
/// True if answering it changes nothing: group baton-view may ask.
bool only_reads(Verb verb, bool dry_run);

struct Request {
  Verb verb = Verb::kStatus;
  std::string instance;      ///< "" = all
  std::uint32_t limit = 20;  ///< history: 1..kMaxHistory
  bool follow = false;       ///< events: keep the stream open
  Nanos duration{0};         ///< freeze: 1 s..kMaxFreeze
  bool dry_run = false;      ///< switchover, reload
  Nanos confirm_within{0};   ///< reload: 1 s..kMaxConfirm; 0 = needs no confirmation
  bool revert = false;       ///< confirm: the opposite, at once
  std::string to = {};       ///< switchover: HOST; "" = whichever can
  MetricsWish metrics = {};
  bool operator==(const Request&) const = default;
};

/// The error is a sentence for the client; the answer then has exit code 2. Never throws, whatever the bytes.
Expected<Request, std::string> parse_request(std::string_view line);

/// "baton", "keepalived-exporter"; "openmetrics", "text".
std::optional<MetricNames> metric_names_from(std::string_view word);
std::optional<MetricsFormat> metrics_format_from(std::string_view word);

/// Greatest nesting of {} and [] in `text`, strings left out; used before the real parser sees it.
int nesting_depth(std::string_view text);

}  // namespace baton::steward
