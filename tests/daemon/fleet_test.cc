// Which plugin hosts a configuration needs and what each is told.
#include "daemon/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace baton::daemon {
namespace {

using namespace std::chrono_literals;
using ipc::HostKind;
using testing::ElementsAre;
using testing::IsEmpty;

config::Plugin plugin(const std::string& name) {
  config::Plugin plugin;
  plugin.name = name;
  plugin.module = "http";
  plugin.about = {"/plugins/http.so", "worker", 1, true, {}};
  plugin.interval = 2s;
  plugin.timeout = 800ms;
  plugin.rise = 2;
  plugin.fall = 5;
  plugin.deadline = 9s;
  plugin.settings = {{"url", {"a", "b"}, false, ""}, {"token", {"/etc/token"}, true, "d1"}};
  plugin.secrets = {{"token", {"hunter2"}}};
  return plugin;
}

config::Config base() {
  config::Config config;
  config.host = "db1";
  config.plugins = {plugin("one"), plugin("two")};
  config.instances.emplace_back();
  return config;
}

std::vector<std::string> titles(const std::vector<ipc::HostOrder>& orders) {
  std::vector<std::string> list;
  for (const ipc::HostOrder& order : orders) {
    list.push_back(order.section + (order.kind == HostKind::kProbe ? " probe" : " act"));
  }
  return list;
}

TEST(Fleet, ASectionThatNobodyRefersToHasNoHost) { EXPECT_THAT(host_orders(base()), IsEmpty()); }

TEST(Fleet, AProbeHostForAChecksAndAnActHostForTheRest) {
  config::Config config = base();
  config::Election& election = config.instances[0].election;
  election.checks = {{"two", config::CheckUse::kPrefer, 5, false}};
  election.follow_up = {"one"};
  election.notify = {"two"};
  EXPECT_THAT(titles(host_orders(config)), ElementsAre("one act", "two probe", "two act"));
}

TEST(Fleet, SeveralReferencesShareTheHost) {
  config::Config config = base();
  config.groups.emplace_back();
  config.instances[0].election.checks = {{"one", config::CheckUse::kRequired, 0, false}};
  config.groups[0].election.checks = {{"one", config::CheckUse::kGate, 0, false}};
  config.groups[0].election.promote = {"one"};
  config.groups[0].election.witness = {"two"};
  config.groups[0].election.fence = {"two"};
  EXPECT_THAT(titles(host_orders(config)), ElementsAre("one probe", "one act", "two act"));
}

TEST(Fleet, AnOrderHasAllThatTheHostNeeds) {
  config::Config config = base();
  config.instances[0].election.checks = {{"one", config::CheckUse::kRequired, 0, false}};
  config.instances[0].election.follow_up = {"one"};
  const std::vector<ipc::HostOrder> orders = host_orders(config);
  ASSERT_EQ(orders.size(), 2u);
  ipc::HostOrder expected;
  expected.section = "one";
  expected.kind = HostKind::kProbe;
  expected.module_path = "/plugins/http.so";
  expected.own_module = true;
  expected.user = "baton-check";
  expected.host_name = "db1";
  expected.interval = 2s;
  expected.timeout = 800ms;
  expected.deadline = 9s;
  expected.ring_for = 5;
  expected.needs = 1;
  expected.settings = {{"url", {"a", "b"}}, {"token", {"hunter2"}}};
  EXPECT_EQ(orders[0], expected);
  expected.kind = HostKind::kAct;
  expected.user = "worker";
  EXPECT_EQ(orders[1], expected);
}

TEST(Fleet, AModuleWhoseFileWasReplacedIsAnotherOrder) {
  char pattern[] = "/tmp/baton-fleet-XXXXXX";
  const std::string directory = ::mkdtemp(pattern);
  const std::string path = directory + "/http.so";
  std::ofstream{path} << "the first";
  config::Config config = base();
  config.plugins[0].about.path = path;
  config.instances[0].election.checks = {{"one", config::CheckUse::kRequired, 0, false}};
  const ipc::HostOrder before = host_orders(config).at(0);
  EXPECT_NE(before.module_file, "");
  EXPECT_EQ(host_orders(config).at(0), before);
  std::ofstream{path + ".new"} << "the other";  // as install and mv do it: the same name, length and perhaps second
  std::filesystem::rename(path + ".new", path);
  EXPECT_NE(host_orders(config).at(0), before);
  std::filesystem::remove_all(directory);
}

TEST(Fleet, WhoIsWrittenRunsBoth) {
  config::Config config = base();
  config.plugins[0].user = "me";
  config.instances[0].election.checks = {{"one", config::CheckUse::kRequired, 0, false}};
  config.instances[0].election.notify = {"one"};
  const std::vector<ipc::HostOrder> orders = host_orders(config);
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_EQ(orders[0].user, "me");
  EXPECT_EQ(orders[1].user, "me");
}

TEST(Fleet, AProbeDoesNotGetASecretThatOnlyActsNeed) {
  config::Config config = base();
  config.plugins[0].secrets[0].acts_only = true;
  config.instances[0].election.promote = {"one"};
  const std::vector<ipc::HostOrder> orders = host_orders(config);
  ASSERT_THAT(titles(orders), ElementsAre("one probe", "one act"));
  using Settings = std::vector<std::pair<std::string, std::vector<std::string>>>;
  EXPECT_EQ(orders[0].settings, (Settings{{"url", {"a", "b"}}}));
  EXPECT_EQ(orders[1].settings, (Settings{{"url", {"a", "b"}}, {"token", {"hunter2"}}}));
}

TEST(Fleet, TheKeysOfThePeerChannelAreOnlyWhereTheyAreNeeded) {
  config::Config config = base();
  config.daemon.peer_key_files = {"/etc/key"};
  config.daemon.peer_keys = {"hunter2"};
  strip_secrets(config);
  EXPECT_THAT(config.daemon.peer_keys, ElementsAre("hunter2")) << "for the steward";
  strip_peer_keys(config);
  EXPECT_THAT(config.daemon.peer_keys, IsEmpty());
  EXPECT_THAT(config.daemon.peer_key_files, ElementsAre("/etc/key"));
}

TEST(Fleet, StrippedOfSecretsOnlyTheirPlacesAndDigestsAreLeft) {
  config::Config config = base();
  strip_secrets(config);
  for (const config::Plugin& one : config.plugins) {
    EXPECT_THAT(one.secrets, IsEmpty());
    EXPECT_THAT(one.settings[1].values, ElementsAre("/etc/token"));
    EXPECT_EQ(one.settings[1].digest, "d1");
  }
}

}  // namespace
}  // namespace baton::daemon
