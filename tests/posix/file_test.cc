#include "posix/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace baton::posix {
namespace {

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    char pattern[] = "/tmp/baton-file-test-XXXXXX";
    path_ = ::mkdtemp(pattern);
    directory_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY));
  }
  ~FileTest() override { std::filesystem::remove_all(path_); }

  void write(const std::string& name, std::string_view text) {
    const ConstBytes bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    ASSERT_TRUE(write_file_atomically(directory_.get(), name, bytes, 0640));
  }

  std::string path_;
  Fd directory_;
};

TEST_F(FileTest, WhatIsWrittenIsReadWithItsMode) {
  write("state", "abc");
  write("state", "de");
  EXPECT_EQ(read_file(path_ + "/state", 10), (std::vector<std::uint8_t>{'d', 'e'}));
  struct stat facts {};
  ASSERT_EQ(::stat((path_ + "/state").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0640U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{path_}, {}), 1);
}

TEST_F(FileTest, AFileBeyondTheLimitIsRefused) {
  write("state", "abc");
  EXPECT_TRUE(read_file(path_ + "/state", 3).has_value());
  EXPECT_EQ(read_file(path_ + "/state", 2).error().sys_errno, EFBIG);
}

TEST_F(FileTest, ADirectoryAndAFifoAreRefusedAtOnce) {
  EXPECT_EQ(read_file(path_, 10).error().sys_errno, EISDIR);
  ASSERT_EQ(::mkfifo((path_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_file(path_ + "/fifo", 10).error().sys_errno, EINVAL);
}

TEST_F(FileTest, ASymbolicLinkIsNotFollowed) {
  write("state", "abc");
  ASSERT_EQ(::symlink("state", (path_ + "/link").c_str()), 0);
  EXPECT_EQ(read_file_at(directory_.get(), "link", 10).error().sys_errno, ELOOP);
  ASSERT_EQ(::symlink("/tmp", (path_ + "/elsewhere").c_str()), 0);
  EXPECT_FALSE(prepare_directory(path_ + "/elsewhere", {::getuid(), ::getgid()}, 0750).has_value());
}

TEST_F(FileTest, APreparedDirectoryHasItsMode) {
  ASSERT_TRUE(prepare_directory(path_ + "/run", {::getuid(), ::getgid()}, 0750).has_value());
  struct stat facts {};
  ASSERT_EQ(::stat((path_ + "/run").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0750U);
  EXPECT_TRUE(prepare_directory(path_ + "/run", {::getuid(), ::getgid()}, 0755).has_value());
  ASSERT_EQ(::stat((path_ + "/run").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0755U);
}

/// Root without the right to give files away, but with the one to look into others' directories, as the guardian. The
/// child's answer: 0 prepared, else an errno.
int prepare_without_chown(const std::string& path, const User& owner) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!keep_only_capabilities({CAP_DAC_READ_SEARCH})) ::_exit(255);
    const auto directory = prepare_directory(path, owner, 0750);
    ::_exit(directory ? 0 : directory.error().sys_errno);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST_F(FileTest, ADirectoryThatIsAsWantedNeedsNoRightToGiveFilesAway) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const User other{65534, 65534};
  ASSERT_TRUE(prepare_directory(path_ + "/run", other, 0750).has_value());
  EXPECT_EQ(prepare_without_chown(path_ + "/run", other), 0);
  EXPECT_EQ(prepare_without_chown(path_ + "/run", {1, 1}), EPERM);
}

}  // namespace
}  // namespace baton::posix
