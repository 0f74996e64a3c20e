// The page on which a probe host writes its newest outcome: shared memory of one [plugin] section, made by the
// guardian, written by the host, read by the engine and the steward. An outcome is a lease: who reads decides by
// `finished` how long it holds. Two slots with sequence and CRC-32, so a host that dies while writing leaves the
// outcome before. No system call here. Readers trust nothing: a plugin can write anything here.
//
// A host also rings an eventfd when the outcome differs from the one before or the streak is not longer than
// `ring_for`; an unchanged outcome costs its readers nothing.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/plugin_verb.h"
#include "base/time.h"

namespace baton::ipc {

inline constexpr std::size_t kProbePageSize = 8192;
inline constexpr std::size_t kSentenceLimit = 255;   ///< bytes
inline constexpr std::size_t kPositionLimit = 1023;  ///< bytes; a GTID set of many servers
inline constexpr std::size_t kFactLimit = 16;
inline constexpr std::size_t kFactKeyLimit = 31;
inline constexpr std::size_t kFactValueLimit = 95;

using FactList = std::vector<std::pair<std::string, std::string>>;

struct ProbeOutcome {
  std::uint64_t incarnation = 0;  ///< of the host process, from its order: an outcome of another one is garbage
  std::uint64_t sequence = 0;     ///< outcomes of this section so far; goes on when the host is started anew
  std::uint32_t streak = 0;       ///< outcomes in a row with this state, this one counted
  VerbStatus status = VerbStatus::kOk;
  ProbeState state = ProbeState::kUnknown;
  ApplicationRole role = ApplicationRole::kNone;
  bool warning = false;
  std::int64_t lag_ms = -1;  ///< negative: not known
  std::int64_t lag_bytes = -1;
  std::uint64_t generation = 0;
  Instant started{};
  Instant finished{};
  std::string sentence;
  std::string position;
  FactList facts;
};

/// Texts beyond their limits are cut; control characters become '?'. REQUIRES kProbePageSize bytes.
void write_outcome(MutableBytes page, const ProbeOutcome& outcome);
enum class PageState { kEmpty, kGood, kGarbage };
struct PageReading {
  PageState state = PageState::kEmpty;
  ProbeOutcome outcome;  ///< if kGood
};
/// kGarbage: neither slot holds a well-formed outcome though the page is not empty. REQUIRES nothing of the bytes,
/// which may change while they are read.
PageReading read_outcome(ConstBytes page);

}  // namespace baton::ipc
