#include "steward/knowledge.h"

#include <gtest/gtest.h>

#include "ipc/host_order.h"
#include "posix/memfd.h"
#include "tests/steward/views.h"

namespace baton::steward {
namespace {

using namespace test;

class KnowledgeTest : public ::testing::Test {
 protected:
  KnowledgeTest() : memory_(ipc::board_size(kCapacity)) {
    ipc::format_board(memory_, kCapacity);
    writer_.emplace(*ipc::BoardWriter::open(memory_));
    writer_->begin(1);
    config_.host = "db1";
    config_.instances = {instance("mail", "eth1", 52, {"10.1.0.50/24"}), instance("web", "eth0", 51, {"10.0.0.50/24"})};
  }

  static config::Instance instance(const char* name, const char* interface, std::uint8_t vrid,
                                   std::vector<const char*> addresses) {
    config::Instance made;
    made.name = name;
    made.interface = interface;
    made.vrid = Vrid{vrid};
    for (const char* address : addresses) made.addresses.push_back(Prefix::parse(address).value());
    return made;
  }
  void publish(std::uint32_t slot, const char* name) {
    InstanceView view = instance_web();
    view.state.name = {};
    set_text(view.state.name, name);
    view.state.first_router_slot = slot;
    view.routers[0].state.instance_slot = slot;
    writer_->publish_router(slot, view.routers[0].state);
    writer_->publish_instance(slot, view.state);
  }
  HostView view() const { return knowledge_.view(*ipc::BoardReader::open(memory_), config_, "", kNow, kWallClock); }
  void transition(vrrp::State from, vrrp::State to, Instant at) {
    ipc::ReportMessage message{.instance = "web", .sequence = ++sequence_, .dropped = 0, .report = {}};
    message.report.kind = ports::EventKind::kTransition;
    message.report.from = from;
    message.report.to = to;
    message.report.at = at;
    knowledge_.note_report(message);
  }

