// The virtual addresses of one instance: what the worker was asked to do with each, and what the kernel is known to
// hold. Plain book- keeping with O(1) look-ups; mover_addresses.cc decides what to ask.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/address.h"
#include "engine/plan.h"
#include "ports/ports.h"

namespace baton::engine {

enum class VipState : std::uint8_t {
  kAbsent,      ///< not ours, as far as we know
  kInstalling,  ///< asked for, no answer yet
  kInstalled,
  kRemoving,
};

struct Vip {
  Prefix prefix;
  ports::LinkId link = 0;
  std::size_t member = 0;
  VipState state = VipState::kAbsent;
  bool present = false;    ///< the kernel's last word
  bool ours = false;       ///< with `present`
  bool confirmed = false;  ///< seen in the kernel since it was installed
  bool in_dump = false;
  bool foreign = false;  ///< refused because somebody else's
  bool queued = false;   ///< in the announcer's queue
  std::uint8_t announcements_left = 0;
  std::uint64_t ticket = 0;          ///< of the last install or remove
  std::uint64_t refresh_ticket = 0;  ///< of a refresh without an answer
  Instant reannounced{};             ///< because of a rival
};

/// A ticket names instance and address, so that an answer finds its way without a search.
struct Ticket {
  static constexpr unsigned kVipBits = 20;
  static constexpr unsigned kSequenceBits = 28;
  static std::uint64_t make(std::uint32_t mover, std::uint32_t vip, std::uint64_t sequence) {
    return std::uint64_t{mover} << (kVipBits + kSequenceBits) | std::uint64_t{vip} << kSequenceBits |
           (sequence & ((std::uint64_t{1} << kSequenceBits) - 1));
  }
  static std::uint32_t mover(std::uint64_t ticket) {
    return static_cast<std::uint32_t>(ticket >> (kVipBits + kSequenceBits));
  }
  static std::uint32_t vip(std::uint64_t ticket) {
    return static_cast<std::uint32_t>(ticket >> kSequenceBits & ((1u << kVipBits) - 1));
  }
};

/// Counts per state, kept while states change.
class VipTable {
 public:
  void clear() {
    vips_.clear();
    counts_ = {};
  }
  Vip& add(Vip vip) {
    ++counts_[static_cast<std::size_t>(vip.state)];
    vips_.push_back(std::move(vip));
    return vips_.back();
  }
  void set_state(Vip& vip, VipState state) {
    --counts_[static_cast<std::size_t>(vip.state)];
    vip.state = state;
    ++counts_[static_cast<std::size_t>(state)];
  }
  std::size_t count(VipState state) const { return counts_[static_cast<std::size_t>(state)]; }
  std::size_t size() const { return vips_.size(); }
  Vip& operator[](std::size_t index) { return vips_[index]; }
  const Vip& operator[](std::size_t index) const { return vips_[index]; }
  auto begin() { return vips_.begin(); }
  auto end() { return vips_.end(); }

 private:
  std::vector<Vip> vips_;
  std::array<std::size_t, 4> counts_{};
};

}  // namespace baton::engine
