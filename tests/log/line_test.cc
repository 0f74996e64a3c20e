#include "log/line.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace baton::log {
namespace {

const Field kFields[] = {{"instance", "web"}, {"other", "two words"}};

TEST(LineTest, FieldsComeFirstAndAwkwardValuesAreQuoted) {
  EXPECT_EQ(plain({Level::kWarning, "engine", "alarm", kFields, "say \"why\""}),
            "level=warning process=engine event=alarm instance=web other=\"two words\" text=\"say \\\"why\\\"\"");
}

TEST(LineTest, ALineStaysOneLineWhateverIsInIt) {
  const Field hostile{"name", "a\nlevel=error \x1b[31m"};
  const std::string line = plain({Level::kInfo, "engine", "x", {&hostile, 1}, {}});
  EXPECT_EQ(line, "level=info process=engine event=x name=\"a\\nlevel=error \\x1b[31m\"");
}

TEST(LineTest, AnEmptyValueIsVisible) {
  const Field empty{"instance", ""};
  EXPECT_EQ(plain({Level::kInfo, "p", "x", {&empty, 1}, {}}), "level=info process=p event=x instance=\"\"");
}

TEST(LineTest, JournaldGetsEachFieldByName) {
  EXPECT_EQ(journal({Level::kError, "engine", "alarm", kFields, {}}),
            "PRIORITY=3\nSYSLOG_IDENTIFIER=batond\nMESSAGE=event=alarm instance=web other=\"two words\"\n"
            "BATON_PROCESS=engine\nBATON_EVENT=alarm\nBATON_INSTANCE=web\nBATON_OTHER=two words\n");
}

TEST(LineTest, JournaldGetsTheIdOfWhatHappened) {
  const Field taken[] = {{"from", "backup"}, {"to", "active"}};
  const std::string line = journal({Level::kInfo, "engine", "transition", taken, {}});
  EXPECT_EQ(line.substr(0, line.find('\n')), "MESSAGE_ID=c537962cd4ee427285709dfbf7cac8ea");
  const Field rival[] = {{"alarm", "rival"}};
  const std::string alarm = journal({Level::kWarning, "engine", "alarm", rival, {}});
  EXPECT_EQ(alarm.substr(0, alarm.find('\n')), "MESSAGE_ID=9695999403bd4a0ab90d928ca6009811");
}

TEST(LineTest, JournaldTakesANewlineInTheBinaryForm) {
  const Field hostile{"name", "a\nPRIORITY=0"};
  const std::string text = journal({Level::kInfo, "p", "x", {&hostile, 1}, {}});
  const std::string expected = std::string{"BATON_NAME\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n", 30};
  EXPECT_NE(text.find(expected), std::string::npos);
}

TEST(LogTest, AReceiverThatDoesNotReadNeverHoldsTheCallerAndTheLossIsSaid) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
  use_pipe(pipe[1]);
  open({"test", Level::kInfo, false});
  for (int i = 0; i < 2000; ++i) info("flood", {{"text", std::string(100, 'x')}});
  EXPECT_GT(dropped(), 0U);
  std::string seen;
  std::array<char, 65536> buffer{};
  for (ssize_t size = 0; (size = ::read(pipe[0], buffer.data(), buffer.size())) > 0;) {
    seen.append(buffer.data(), static_cast<std::size_t>(size));
  }
  EXPECT_NE(seen.find("event=flood"), std::string::npos);
  info("after", {});
  const ssize_t size = ::read(pipe[0], buffer.data(), buffer.size());
  ASSERT_GT(size, 0);
  const std::string_view rest{buffer.data(), static_cast<std::size_t>(size)};
  EXPECT_NE(rest.find("event=after"), std::string_view::npos);
  EXPECT_NE(rest.find("event=log_lines_dropped"), std::string_view::npos);
  use_pipe(-1);
  open({"test"});
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(LogTest, LevelsBelowTheChosenOneAreSilent) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
  use_pipe(pipe[1]);
  open({"test", Level::kWarning, false});
  info("quiet", {});
  char byte = 0;
  EXPECT_LT(::read(pipe[0], &byte, 1), 0);
  set_level(Level::kInfo);
  info("loud", {});
  EXPECT_EQ(::read(pipe[0], &byte, 1), 1);
  use_pipe(-1);
  open({"test"});
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace baton::log
