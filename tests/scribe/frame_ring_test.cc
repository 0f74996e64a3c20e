#include "scribe/frame_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::scribe {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Instant at(Nanos time) { return Instant{time}; }

/// A frame of `size` bytes, all `mark`.
void push(FrameRing& ring, Nanos time, std::uint8_t mark, std::size_t size) {
  const std::vector<std::uint8_t> bytes(size, mark);
  ring.push(at(time),
            {.wall_clock_ns = mark, .length = static_cast<std::uint32_t>(size), .outgoing = false, .bytes = bytes});
}

/// The marks of the frames there are; each is checked to be whole.
std::vector<int> marks(const FrameRing& ring, Nanos since = 0s) {
  std::vector<int> found;
  ring.for_each(at(since), [&](const ports::CapturedFrame& frame) {
    const auto mark = static_cast<std::uint8_t>(frame.wall_clock_ns);
    EXPECT_EQ(frame.length, frame.bytes.size());
    for (const std::uint8_t byte : frame.bytes) EXPECT_EQ(byte, mark);
    found.push_back(mark);
  });
  return found;
}

TEST(FrameRingTest, KeepsFramesInOrderWithAllThatIsKnownOfThem) {
  FrameRing ring{1000};
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  ring.push(at(5s), {.wall_clock_ns = 99, .length = 1500, .outgoing = true, .bytes = bytes});
  push(ring, 6s, 7, 60);
  int seen = 0;
  ring.for_each(at(0s), [&](const ports::CapturedFrame& frame) {
    if (seen++ != 0) return;
    EXPECT_EQ(frame.wall_clock_ns, 99);
    EXPECT_EQ(frame.length, 1500u);
    EXPECT_TRUE(frame.outgoing);
    EXPECT_THAT(frame.bytes, ElementsAre(1, 2, 3));
  });
  EXPECT_EQ(seen, 2);
}

TEST(FrameRingTest, TheOldestMakeRoom) {
  FrameRing ring{300};  // each takes 32 + 68 = 100
  for (std::uint8_t i = 1; i <= 3; ++i) push(ring, 1s, i, 68);
  EXPECT_THAT(marks(ring), ElementsAre(1, 2, 3));
  push(ring, 1s, 4, 68);
  EXPECT_THAT(marks(ring), ElementsAre(2, 3, 4));
  push(ring, 1s, 5, 69);  // one byte more than one of them has left
  EXPECT_THAT(marks(ring), ElementsAre(4, 5));
}

TEST(FrameRingTest, FramesRunOverTheEndOfTheMemoryUnharmed) {
  FrameRing ring{1009};
  for (int i = 1; i <= 2000; ++i) {
    push(ring, 1s, static_cast<std::uint8_t>(i % 251), static_cast<std::size_t>(i * 37 % 301));
    const std::vector<int> there = marks(ring);
    ASSERT_FALSE(there.empty());
    EXPECT_EQ(there.back(), i % 251);
  }
}

TEST(FrameRingTest, AFrameLongerThanTheRingIsLeftOut) {
  FrameRing ring{100};
  push(ring, 1s, 1, 10);
  push(ring, 1s, 2, 69);
  EXPECT_THAT(marks(ring), ElementsAre(1));
  FrameRing none{0};
  push(none, 1s, 1, 0);
  EXPECT_TRUE(none.empty());
}

TEST(FrameRingTest, AnotherSizeKeepsTheNewestThatFit) {
  FrameRing ring{1000};
  for (std::uint8_t i = 1; i <= 5; ++i) push(ring, i * 1s, i, 68);
  ring.resize(250);
  EXPECT_THAT(marks(ring), ElementsAre(4, 5));
  ring.resize(1000);
  push(ring, 6s, 6, 68);
  EXPECT_THAT(marks(ring, 5s), ElementsAre(5, 6));
}

TEST(FrameRingTest, ForgetsByTime) {
  FrameRing ring{1000};
  push(ring, 1s, 1, 10);
  push(ring, 2s, 2, 10);
  push(ring, 3s, 3, 10);
  EXPECT_THAT(marks(ring, 2s), ElementsAre(2, 3));
  ring.forget_before(at(2s));
  EXPECT_THAT(marks(ring), ElementsAre(2, 3));
  ring.forget_before(at(4s));
  EXPECT_THAT(marks(ring), IsEmpty());
  push(ring, 5s, 4, 10);
  EXPECT_THAT(marks(ring), ElementsAre(4));
}

}  // namespace
}  // namespace baton::scribe
