// The last frames of one interface, in a fixed number of bytes: the oldest make room. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/time.h"
#include "ports/capture.h"

namespace baton::scribe {

class FrameRing {
 public:
  /// `capacity`: bytes of all frames with kOverhead each; nothing else is ever allocated.
  explicit FrameRing(std::size_t capacity)
      : memory_(std::make_unique_for_overwrite<std::uint8_t[]>(capacity)), capacity_(capacity) {}
  static constexpr std::size_t kOverhead = 32;

  /// `at`: when it was read; never earlier than the one before. A frame that is longer than the whole ring is left out.
  void push(Instant at, const ports::CapturedFrame& frame);
  /// Another capacity; the newest that fit are kept.
  void resize(std::size_t capacity);
  /// Forgets what was read before `since`.
  void forget_before(Instant since);
  /// Those read at `since` or later, oldest first; their bytes are valid during the call.
  void for_each(Instant since, const std::function<void(const ports::CapturedFrame&)>& visit) const;

  void clear() { begin_ = used_ = count_ = 0; }

  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

 private:
  struct Header {
    std::int64_t at_ns;
    std::int64_t wall_clock_ns;
    std::uint32_t length;
    std::uint32_t kept;
    std::uint32_t outgoing;
    std::uint32_t reserved;
  };
  static_assert(sizeof(Header) == kOverhead);

  Header header_at(std::size_t place) const;
  void put(std::size_t place, const void* from, std::size_t size);
  void get(std::size_t place, void* to, std::size_t size) const;
  void drop_oldest();
  template <class Visit>
  void visit_all(Visit visit) const;

  std::unique_ptr<std::uint8_t[]> memory_;  ///< frames may run over its end and go on at its begin; what was never
                                            ///< needed costs nothing
  std::size_t capacity_;
  std::size_t begin_ = 0;  ///< of the oldest frame
  std::size_t used_ = 0;
  std::size_t count_ = 0;
};

}  // namespace baton::scribe
