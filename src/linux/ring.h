// A queue between exactly two threads that never makes either wait: one pushes, the other pops. Full is an answer, not
// a wait.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace baton::linux {

template <class T, std::size_t kCapacity>
class Ring {
 public:
  static_assert((kCapacity & (kCapacity - 1)) == 0, "a power of two");

  /// The pushing thread. False, with `item` untouched, when full.
  bool push(T& item) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == kCapacity) return false;
    (*slots_)[tail % kCapacity] = std::move(item);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// The popping thread.
  std::optional<T> pop() {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
    std::optional<T> item{std::move((*slots_)[head % kCapacity])};
    head_.store(head + 1, std::memory_order_release);
    return item;
  }

 private:
  std::unique_ptr<std::array<T, kCapacity>> slots_ = std::make_unique<std::array<T, kCapacity>>();
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace baton::linux
