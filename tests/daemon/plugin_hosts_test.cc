// The guardian's side of plugin hosts, with real processes: the host programs are small scripts.
#include "daemon/plugin_hosts.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "posix/clock.h"
#include "posix/memfd.h"

namespace baton::daemon {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr ipc::HostKind kProbe = ipc::HostKind::kProbe;
constexpr ipc::HostKind kAct = ipc::HostKind::kAct;

ipc::HostOrder order(const std::string& section, ipc::HostKind kind = kProbe, Nanos interval = seconds{1}) {
  ipc::HostOrder one;
  one.section = section;
  one.kind = kind;
  one.module_path = "/usr/lib/baton/plugins/none.so";
  one.user = "nobody";
  one.interval = interval;
  return one;
}

std::string content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream{path}.rdbuf();
  return text.str();
}

class PluginHostsTest : public testing::Test {
 protected:
  PluginHostsTest() : loop_(*posix::EventLoop::create()) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    char pattern[] = "/tmp/baton-hosts-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  ~PluginHostsTest() override {
    hosts_.reset();
    fs::remove_all(directory_);
  }

  /// Every host runs this.
  void program(const std::string& script) {
    const fs::path path = directory_ / "host";
    std::ofstream{path} << "#!/bin/bash\ncd " << directory_.string() << "\n" << script << "\n";
    ::chmod(path.c_str(), 0755);
    PluginHosts::Setting setting;
    setting.program = path;
    setting.environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
    setting.switch_user = false;
    start(setting);
  }
  void start(const PluginHosts::Setting& setting) {
    hosts_ = std::make_unique<PluginHosts>(
        loop_, setting, [this](ipc::Process to, const ipc::Message& message, std::span<const int> fds) {
          if (to != ipc::Process::kEngine) return;
          if (const auto* up = std::get_if<ipc::PluginHost>(&message)) {
            ups_.push_back(*up);
            struct stat facts {};
            if (!fds.empty() && ::fstat(fds[0], &facts) == 0) inodes_.push_back(facts.st_ino);
          }
          if (const auto* down = std::get_if<ipc::PluginHostDown>(&message)) downs_.push_back(*down);
        });
  }
  void fleet(std::vector<ipc::HostOrder> orders) {
    hosts_->set_fleet(posix::now(), std::move(orders));
    hosts_->tick(posix::now());
  }
  template <class Condition>
  bool eventually(Condition condition, Nanos limit = seconds{5}) {
    const Instant until = posix::now() + limit;
    while (!condition() && posix::now() < until) {
      const Instant next = hosts_->next_deadline().value_or(until);
      EXPECT_TRUE(loop_.turn(std::min({until, next, posix::now() + milliseconds{10}})));
      hosts_->tick(posix::now());
    }
    return condition();
  }
  /// How long until the next try, in whole seconds.
  std::int64_t next_try() const {
    return (hosts_->next_deadline().value_or(kNever) - posix::now() + milliseconds{500}) / seconds{1};
  }
  /// Waits for `count` deaths in all without letting time pass for the back-off.
  bool die(std::size_t count) {
    while (downs_.size() < count) {
      const std::size_t before = downs_.size();
      hosts_->tick(posix::now() + minutes{2});
      const Instant until = posix::now() + seconds{5};
      while (downs_.size() == before && posix::now() < until) EXPECT_TRUE(loop_.turn(until));
      if (downs_.size() == before) return false;
    }
    return true;
  }
  bool sleeps(const std::string& seconds_text) {
    const std::string words = "sleep" + std::string(1, '\0') + seconds_text;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      if (content(entry.path() / "cmdline").starts_with(words)) return true;
    }
    return false;
  }

  posix::EventLoop loop_;
  fs::path directory_;
  std::vector<ipc::PluginHost> ups_;
  std::vector<ipc::PluginHostDown> downs_;
  std::vector<ino_t> inodes_;
  std::unique_ptr<PluginHosts> hosts_;
};

