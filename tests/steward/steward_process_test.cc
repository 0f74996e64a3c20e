// The whole steward in a thread of its own: a real control socket, a real state board, and this test in the place of
// the guardian, the engine and the scribe.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include "config/serialize.h"
#include "ipc/channel.h"
#include "ipc/state_board.h"
#include "posix/clock.h"
#include "posix/memfd.h"
#include "posix/unix_socket.h"
#include "steward/documents.h"
#include "steward/steward.h"
#include "tests/steward/views.h"

namespace baton::steward {
namespace {

using namespace test;

constexpr Nanos kPatience = 5s;

/// A client of the control socket.
class Client {
 public:
  explicit Client(const std::string& path) {
    auto socket = posix::connect_stream(path);
    if (socket) socket_ = std::move(*socket);
  }
  void write(std::string_view bytes) const {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    // Turned away before it asked: what was said to it is still there to be read.
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
    ASSERT_EQ(sent, static_cast<ssize_t>(bytes.size())) << std::strerror(errno);
  }
  void half_close() const { ::shutdown(socket_.get(), SHUT_WR); }
  /// The next line as JSON; null at the end of the connection or after five seconds.
  Json read() {
    const Instant deadline = posix::now() + kPatience;
    while (buffer_.find('\n') == std::string::npos) {
      pollfd waiting{socket_.get(), POLLIN, 0};
      if (posix::now() > deadline) return nullptr;
      if (::poll(&waiting, 1, 50) <= 0) continue;
      char bytes[4096];
      const ssize_t size = ::recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
      if (size <= 0) return nullptr;
      buffer_.append(bytes, static_cast<std::size_t>(size));
    }
    const std::size_t end = buffer_.find('\n');
    const std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return Json::parse(line, nullptr, false);
  }
  Json ask(std::string_view request) {
    write(std::string{request} + "\n");
    return read();
  }

 private:
  posix::Fd socket_;
  std::string buffer_;
};

class StewardProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/baton-steward-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    make_board();
    StewardArguments arguments;
    guardian_ = connect(arguments.guardian, ipc::Process::kGuardian);
    engine_ = connect(arguments.engine, ipc::Process::kEngine);
    scribe_ = connect(arguments.scribe, ipc::Process::kScribe);
    arguments.control = std::move(*posix::listen_stream(socket_path(), 0666, ::getgid()));
    arguments.board = std::move(*posix::reopen_read_only(board_.get()));
    arguments.configuration = std::move(*posix::sealed_memfd("config", config::serialize(configured())));
    arguments.config_path = "/etc/baton/baton.conf";
    arguments.view_gid = 901;
    arguments.admin_gid = ::geteuid() == 0 ? 902 : ::getgid();
    thread_ = std::thread([moved = std::move(arguments)]() mutable { EXPECT_EQ(run(std::move(moved)), 0); });
  }
  void TearDown() override {
    guardian_.send(ipc::Terminate{});
    thread_.join();
    std::filesystem::remove_all(directory_);
  }

  virtual config::Config configured() const { return configuration(); }
  std::string socket_path() const { return directory_ + "/control.sock"; }

  static config::Config configuration() {
    config::Config config;
    config.host = "db1";
    config.hash = "c0ffee";
    config::Instance web;
    web.name = "web";
    web.interface = "eth0";
    web.vrid = Vrid{51};
    web.addresses = {Prefix::parse("10.0.0.50/24").value()};
    config.instances = {web};
    config.peers = {{"db1", {ip("10.0.0.1")}, ""}, {"db2", {ip("10.0.0.2")}, ""}};
    return config;
  }

  /// "web" on the board: Backup, hears db2 at 110.
  void make_board() {
    constexpr ipc::BoardCapacity kCapacity{.instances = 4, .routers = 4};
    board_ = std::move(*posix::shared_memfd("board", ipc::board_size(kCapacity)));
    memory_ = std::move(*posix::Mapping::read_write(board_.get()));
    ipc::format_board(memory_.bytes(), kCapacity);
    auto writer = ipc::BoardWriter::open(memory_.bytes());
    writer->begin(1);
    InstanceView web = instance_web();
    hear_db2(web.routers[0], 110);
    writer->publish_router(0, web.routers[0].state);
    writer->publish_instance(0, web.state);
  }

