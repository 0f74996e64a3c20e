// Scrapers on real sockets, with a clock that the test owns.
#include "steward/metrics_listener.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

constexpr const char* kGet = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

class MetricsListenerTest : public ::testing::Test {
 protected:
  MetricsListenerTest()
      : loop_(std::move(*posix::EventLoop::create())),
        listener_(
            loop_, {.at_once = 3, .per_second = 6},
            [this](MetricsWish) {
              ++rendered_;
              return text_;
            },
            [this] { return now_; }) {
    listener_.listen({IpAddress::parse("127.0.0.1").value(), 0});
  }

  posix::Fd connect() {
    posix::Fd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(listener_.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    turn();
    return socket;
  }
  void turn() {
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(loop_.turn(Instant{}));
  }
  void write(const posix::Fd& socket, std::string_view bytes) {
    ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    turn();
  }
  /// All that there is now; "closed" if that is nothing and the other side is gone.
  std::string read(const posix::Fd& socket) {
    std::string all;
    std::vector<char> buffer(1 << 20);
    for (;;) {
      turn();
      const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size > 0) {
        all.append(buffer.data(), static_cast<std::size_t>(size));
        continue;
      }
      const bool closed = size == 0 || errno == ECONNRESET;
      return all.empty() && closed ? "closed" : all;
    }
  }

  Instant now_{1000s};
  std::string text_ = "a 1\n";
  int rendered_ = 0;
  posix::EventLoop loop_;
  MetricsListener listener_;
};

TEST_F(MetricsListenerTest, AScrapeIsAnsweredAndItsConnectionClosed) {
  const posix::Fd scraper = connect();
  write(scraper, "GET /metr");
  EXPECT_EQ(read(scraper), "");
  write(scraper, "ics HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string answer = read(scraper);
  EXPECT_EQ(answer.substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_EQ(answer.substr(answer.size() - 8), "\r\n\r\na 1\n");
  EXPECT_EQ(read(scraper), "closed");
  EXPECT_EQ(listener_.count(), 0u);
  EXPECT_FALSE(listener_.next_deadline());
}

TEST_F(MetricsListenerTest, OneTextServesAllWhoAskWithinASecond) {
  for (int i = 0; i < 3; ++i) write(connect(), kGet);
  EXPECT_EQ(rendered_, 1);
  now_ += 999ms;
  write(connect(), kGet);
  EXPECT_EQ(rendered_, 1);
  now_ += 1ms;
  write(connect(), kGet);
  EXPECT_EQ(rendered_, 2);
}

TEST_F(MetricsListenerTest, WhoIsSlowIsCutOffAtHisDeadlineAndNotBefore) {
  const posix::Fd scraper = connect();
  now_ += 4s;
  write(scraper, "GET /metrics HTTP/1.1\r\n");
  EXPECT_EQ(listener_.next_deadline(), Instant{1005s}) << "a byte now and then buys no time";
  listener_.expire(Instant{1005s} - 1ns);
  EXPECT_EQ(listener_.count(), 1u);
  listener_.expire(Instant{1005s});
  EXPECT_EQ(listener_.count(), 0u);
  EXPECT_EQ(read(scraper), "closed");
}

TEST_F(MetricsListenerTest, WhoDoesNotReadIsCutOffToo) {
  text_ = std::string(32u << 20, 'x');  // more than any socket holds
  const posix::Fd scraper = connect();
  write(scraper, kGet);
  EXPECT_EQ(listener_.count(), 1u);
  listener_.expire(Instant{1005s});
  EXPECT_EQ(listener_.count(), 0u);
}

TEST_F(MetricsListenerTest, ALongTextArrivesWholeAtWhoReads) {
  text_ = std::string(8u << 20, 'x');
  const posix::Fd scraper = connect();
  write(scraper, kGet);
  std::string answer;
  // The kernel may take a moment to make room between two parts.
  for (std::string part; part != "closed"; part = read(scraper)) {
    answer += part;
    pollfd waiting{scraper.get(), POLLIN, 0};
    ASSERT_GE(::poll(&waiting, 1, 1), 0);
    ASSERT_LE(answer.size(), 9u << 20);
  }
  EXPECT_EQ(answer.size() - (answer.find("\r\n\r\n") + 4), 8u << 20);
}

TEST_F(MetricsListenerTest, ARequestWithoutEndIsRefusedAtItsLimit) {
  const posix::Fd scraper = connect();
  write(scraper, "GET /metrics HTTP/1.1\r\n");
  write(scraper, std::string(8192 - 23, 'x'));
  EXPECT_EQ(listener_.count(), 1u);
  write(scraper, "x");
  EXPECT_EQ(listener_.count(), 0u);
  EXPECT_EQ(read(scraper).substr(0, 12), "HTTP/1.1 431");
}

TEST_F(MetricsListenerTest, WhenThereAreTooManyTheOldestGoes) {
  const posix::Fd first = connect();
  const posix::Fd second = connect();
  const posix::Fd third = connect();
  const posix::Fd fourth = connect();
  EXPECT_EQ(listener_.count(), 3u);
  EXPECT_EQ(read(first), "closed");
  write(second, kGet);
  EXPECT_EQ(read(second).substr(0, 15), "HTTP/1.1 200 OK");
}

TEST_F(MetricsListenerTest, AFloodIsAcceptedAtSoManyASecondOnly) {
  for (int i = 0; i < 6; ++i) write(connect(), kGet);
  const posix::Fd seventh = connect();
  write(seventh, kGet);
  EXPECT_EQ(read(seventh), "") << "it waits";
  EXPECT_EQ(listener_.next_deadline(), Instant{1001s});
  now_ += 1s;
  listener_.expire(now_);
  EXPECT_EQ(read(seventh).substr(0, 15), "HTTP/1.1 200 OK");
}

TEST_F(MetricsListenerTest, ATakenAddressIsTriedAgain) {
  const std::string where = "127.0.0.1:" + std::to_string(listener_.port());
  MetricsListener other{loop_, {}, [](MetricsWish) { return std::string{"b 2\n"}; }, [this] { return now_; }};
  other.configure(where);
  EXPECT_EQ(other.next_deadline(), Instant{1010s});
  listener_.configure("");
  other.expire(Instant{1010s});
  EXPECT_FALSE(other.next_deadline());
  EXPECT_NE(other.port(), 0);
}

TEST_F(MetricsListenerTest, AReloadThatChangesNothingKeepsTheScraper) {
  const std::string where = "127.0.0.1:" + std::to_string(listener_.port());
  listener_.configure(where);
  const posix::Fd scraper = connect();
  listener_.configure(where);
  EXPECT_EQ(listener_.count(), 1u);
  listener_.configure("");
  EXPECT_EQ(listener_.count(), 0u);
}

}  // namespace
}  // namespace baton::steward
