// Whom the watchdog is fed for. The board says all; the timeout is 5 s throughout.
#include "daemon/watchdog.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>

namespace baton::daemon {
namespace {

using namespace std::chrono_literals;
using ports::DataRole;
using ports::PromotionStep;

constexpr ipc::BoardCapacity kSmall{4, 8};
constexpr Instant kNow{100s};

class FeederTest : public ::testing::Test {
 protected:
  FeederTest() { start_anew(); }

  /// As a new engine on an empty board.
  void start_anew() {
    std::fill(storage_.begin(), storage_.end(), 0);
    ipc::format_board(memory_, kSmall);
  }
  void beat(Instant at) { ipc::BoardWriter::open(memory_)->heartbeat(at); }
  void publish(const char* name, DataRole role, PromotionStep step, Instant until = kNever, std::uint32_t slot = 0) {
    ports::InstanceState state;
    std::strncpy(state.name.data(), name, state.name.size() - 1);
    state.data_role = role;
    state.promotion_step = static_cast<std::uint8_t>(step);
    state.granted_until_ns = until.time_since_epoch().count();
    ipc::BoardWriter::open(memory_)->publish_instance(slot, state);
  }
  bool fed(Instant now) { return feeder_.deserves(*ipc::BoardReader::open(ConstBytes{memory_}), now); }

