// What counts as a program that can take over; the programs are real files that run.
#include "daemon/self_check.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "posix/memfd.h"

namespace baton::daemon {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(SelfCheckAnswerTest, TheLastLineIsTheAnswer) {
  std::string last;
  EXPECT_EQ(version_in("/etc/baton/baton.conf: valid\nbatond can run here: 0.2.0\n", last), "0.2.0");
  EXPECT_EQ(version_in("batond can run here: 0.2.0", last), "0.2.0");
  EXPECT_EQ(version_in("batond can run here: 0.2.0\nthere is no user baton-engine\n\n", last), "");
  EXPECT_EQ(last, "there is no user baton-engine");
  EXPECT_EQ(version_in("", last), "");
  EXPECT_EQ(last, "");
  EXPECT_EQ(version_in("\n\n", last), "");
}

class SelfCheckTest : public testing::Test {
 protected:
  SelfCheckTest() {
    char pattern[] = "/tmp/baton-selfcheck-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  ~SelfCheckTest() override { fs::remove_all(directory_); }

  /// The outcome for a file with this content.
  Result<std::string> ask(const std::string& content, int wait_ms = 5000) {
    const fs::path path = directory_ / "batond";
    std::ofstream{path} << content;
    fs::permissions(path, fs::perms::owner_all);
    // A script needs its name to be found by the interpreter; a compiled program does not.
    const posix::Fd program{::open(path.c_str(), O_RDONLY)};
    const std::vector<std::uint8_t> nothing{0};
    const auto inheritance = posix::sealed_memfd("left", nothing);
    auto check =
        SelfCheck::start({program.get(), {path.string(), "--config", "x"}, inheritance->get(), {program.get()}});
    if (!check) return Unexpected<Error>{check.error()};
    pollfd ended{check->pidfd(), POLLIN, 0};
    ::poll(&ended, 1, wait_ms);
    return check->finish();
  }
  fs::path directory_;
};

TEST_F(SelfCheckTest, ItIsAskedWithTheDaemonsWordsAndTheInheritance) {
  const auto answer =
      ask("#!/bin/sh\n[ \"$*\" = '--config x --selfcheck' ] && [ -e /proc/self/fd/$BATON_INHERITANCE ] && "
          "echo batond can run here: 0.2.0\n");
  ASSERT_TRUE(answer.has_value()) << answer.error().message();
  EXPECT_EQ(*answer, "0.2.0");
}

TEST_F(SelfCheckTest, AProgramThatFailsSaysWhyInItsLastLine) {
  const auto answer = ask("#!/bin/sh\necho a\necho there is no user baton-engine >&2\nexit 1\n");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().message(), "there is no user baton-engine");
}

TEST_F(SelfCheckTest, TheRightWordsWithTheWrongStatusAreNoAnswer) {
  EXPECT_FALSE(ask("#!/bin/sh\necho batond can run here: 0.2.0\nexit 3\n").has_value());
}

TEST_F(SelfCheckTest, AnotherProgramThatSucceedsIsNone) {
  const auto answer = ask("#!/bin/sh\nexit 0\n");
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error().message(), HasSubstr("no batond that knows how to take over"));
}

TEST_F(SelfCheckTest, WhatDiesHasItsSignalNamed) {
  const auto answer = ask("#!/bin/sh\nkill -SEGV $$\n");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().message(), "killed by signal 11");
}

TEST_F(SelfCheckTest, AFileThatIsNoProgramIsRefused) {
  for (const char* content : {"",
                              "\x7f"
                              "ELF\x02\x01\x01",
                              "#!/nonexistent/interpreter\n"}) {
    const auto answer = ask(content);
    ASSERT_FALSE(answer.has_value()) << content;
    EXPECT_THAT(answer.error().message(), HasSubstr("execute")) << content;
  }
}

TEST_F(SelfCheckTest, WhoDoesNotAnswerIsKilled) {
  const auto answer = ask("#!/bin/sh\nexec sleep 60\n", 100);
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error().message(), HasSubstr("no answer within 15 s"));
}

}  // namespace
}  // namespace baton::daemon
