// What batonctl's exit status means (design section 9). The steward puts it into each answer, batonctl passes it on.
#pragma once

#include <array>
#include <string_view>

namespace baton::steward {

enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kNoDaemon = 3,
  kNotPermitted = 4,
  kConfigInvalid = 5,
  kRefused = 6,  ///< by a safety rule
  kTimedOut = 7,
  kDegraded = 8,  ///< only with `status --exit-code`
};

/// By number, from 0.
inline constexpr std::array<std::string_view, 9> kExitWords{"ok",
                                                            "failed",
                                                            "usage",
                                                            "no daemon",
                                                            "not permitted",
                                                            "configuration invalid",
                                                            "refused by a safety rule",
                                                            "timed out",
                                                            "degraded (status --exit-code)"};

}  // namespace baton::steward