  static ipc::Channel connect(posix::Fd& theirs, ipc::Process self) {
    auto pair = posix::seqpacket_pair();
    theirs = std::move(pair->second);
    return ipc::Channel(std::move(pair->first), self, ipc::Process::kSteward);
  }

  template <class Message>
  static std::optional<Message> expect(ipc::Channel& channel) {
    const Instant deadline = posix::now() + kPatience;
    while (posix::now() < deadline) {
      ipc::Incoming incoming = channel.receive();
      if (incoming.status == ipc::ReceiveStatus::kMessage) {
        if (auto* message = std::get_if<Message>(&incoming.message)) return std::move(*message);
        return std::nullopt;
      }
      pollfd waiting{channel.fd(), POLLIN, 0};
      ::poll(&waiting, 1, 50);
    }
    return std::nullopt;
  }

  static ipc::ReportMessage report(std::uint64_t sequence, ports::EventKind kind,
                                   ports::Alarm alarm = ports::Alarm::kNone) {
    ipc::ReportMessage message{.instance = "web", .sequence = sequence, .dropped = 0, .report = {}};
    message.report.kind = kind;
    message.report.alarm = alarm;
    message.report.from = vrrp::State::kInitialize;
    message.report.to = vrrp::State::kBackup;
    message.report.reason = Reason::kStartup;
    message.report.at = posix::now();
    return message;
  }

  std::string directory_;
  posix::Fd board_;
  posix::Mapping memory_;
  ipc::Channel guardian_;
  ipc::Channel engine_;
  ipc::Channel scribe_;
  std::thread thread_;
};

TEST_F(StewardProcessTest, StatusComesFromTheBoardWithoutAskingTheEngine) {
  engine_.close();
  Client client(socket_path());
  const Json answer = client.ask(R"({"verb":"status"})");
  EXPECT_TRUE(answer["ok"].get<bool>());
  EXPECT_EQ(answer["result"]["instances"][0]["name"], "web");
  EXPECT_EQ(answer["result"]["instances"][0]["addresses"][0], "10.0.0.50/24");
  EXPECT_EQ(answer["result"]["instances"][0]["why"],
            "a router of higher priority is Active: db2 (10.0.0.2), 110 against 100 here");
}

TEST_F(StewardProcessTest, EngineThatIsGoneIsShown) {
  engine_.close();
  Client client(socket_path());
  Json answer;
  for (int i = 0; i < 100 && answer["result"]["engine"] != "restarting"; ++i)
    answer = client.ask(R"({"verb":"status"})");
  EXPECT_EQ(answer["result"]["engine"], "restarting");
  posix::Fd theirs;
  engine_ = connect(theirs, ipc::Process::kEngine);
  const int fd = theirs.get();
  guardian_.send(ipc::ChannelReplaced{.peer = ipc::Process::kEngine}, {&fd, 1});
  for (int i = 0; i < 1000 && answer["result"]["engine"] != "running"; ++i) answer = client.ask(R"({"verb":"status"})");
  EXPECT_EQ(answer["result"]["engine"], "running");
}

TEST_F(StewardProcessTest, ThirdDeathIsSaidLoudly) {
  guardian_.send(
      ipc::Lifecycle{.process = ipc::Process::kEngine, .reason = Reason::kTooManyDeaths, .wait_status = 9, .at_ns = 1});
  Client client(socket_path());
  Json answer;
  for (int i = 0; i < 1000 && answer["result"]["engine"] != "given_up"; ++i)
    answer = client.ask(R"({"verb":"status"})");
  EXPECT_EQ(answer["result"]["engine"], "given_up");
  EXPECT_EQ(answer["result"]["engine_deaths"], 1);
  EXPECT_EQ(client.ask(R"({"verb":"events"})")["result"]["entries"][0]["text"],
            "the engine was killed by signal 9: the engine died three times in a minute");
}

TEST_F(StewardProcessTest, CommandGoesToTheEngineAndItsWordComesBack) {
  Client client(socket_path());
  client.write("{\"verb\":\"freeze\",\"for_ms\":7200000}\n");
  const auto command = expect<ipc::CommandMessage>(engine_);
  ASSERT_TRUE(command);
  EXPECT_EQ(command->command.verb, engine::Verb::kFreeze);
  EXPECT_EQ(command->command.duration, Nanos{2h});
  engine_.send(
      ipc::CommandResultMessage{.nonce = command->nonce, .result = {.accepted = true, .lines = {"frozen for 2h"}}});
  EXPECT_EQ(client.read().dump(), R"({"ok":true,"exit":0,"verb":"freeze","result":{"lines":["frozen for 2h"]}})");
}

