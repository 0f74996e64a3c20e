#include "daemon/status_line.h"

#include <gtest/gtest.h>

namespace baton::daemon {
namespace {

ipc::BoardReader::Entry entry(std::string_view name, vrrp::State state, std::uint64_t alarms = 0) {
  ipc::BoardReader::Entry one;
  name.copy(one.instance.name.data(), one.instance.name.size() - 1);
  one.instance.state = state;
  one.instance.alarms = alarms;
  return one;
}

TEST(StatusLineTest, ItNamesWhatThisHostIsActiveFor) {
  EXPECT_EQ(status_line({entry("web", vrrp::State::kActive), entry("mail", vrrp::State::kBackup),
                         entry("pg", vrrp::State::kActive)}),
            "Active for 2 of 3: web, pg");
}

TEST(StatusLineTest, AStandbyIsActiveForNone) {
  EXPECT_EQ(status_line({entry("web", vrrp::State::kBackup), entry("pg", vrrp::State::kInitialize)}),
            "Active for none of 2");
  EXPECT_EQ(status_line({}), "Active for none of 0");
}

TEST(StatusLineTest, AlarmsAreNamedWhoeverIsActive) {
  EXPECT_EQ(status_line({entry("web", vrrp::State::kActive, 1), entry("pg", vrrp::State::kBackup, 4)}),
            "Active for 1 of 2: web; alarms on web, pg");
}

TEST(StatusLineTest, ManyAreCountedAndAFewNamed) {
  std::vector<ipc::BoardReader::Entry> entries;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) entries.push_back(entry(name, vrrp::State::kActive));
  EXPECT_EQ(status_line(entries), "Active for 6 of 6: a, b, c, d, e, ...");
}

}  // namespace
}  // namespace baton::daemon