  static constexpr ipc::BoardCapacity kCapacity{.instances = 4, .routers = 8};
  std::vector<std::uint8_t> memory_;
  std::optional<ipc::BoardWriter> writer_;
  config::Config config_;
  Knowledge knowledge_;
  std::uint64_t sequence_ = 0;
};

TEST_F(KnowledgeTest, InstancesComeInTheOrderOfTheFile) {
  publish(0, "web");
  publish(1, "mail");
  ASSERT_EQ(view().instances.size(), 2u);
  EXPECT_EQ(view().instances[0].name(), "mail");
  EXPECT_EQ(view().instances[1].name(), "web");
}

TEST_F(KnowledgeTest, DerivedLinkLocalAddressIsNotShownBesideOthers) {
  config_.instances[1] = instance("web", "eth0", 51, {"10.0.0.50/24", "fe80::51/64", "2001:db8::50/64"});
  publish(0, "web");
  EXPECT_EQ(view().instances[0].addresses, (std::vector<std::string>{"10.0.0.50/24", "2001:db8::50/64"}));
  config_.instances[1] = instance("web", "eth0", 51, {"fe80::51/64"});
  EXPECT_EQ(view().instances[0].addresses, (std::vector<std::string>{"fe80::51/64"}));
}

TEST_F(KnowledgeTest, RouterKnowsWhatIsConfiguredForIt) {
  config_.instances[1].owner = true;
  config_.instances[1].advertisement_interval = 250ms;
  publish(0, "web");
  EXPECT_TRUE(view().instances[0].routers[0].owner);
  EXPECT_EQ(view().instances[0].routers[0].advertisement_interval, 250ms);
}

TEST_F(KnowledgeTest, UpSinceTheLastLeavingOfInitialize) {
  publish(0, "web");
  EXPECT_EQ(view().instances[0].up_ns, 0);
  transition(vrrp::State::kInitialize, vrrp::State::kBackup, kNow - 9s);
  transition(vrrp::State::kBackup, vrrp::State::kActive, kNow - 5s);
  EXPECT_EQ(view().instances[0].up_ns, 991'000'000'000);
  transition(vrrp::State::kActive, vrrp::State::kInitialize, kNow);
  EXPECT_EQ(view().instances[0].up_ns, 0);
}

TEST_F(KnowledgeTest, NewEngineCountsItsReportsFromOne) {
  transition(vrrp::State::kInitialize, vrrp::State::kBackup, kNow);
  sequence_ = 4;
  transition(vrrp::State::kBackup, vrrp::State::kActive, kNow);
  EXPECT_EQ(view().events_lost, 3u);
  knowledge_.note_engine_replaced();
  sequence_ = 0;
  transition(vrrp::State::kActive, vrrp::State::kBackup, kNow);
  EXPECT_EQ(view().events_lost, 3u);
}

TEST_F(KnowledgeTest, GivenUpIsNotUndoneByAChannel) {
  knowledge_.note_lifecycle(
      {.process = ipc::Process::kEngine, .reason = Reason::kTooManyDeaths, .wait_status = 0, .at_ns = 0});
  knowledge_.note_engine_replaced();
  EXPECT_EQ(view().engine, EngineHealth::kGivenUp);
}

TEST_F(KnowledgeTest, HostAlarmsOfADeadEngineAreVoid) {
  ipc::ReportMessage message;
  message.sequence = 1;
  message.report.kind = ports::EventKind::kAlarm;
  message.report.alarm = ports::Alarm::kNetlinkOverrun;
  knowledge_.note_report(message);
  EXPECT_EQ(view().alarms.size(), 1u);
  knowledge_.note_engine_replaced();
  EXPECT_TRUE(view().alarms.empty());
}

TEST_F(KnowledgeTest, TheNewestAnswerToEachVerbIsKeptForItsInstance) {
  publish(0, "web");
  publish(1, "mail");
  const auto acted = [&](PluginVerb verb, VerbStatus outcome, const char* sentence) {
    ipc::ReportMessage message{.instance = "web", .sequence = ++sequence_, .dropped = 0, .report = {}};
    message.report.kind = ports::EventKind::kActed;
    message.report.verb = verb;
    message.report.outcome = outcome;
    message.report.sentence = ports::Sentence{sentence};
    knowledge_.note_report(message);
  };
  acted(PluginVerb::kCanPromote, VerbStatus::kRefused, "first");
  acted(PluginVerb::kCanPromote, VerbStatus::kRefused, "second");
  acted(PluginVerb::kFence, VerbStatus::kOk, "");
  const HostView host = view();
  EXPECT_TRUE(host.instances[0].acts.empty());  // mail
  EXPECT_EQ(host.instances[1].acts.size(), 2u);
  EXPECT_EQ(host.instances[1].acts.at(PluginVerb::kCanPromote).sentence.view(), "second");
}

TEST_F(KnowledgeTest, EachAddressKnowsItsVirtualRouter) {
  config_.instances[0].extra_addresses = {Prefix::parse("10.1.0.60/32").value()};
  publish(0, "mail");
  const InstanceView mail = view().instances.at(0);
  ASSERT_EQ(mail.places.size(), 2u);
  EXPECT_EQ(mail.places[1].interface, "eth1");
  EXPECT_EQ(mail.places[1].vrid, 52);
}

TEST_F(KnowledgeTest, ARefusedReloadIsRememberedUntilOneSucceeds) {
  knowledge_.note_configured(1);
  EXPECT_TRUE(view().reload_succeeded);
  knowledge_.note_reload_refused();
  EXPECT_FALSE(view().reload_succeeded);
  EXPECT_EQ(view().configured_wall_ns, 1);
  knowledge_.note_configured(2);
  EXPECT_TRUE(view().reload_succeeded);
  EXPECT_EQ(view().configured_wall_ns, 2);
}

TEST_F(KnowledgeTest, EndsOfPluginsAreCountedAndTimeoutsAmongThem) {
  auto memory = posix::shared_memfd("page", ipc::kProbePageSize);
  auto page = posix::Mapping::read_write(memory->get());
  ipc::ProbeOutcome late;
  late.sequence = 1;
  late.streak = 1;
  late.status = VerbStatus::kTimeout;
  ipc::write_outcome(page->bytes(), late);
  knowledge_.note_plugin_page("health", std::move(*page));
  ipc::PluginHostDown down;
  down.section = "health";
  down.wait_status = ipc::kHostLate << 8;
  knowledge_.note_plugin_down(down);
  down.wait_status = 9;  // killed
  knowledge_.note_plugin_down(down);
  down.kind = ipc::HostKind::kAct;
  knowledge_.note_plugin_down(down);
  Tallies tallies = knowledge_.tallies();
  EXPECT_EQ(tallies.timeouts["health"], 1u);
  EXPECT_EQ((tallies.restarts[{"health", ipc::HostKind::kProbe}]), 2u);
  EXPECT_EQ((tallies.restarts[{"health", ipc::HostKind::kAct}]), 1u);
}

TEST_F(KnowledgeTest, PeersGiveTheirAddressesNames) {
  config_.peers = {{"db2", {ip("10.0.0.2"), ip("10.1.0.2")}, ""}};
  EXPECT_EQ(view().names.host(ip("10.1.0.2")), "db2");
}

}  // namespace
}  // namespace baton::steward
