#include "engine/deadline_queue.h"

namespace baton::engine {

/// Equal deadlines in the order of ids: the same run is the same on every machine (I13).
bool DeadlineQueue::before(std::size_t a, std::size_t b) const {
  if (heap_[a].deadline != heap_[b].deadline) return heap_[a].deadline < heap_[b].deadline;
  return heap_[a].id < heap_[b].id;
}

void DeadlineQueue::place(std::size_t at, Entry entry) {
  heap_[at] = entry;
  where_[entry.id] = static_cast<std::uint32_t>(at);
}

void DeadlineQueue::sift_up(std::size_t at) {
  while (at > 0) {
    const std::size_t parent = (at - 1) / 2;
    if (!before(at, parent)) return;
    const Entry moved = heap_[at];
    place(at, heap_[parent]);
    place(parent, moved);
    at = parent;
  }
}

void DeadlineQueue::sift_down(std::size_t at) {
  for (;;) {
    std::size_t least = at;
    for (std::size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_.size(); ++child) {
      if (before(child, least)) least = child;
    }
    if (least == at) return;
    const Entry moved = heap_[at];
    place(at, heap_[least]);
    place(least, moved);
    at = least;
  }
}

void DeadlineQueue::take(std::size_t at) {
  where_[heap_[at].id] = kAbsent;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (at == heap_.size()) return;
  place(at, last);
  sift_down(at);
  sift_up(where_[last.id]);
}

void DeadlineQueue::set(Id id, Instant deadline) {
  if (id >= where_.size()) where_.resize(id + 1, kAbsent);
  const std::uint32_t at = where_[id];
  if (deadline == kNever) {
    if (at != kAbsent) take(at);
    return;
  }
  if (at == kAbsent) {
    heap_.push_back({deadline, id});
    where_[id] = static_cast<std::uint32_t>(heap_.size() - 1);
    sift_up(heap_.size() - 1);
    return;
  }
  if (heap_[at].deadline == deadline) return;
  heap_[at].deadline = deadline;
  sift_down(at);
  sift_up(where_[id]);
}

std::optional<Instant> DeadlineQueue::earliest() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().deadline;
}

void DeadlineQueue::take_due(Instant limit, std::vector<Id>& due) {
  while (!heap_.empty() && heap_.front().deadline <= limit) {
    due.push_back(heap_.front().id);
    take(0);
  }
}

}  // namespace baton::engine