TEST_F(StewardProcessTest, WhatIsThereAlreadyIsNotMovedAndTheEngineNotTroubled) {
  Client client(socket_path());
  constexpr const char* kAnswer =
      R"({"ok":true,"exit":0,"verb":"switchover","result":{"lines":["db2 already is Active for web; nothing to do"]}})";
  EXPECT_EQ(client.ask(R"({"verb":"switchover","instance":"web","to":"db2"})").dump(), kAnswer);
  EXPECT_EQ(client.ask(R"({"verb":"switchover","to":"db2","dry_run":true})").dump(), kAnswer);
  EXPECT_EQ(engine_.receive().status, ipc::ReceiveStatus::kNothing);
}

TEST_F(StewardProcessTest, DrainSaysWhatItMeansOnAStandby) {
  Client client(socket_path());
  client.write("{\"verb\":\"drain\"}\n");
  const auto command = expect<ipc::CommandMessage>(engine_);
  ASSERT_TRUE(command);
  engine_.send(ipc::CommandResultMessage{.nonce = command->nonce,
                                         .result = {.accepted = true, .lines = {"web: gives up its role"}}});
  EXPECT_EQ(client.read()["result"]["lines"].dump(),
            R"(["web: db1 is drained: it does not become Active until `batonctl undrain`; the role stays at db2"])");
}

TEST_F(StewardProcessTest, RefusalByASafetyRuleIsExitSix) {
  Client client(socket_path());
  client.write("{\"verb\":\"switchover\",\"instance\":\"web\"}\n");
  const auto command = expect<ipc::CommandMessage>(engine_);
  ASSERT_TRUE(command);
  EXPECT_EQ(command->command.instance, "web");
  engine_.send(ipc::CommandResultMessage{
      .nonce = command->nonce,
      .result = {.accepted = false, .refused_by_safety = true, .lines = {"nobody to take it"}}});
  EXPECT_EQ(client.read().dump(),
            R"({"ok":false,"exit":6,"error":"nobody to take it","result":{"lines":["nobody to take it"]}})");
}

TEST_F(StewardProcessTest, EngineThatDoesNotAnswerIsATimeOut) {
  Client client(socket_path());
  client.write("{\"verb\":\"thaw\"}\n");
  ASSERT_TRUE(expect<ipc::CommandMessage>(engine_));
  Json answer = client.read();
  if (answer.is_null()) answer = client.read();  // the steward's own patience is five seconds, as long as the client's
  EXPECT_EQ(answer["exit"], 7);
}

TEST_F(StewardProcessTest, DeadEngineIsAnErrorAtOnce) {
  engine_.close();
  Client client(socket_path());
  while (client.ask(R"({"verb":"status"})")["result"]["engine"] == "running") continue;
  const Json answer = client.ask(R"({"verb":"drain"})");
  EXPECT_EQ(answer["exit"], 1);
  EXPECT_EQ(answer["error"], "the engine is not running; see `batonctl status`");
}

