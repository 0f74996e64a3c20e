// When which instance wants to run: one heap, one entry an instance. Setting an entry costs O(log n), asking for the
// earliest O(1), so that a thousand instances at 100 ms stay cheap. Knows nothing about what is due.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"

namespace baton::engine {

class DeadlineQueue {
 public:
  using Id = std::uint32_t;

  /// kNever removes the entry. Ids are small and dense.
  void set(Id id, Instant deadline);
  void remove(Id id) { set(id, kNever); }
  std::optional<Instant> earliest() const;
  /// Whose deadline that is. REQUIRES one is set.
  Id first() const { return heap_.front().id; }
  /// Takes out every entry that is due at `limit`, earliest first, into `due`.
  void take_due(Instant limit, std::vector<Id>& due);

 private:
  struct Entry {
    Instant deadline;
    Id id;
  };
  static constexpr std::uint32_t kAbsent = 0xFFFFFFFF;

  bool before(std::size_t a, std::size_t b) const;
  void place(std::size_t at, Entry entry);
  void sift_up(std::size_t at);
  void sift_down(std::size_t at);
  void take(std::size_t at);

  std::vector<Entry> heap_;
  std::vector<std::uint32_t> where_;  ///< id -> index in heap_
};

}  // namespace baton::engine
