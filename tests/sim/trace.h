// What happened, in order: a hash over everything (I13) and the last events for people. Numbers only while running;
// text is made when it is asked for.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

#include "base/time.h"

namespace baton::sim {

enum class What : std::uint8_t {
  kFrameSent,    ///< link, vrid or kind, priority
  kAnnounced,    ///< link, address id
  kFrameHeard,   ///< link, content hash, hostile
  kCommand,      ///< verb, link, address id
  kResult,       ///< verb, status, address id
  kTransition,   ///< unit, from * 16 + to, reason
  kAlarm,        ///< unit, alarm, begins
  kLinkFact,     ///< link, present * 2 + up, ifindex
  kAddressFact,  ///< link, address id, present * 2 + ours
  kKernel,       ///< link, address id, present * 2 + ours
  kStalled,      ///< nanoseconds, kind
  kResumed,
  kCrashed,  ///< port calls of the turn that were still made, adoption
  kStarted,  ///< adopted instances
  kStopping,
  kStopped,
  kReload,       ///< kind
  kOperator,     ///< verb, accepted
  kFaultBegins,  ///< kind, argument
  kFaultEnds,
  kHealed,
  kWorker,  ///< queue length
  // Databases.
  kActAsked,  ///< verb, generation, section
  kActDone,   ///< verb, status, orphan * 256 + section
  kRecord,    ///< role, generation, dirty
  kOnDisk,    ///< role, generation
  kRecalled,
  kStep,        ///< unit, step, data role
  kWritable,    ///< unit, set, writable
  kNews,        ///< plugin
  kWord,        ///< of host, step | phase << 8 | (promised to + 1) << 16, generation
  kSays,        ///< unit, phase | (promised to + 1) << 8, move or generation
  kDatabaseUp,  ///< unit, up
};

struct TraceEvent {
  Nanos at{0};
  int host = -1;
  What what = What::kHealed;
  std::uint64_t a = 0, b = 0, c = 0;
};
std::string text(const TraceEvent& event);

class Trace {
 public:
  explicit Trace(bool verbose) : verbose_(verbose) {}

  void add(Nanos at, int host, What what, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0) {
    mix(static_cast<std::uint64_t>(at.count()));
    mix(static_cast<std::uint64_t>(host + 1) << 8 | static_cast<std::uint64_t>(what));
    mix(a);
    mix(b ^ c << 32);
    last_[count_++ % last_.size()] = {at, host, what, a, b, c};
    if (verbose_) std::puts(text(last_[(count_ - 1) % last_.size()]).c_str());
  }
  std::uint64_t hash() const { return hash_; }
  /// The last 40 events, oldest first.
  void print_last(std::FILE* out) const;

 private:
  void mix(std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9E3779B97F4A7C15;
    hash_ ^= hash_ >> 29;
  }

  bool verbose_;
  std::uint64_t hash_ = 0x243F6A8885A308D3;
  std::uint64_t count_ = 0;
  std::array<TraceEvent, 40> last_{};
};

}  // namespace baton::sim
