#include "daemon/pulse.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "posix/clock.h"
#include "posix/process.h"

namespace baton::daemon {
namespace {

using std::chrono::milliseconds;

TEST(PulseTest, TheStateStandsBehindTheNameWhateverTheNameIs) {
  EXPECT_EQ(parse_process_state("12 (batond) S 1 12"), 'S');
  EXPECT_EQ(parse_process_state("12 (a) R (b) T 1 12"), 'T');
  EXPECT_EQ(parse_process_state("12 (batond)"), std::nullopt);
  EXPECT_EQ(parse_process_state(""), std::nullopt);
}

TEST(PulseTest, TheProcessorTimeIsTheFirstNumber) {
  EXPECT_EQ(parse_processor_time("123456 789 10\n"), Nanos{123456});
  EXPECT_EQ(parse_processor_time("x 789"), std::nullopt);
  EXPECT_EQ(parse_processor_time(""), std::nullopt);
}

/// A process needs a moment to fall asleep, to stop, or to get a processor.
bool stops_being_starved(const Pulse& pulse, Nanos silent) {
  const Instant limit = posix::now() + std::chrono::seconds{10};
  while (pulse.starved(silent)) {
    if (posix::now() > limit) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

TEST(PulseTest, WhoSleepsOrIsStoppedIsNotStarved) {
  auto child = posix::spawn([] { return ::pause(); });
  Pulse pulse{child->pid()};
  pulse.note();
  EXPECT_TRUE(stops_being_starved(pulse, std::chrono::hours{1}));
  child->signal(SIGSTOP);
  EXPECT_TRUE(stops_being_starved(pulse, std::chrono::hours{1}));
  child->signal(SIGKILL);
  child->wait();
}

TEST(PulseTest, AnEndlessLoopIsNotStarvedOnceItHasRunForAQuarterOfTheSilence) {
  auto child = posix::spawn([] {
    while (posix::now() != kNever) {
    }
    return 0;
  });
  Pulse pulse{child->pid()};
  pulse.note();
  EXPECT_TRUE(pulse.starved(std::chrono::hours{1})) << "it runs, and had far less than a quarter of an hour";
  EXPECT_TRUE(stops_being_starved(pulse, milliseconds{40}));
  child->signal(SIGKILL);
  child->wait();
}

}  // namespace
}  // namespace baton::daemon