  std::vector<std::uint64_t> storage_ = std::vector<std::uint64_t>(ipc::board_size(kSmall) / 8);
  MutableBytes memory_{reinterpret_cast<std::uint8_t*>(storage_.data()), storage_.size() * 8};
  Feeder feeder_{5s};
};

TEST_F(FeederTest, AStandbyIsFedEvenIfItsEngineStandsStill) {
  EXPECT_TRUE(fed(kNow));
  publish("pg", DataRole::kStandby, PromotionStep::kStandby);
  beat(kNow - 1h);
  EXPECT_TRUE(fed(kNow));
}

TEST_F(FeederTest, AnActiveWhoseEngineStandsStillIsNotFed) {
  publish("pg", DataRole::kActive, PromotionStep::kActive);
  beat(kNow - 1s);
  EXPECT_TRUE(fed(kNow));
  beat(kNow - 1s - 1ns);
  EXPECT_FALSE(fed(kNow));
  beat(kNow);
  EXPECT_TRUE(fed(kNow));
}

TEST_F(FeederTest, TheHostIsResetNoLaterThanTheGrantEnds) {
  beat(kNow);
  publish("pg", DataRole::kActive, PromotionStep::kActive, kNow + 5s);
  EXPECT_TRUE(fed(kNow));
  publish("pg", DataRole::kActive, PromotionStep::kActive, kNow + 5s - 1ns);
  EXPECT_FALSE(fed(kNow));
  // The demotion that follows is not fed either until it is done.
  publish("pg", DataRole::kDemoting, PromotionStep::kBlocking, kNow + 3s);
  EXPECT_FALSE(fed(kNow));
  publish("pg", DataRole::kDemoting, PromotionStep::kDemoting, kNow + 3s);
  EXPECT_FALSE(fed(kNow));
  publish("pg", DataRole::kDemoting, PromotionStep::kReturning, kNow + 3s);
  EXPECT_TRUE(fed(kNow)) << "demoted; the grant goes back";
  EXPECT_TRUE(feeder_.nothing_writable());
}

TEST_F(FeederTest, EachPromotingInstanceHasToHoldItsGrant) {
  beat(kNow);
  publish("one", DataRole::kActive, PromotionStep::kActive, kNow + 9s, 0);
  publish("two", DataRole::kActive, PromotionStep::kActive, kNow + 4s, 1);
  EXPECT_FALSE(fed(kNow));
  publish("two", DataRole::kStandby, PromotionStep::kStandby, kNow + 4s, 1);
  EXPECT_TRUE(fed(kNow));
}

TEST_F(FeederTest, WhoIsAboutToPromoteIsNotFedBeyondItsGrant) {
  beat(kNow);
  publish("pg", DataRole::kClaiming, PromotionStep::kGranting, Instant{});
  EXPECT_TRUE(fed(kNow)) << "without a grant it cannot promote";
  publish("pg", DataRole::kClaiming, PromotionStep::kAsking, kNow + 4s);
  EXPECT_FALSE(fed(kNow));
  publish("pg", DataRole::kClaiming, PromotionStep::kAsking, kNow + 6s);
  EXPECT_TRUE(fed(kNow));
}

TEST_F(FeederTest, ANewEngineThatKnowsNothingProvesNothing) {
  beat(kNow);
  publish("pg", DataRole::kActive, PromotionStep::kActive, kNow + 8s);
  EXPECT_TRUE(fed(kNow));
  start_anew();
  beat(kNow + 1s);
  EXPECT_TRUE(fed(kNow + 1s)) << "granted until + 8 s, as far as is known";
  EXPECT_FALSE(feeder_.nothing_writable());
  publish("pg", DataRole::kStandby, PromotionStep::kDemoting, Instant{});
  beat(kNow + 4s);
  EXPECT_FALSE(fed(kNow + 4s)) << "it demotes to be certain: not done yet";
  publish("pg", DataRole::kStandby, PromotionStep::kStandby, Instant{});
  EXPECT_TRUE(fed(kNow + 4s));
  EXPECT_TRUE(feeder_.nothing_writable());
}

TEST_F(FeederTest, AStandbyThatDemotesItselfAtItsStartIsFed) {
  beat(kNow);
  publish("pg", DataRole::kStandby, PromotionStep::kDemoting, Instant{});
  EXPECT_TRUE(fed(kNow));
}

TEST_F(FeederTest, APlannedMoveThatHasGivenItsGrantBackIsFed) {
  beat(kNow);
  publish("pg", DataRole::kActive, PromotionStep::kActive, kNow + 9s);
  EXPECT_TRUE(fed(kNow));
  // Too quick for anybody to see the writes blocked: what was granted is what counts.
  publish("pg", DataRole::kDemoting, PromotionStep::kDemoting, Instant{});
  EXPECT_TRUE(fed(kNow));
  beat(kNow + 5s);
  EXPECT_FALSE(fed(kNow + 5s)) << "but no longer than that";
  // Seen: handing over, its writes blocked. The demotion may take its time.
  publish("pg", DataRole::kDemoting, static_cast<PromotionStep>(16), kNow + 9s);
  EXPECT_TRUE(fed(kNow + 5s));
  publish("pg", DataRole::kDemoting, PromotionStep::kDemoting, Instant{});
  beat(kNow + 60s);
  EXPECT_TRUE(fed(kNow + 60s));
}

TEST_F(FeederTest, AnInstanceThatIsNoLongerConfiguredIsForgotten) {
  publish("pg", DataRole::kActive, PromotionStep::kActive);
  beat(kNow);
  EXPECT_TRUE(fed(kNow));
  start_anew();
  EXPECT_FALSE(fed(kNow));
  feeder_.forget();
  EXPECT_TRUE(fed(kNow));
}

TEST_F(FeederTest, IsAskedFourTimesInATimeoutAndAtLeastEachSecond) {
  EXPECT_EQ(Feeder{2s}.interval(), 500ms);
  EXPECT_EQ(Feeder{60s}.interval(), 1s);
}

class WatchdogFileTest : public ::testing::Test {
 protected:
  WatchdogFileTest() {
    char name[] = "/tmp/baton-watchdog-XXXXXX";
    directory_ = ::mkdtemp(name);
    path_ = directory_ + "/watchdog";
  }
  ~WatchdogFileTest() override {
    ::unlink(path_.c_str());
    ::rmdir(directory_.c_str());
  }
  void make() { std::ofstream{path_}; }
  std::string content() const {
    std::ostringstream all;
    all << std::ifstream{path_}.rdbuf();
    return all.str();
  }
  std::string directory_;
  std::string path_;
};

TEST_F(WatchdogFileTest, RecordsHowItIsFedAndThatItIsClosedInOrder) {
  make();
  auto device = WatchdogDevice::open(path_, 5s);
  ASSERT_TRUE(device) << device.error().message();
  EXPECT_FALSE(device->real());
  EXPECT_EQ(content(), "1");
  EXPECT_TRUE(device->feed());
  device->disarm();
  EXPECT_EQ(content(), "11V");
  EXPECT_FALSE(device->armed());
}

TEST_F(WatchdogFileTest, IsLetGoOfArmedWithoutTheMagicClose) {
  make();
  auto device = WatchdogDevice::open(path_, 5s);
  ASSERT_TRUE(device);
  device->abandon();
  EXPECT_EQ(content(), "1");
}

TEST_F(WatchdogFileTest, IsNeverMadeAndWhatIsNoneIsNamed) {
  EXPECT_FALSE(WatchdogDevice::open(path_, 5s));
  EXPECT_NE(::access(path_.c_str(), F_OK), 0);
  const auto missing = WatchdogDevice::open(path_, 5s);
  EXPECT_EQ(missing.error().message(), "open watchdog: " + path_ + ": No such file or directory");
  EXPECT_FALSE(WatchdogDevice::open("/dev/null", 5s)) << "a device that is no watchdog";
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(WatchdogDevice::open(path_, 5s));
}

}  // namespace
}  // namespace baton::daemon
