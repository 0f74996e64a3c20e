// The whole scribe in a thread of its own, spoken to over its real channels.
#include "scribe/scribe.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "ipc/channel.h"
#include "posix/clock.h"
#include "posix/unix_socket.h"
#include "tests/scribe/directory.h"

namespace baton::scribe {
namespace {

using namespace std::chrono_literals;
using test::Directory;

/// One advert, once.
class OneFrame : public ports::CapturePort {
 public:
  explicit OneFrame(posix::Fd fd) : fd_(std::move(fd)) {}
  int fd() const override { return fd_.get(); }
  bool attach() override { return true; }
  std::size_t read(std::size_t, const std::function<void(const ports::CapturedFrame&)>& take) override {
    if (std::exchange(read_, true)) return 0;
    const std::vector<std::uint8_t> bytes(60, 0x08);
    take({.wall_clock_ns = 1, .length = 60, .outgoing = true, .bytes = bytes});
    return 1;
  }
  Nanos delay() const override { return Nanos{0}; }
  std::uint64_t lost() override { return 0; }

 private:
  posix::Fd fd_;
  bool read_ = false;
};

class ScribeTest : public ::testing::Test {
 protected:
  void start() {
    ScribeArguments arguments;
    guardian_ = connect(arguments.guardian, ipc::Process::kGuardian);
    engine_ = connect(arguments.engine, ipc::Process::kEngine);
    steward_ = connect(arguments.steward, ipc::Process::kSteward);
    arguments.state_directory.reset(::open(directory_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    arguments.state_path = directory_.path();
    arguments.history_limit = 500;
    arguments.capture = [](posix::Fd socket, const std::string& interface) {
      EXPECT_EQ(interface, "eth0");
      return std::make_unique<OneFrame>(std::move(socket));
    };
    thread_ = std::thread([moved = std::move(arguments)]() mutable { EXPECT_EQ(run(std::move(moved)), 0); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    guardian_.send(ipc::Terminate{});
    thread_.join();
  }
  void TearDown() override { stop(); }

  static ipc::Channel connect(posix::Fd& theirs, ipc::Process self) {
    auto pair = posix::seqpacket_pair();
    theirs = std::move(pair->second);
    return ipc::Channel(std::move(pair->first), self, ipc::Process::kScribe);
  }

  /// The next message within two seconds.
  template <class Message>
  static std::optional<Message> expect(ipc::Channel& channel) {
    const Instant deadline = posix::now() + 2s;
    while (posix::now() < deadline) {
      ipc::Incoming incoming = channel.receive();
      if (incoming.status == ipc::ReceiveStatus::kMessage) {
        if (auto* message = std::get_if<Message>(&incoming.message)) return std::move(*message);
        if (std::holds_alternative<ipc::Recalled>(incoming.message)) continue;  // each engine gets them first
        return std::nullopt;
      }
      pollfd waiting{channel.fd(), POLLIN, 0};
      ::poll(&waiting, 1, 50);
    }
    return std::nullopt;
  }

  void report(const std::string& instance) {
    ports::Report report;
    report.kind = ports::EventKind::kTransition;
    report.reason = Reason::kStartup;
    ASSERT_EQ(engine_.send(ipc::History{.instance = instance, .report = report}), ipc::SendStatus::kSent);
  }
  /// An intent is answered after everything before it was written.
  void settle(std::uint64_t ticket) {
    engine_.send(ipc::Intent{.ticket = ticket, .instance = "", .what = "freeze"});
    const auto recorded = expect<ipc::IntentRecorded>(engine_);
    ASSERT_TRUE(recorded);
    ASSERT_EQ(recorded->ticket, ticket);
  }
  std::vector<ipc::HistoryEntry> ask(std::uint32_t limit, const std::string& instance) {
    steward_.send(ipc::HistoryQuery{.nonce = 9, .limit = limit, .instance = instance});
    std::vector<ipc::HistoryEntry> entries;
    while (auto entry = expect<ipc::HistoryEntry>(steward_)) entries.push_back(*entry);
    return entries;  // the loop ends with HistoryEnd, or too late
  }

  Directory directory_;
  ipc::Channel guardian_;
  ipc::Channel engine_;
  ipc::Channel steward_;
  std::thread thread_;
};

TEST_F(ScribeTest, TellsTheGuardianOnceWhatItFound) {
  start();
  const auto recovered = expect<ipc::Recovered>(guardian_);
  ASSERT_TRUE(recovered);
  EXPECT_FALSE(recovered->drained);
}

TEST_F(ScribeTest, DrainIsOnDiskBeforeItIsAcknowledged) {
  start();
  engine_.send(ipc::Intent{.ticket = 42, .instance = "", .what = "drain"});
  const auto recorded = expect<ipc::IntentRecorded>(engine_);
  ASSERT_TRUE(recorded);
  EXPECT_EQ(recorded->ticket, 42u);
  EXPECT_EQ(directory_.read("intent").substr(0, 27), "baton-intent 1\ndrained yes\n");
  stop();
  start();
  const auto recovered = expect<ipc::Recovered>(guardian_);
  ASSERT_TRUE(recovered);
  EXPECT_TRUE(recovered->drained);
}

TEST_F(ScribeTest, AFreezeLastsBeyondARestartAndEndsWithAThaw) {
  start();
  engine_.send(ipc::Intent{.ticket = 42, .instance = "", .what = "freeze 3600000000000"});
  ASSERT_TRUE(expect<ipc::IntentRecorded>(engine_));
  stop();
  start();
  const auto recovered = expect<ipc::Recovered>(guardian_);
  ASSERT_TRUE(recovered);
  EXPECT_FALSE(recovered->drained);
  EXPECT_GT(recovered->frozen_for_ns, 3'500'000'000'000);
  EXPECT_LE(recovered->frozen_for_ns, 3'600'000'000'000);
  engine_.send(ipc::Intent{.ticket = 43, .instance = "", .what = "thaw"});
  ASSERT_TRUE(expect<ipc::IntentRecorded>(engine_));
  stop();
  start();
  const auto thawed = expect<ipc::Recovered>(guardian_);
  ASSERT_TRUE(thawed);
  EXPECT_EQ(thawed->frozen_for_ns, 0);
}

TEST_F(ScribeTest, HistoryIsAnsweredInOrderHoweverMuchThereIs) {
  start();
  for (int i = 0; i < 400; ++i) {
    report(i % 2 == 0 ? "web" : "mail");
    if (i % 50 == 49) settle(static_cast<std::uint64_t>(i));
  }
  settle(1000);
  EXPECT_EQ(ask(400, "").size(), 400u);  // more than the channel's own queue holds
  const auto web = ask(3, "web");
  ASSERT_EQ(web.size(), 3u);
  EXPECT_EQ(web[0].sequence, 395u);
  EXPECT_EQ(web[2].sequence, 399u);
  EXPECT_EQ(web[2].nonce, 9u);
}

TEST_F(ScribeTest, HistorySurvivesARestart) {
  start();
  report("web");
  settle(1);
  stop();
  start();
  EXPECT_EQ(ask(10, "").size(), 1u);
}

TEST_F(ScribeTest, ATransitionHasItsCaptureAndNothingElseHas) {
  start();
  const posix::Fd socket{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  const int fd = socket.get();
  guardian_.send(ipc::RecordLink{"eth0", 10'000'000'000}, {&fd, 1});
  settle(100);  // both channels were read
  report("web");
  settle(1);
  const auto early = ask(10, "");
  ASSERT_EQ(early.size(), 1u);
  EXPECT_EQ(early[0].capture, "") << "what follows it is still to come";
  ports::Report notice;
  ASSERT_EQ(engine_.send(ipc::History{.instance = "web", .report = notice}), ipc::SendStatus::kSent);
  report("mail");
  settle(2);
  stop();  // writes what it has
  start();
  const auto entries = ask(10, "");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_TRUE(entries[0].capture.starts_with(directory_.path("captures/"))) << entries[0].capture;
  EXPECT_TRUE(entries[0].capture.ends_with("Z-1-3.pcapng")) << entries[0].capture;
  EXPECT_EQ(entries[1].capture, "");
  EXPECT_EQ(entries[2].capture, entries[0].capture);
}

TEST_F(ScribeTest, UnwritableHistoryIsToldAndStillAnswered) {
  ASSERT_EQ(::mkdir(directory_.path("history.2").c_str(), 0700), 0);  // in the way of our file
  start();
  const auto alarm = expect<ipc::HistoryEntry>(steward_);
  ASSERT_TRUE(alarm);
  EXPECT_EQ(alarm->nonce, 0u);
  EXPECT_EQ(alarm->report.kind, ports::EventKind::kAlarm);
  EXPECT_EQ(alarm->report.alarm, ports::Alarm::kScribeSilent);
  EXPECT_NE(alarm->report.sys_errno, 0);
  report("web");
  settle(1);
  EXPECT_EQ(ask(10, "").size(), 1u);
}

TEST_F(ScribeTest, NewEngineIsServedOnItsNewChannel) {
  start();
  ASSERT_TRUE(expect<ipc::Recovered>(guardian_));
  engine_.close();
  posix::Fd theirs;
  engine_ = connect(theirs, ipc::Process::kEngine);
  const int fd = theirs.get();
  guardian_.send(ipc::ChannelReplaced{.peer = ipc::Process::kEngine}, {&fd, 1});
  theirs.reset();
  report("web");
  settle(5);
  EXPECT_EQ(ask(10, "web").size(), 1u);
}

TEST_F(ScribeTest, EndsWhenTheGuardianIsGone) {
  start();
  guardian_.close();
  thread_.join();
}

}  // namespace
}  // namespace baton::scribe
