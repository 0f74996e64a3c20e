#include "steward/clients.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "posix/unix_socket.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

/// Clients on a real socket with a clock that the test owns.
class ClientsTest : public ::testing::Test {
 protected:
  ClientsTest() : loop_(std::move(*posix::EventLoop::create())) {
    char pattern[] = "/tmp/baton-clients-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    auto listener = posix::listen_stream(path(), 0666, ::getgid());
    const AuthorityGroups everybody{.view = 0, .admin = ::getgid()};
    const auto handler = [this](Clients::Id id, Authority, const std::string& line) {
      last_ = id;
      lines_.push_back(line);
    };
    clients_.emplace(loop_, std::move(*listener), everybody, ClientLimits{.stream_backlog = 1 << 20}, handler,
                     [this] { return now_; });
    EXPECT_TRUE(clients_->start());
  }
  ~ClientsTest() override {
    clients_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string path() const { return directory_ + "/control.sock"; }
  posix::Fd connect() {
    auto socket = posix::connect_stream(path());
    turn();
    return std::move(*socket);
  }
  /// Everything that is ready now.
  void turn() {
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(loop_.turn(Instant{}));
  }
  static void write(const posix::Fd& socket, std::string_view bytes) {
    ASSERT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  Instant now_{1000s};
  posix::EventLoop loop_;
  std::string directory_;
  std::optional<Clients> clients_;
  Clients::Id last_ = 0;
  std::vector<std::string> lines_;
};

TEST_F(ClientsTest, SilentClientIsDroppedAtItsDeadlineAndNotBefore) {
  const posix::Fd client = connect();
  ASSERT_EQ(clients_->count(), 1u);
  EXPECT_EQ(clients_->next_deadline(), now_ + 10s);
  clients_->expire(now_ + 10s - 1ns);
  EXPECT_EQ(clients_->count(), 1u);
  clients_->expire(now_ + 10s);
  EXPECT_EQ(clients_->count(), 0u);
}

TEST_F(ClientsTest, BytesWithoutAWholeRequestDoNotExtendTheDeadline) {
  const posix::Fd client = connect();
  now_ += 9s;
  write(client, "{\"verb\"");
  turn();
  EXPECT_EQ(clients_->next_deadline(), Instant{1010s});
}

TEST_F(ClientsTest, WorkHasNoDeadlineHereAndTheAnswerStartsANewOne) {
  const posix::Fd client = connect();
  write(client, "one\n");
  turn();
  EXPECT_EQ(clients_->next_deadline(), std::nullopt);
  now_ += 60s;
  clients_->answer(last_, "done");
  EXPECT_EQ(clients_->next_deadline(), now_ + 10s);
}

TEST_F(ClientsTest, OneRequestAtATime) {
  const posix::Fd client = connect();
  write(client, "one\ntwo\n");
  turn();
  EXPECT_EQ(lines_, (std::vector<std::string>{"one"}));
  clients_->answer(last_, "done");
  EXPECT_EQ(lines_, (std::vector<std::string>{"one", "two"}));
}

TEST_F(ClientsTest, ClientThatDoesNotReadItsAnswerIsDropped) {
  const posix::Fd client = connect();
  write(client, "one\n");
  turn();
  clients_->answer(last_, std::string(4u << 20, 'x'));
  turn();
  EXPECT_EQ(clients_->count(), 1u);
  clients_->expire(now_ + 10s);
  EXPECT_EQ(clients_->count(), 0u);
}

TEST_F(ClientsTest, StreamThatFallsTooFarBehindIsDropped) {
  const posix::Fd client = connect();
  write(client, "follow\n");
  turn();
  clients_->stream(last_);
  EXPECT_EQ(clients_->next_deadline(), std::nullopt);
  for (int i = 0; i < 100 && clients_->knows(last_); ++i) clients_->send(last_, std::string(64 * 1024, 'x'));
  EXPECT_FALSE(clients_->knows(last_));
}

TEST_F(ClientsTest, ClientThatHangsUpIsForgotten) {
  {
    const posix::Fd client = connect();
    write(client, "one\n");
    turn();
  }
  turn();
  EXPECT_EQ(clients_->count(), 0u);
  clients_->answer(last_, "too late");
}

}  // namespace
}  // namespace baton::steward
