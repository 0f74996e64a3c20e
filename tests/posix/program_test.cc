#include "posix/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>

namespace baton::posix {
namespace {

struct Pipe {
  Fd reader;
  Fd writer;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  return {Fd{ends[0]}, Fd{ends[1]}};
}

/// All that is written until the last writer is gone.
std::string read_all(Pipe& pipe) {
  pipe.writer.reset();
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t size = 0; (size = ::read(pipe.reader.get(), buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return text;
}

/// What /bin/sh prints for `script` to descriptor 1.
std::string shell(const std::string& script, Program program) {
  Pipe out = make_pipe();
  program.path = "/bin/sh";
  program.arguments = {"-c", script};
  program.descriptors.emplace_back(out.writer.get(), 1);
  auto child = start_program(program);
  EXPECT_TRUE(child.has_value());
  if (!child) return {};
  std::string text = read_all(out);
  EXPECT_EQ(child->wait(), 0);
  return text;
}

TEST(ProgramTest, GetsItsEnvironmentAndNothingOfOurs) {
  Program program;
  program.environment = {"A=1", "B=2"};
  EXPECT_EQ(shell("/usr/bin/tr '\\0' ' ' </proc/$$/environ", program), "A=1 B=2 ");
}

TEST(ProgramTest, GetsTheDescriptorsUnderTheirNumbersAndNoOther) {
  Pipe first = make_pipe();
  Pipe second = make_pipe();
  // Each is wanted where the other is.
  Program program;
  program.environment = {"PATH=/usr/bin:/bin"};
  program.descriptors = {{first.writer.get(), second.writer.get()}, {second.writer.get(), first.writer.get()}};
  const std::string a = std::to_string(first.writer.get());
  const std::string b = std::to_string(second.writer.get());
  ASSERT_LT(second.writer.get(), 10);  // sh knows one digit
  EXPECT_EQ(shell("echo one >&" + a + "; echo two >&" + b + "; ls /proc/$$/fd; :", program),
            "0\n1\n2\n" + a + "\n" + b + "\n");
  EXPECT_EQ(read_all(first), "two\n");
  EXPECT_EQ(read_all(second), "one\n");
}

TEST(ProgramTest, StandsInAProcessGroupOfItsOwnWithoutNewRights) {
  Program program;
  program.environment = {"PATH=/usr/bin:/bin"};
  EXPECT_EQ(shell("set -- $(cat /proc/$$/stat); [ $5 = $$ ] && grep NoNewPrivs /proc/$$/status", program),
            "NoNewPrivs:\t1\n");
}

TEST(ProgramTest, BecomesTheUserWithOneCapabilityOrNone) {
  if (::geteuid() != 0) FAIL() << "needs root";
  const auto user = find_user("nobody");
  ASSERT_TRUE(user.has_value());
  const std::string script = "id -u; id -G; grep -E '^Cap(Eff|Prm|Amb)' /proc/self/status | tr -d '\\n\\t'";
  const std::string ids = std::to_string(user->uid) + "\n" + std::to_string(user->gid) + "\n";
  Program program;
  program.user = *user;
  program.environment = {"PATH=/usr/bin:/bin"};
  EXPECT_EQ(shell(script, program), ids + "CapPrm:0000000000000000CapEff:0000000000000000CapAmb:0000000000000000");
  program.raw_network = true;  // CAP_NET_RAW is number 13: 0x2000
  EXPECT_EQ(shell(script, program), ids + "CapPrm:0000000000002000CapEff:0000000000002000CapAmb:0000000000002000");
}

TEST(ProgramTest, WhatIsNotThereIsAnErrorAtOnce) {
  Program program;
  program.path = "/nowhere/x";
  const auto child = start_program(program);
  ASSERT_FALSE(child.has_value());
  EXPECT_EQ(child.error().message(), "execute: /nowhere/x: No such file or directory");
}

TEST(ProgramTest, WhatGoesWrongAfterTheForkIsAStatus) {
  Program program;
  program.path = "/bin/true";
  program.descriptors = {{999, 3}};
  auto child = start_program(program);
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(WEXITSTATUS(child->wait()), 126);
}

TEST(ProgramTest, ExecuteKeepsTheNumberAndWhatIsInheritedAndClosesTheRest) {
  Pipe out = make_pipe();
  Pipe kept = make_pipe();
  Pipe closed = make_pipe();
  const Fd shell{::open("/bin/sh", O_PATH | O_CLOEXEC)};
  auto child = spawn([&] {
    ::dup2(out.writer.get(), 1);
    set_inherited(std::array{kept.writer.get()}, true);
    const std::string script = "echo $$ $GIVEN; [ -e /proc/self/fd/" + std::to_string(kept.writer.get()) +
                               " ] && echo kept; [ -e /proc/self/fd/" + std::to_string(closed.writer.get()) +
                               " ] || echo closed";
    execute(shell.get(), {"sh", "-c", script}, {"GIVEN=given", "PATH=/bin"});
    return 1;
  });
  ASSERT_TRUE(child.has_value());
  const pid_t pid = child->pid();
  EXPECT_EQ(read_all(out), std::to_string(pid) + " given\nkept\nclosed\n");
  EXPECT_EQ(WEXITSTATUS(child->wait()), 0);
}

TEST(ProgramTest, ExecuteReturnsWhyItCouldNot) {
  const Fd text{::open("/etc/passwd", O_PATH | O_CLOEXEC)};
  EXPECT_EQ(execute(text.get(), {"batond"}, {}).message(), "execute: batond: Permission denied");
}

TEST(ProgramTest, TheOwnProgramIsFoundAndTheEnvironmentIsThinned) {
  EXPECT_TRUE(own_program_path()->ends_with("posix_test")) << *own_program_path();
  ::setenv("BATON_TEST_A", "1", 1);
  ::setenv("BATON_TEST_AB", "2", 1);
  const auto all = environment_without("BATON_TEST_A");
  EXPECT_EQ(std::count(all.begin(), all.end(), "BATON_TEST_A=1"), 0);
  EXPECT_EQ(std::count(all.begin(), all.end(), "BATON_TEST_AB=2"), 1);
}

}  // namespace
}  // namespace baton::posix
