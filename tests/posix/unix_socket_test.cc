#include "posix/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace baton::posix {
namespace {

TEST(UnixSocketTest, AMessageLongerThanTheBufferIsMarked) {
  auto pair = seqpacket_pair();
  const std::uint8_t text[] = {1, 2, 3, 4};
  ASSERT_EQ(*send_message(pair->first.get(), text), IoStatus::kDone);
  std::array<std::uint8_t, 3> buffer{};
  EXPECT_TRUE(receive_message(pair->second.get(), buffer)->message.truncated);
}

TEST(UnixSocketTest, NothingAndTheEndAreDifferent) {
  auto pair = seqpacket_pair();
  std::array<std::uint8_t, 3> buffer{};
  EXPECT_EQ(receive_message(pair->second.get(), buffer)->status, IoStatus::kWouldBlock);
  pair->first.reset();
  EXPECT_EQ(receive_message(pair->second.get(), buffer)->status, IoStatus::kClosed);
}

TEST(UnixSocketTest, AnAbstractNameIsHeldByOneAndFreeAfterwards) {
  const std::string name = "baton-test-" + std::to_string(::getpid());
  {
    const auto held = bind_abstract(name);
    ASSERT_TRUE(held.has_value());
    EXPECT_EQ(bind_abstract(name).error().sys_errno, EADDRINUSE);
  }
  EXPECT_TRUE(bind_abstract(name).has_value());
}

class ListenTest : public ::testing::Test {
 protected:
  ListenTest() {
    char pattern[] = "/tmp/baton-socket-test-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    path_ = directory_ + "/control.sock";
  }
  ~ListenTest() override { std::filesystem::remove_all(directory_); }
  std::string directory_, path_;
};

TEST_F(ListenTest, WhoConnectedIsKnown) {
  auto listener = listen_stream(path_, 0660, ::getgid());
  ASSERT_TRUE(listener.has_value());
  struct stat facts {};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0660U);
  EXPECT_FALSE(accept_stream(listener->get())->has_value());
  auto client = connect_stream(path_);
  ASSERT_TRUE(client.has_value());
  auto accepted = accept_stream(listener->get());
  ASSERT_TRUE(accepted->has_value());
  const auto who = peer_credentials((*accepted)->get());
  ASSERT_TRUE(who.has_value());
  EXPECT_EQ(who->pid, ::getpid());
  EXPECT_EQ(who->uid, ::getuid());
}

TEST_F(ListenTest, TheSocketHasTheGroupAndTheCallerStillHasHisOwn) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const gid_t own = ::getegid();
  ASSERT_TRUE(listen_stream(path_, 0666, 65534).has_value());
  struct stat facts {};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_gid, 65534U);
  EXPECT_EQ(facts.st_mode & 0777, 0666U);
  EXPECT_EQ(::getegid(), own);
}

TEST_F(ListenTest, ADeadSocketIsReplacedButNothingElse) {
  { auto dead = listen_stream(path_, 0660, ::getgid()); }
  EXPECT_TRUE(listen_stream(path_, 0660, ::getgid()).has_value());
  std::filesystem::remove(path_);
  std::ofstream{path_} << "somebody's file";
  EXPECT_FALSE(listen_stream(path_, 0660, ::getgid()).has_value());
  EXPECT_TRUE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace baton::posix
