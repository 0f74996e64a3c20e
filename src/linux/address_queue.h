// The order in which the worker does what the engine asked: additions and removals as they came, refreshes when nothing
// else waits, conversions of fresh IPv6 addresses last. Commands for one address keep their order: a refresh that was
// overtaken by a removal or an installation of the same address is dropped, never done afterwards. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "linux/ownership.h"
#include "ports/ports.h"

namespace baton::linux {

/// A command and the interface that its link was when it was given.
struct AddressJob {
  ports::AddressCommand command;
  int ifindex = 0;
  std::array<char, 16> interface {};
  std::uint64_t order = 0;  ///< given by AddressQueue::push

  Holding holding() const { return {ifindex, command.prefix}; }
};

class AddressQueue {
 public:
  struct Batch {
    std::vector<AddressJob> jobs;      ///< in order
    std::vector<AddressJob> too_late;  ///< past not_after, or overtaken
  };

  void push(AddressJob job);
  /// A job of take() whose permanent address is to get its lifetime when there is time.
  void push_conversion(AddressJob job);

  bool has_commands() const { return !urgent_.empty() || !refreshes_.empty(); }
  bool has_conversions() const { return !conversions_.empty(); }

  /// The next commands. Batches of a burst grow 1, 4, 16, 32, so that the first answer does not wait for many.
  Batch take(Instant now);
  /// The next conversions, at most 32; overtaken ones are left out.
  std::vector<AddressJob> take_conversions();

 private:
  bool overtaken(const AddressJob& job) const;
  void forget_order_if_idle();

  std::deque<AddressJob> urgent_;
  std::deque<AddressJob> refreshes_;
  std::deque<AddressJob> conversions_;
  /// The order number of the newest urgent command of an address; kept while anything waits.
  std::unordered_map<Holding, std::uint64_t, HoldingHash> newest_urgent_;
  std::uint64_t next_order_ = 1;
  std::size_t batch_size_ = 1;
};

}  // namespace baton::linux
