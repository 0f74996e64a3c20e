// The built batonctl as an administrator runs it: exit status and words, without a daemon and against a steward with
// set answers.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "posix/unix_socket.h"

namespace baton::cli {
namespace {

struct Outcome {
  int exit = -1;
  std::string output;  ///< stdout and stderr
};

Outcome batonctl(const std::string& arguments) {
  Outcome outcome;
  FILE* pipe = ::popen((std::string{BATONCTL} + " " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> bytes;
  for (std::size_t size = 0; (size = std::fread(bytes.data(), 1, bytes.size(), pipe)) > 0;)
    outcome.output.append(bytes.data(), size);
  const int status = ::pclose(pipe);
  outcome.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

class Directory {
 public:
  Directory() {
    char pattern[] = "/tmp/baton-cli-XXXXXX";
    path_ = ::mkdtemp(pattern);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name) << text;
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

/// Answers one connection with set lines, after reading one request.
class SetSteward {
 public:
  explicit SetSteward(std::string answer) : answer_(std::move(answer)) {
    auto listener = posix::listen_stream(directory_.path() + "/control.sock", 0600, ::getgid());
    listener_ = std::move(*listener);
    thread_ = std::thread([this] { serve(); });
  }
  ~SetSteward() { thread_.join(); }
  std::string option() const { return "--runtime-dir " + directory_.path() + " "; }
  std::string request() { return request_; }

 private:
  void serve() {
    pollfd waiting{listener_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 10'000) != 1) return;
    auto client = posix::accept_stream(listener_.get());
    if (!client || !*client) return;
    const int fd = (*client)->get();
    waiting = {fd, POLLIN, 0};
    while (request_.find('\n') == std::string::npos && ::poll(&waiting, 1, 10'000) == 1) {
      std::array<char, 4096> bytes;
      const ssize_t size = ::recv(fd, bytes.data(), bytes.size(), 0);
      if (size <= 0) return;
      request_.append(bytes.data(), static_cast<std::size_t>(size));
    }
    static_cast<void>(::send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL));
  }

  Directory directory_;
  posix::Fd listener_;
  std::string answer_;
  std::string request_;
  std::thread thread_;
};

TEST(BatonctlTest, NoDaemonIsExitThreeWithThePathAndAHint) {
  const Outcome outcome = batonctl("--runtime-dir /nonexistent/baton status");
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_EQ(outcome.output,
            "batonctl: no daemon at /nonexistent/baton/control.sock: No such file or directory; is batond running? "
            "(`systemctl status baton`, or --runtime-dir DIR)\n");
}

TEST(BatonctlTest, EveryAskingVerbWithoutADaemonIsExitThree) {
  for (const char* verb :
       {"status", "explain", "history", "events", "reload", "switchover", "freeze --for 1h", "reexec", "thaw", "drain",
        "undrain", "metrics", "config show", "config diff", "status -w", "events -f"}) {
    EXPECT_EQ(batonctl(std::string{"--runtime-dir /nonexistent/baton "} + verb).exit, 3) << verb;
  }
}

TEST(BatonctlTest, TroubleIsJsonToo) {
  const Outcome outcome = batonctl("--runtime-dir /nonexistent/baton status --json");
  const auto document = nlohmann::json::parse(outcome.output, nullptr, false);
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_EQ(document["ok"], false);
  EXPECT_EQ(document["exit"], 3);
}

TEST(BatonctlTest, UsageErrorsAreExitTwo) {
  for (const char* words : {"", "status --bogus", "freeze", "freeze --for 3", "freeze --for 0s", "history --limit 0",
                            "config", "config shw", "check a b", "metrics --names snmp", "metrics --format xml"}) {
    EXPECT_EQ(batonctl(words).exit, 2) << words;
  }
}

TEST(BatonctlTest, UnknownVerbSaysWhatWasProbablyMeant) {
  const Outcome outcome = batonctl("statsu");
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_EQ(outcome.output, "batonctl: unknown verb 'statsu'; did you mean 'status'?\n");
}

TEST(BatonctlTest, MetricsAreAskedForAndPrintedAsTheyCome) {
  SetSteward steward{R"({"ok":true,"exit":0,"verb":"metrics","result":{"content_type":"t","text":"a 1\n# EOF\n"}})"
                     "\n"};
  const Outcome outcome = batonctl(steward.option() + "metrics --names keepalived-exporter");
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_EQ(outcome.output, "a 1\n# EOF\n");
  EXPECT_EQ(steward.request(), R"({"verb":"metrics","names":"keepalived-exporter","format":"openmetrics"})"
                               "\n");
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(BatonctlTest, ATextfileIsReplacedWholeAndReadableByEverybody) {
  const Directory directory;
  const std::string file = directory.write("baton.prom", "old\n");
  std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  SetSteward steward{R"({"ok":true,"exit":0,"verb":"metrics","result":{"content_type":"t","text":"a 1\n"}})"
                     "\n"};
  const Outcome outcome = batonctl(steward.option() + "metrics --textfile " + file);
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_EQ(outcome.output, "");
  EXPECT_EQ(steward.request(), R"({"verb":"metrics","names":"baton","format":"text"})"
                               "\n");
  EXPECT_EQ(content(file), "a 1\n");
  EXPECT_EQ(static_cast<unsigned>(std::filesystem::status(file).permissions()), 0644u);
  const auto all = std::filesystem::directory_iterator(directory.path());
  EXPECT_EQ(std::distance(begin(all), end(all)), 1) << "nothing beside it";
}

TEST(BatonctlTest, ATextfileSaysWhenNoDaemonAnswers) {
  const Directory directory;
  const std::string file = directory.write("baton.prom", "old\n");
  EXPECT_EQ(batonctl("--runtime-dir /nonexistent/baton metrics --textfile " + file).exit, 3);
  EXPECT_EQ(content(file), "# HELP baton_up 0: no daemon answers.\n# TYPE baton_up gauge\nbaton_up 0\n");
  const std::string names = " --names keepalived-exporter --format openmetrics";
  EXPECT_EQ(batonctl("--runtime-dir /nonexistent/baton metrics --textfile " + file + names).exit, 3);
  EXPECT_EQ(content(file),
            "# HELP keepalived_up 0: no daemon answers.\n# TYPE keepalived_up gauge\nkeepalived_up 0\n# EOF\n");
  EXPECT_EQ(batonctl("--runtime-dir /nonexistent/baton metrics --textfile " + directory.path() + "/").exit, 1);
}

TEST(BatonctlTest, HelpIsNoError) {
  EXPECT_EQ(batonctl("--help").exit, 0);
  EXPECT_EQ(batonctl("freeze --help").exit, 0);
}

TEST(BatonctlTest, TablesForTheManualHaveEveryVerbThatHelpLists) {
  const Outcome outcome = batonctl("dump-tables --json");
  ASSERT_EQ(outcome.exit, 0) << outcome.output;
  const auto tables = nlohmann::json::parse(outcome.output);
  std::vector<std::string> verbs;
  for (const auto& verb : tables["verbs"]) verbs.push_back(verb["name"]);
  for (const char* verb : {"status", "explain", "config diff", "plugin test", "failover", "cleanup"}) {
    EXPECT_EQ(std::count(verbs.begin(), verbs.end(), verb), 1) << verb;
  }
  EXPECT_EQ(std::count(verbs.begin(), verbs.end(), "dump-tables"), 0);
  EXPECT_EQ(batonctl("--help").output.find("dump-tables"), std::string::npos);
  const auto freeze = *std::find_if(tables["verbs"].begin(), tables["verbs"].end(),
                                    [](const auto& verb) { return verb["name"] == "freeze"; });
  EXPECT_EQ(freeze["group"], "admin");
  EXPECT_EQ(freeze["options"][1].dump(),
            R"({"choices":[],"help":"how long: 30m, 2h, 1h30m","many":false,"names":["--for"],"positional":"",)"
            R"("required":true,"value":"TIME"})");
  const auto option = [&](const std::string& of, const std::string& name) {
    for (const auto& verb : tables["verbs"]) {
      for (const auto& one : verb["options"]) {
        const bool is_it = one["names"].empty() ? one["positional"] == name : one["names"].back() == name;
        if (verb["name"] == of && is_it) return one;
      }
    }
    return nlohmann::json{};
  };
  EXPECT_EQ(option("metrics", "--names")["choices"].dump(), R"(["baton","keepalived-exporter"])");
  EXPECT_EQ(option("import", "FILE")["many"], true);
  EXPECT_EQ(option("import", "--peer")["many"], true);
  EXPECT_EQ(option("import", "--host")["many"], false);
  EXPECT_EQ(option("run", "COMMAND")["many"], true);
  EXPECT_EQ(tables["metrics"][1].dump(),
            R"({"help":"The running daemon's version.","labels":"version","name":"baton_build_info","names":"baton",)"
            R"("type":"info","unit":""})");
  EXPECT_EQ(tables["exit_codes"][8]["words"], "degraded (status --exit-code)");
  EXPECT_EQ(tables["keys"][0]["name"], "log_level");
  EXPECT_EQ(tables["discards"][4]["token"], "checksum-errors");
}

TEST(BatonctlTest, VersionNeedsNoDaemon) {
  const Outcome outcome = batonctl("--runtime-dir /nonexistent/baton version");
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_EQ(outcome.output, "batonctl 0.1.0\nno daemon answers\n");
}

TEST(BatonctlTest, TheOptionThatAsksForTheVersionIsTheProgramsOwn) {
  for (const char* words : {"--version", "-V"}) {
    const Outcome outcome = batonctl(words);
    EXPECT_EQ(outcome.exit, 0) << words;
    EXPECT_EQ(outcome.output, "batonctl 0.1.0\n") << words;
  }
  EXPECT_EQ(batonctl("import --version 4 /dev/null").exit, 2) << "there it is VRRP's";
}

TEST(BatonctlTest, ACommandToRunStandsBehindTheDashes) {
  const Outcome outcome = batonctl("--runtime-dir /nonexistent/baton run --while active web /bin/true");
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_EQ(outcome.output, "batonctl: what is to be run? run --while active|backup INSTANCE -- COMMAND...\n");
  EXPECT_EQ(batonctl("--runtime-dir /nonexistent/baton run --while active web -- /bin/true").exit, 3);
}

TEST(BatonctlTest, InvalidFileIsExitFiveWithAllErrors) {
  const Directory directory;
  const std::string file =
      directory.write("bad.conf", "[instance web]\ninterface = lo\nvirtual_router_id = 0\nadress = 10.0.0.50/24\n");
  const Outcome outcome = batonctl("check " + file);
  EXPECT_EQ(outcome.exit, 5);
  EXPECT_NE(outcome.output.find(file + ":3:21: error["), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("did you mean `address`?"), std::string::npos) << outcome.output;
  const auto document = nlohmann::json::parse(batonctl("check --json " + file).output, nullptr, false);
  EXPECT_EQ(document["valid"], false);
  EXPECT_EQ(document["exit"], 5);
  EXPECT_GE(document["diagnostics"].size(), 2u);
}

TEST(BatonctlTest, MissingFileIsInvalid) { EXPECT_EQ(batonctl("check /nonexistent/baton.conf").exit, 5); }

TEST(BatonctlTest, ValidFileIsExitZero) {
  const Directory directory;
  const std::string file =
      directory.write("good.conf", "[instance web]\ninterface = lo\nvirtual_router_id = 51\naddress = 10.0.0.50/32\n");
  const Outcome outcome = batonctl("check " + file);
  EXPECT_EQ(outcome.exit, 0) << outcome.output;
  EXPECT_NE(outcome.output.find(": valid for host "), std::string::npos) << outcome.output;
  const auto document = nlohmann::json::parse(batonctl("check --json " + file).output, nullptr, false);
  EXPECT_EQ(document["valid"], true);
  EXPECT_EQ(document["protection"], nlohmann::json::array());
}

TEST(BatonctlTest, ExitStatusOfARefusalIsTheDaemons) {
  for (const int exit : {1, 4, 5, 6, 7}) {
    SetSteward steward(R"({"ok":false,"exit":)" + std::to_string(exit) +
                       R"(,"error":"because"})"
                       "\n");
    const Outcome outcome = batonctl(steward.option() + "drain");
    EXPECT_EQ(outcome.exit, exit);
    EXPECT_EQ(outcome.output, "batonctl: because\n");
  }
}

constexpr const char* kDegraded =
    R"json({"ok":true,"exit":0,"verb":"status","result":{"degraded":true,"instances":[]}})json"
    "\n";

TEST(BatonctlTest, DegradedIsExitEightOnlyWhenAskedFor) {
  {
    SetSteward steward(kDegraded);
    EXPECT_EQ(batonctl(steward.option() + "status").exit, 0);
  }
  SetSteward steward(kDegraded);
  EXPECT_EQ(batonctl(steward.option() + "status --exit-code").exit, 8);
}

TEST(BatonctlTest, JsonOfAVerbIsTheResultAlone) {
  SetSteward steward(kDegraded);
  EXPECT_EQ(batonctl(steward.option() + "status --json").output, "{\"degraded\":true,\"instances\":[]}\n");
}

TEST(BatonctlTest, FreezeTravelsInMilliseconds) {
  SetSteward steward(R"({"ok":true,"exit":0,"verb":"freeze","result":{"lines":["frozen"]}})"
                     "\n");
  const Outcome outcome = batonctl(steward.option() + "freeze --for 1h30m");
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_EQ(outcome.output, "frozen\n");
  EXPECT_EQ(steward.request(), "{\"verb\":\"freeze\",\"for_ms\":5400000}\n");
}

TEST(BatonctlTest, DaemonThatHangsUpIsAFailure) {
  SetSteward steward("");
  const Outcome outcome = batonctl(steward.option() + "status");
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_EQ(outcome.output, "batonctl: the daemon closed the connection\n");
}

TEST(BatonctlTest, NonsenseFromTheDaemonIsAFailure) {
  SetSteward steward("nonsense\n");
  EXPECT_EQ(batonctl(steward.option() + "status").exit, 1);
}

TEST(BatonctlTest, CleanupIsRefusedWhileADaemonHoldsTheLock) {
  const auto lock = posix::bind_abstract("baton");  // or a real batond has it: the same
  const Outcome outcome = batonctl("cleanup");
  EXPECT_EQ(outcome.exit, 6);
  EXPECT_EQ(outcome.output,
            "batonctl: a batond runs in this network namespace and holds the addresses; stop it first\n");
}

}  // namespace
}  // namespace baton::cli
