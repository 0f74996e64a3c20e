#include "scribe/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <deque>

#include "posix/clock.h"
#include "tests/scribe/directory.h"

namespace baton::scribe {
namespace {

using namespace std::chrono_literals;
using test::Directory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kNoon_ns = 1'795'348'800'000'000'000;  // 2026-11-22 12:00:00 UTC

struct Waiting {
  std::vector<std::uint8_t> bytes;
  std::int64_t wall_clock_ns = 0;
  Instant due{};  ///< on its way until then
};

/// What the test puts into `queue` is on the wire.
class FakePort : public ports::CapturePort {
 public:
  FakePort(std::deque<Waiting>& queue, int& attached, Nanos delay = Nanos{0})
      : queue_(queue), attached_(attached), delay_(delay) {}
  int fd() const override { return bell_.get(); }
  bool attach() override { return ++attached_ != 0; }
  std::size_t read(std::size_t limit, const std::function<void(const ports::CapturedFrame&)>& take) override {
    std::size_t count = 0;
    for (; count < limit && !queue_.empty() && queue_.front().due <= posix::now(); ++count) {
      const Waiting& one = queue_.front();
      take({.wall_clock_ns = one.wall_clock_ns,
            .length = static_cast<std::uint32_t>(one.bytes.size()),
            .outgoing = false,
            .bytes = one.bytes});
      queue_.pop_front();
    }
    return count;
  }
  Nanos delay() const override { return delay_; }
  std::uint64_t lost() override { return 0; }

 private:
  posix::Fd bell_{::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::deque<Waiting>& queue_;
  int& attached_;
  Nanos delay_;
};

class RecorderTest : public ::testing::Test {
 protected:
  std::unique_ptr<Recorder> recorder(RecorderLimits limits = {}) {
    auto made = std::make_unique<Recorder>(*loop_, directory_.fd(), directory_.path(), limits);
    made->watch("eth0", 10s, std::make_unique<FakePort>(wire_, attached_));
    return made;
  }
  /// A frame of the Ethernet type, ending in `mark`.
  void arrives(std::uint16_t type, std::uint8_t mark, std::int64_t wall_clock_ns = 0) {
    std::vector<std::uint8_t> frame(60);
    frame[12] = static_cast<std::uint8_t>(type >> 8);
    frame[13] = static_cast<std::uint8_t>(type & 0xFF);
    frame.back() = mark;
    wire_.push_back({frame, wall_clock_ns, {}});
  }
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path("captures")))
      found.push_back(entry.path().filename());
    return found;
  }
  /// The marks of the packets in the only file: blocks of type 6, whose bytes begin after 28 bytes.
  std::vector<int> marks() const {
    const auto names = files();
    if (names.size() != 1) return {-1};
    const std::string file = directory_.read("captures/" + names.front());
    const auto number = [&](std::size_t place) {
      std::size_t value = 0;
      for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(file.at(place + i));
      return value;
    };
    std::vector<int> found;
    for (std::size_t place = 0; place < file.size(); place += number(place + 4)) {
      if (number(place) == 6) found.push_back(static_cast<std::uint8_t>(file.at(place + 28 + number(place + 20) - 1)));
    }
    return found;
  }

  Directory directory_;
  Result<posix::EventLoop> loop_ = posix::EventLoop::create();
  std::deque<Waiting> wire_;
  int attached_ = 0;
  Instant t0_ = posix::now();
};

TEST_F(RecorderTest, ACaptureHoldsWhatWasBeforeAndAfterInOrderOfTime) {
  auto one = recorder();
  arrives(0x0800, 2, 200);
  arrives(0x0806, 1, 100);
  one->transition(t0_, t0_, 7, kNoon_ns, "web: backup -> active: why");
  arrives(0x0806, 3, 300);
  one->tick(t0_ + 2999ms);
  EXPECT_THAT(files(), IsEmpty()) << "three seconds after it belong to it, too";
  one->tick(t0_ + 3s);
  EXPECT_THAT(files(), ElementsAre("20261122T120000Z-7-7.pcapng"));
  EXPECT_THAT(marks(), ElementsAre(1, 2, 3));
  EXPECT_THAT(directory_.read("captures/20261122T120000Z-7-7.pcapng"), HasSubstr("web: backup -> active: why"));
  EXPECT_EQ(one->find(7, kNoon_ns), directory_.path("captures/20261122T120000Z-7-7.pcapng"));
  EXPECT_EQ(one->find(8, kNoon_ns), "");
}