TEST_F(PluginHostsTest, AHostHasItsOrderItsPageItsBellItsGroupAndNothingElse) {
  program(
      "cat /proc/self/fd/3 > order; ls /proc/self/fd > files; env | sort > environment; ps -o pgid= $$ > group; "
      "echo $$ > pid; exec sleep 100");
  ::setenv("LEAK", "1", 1);
  fleet({order("db")});
  ASSERT_TRUE(eventually([&] { return !content(directory_ / "pid").empty(); }));
  const std::string bytes = content(directory_ / "order");
  const auto told = ipc::decode_order({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  ASSERT_TRUE(told);
  EXPECT_EQ(told->section, "db");
  ASSERT_EQ(ups_.size(), 1u);
  EXPECT_EQ(told->incarnation, ups_[0].incarnation);
  EXPECT_NE(told->incarnation, 0u);
  EXPECT_EQ(content(directory_ / "files"), "0\n1\n2\n3\n4\n5\n6\n") << "6: the folder that ls reads";
  EXPECT_THAT(content(directory_ / "environment"), HasSubstr("LANG=C.UTF-8\n"));
  EXPECT_EQ(content(directory_ / "environment").find("LEAK"), std::string::npos);
  EXPECT_EQ(std::stoi(content(directory_ / "group")), std::stoi(content(directory_ / "pid")));
}

TEST_F(PluginHostsTest, DeathsAreFollowedByATryAtOnceThenAfterOneTwoAndFourSeconds) {
  program("kill -SEGV $$");
  fleet({order("db")});
  std::vector<std::int64_t> pauses;
  for (std::size_t deaths = 1; deaths <= 4; ++deaths) {
    ASSERT_TRUE(die(deaths));
    pauses.push_back(next_try());
  }
  EXPECT_THAT(pauses, ElementsAre(0, 1, 2, 4));
  EXPECT_EQ(downs_[0].sentence, "killed by signal 11");
  EXPECT_FALSE(downs_[3].given_up);
  EXPECT_NE(ups_[0].incarnation, ups_[1].incarnation);
}

TEST_F(PluginHostsTest, FiveDeathsWithinAMinuteAreEnoughForAMinute) {
  program("exit 3");
  fleet({order("db")});
  ASSERT_TRUE(die(5));
  EXPECT_TRUE(downs_[4].given_up);
  EXPECT_THAT(downs_[4].sentence, HasSubstr("5 times within a minute, the last time: exited with status 3"));
  EXPECT_EQ(next_try(), 60);
  ASSERT_TRUE(die(6));
  EXPECT_TRUE(downs_[5].given_up) << "once broken, one more death is enough";
}

TEST_F(PluginHostsTest, APageStaysTheSameForEveryHostOfItsSection) {
  program("exit 3");
  fleet({order("db")});
  ASSERT_TRUE(die(2));
  ASSERT_EQ(inodes_.size(), 2u);
  EXPECT_EQ(inodes_[0], inodes_[1]);
}

TEST_F(PluginHostsTest, AHostThatIsLateIsNoDeathForTheBreaker) {
  program("exit 71");
  fleet({order("db")});
  ASSERT_TRUE(die(7));
  EXPECT_FALSE(downs_[6].given_up);
}

TEST_F(PluginHostsTest, AHostThatHasGrownTooLargeIsReplacedWithoutAWord) {
  program("sleep 1.1; exit 75");
  fleet({order("db")});
  ASSERT_TRUE(eventually([&] { return ups_.size() == 2; }));
  EXPECT_THAT(downs_, IsEmpty());
}

TEST_F(PluginHostsTest, AMissingProgramIsSaidAndTriedAgain) {
  PluginHosts::Setting setting;
  setting.program = directory_ / "missing";
  setting.switch_user = false;
  start(setting);
  fleet({order("db")});
  ASSERT_EQ(downs_.size(), 1u);
  EXPECT_EQ(downs_[0].wait_status, -1);
  EXPECT_THAT(downs_[0].sentence, HasSubstr("cannot be started: "));
  EXPECT_THAT(downs_[0].sentence, HasSubstr("No such file or directory"));
  EXPECT_EQ(next_try(), 1);
}

TEST_F(PluginHostsTest, AMissingUserIsSaid) {
  program("exit 0");
  PluginHosts::Setting setting;
  setting.program = directory_ / "host";
  start(setting);
  ipc::HostOrder one = order("db");
  one.user = "baton-nobody-has-this-name";
  fleet({one});
  ASSERT_EQ(downs_.size(), 1u);
  EXPECT_THAT(downs_[0].sentence, HasSubstr("there is no user baton-nobody-has-this-name"));
}

/// F50. A process that may have no children; root may have as many as it likes, so it must be another user's.
TEST_F(PluginHostsTest, ForkWithoutRoomIsSaidAndTriedAgain) {
  program("exit 0");
  fs::permissions(directory_, fs::perms::all);
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NPROC, &none);
    if (::setgroups(0, nullptr) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(10);
    fleet({order("db", kAct)});
    if (downs_.size() != 1) ::_exit(11);
    if (downs_[0].sentence != "cannot be started: Resource temporarily unavailable") ::_exit(12);
    if (next_try() != 1) ::_exit(13);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(PluginHostsTest, WhatAHostLeavesBehindEndsWithIt) {
  program("sleep 1001 & setsid sleep 1002 & (setsid sleep 1003 &) ; sleep 1; kill -KILL $$");
  fleet({order("db")});
  ASSERT_TRUE(eventually([&] { return sleeps("1001") && sleeps("1002") && sleeps("1003"); }));
  ASSERT_TRUE(die(1));
  const auto gone = [&] { return !sleeps("1001") && !sleeps("1002") && !sleeps("1003"); };
  hosts_->set_fleet(posix::now(), {});
  EXPECT_TRUE(eventually(gone, seconds{2}));
  EXPECT_TRUE(eventually([&] { return hosts_->running() == 0 && !hosts_->next_deadline(); }));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a zombie or a stray is left";
}

TEST_F(PluginHostsTest, AHostThatIgnoresSigtermIsKilledAndReplaced) {
  program("trap '' TERM; echo ready >> ready; while true; do sleep 100; done");
  fleet({order("db")});
  ASSERT_TRUE(eventually([&] { return !content(directory_ / "ready").empty(); }));
  const Instant begin = posix::now();
  hosts_->end(begin, {"db", kProbe, ups_[0].incarnation, "floods results"});
  ASSERT_TRUE(eventually([&] { return downs_.size() == 1; }));
  EXPECT_GE(posix::now() - begin, milliseconds{200});
  EXPECT_LT(posix::now() - begin, milliseconds{1500});
  EXPECT_EQ(downs_[0].sentence, "ended: floods results");
  ASSERT_TRUE(eventually([&] { return ups_.size() == 2; }));
}

TEST_F(PluginHostsTest, AnEndForAnEarlierHostDoesNothing) {
  program("exec sleep 100");
  fleet({order("db")});
  hosts_->end(posix::now(), {"db", kProbe, ups_[0].incarnation + 1, "late"});
  EXPECT_FALSE(eventually([&] { return !downs_.empty(); }, milliseconds{400}));
}

TEST_F(PluginHostsTest, AReloadTouchesOnlyWhatHasChanged) {
  program("echo $$ >> pids; exec sleep 100");
  fleet({order("same"), order("other"), order("gone"), order("leaves", kAct)});
  ASSERT_TRUE(eventually([&] { return ups_.size() == 4; }));
  fleet({order("same"), order("other", kProbe, seconds{7}), order("new")});
  ASSERT_TRUE(eventually([&] { return ups_.size() == 6 && hosts_->running() == 4; }));
  std::set<std::string> started{ups_[4].section, ups_[5].section};
  EXPECT_EQ(started, (std::set<std::string>{"new", "other"}));
  // The action of the section that is gone may still have to leave; the engine says when.
  hosts_->end(posix::now(), {"leaves", kAct, 0, "no longer used"});
  ASSERT_TRUE(eventually([&] { return hosts_->running() == 3; }));
  EXPECT_FALSE(eventually([&] { return hosts_->running() > 3; }, milliseconds{300}));
}

TEST_F(PluginHostsTest, AReloadLetsTheActThatRunsFinishBeforeItsHostIsReplaced) {
  // As the real one: it reads its channel to the end, and is at work for a while when that comes.
  program("trap 'echo term >> term' TERM; cat <&4 > asked; echo eof >> eof; sleep 0.4; echo done >> done");
  ipc::HostOrder act = order("acts", kAct);
  fleet({act});
  ASSERT_TRUE(eventually([&] { return fs::exists(directory_ / "asked"); }));
  act.settings = {{"path", {"/run/other"}}};
  fleet({act});
  ASSERT_TRUE(eventually([&] { return ups_.size() == 2; }));
  EXPECT_EQ(content(directory_ / "done"), "done\n");
  EXPECT_EQ(content(directory_ / "term"), "");
  ASSERT_EQ(downs_.size(), 1u);
  EXPECT_EQ(downs_[0].sentence, "ended: its settings have changed");
  EXPECT_FALSE(downs_[0].given_up);
}

TEST_F(PluginHostsTest, WhatDoesNotFinishInItsTimeAfterAReloadIsKilled) {
  program("trap '' TERM; echo $$ > pid; exec sleep 100");
  ipc::HostOrder act = order("acts", kAct);
  act.deadline = milliseconds{100};
  fleet({act});
  ASSERT_TRUE(eventually([&] { return fs::exists(directory_ / "pid"); }));
  act.settings = {{"path", {"/run/other"}}};
  fleet({act});
  hosts_->tick(posix::now() + milliseconds{2900});
  EXPECT_FALSE(eventually([&] { return ups_.size() > 1; }, milliseconds{100}));
  hosts_->tick(posix::now() + milliseconds{3200});  // its 100 ms, and 3 s to close
  EXPECT_TRUE(eventually([&] { return ups_.size() == 2; }));
}

TEST_F(PluginHostsTest, AnActionThatNobodyLetsGoIsEndedAfterTenMinutes) {
  program("exec sleep 100");
  fleet({order("leaves", kAct)});
  fleet({});
  hosts_->tick(posix::now() + minutes{9});
  EXPECT_EQ(hosts_->running(), 1u);
  hosts_->tick(posix::now() + minutes{11});
  EXPECT_TRUE(eventually([&] { return hosts_->running() == 0; }));
}

/// As over an execve: the first object's memory is gone, its descriptors and children are not.
TEST_F(PluginHostsTest, AnotherProgramsGuardianLooksAfterTheSameHosts) {
  program("exec sleep 100");
  fleet({order("db"), order("act", kAct)});
  ASSERT_TRUE(eventually([&] { return hosts_->running() == 2; }));
  std::vector<LeftHost> left = hosts_->leave();
  ASSERT_EQ(left.size(), 2u);
  const auto probe = std::find_if(left.begin(), left.end(), [](const LeftHost& one) { return one.page >= 0; });
  ASSERT_NE(probe, left.end());
  const pid_t pid = probe->child.pid;
  struct stat page {};
  ASSERT_EQ(::fstat(probe->page, &page), 0);
  for (const LeftHost& one : left) loop_.remove(one.child.pidfd);
  [[maybe_unused]] static PluginHosts* forgotten = nullptr;  // its end would be the end of its hosts
  forgotten = hosts_.release();
  program("exec sleep 200");
  hosts_->inherit(std::move(left));
  EXPECT_EQ(hosts_->running(), 2u);
  const std::size_t told = ups_.size();
  fleet({order("db"), order("act", kAct)});
  EXPECT_EQ(ups_.size(), told) << "nothing has changed: nothing is started";
  ::kill(pid, SIGKILL);
  ASSERT_TRUE(eventually([&] { return downs_.size() == 1; }));
  EXPECT_EQ(downs_[0].section, "db");
  ASSERT_TRUE(eventually([&] { return ups_.size() == told + 1; }));
  EXPECT_EQ(inodes_.back(), page.st_ino) << "the page stays the same";
}

TEST_F(PluginHostsTest, ARenewedHostStartsAnewWithoutADeath) {
  program("exec sleep 100");
  fleet({order("db")});
  ASSERT_EQ(ups_.size(), 1u);
  for (std::size_t times = 2; times <= 8; ++times) {
    hosts_->renew(posix::now());
    ASSERT_TRUE(eventually([&] { return ups_.size() == times; }, seconds{1})) << times;
    EXPECT_NE(ups_[times - 1].incarnation, ups_[times - 2].incarnation);
  }
  EXPECT_THAT(downs_, IsEmpty());
}

TEST_F(PluginHostsTest, StoppingLeavesNothing) {
  program("trap '' TERM; setsid sleep 1004 & echo ready >> ready; while true; do sleep 1005; done");
  fleet({order("a"), order("b", kAct)});
  ASSERT_TRUE(eventually([&] { return content(directory_ / "ready") == "ready\nready\n"; }));
  const Instant begin = posix::now();
  hosts_->stop();
  // 3 s for an act host that does not end by itself, then the half second that SIGTERM gets.
  EXPECT_LT(posix::now() - begin, milliseconds{4500});
  EXPECT_EQ(hosts_->running(), 0u);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "something is left";
}

TEST_F(PluginHostsTest, ManyAreStartedAFewInATurn) {
  program("exec sleep 100");
  std::vector<ipc::HostOrder> orders;
  for (int i = 0; i < 20; ++i) orders.push_back(order("s" + std::to_string(i)));
  fleet(std::move(orders));
  EXPECT_LE(hosts_->running(), 4u);
  EXPECT_TRUE(eventually([&] { return hosts_->running() == 20; }));
}

TEST_F(PluginHostsTest, ANewEngineInheritsPagesBellsAndChannelsOfWhatRuns) {
  program("exec sleep 100");
  fleet({order("a"), order("b", kAct)});
  EXPECT_TRUE(eventually([&] { return hosts_->running() == 2; }));
  EXPECT_EQ(hosts_->held_descriptors().size(), 3u);
  const std::vector<HeldPlugin> held = hosts_->take_held();
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held[0].host.section, "a");
  EXPECT_EQ(held[0].fds.size(), 2u);
  EXPECT_EQ(::pwrite(held[0].fds[0].get(), "x", 1, 0), -1) << "the page must not be writable";
  EXPECT_EQ(held[1].fds.size(), 1u);
}

}  // namespace
}  // namespace baton::daemon