TEST_F(StewardProcessTest, InvalidConfigurationIsExitFiveWithItsDiagnostics) {
  Client client(socket_path());
  client.write("{\"verb\":\"reload\"}\n");
  const auto request = expect<ipc::ReloadRequest>(guardian_);
  ASSERT_TRUE(request);
  const std::string text = R"({"diagnostics":[{"code":"E023"}],"diff":[]})";
  const auto memory = posix::sealed_memfd("r", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  const int fd = memory->get();
  guardian_.send(ipc::ReloadResult{.nonce = request->nonce, .valid = false, .applied = false}, {&fd, 1});
  const Json answer = client.read();
  EXPECT_EQ(answer["exit"], 5);
  EXPECT_EQ(answer["result"]["diagnostics"][0]["code"], "E023");
}

TEST_F(StewardProcessTest, AReloadThatWaitsIsConfirmedByTheGuardian) {
  Client client(socket_path());
  client.write("{\"verb\":\"reload\",\"confirm_within_ms\":60000}\n");
  const auto request = expect<ipc::ReloadRequest>(guardian_);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->confirm_within_ns, 60'000'000'000);
  const Instant deadline = posix::now() + 60s;
  guardian_.send(ipc::ReloadState{.deadline_ns = ns(deadline), .rolled_back = false, .news = "it waits"});
  guardian_.send(ipc::ReloadResult{.nonce = request->nonce, .valid = true, .applied = true});
  EXPECT_EQ(client.read()["result"]["confirm_within_ms"], 60'000);
  const Json status = client.ask(R"({"verb":"status"})")["result"];
  EXPECT_GT(status["confirm_within_ms"], 30'000);
  EXPECT_LE(status["confirm_within_ms"], 60'000);
  EXPECT_EQ(client.ask(R"({"verb":"events"})")["result"]["entries"][0]["text"], "it waits");

  client.write("{\"verb\":\"confirm\"}\n");
  const auto confirm = expect<ipc::ConfirmRequest>(guardian_);
  ASSERT_TRUE(confirm);
  EXPECT_FALSE(confirm->revert);
  guardian_.send(ipc::ReloadState{});
  guardian_.send(ipc::ConfirmResult{.nonce = confirm->nonce, .waited = true});
  EXPECT_EQ(client.read()["result"]["lines"][0], "the reload stays in force");
  EXPECT_TRUE(client.ask(R"({"verb":"status"})")["result"]["confirm_within_ms"].is_null());
}

TEST_F(StewardProcessTest, TooLateAndNothingToConfirmAreToldApart) {
  Client client(socket_path());
  const auto ask_confirm = [&] {
    client.write("{\"verb\":\"confirm\"}\n");
    const auto confirm = expect<ipc::ConfirmRequest>(guardian_);
    if (confirm) guardian_.send(ipc::ConfirmResult{.nonce = confirm->nonce, .waited = false});
    return client.read();
  };
  const Json none = ask_confirm();
  EXPECT_EQ(none["exit"], 6);
  EXPECT_EQ(none["error"], "no reload waits for a confirmation");
  guardian_.send(ipc::ReloadState{.deadline_ns = 0, .rolled_back = true, .news = "rolled back"});
  const Json late = ask_confirm();
  EXPECT_EQ(late["exit"], 6);
  EXPECT_EQ(late["error"], "too late: the reload has been rolled back");
  EXPECT_TRUE(client.ask(R"({"verb":"status"})")["result"]["rolled_back"].get<bool>());
}

TEST_F(StewardProcessTest, AReloadWhileOneWaitsIsRefusedWithTheWayOut) {
  Client client(socket_path());
  client.write("{\"verb\":\"reload\"}\n");
  const auto request = expect<ipc::ReloadRequest>(guardian_);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->confirm_within_ns, 0);
  guardian_.send(ipc::ReloadResult{.nonce = request->nonce, .waits = true});
  const Json answer = client.read();
  EXPECT_EQ(answer["exit"], 6);
  EXPECT_NE(answer["error"].get<std::string>().find("`batonctl confirm --revert`"), std::string::npos);
}

TEST_F(StewardProcessTest, AReexecIsAskedOfTheGuardianAndItsWordDecidesTheExitCode) {
  struct Case {
    bool done;
    bool busy;
    int exit;
    std::string said;
  };
  for (const Case& each : {Case{true, false, 0, "it went over"}, Case{false, true, 6, "refused: it went over"},
                           Case{false, false, 1, "it went over"}}) {
    Client client(socket_path());
    client.write("{\"verb\":\"reexec\"}\n");
    const auto request = expect<ipc::ReexecRequest>(guardian_);
    ASSERT_TRUE(request);
    guardian_.send(ipc::ReexecResult{request->nonce, each.done, each.busy, "it went over"});
    const Json answer = client.read();
    EXPECT_EQ(answer.value("exit", 0), each.exit);
    EXPECT_EQ(each.done ? answer["result"]["lines"][0] : answer["error"], each.said);
  }
}

/// Its answer reaches who asked even if the guardian hangs up at once: another steward follows.
TEST_F(StewardProcessTest, TheAnswerToAReexecIsOutBeforeTheStewardEnds) {
  Client client(socket_path());
  client.write("{\"verb\":\"reexec\"}\n");
  const auto request = expect<ipc::ReexecRequest>(guardian_);
  ASSERT_TRUE(request);
  guardian_.send(ipc::ReexecResult{request->nonce, true, false, "it went over"});
  guardian_.close();
  EXPECT_EQ(client.read()["result"]["lines"][0], "it went over");
}

TEST_F(StewardProcessTest, MetricsTellOfLostActivesAndRefusedReloads) {
  InstanceView web = instance_web();
  hear_db2(web.routers[0], 110);
  const Instant now = posix::now();
  web.routers[0].state.heard_at_ns = ns(now - 400ms);
  ipc::BoardWriter::open(memory_.bytes())->publish_router(0, web.routers[0].state);
  ipc::ReportMessage message = report(1, ports::EventKind::kTransition);
  message.report.instance = 0;
  message.report.from = vrrp::State::kBackup;
  message.report.to = vrrp::State::kActive;
  message.report.reason = Reason::kActiveDownExpired;
  message.report.at = now;
  engine_.send(message);
  guardian_.send(ipc::ReloadResult{.nonce = 0, .valid = false, .applied = false});
  Client client(socket_path());
  Json answer;
  const auto has = [&](const char* row) {
    return !answer.is_null() && answer["result"]["text"].get<std::string>().find(row) != std::string::npos;
  };
  for (int i = 0; i < 1000 && !(has("\nbaton_config_last_reload_success 0\n") && has("baton_transitions_total")); ++i) {
    answer = client.ask(R"({"verb":"metrics"})");
  }
  EXPECT_TRUE(has("\nbaton_config_last_reload_success 0\n"));
  EXPECT_TRUE(
      has("baton_transitions_total{instance=\"web\",from=\"backup\",to=\"active\",reason=\"active_down_"
          "expired\"} 1\n"));
  EXPECT_TRUE(has("baton_failover_duration_seconds_sum{phase=\"detect\"} 0.4\n"));
  EXPECT_TRUE(has("baton_running_old_binary 0\n"));
  EXPECT_EQ(answer["result"]["content_type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

TEST_F(StewardProcessTest, HistoryIsWhatTheScribeSays) {
  Client client(socket_path());
  client.write("{\"verb\":\"history\",\"limit\":5}\n");
  const auto query = expect<ipc::HistoryQuery>(scribe_);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->limit, 5u);
  const ports::Report transition = report(1, ports::EventKind::kTransition).report;
  scribe_.send(ipc::HistoryEntry{
      .nonce = query->nonce, .sequence = 3, .wall_clock_ns = kWallClock, .instance = "web", .report = transition});
  scribe_.send(ipc::HistoryEntry{.nonce = query->nonce,
                                 .sequence = 4,
                                 .wall_clock_ns = kWallClock,
                                 .instance = "web",
                                 .report = transition,
                                 .capture = "/var/lib/baton/captures/x.pcapng"});
  scribe_.send(ipc::HistoryEnd{.nonce = query->nonce});
  const Json answer = client.read();
  ASSERT_EQ(answer["result"]["entries"].size(), 2u);
  EXPECT_EQ(answer["result"]["entries"][0].count("capture"), 0u);
  EXPECT_EQ(answer["result"]["entries"][1]["capture"], "/var/lib/baton/captures/x.pcapng");
  EXPECT_EQ(answer["result"]["entries"][0]["text"], "Initialize -> Backup: started; listening for an Active first");
  EXPECT_EQ(answer["result"]["entries"][0]["time"], "2026-11-21T03:00:00.000Z");
}

TEST_F(StewardProcessTest, AnInstanceIsUnknownToTheHistoryOnlyWhenItHasNothingOfIt) {
  Client client(socket_path());
  const auto ask = [&](const std::string& instance) {
    client.write(R"({"verb":"history","instance":")" + instance + "\"}\n");
    return expect<ipc::HistoryQuery>(scribe_)->nonce;
  };
  scribe_.send(ipc::HistoryEnd{.nonce = ask("nosuch")});
  Json answer = client.read();
  EXPECT_EQ(answer["exit"], 1);
  EXPECT_EQ(answer["error"], "no instance or group 'nosuch'");

  const std::uint64_t removed = ask("removed");
  const ports::Report transition = report(1, ports::EventKind::kTransition).report;
  scribe_.send(ipc::HistoryEntry{
      .nonce = removed, .sequence = 3, .wall_clock_ns = kWallClock, .instance = "removed", .report = transition});
  scribe_.send(ipc::HistoryEnd{.nonce = removed});
  EXPECT_EQ(client.read()["result"]["entries"].size(), 1u);

  scribe_.send(ipc::HistoryEnd{.nonce = ask("")});
  EXPECT_EQ(client.read()["result"]["entries"], Json::array()) << "all instances: nothing has happened yet";
}

TEST_F(StewardProcessTest, EventsAreASnapshotAndThenAStreamWithoutAGap) {
  engine_.send(report(1, ports::EventKind::kTransition));
  Client client(socket_path());
  Json first = client.ask(R"({"verb":"events"})");
  while (first["result"]["entries"].empty()) first = client.ask(R"({"verb":"events"})");
  first = client.ask(R"({"verb":"events","follow":true})");
  EXPECT_EQ(first["result"]["entries"][0]["sequence"], 1);
  engine_.send(report(2, ports::EventKind::kAlarm, ports::Alarm::kEqualPriority));
  const Json second = client.read();
  EXPECT_EQ(second["event"]["sequence"], 2);
  EXPECT_EQ(second["event"]["alarm"], "equal_priority");
}

TEST_F(StewardProcessTest, LostReportsAreCounted) {
  engine_.send(report(1, ports::EventKind::kTransition));
  engine_.send(report(5, ports::EventKind::kTransition));
  Client client(socket_path());
  Json answer;
  for (int i = 0; i < 1000 && answer["result"]["events_lost"] != 3; ++i) answer = client.ask(R"({"verb":"status"})");
  EXPECT_EQ(answer["result"]["events_lost"], 3);
}

TEST_F(StewardProcessTest, ScribesOwnAlarmIsShownUntilItIsOver) {
  ports::Report alarm;
  alarm.kind = ports::EventKind::kAlarm;
  alarm.alarm = ports::Alarm::kScribeSilent;
  alarm.sys_errno = ENOSPC;
  scribe_.send(ipc::HistoryEntry{.nonce = 0, .sequence = 0, .wall_clock_ns = 0, .instance = "", .report = alarm});
  Client client(socket_path());
  Json answer;
  for (int i = 0; i < 1000 && answer["result"]["alarms"].empty(); ++i) answer = client.ask(R"({"verb":"status"})");
  EXPECT_EQ(answer["result"]["alarm_details"][0]["text"],
            "history and intent cannot be written: No space left on device");
  alarm.kind = ports::EventKind::kAlarmCleared;
  scribe_.send(ipc::HistoryEntry{.nonce = 0, .sequence = 0, .wall_clock_ns = 0, .instance = "", .report = alarm});
  for (int i = 0; i < 1000 && !answer["result"]["alarms"].empty(); ++i) answer = client.ask(R"({"verb":"status"})");
  EXPECT_TRUE(answer["result"]["alarms"].empty());
}

TEST_F(StewardProcessTest, ConfigurationIsShownAsTextAndAsKeys) {
  Client client(socket_path());
  const Json answer = client.ask(R"({"verb":"config"})");
  EXPECT_EQ(answer["result"]["host"], "db1");
  EXPECT_NE(answer["result"]["text"].get<std::string>().find("[instance web]"), std::string::npos);
  EXPECT_EQ(answer["result"]["sections"][1]["section"], "instance web");
}

TEST_F(StewardProcessTest, RubbishIsAnsweredAndTheConnectionGoesOn) {
  Client client(socket_path());
  EXPECT_EQ(client.ask("rubbish").dump(), R"({"ok":false,"exit":2,"error":"request is not JSON"})");
  EXPECT_EQ(client.ask(R"({"verb":"status","instance":"nope"})").dump(),
            R"({"ok":false,"exit":1,"error":"no instance or group 'nope'"})");
  EXPECT_TRUE(client.ask(R"({"verb":"version"})")["ok"].get<bool>());
}

TEST_F(StewardProcessTest, RequestsMayArriveInPiecesAndInHeaps) {
  Client client(socket_path());
  client.write("{\"verb\":");
  client.write("\"version\"}\n{\"verb\":\"version\"}\n{\"verb\":\"nothing\"}\n");
  client.half_close();
  EXPECT_TRUE(client.read()["ok"].get<bool>());
  EXPECT_TRUE(client.read()["ok"].get<bool>());
  EXPECT_EQ(client.read()["exit"], 2);
  EXPECT_TRUE(client.read().is_null());
}

TEST_F(StewardProcessTest, EndlessLineLosesTheConnection) {
  Client client(socket_path());
  const std::string flood(66'000, 'x');
  client.write(flood);
  EXPECT_EQ(client.read()["error"], "request longer than 65536 bytes");
  EXPECT_TRUE(client.read().is_null());
}

TEST_F(StewardProcessTest, MoreClientsThanTheLimitAreTurnedAwayAndLaterWelcome) {
  std::vector<Client> clients;
  for (int i = 0; i < 32; ++i) {
    clients.emplace_back(socket_path());
    ASSERT_TRUE(clients.back().ask(R"({"verb":"version"})")["ok"].get<bool>()) << i;
  }
  EXPECT_EQ(Client(socket_path()).read()["error"], "too many clients at once; try again");
  clients.clear();
  Json answer;
  for (int i = 0; i < 100 && (answer.is_null() || answer["exit"] != 0); ++i) {
    Client again(socket_path());
    answer = again.ask(R"({"verb":"version"})");
  }
  EXPECT_TRUE(answer["ok"].get<bool>());
}

/// The hosts have a key in common, but nobody is there to be heard.
class StewardWithPeersTest : public StewardProcessTest {
 protected:
  config::Config configured() const override {
    config::Config config = configuration();
    config.daemon.peer_keys = {"0123456789abcdef0123456789abcdef"};
    config.daemon.peer_port = 0;
    return config;
  }
};

TEST_F(StewardWithPeersTest, AMoveForWhichNobodyCanBeAskedIsRefusedAndTheEngineNotTroubled) {
  Client client(socket_path());
  EXPECT_EQ(client.ask(R"({"verb":"switchover","instance":"web"})").dump(),
            R"({"ok":false,"exit":6,"error":"refused: db1 is not Active for web, and no host is heard that is: )"
            R"(`batonctl explain` says why"})");
  EXPECT_EQ(client.ask(R"({"verb":"switchover"})")["error"],
            "refused: db1 is Active for nothing, and no host is heard that is: `batonctl explain` says why");
  EXPECT_EQ(client.ask(R"({"verb":"switchover","dry_run":true})")["exit"], 6);
  EXPECT_EQ(engine_.receive().status, ipc::ReceiveStatus::kNothing);
}

TEST_F(StewardWithPeersTest, AHostThatIsNoPeerAnyMoreIsNotLost) {
  Client client(socket_path());
  const auto lost = [&] { return client.ask(R"({"verb":"status"})")["result"]["alarms"].dump(); };
  for (int i = 0; i < 200 && lost() == "[]"; ++i) ::poll(nullptr, 0, 50);  // 3.5 s
  EXPECT_EQ(lost(), R"(["peer_lost"])");
  const auto without_key = posix::sealed_memfd("config", config::serialize(configuration()));
  const int fds[] = {without_key->get()};
  guardian_.send(ipc::Configuration{}, fds);
  for (int i = 0; i < 100 && lost() != "[]"; ++i) ::poll(nullptr, 0, 20);
  EXPECT_EQ(lost(), "[]");
}

/// Runs `act` in a child process with this uid and these groups; its exit status, or 96 if an expectation of its own
/// did not hold: nobody else would hear of that.
template <class Act>
int as_user(uid_t uid, std::vector<gid_t> groups, Act act) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(65534) != 0 || ::setuid(uid) != 0) ::_exit(99);
    const int status = act();
    ::_exit(testing::Test::HasFailure() ? 96 : status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

TEST_F(StewardProcessTest, GroupsDecideWhoReadsAndWhoChanges) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become other users";
  ::chmod(directory_.c_str(), 0755);
  const auto exit_of = [&](const char* request) {
    return [this, request] {
      const Json answer = Client(socket_path()).ask(request);
      return answer.value("exit", 97);
    };
  };
  EXPECT_EQ(as_user(65534, {}, exit_of(R"({"verb":"status"})")), 4);
  EXPECT_EQ(as_user(65534, {901}, exit_of(R"({"verb":"status"})")), 0);
  EXPECT_EQ(as_user(65534, {901}, exit_of(R"({"verb":"thaw"})")), 4);
  EXPECT_EQ(as_user(65534, {902}, exit_of(R"({"verb":"status"})")), 0);
}

}  // namespace
}  // namespace baton::steward