TEST_F(RecorderTest, TransitionsCloseTogetherShareAFileButNotForEver) {
  auto one = recorder();
  for (std::uint64_t i = 0; i <= 8; ++i) {  // every two seconds, the last at 16 s
    const Instant now = t0_ + i * 2s;
    one->tick(now);
    arrives(0x0800, static_cast<std::uint8_t>(i + 1));
    one->transition(now, now, 10 + i, kNoon_ns + static_cast<std::int64_t>(i) * 2'000'000'000, "x");
  }
  one->tick(t0_ + 20s);
  auto names = files();
  std::sort(names.begin(), names.end());
  // The first ends 15 s after its first record, before the one at 16 s.
  EXPECT_THAT(names, ElementsAre("20261122T120000Z-10-17.pcapng", "20261122T120016Z-18-18.pcapng"));
}

TEST_F(RecorderTest, WhatIsOlderThanTheWindowIsLeftOut) {
  auto one = recorder();
  arrives(0x0800, 1);
  one->transition(t0_ - 30s, t0_ - 30s, 1, kNoon_ns - 30'000'000'000, "x");  // reads it, 30 s ago
  one->tick(t0_ - 27s);
  std::filesystem::remove_all(directory_.path("captures/20261122T115930Z-1-1.pcapng"));
  arrives(0x0800, 2);
  one->tick(t0_);
  one->transition(t0_, t0_, 2, kNoon_ns, "x");
  one->finish(t0_);
  EXPECT_THAT(marks(), ElementsAre(2));
}

TEST_F(RecorderTest, AStormOfArpDoesNotPushTheAdvertsOut) {
  auto one = recorder({.memory = 20'000});  // 10000 for each kind: 108 frames of 32 + 60
  for (std::uint8_t i = 1; i <= 5; ++i) arrives(0x0800, i);
  for (int i = 0; i < 1000; ++i) arrives(0x0806, 99);
  one->transition(t0_, t0_, 1, kNoon_ns, "x");
  one->finish(t0_);
  const auto found = marks();
  EXPECT_EQ(std::count(found.begin(), found.end(), 99), 108);
  EXPECT_EQ(found.size(), 113u);
}

TEST_F(RecorderTest, AFloodAfterTheTransitionDoesNotPushOutWhatWasBefore) {
  auto one = recorder({.memory = 20'000});
  arrives(0x0800, 1, 1);
  one->transition(t0_, t0_, 1, kNoon_ns, "x");
  for (int i = 0; i < 1000; ++i) arrives(0x0800, 2, 2);
  one->finish(t0_);
  const auto found = marks();
  EXPECT_EQ(found.size(), 109u);
  EXPECT_EQ(found.front(), 1);
}

TEST_F(RecorderTest, OneLookTakesABoundedNumberOfFrames) {
  auto one = recorder({.frames_per_look = 100});
  for (int i = 0; i < 1000; ++i) arrives(0x0800, 1);
  one->transition(t0_, t0_, 1, kNoon_ns, "x");
  EXPECT_EQ(wire_.size(), 900u);
}

TEST_F(RecorderTest, WhatIsOpenIsWrittenAtTheEnd) {
  auto one = recorder();
  arrives(0x0800, 1);
  one->transition(t0_, t0_, 3, kNoon_ns, "x");
  one->finish(t0_ + 1ms);
  EXPECT_THAT(marks(), ElementsAre(1));
}

TEST_F(RecorderTest, WhatIsOnItsWayAtTheEndIsWaitedFor) {
  Recorder one{*loop_, directory_.fd(), directory_.path()};
  one.watch("eth0", 10s, std::make_unique<FakePort>(wire_, attached_, 60ms));
  one.transition(t0_, t0_, 3, kNoon_ns, "x");
  arrives(0x0800, 1);
  wire_.back().due = posix::now() + 50ms;
  one.finish(posix::now());
  EXPECT_THAT(marks(), ElementsAre(1));
}

TEST_F(RecorderTest, WithoutAFrameThereIsNoFile) {
  auto one = recorder();
  one->transition(t0_, t0_, 3, kNoon_ns, "x");
  one->finish(t0_);
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(RecorderTest, AForgottenInterfaceIsRecordedNoMore) {
  auto one = recorder();
  arrives(0x0800, 1);
  one->forget("eth0");
  one->transition(t0_, t0_, 3, kNoon_ns, "x");
  one->finish(t0_);
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_EQ(wire_.size(), 1u);
}

TEST_F(RecorderTest, AFurtherInterfaceCostsNothingOfWhatWasRecorded) {
  auto one = recorder();
  arrives(0x0800, 1);
  ASSERT_TRUE(loop_->turn(posix::now() + 1s));
  ASSERT_TRUE(wire_.empty()) << "it was read";
  one->watch("eth1", 10s, std::make_unique<FakePort>(wire_, attached_));
  one->transition(posix::now(), posix::now(), 1, kNoon_ns, "x");
  one->finish(posix::now());
  EXPECT_THAT(marks(), ElementsAre(1));
}

TEST_F(RecorderTest, LooksForItsInterfaceAgainEachSecond) {
  auto one = recorder();
  EXPECT_EQ(attached_, 1);
  const Instant due = *one->next_deadline();
  EXPECT_GE(due, t0_ + 1s);
  one->tick(due - 1ns);
  EXPECT_EQ(attached_, 1);
  one->tick(due);
  EXPECT_EQ(attached_, 2);
}

TEST_F(RecorderTest, ADiskThatFailsCostsTheCaptureAndNothingElse) {
  std::filesystem::remove_all(directory_.path("captures"));
  directory_.write("captures", "a file");
  auto one = recorder();
  arrives(0x0800, 1);
  one->transition(t0_, t0_, 3, kNoon_ns, "x");
  one->tick(t0_ + 3s);
  EXPECT_EQ(one->find(3, kNoon_ns), "");
  EXPECT_EQ(directory_.read("captures"), "a file");
}

}  // namespace
}  // namespace baton::scribe
