#include "posix/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "posix/memfd.h"
#include "posix/rights.h"
#include "posix/unix_socket.h"

namespace baton::posix {
namespace {

bool ends_within(const Child& child, int limit_ms) {
  pollfd ended{child.pidfd(), POLLIN, 0};
  return ::poll(&ended, 1, limit_ms) == 1;
}

TEST(ProcessTest, TheStatusOfAChildIsWhatItsBodyReturned) {
  auto child = spawn([] { return 7; });
  ASSERT_TRUE(ends_within(*child, 5000));
  const auto status = child->reap();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(describe_wait_status(*status), "exited with status 7");
  EXPECT_FALSE(child->running());
}

TEST(ProcessTest, AChildThatRunsIsNotReaped) {
  auto child = spawn([] { return ::pause(); });
  EXPECT_FALSE(child->reap().has_value());
  EXPECT_TRUE(child->running());
  child->signal(SIGKILL);
  EXPECT_EQ(describe_wait_status(child->wait()), "killed by signal 9");
}

TEST(ProcessTest, AGrandchildDiesWithItsParent) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  auto parent = spawn([&] {
    auto child = spawn([] { return ::pause(); });
    if (child->running()) static_cast<void>(!::write(pipe[1], "x", 1));
    return ::pause();
  });
  ::close(pipe[1]);
  char byte = 0;
  ASSERT_EQ(::read(pipe[0], &byte, 1), 1);
  parent->signal(SIGKILL);
  parent->wait();
  // Both held the writing end: its end is the proof that both are gone.
  pollfd gone{pipe[0], POLLIN, 0};
  EXPECT_EQ(::poll(&gone, 1, 5000), 1);
  ::close(pipe[0]);
}

TEST(ProcessTest, AChildKeepsOnlyTheDescriptorsThatItWasGiven) {
  auto kept = seqpacket_pair();
  auto lost = seqpacket_pair();
  auto child = spawn([&] {
    const int keep[] = {kept->second.get()};
    close_all_but(keep);
    const bool right = ::fcntl(kept->second.get(), F_GETFD) >= 0 && ::fcntl(lost->second.get(), F_GETFD) < 0 &&
                       ::fcntl(kept->first.get(), F_GETFD) < 0 && ::fcntl(2, F_GETFD) >= 0;
    return right ? 0 : 1;
  });
  EXPECT_EQ(child->wait(), 0);
}

TEST(ProcessTest, SignalsComeThroughTheDescriptor) {
  auto child = spawn([] {
    auto fd = signal_fd({SIGHUP, SIGTERM});
    ::kill(::getpid(), SIGHUP);
    if (next_signal(fd->get()) != SIGHUP) return 1;
    return next_signal(fd->get()).has_value() ? 2 : 0;
  });
  EXPECT_EQ(child->wait(), 0);
}

TEST(RightsTest, AMissingUserIsNamed) {
  const auto user = find_user("baton-no-such-user");
  ASSERT_FALSE(user.has_value());
  EXPECT_EQ(user.error().sys_errno, ENOENT);
  EXPECT_EQ(user.error().subject, "baton-no-such-user");
}

TEST(RightsTest, AMissingCapabilityIsNamed) {
  auto child = spawn([] {
    if (!keep_only_capabilities({})) return 1;
    return missing_capabilities({12, 13}) == std::vector<std::string>{"CAP_NET_ADMIN", "CAP_NET_RAW"} ? 0 : 2;
  });
  EXPECT_EQ(child->wait(), 0);
}

TEST(RightsTest, DroppingToAUserKeepsExactlyWhatWasAsked) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  auto child = spawn([] {
    if (!drop_to_user({12345, 12345}, {13})) return 1;
    if (::getuid() != 12345 || ::geteuid() != 12345 || ::getgid() != 12345 || ::getgroups(0, nullptr) != 0) return 2;
    if (!missing_capabilities({13}).empty() || missing_capabilities({12}).empty()) return 3;
    if (::setuid(0) == 0) return 4;
    return 0;
  });
  EXPECT_EQ(child->wait(), 0);
}

TEST(MemfdTest, SealedMemoryReadsBackAndCannotBeChanged) {
  const std::uint8_t text[] = {1, 2, 3};
  auto memory = sealed_memfd("test", text);
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(read_sealed(memory->get(), 3), (std::vector<std::uint8_t>{1, 2, 3}));
  EXPECT_LT(::pwrite(memory->get(), "x", 1, 0), 0);
  EXPECT_LT(::ftruncate(memory->get(), 10), 0);
}

TEST(MemfdTest, MemoryThatIsTooLargeOrNotSealedIsRefused) {
  const std::uint8_t text[] = {1, 2, 3};
  auto memory = sealed_memfd("test", text);
  EXPECT_EQ(read_sealed(memory->get(), 2).error().sys_errno, EFBIG);
  auto open = shared_memfd("test", 4096);
  EXPECT_EQ(read_sealed(open->get(), 4096).error().sys_errno, EPERM);
}

TEST(MemfdTest, AReadOnlyDescriptorCannotBeMappedForWriting) {
  auto memory = shared_memfd("test", 4096);
  auto reader = reopen_read_only(memory->get());
  ASSERT_TRUE(reader.has_value());
  auto written = Mapping::read_write(memory->get());
  written->bytes()[5] = 42;
  EXPECT_EQ(Mapping::read_only(reader->get())->const_bytes()[5], 42);
  EXPECT_FALSE(Mapping::read_write(reader->get()).has_value());
}

}  // namespace
}  // namespace baton::posix
