#include "scribe/frame_ring.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace baton::scribe {

void FrameRing::put(std::size_t place, const void* from, std::size_t size) {
  place %= capacity_;
  const std::size_t first = std::min(size, capacity_ - place);
  std::memcpy(memory_.get() + place, from, first);
  if (size != first) std::memcpy(memory_.get(), static_cast<const std::uint8_t*>(from) + first, size - first);
}

void FrameRing::get(std::size_t place, void* to, std::size_t size) const {
  place %= capacity_;
  const std::size_t first = std::min(size, capacity_ - place);
  std::memcpy(to, memory_.get() + place, first);
  if (size != first) std::memcpy(static_cast<std::uint8_t*>(to) + first, memory_.get(), size - first);
}

FrameRing::Header FrameRing::header_at(std::size_t place) const {
  Header header{};
  get(place, &header, sizeof header);
  return header;
}

void FrameRing::drop_oldest() {
  const std::size_t size = sizeof(Header) + header_at(begin_).kept;
  begin_ = (begin_ + size) % capacity_;
  used_ -= size;
  --count_;
}

template <class Visit>
void FrameRing::visit_all(Visit visit) const {
  std::vector<std::uint8_t> bytes;
  std::size_t place = begin_;
  for (std::size_t i = 0; i < count_; ++i) {
    const Header header = header_at(place);
    bytes.resize(header.kept);
    if (header.kept != 0) get(place + sizeof header, bytes.data(), header.kept);
    place += sizeof header + header.kept;
    visit(header, ports::CapturedFrame{.wall_clock_ns = header.wall_clock_ns,
                                       .length = header.length,
                                       .outgoing = header.outgoing != 0,
                                       .bytes = bytes});
  }
}

void FrameRing::push(Instant at, const ports::CapturedFrame& frame) {
  const std::size_t kept = std::min<std::size_t>(frame.bytes.size(), ports::kSnapLength);
  const std::size_t size = sizeof(Header) + kept;
  if (size > capacity_) return;
  while (capacity_ - used_ < size) drop_oldest();
  const Header header{.at_ns = at.time_since_epoch().count(),
                      .wall_clock_ns = frame.wall_clock_ns,
                      .length = frame.length,
                      .kept = static_cast<std::uint32_t>(kept),
                      .outgoing = frame.outgoing,
                      .reserved = 0};
  put(begin_ + used_, &header, sizeof header);
  if (kept != 0) put(begin_ + used_ + sizeof header, frame.bytes.data(), kept);
  used_ += size;
  ++count_;
}

void FrameRing::resize(std::size_t capacity) {
  FrameRing fresh{capacity};
  visit_all([&](const Header& header, const ports::CapturedFrame& frame) {
    fresh.push(Instant{Nanos{header.at_ns}}, frame);
  });
  *this = std::move(fresh);
}

void FrameRing::forget_before(Instant since) {
  while (count_ != 0 && header_at(begin_).at_ns < since.time_since_epoch().count()) drop_oldest();
}

void FrameRing::for_each(Instant since, const std::function<void(const ports::CapturedFrame&)>& visit) const {
  visit_all([&](const Header& header, const ports::CapturedFrame& frame) {
    if (header.at_ns >= since.time_since_epoch().count()) visit(frame);
  });
}

}  // namespace baton::scribe
