// What batonctl's exit status means (design section 9). The steward puts it into each answer, batonctl passes it on.
#pragma once

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

}  // namespace baton::steward
