// The simulated witness: one lease for an instance, with its time counted here and nowhere else, and the highest
// generation that was ever granted. It keeps both over restarts.
#pragma once

#include <cstdint>

#include "base/plugin_verb.h"
#include "base/time.h"

namespace baton::sim {

class Witness {
 public:
  struct Answer {
    VerbStatus status = VerbStatus::kRefused;
    std::uint64_t token = 0;
    std::uint64_t generation = 0;  ///< the highest that it knows
  };
  explicit Witness(Nanos length) : length_(length) {}

  /// `boot`: a host that was reset is not the one that holds.
  Answer acquire(Nanos now, int host, int boot, std::uint64_t generation);
  Answer renew(Nanos now, int host, int boot, std::uint64_t generation);
  Answer release(Nanos now, int host, int boot, std::uint64_t generation);

  Nanos length() const { return length_; }
  bool held(Nanos now) const { return now < until_; }
  bool held_by(Nanos now, int host) const { return held(now) && host_ == host; }
  std::uint64_t generation() const { return generation_; }
  Nanos until() const { return until_; }

 private:
  bool is(int host, int boot) const { return host == host_ && boot == boot_; }

  Nanos length_;
  Nanos until_{0};
  int host_ = -1;
  int boot_ = 0;
  std::uint64_t generation_ = 0;  ///< of the holder
  std::uint64_t highest_ = 0;
  std::uint64_t token_ = 0;
};

}  // namespace baton::sim
