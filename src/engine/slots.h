// Places on the state board: the lowest free run of the wanted length, so that the routers of one instance stand
// together.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace baton::engine {

class Slots {
 public:
  explicit Slots(std::uint32_t capacity) : used_(capacity, false) {}

  /// nullopt: no room.
  std::optional<std::uint32_t> take(std::uint32_t count);
  /// Exactly these; false if one of them is taken or out of range.
  bool take_at(std::uint32_t first, std::uint32_t count);
  void free(std::uint32_t first, std::uint32_t count);

 private:
  std::vector<bool> used_;
  std::uint32_t hint_ = 0;  ///< all below are used
};

}  // namespace baton::engine
