// The one source of chance: xoshiro256** seeded by splitmix64, integers only, the same numbers on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace baton::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (auto& word : state_) word = split(seed);
  }

  std::uint64_t next() {
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  /// 0 .. count-1. REQUIRES count > 0.
  std::uint64_t below(std::uint64_t count) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * count) >> 64);
  }
  int index(std::size_t count) { return static_cast<int>(below(count)); }
  /// Both ends included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  Nanos between(Nanos low, Nanos high) { return Nanos{between(low.count(), high.count())}; }
  bool permille(unsigned chance) { return below(1000) < chance; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  static std::uint64_t rotate(std::uint64_t value, int bits) { return value << bits | value >> (64 - bits); }
  static std::uint64_t split(std::uint64_t& seed) {
    seed += 0x9E3779B97F4A7C15;
    std::uint64_t mixed = seed;
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB;
    return mixed ^ mixed >> 31;
  }

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace baton::sim
