// What `batonctl plugin` tells people about modules and about one call.
#include "cli/plugin_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

config::Module http() {
  config::Module module;
  module.name = "http";
  module.version = "1.2";
  module.summary = "Asks a web server";
  module.manual = "First paragraph.\n\n  laid out\nLast.";
  module.path = "/usr/lib/baton/plugins/http.so";
  module.verbs.add(PluginVerb::kProbe);
  module.verbs.add(PluginVerb::kEnter);
  config::ModuleKey status;
  status.name = "status";
  status.type = config::ModuleKeyType::kInteger;
  status.minimum = 100;
  status.maximum = 599;
  status.has_default = true;
  status.default_text = "200";
  status.help = "What the server must answer.";
  config::ModuleKey token;
  token.name = "token";
  token.type = config::ModuleKeyType::kSecret;
  token.required = true;
  token.list = true;
  token.help = "Sent as a header.";
  module.keys = {status, token};
  return module;
}

TEST(PluginText, TheManualNamesEveryKeyAndWhoRunsIt) {
  const std::string text = render_manual(http(), Options{});
  EXPECT_THAT(text, HasSubstr("http 1.2 - Asks a web server\n\nFirst paragraph.\n\n  laid out\nLast.\n\n"));
  EXPECT_THAT(text, HasSubstr("Verbs     probe, enter\nUsed by   check = NAME, follow_up = NAME\n"
                              "Runs as   baton-check for probes, baton-act for acts; another one with `user =\n"
                              "          NAME`\n"));
  EXPECT_THAT(text,
              HasSubstr("  status  (integer from 100 to 599; default 200)\n      What the server must answer.\n"));
  EXPECT_THAT(text, HasSubstr("  token  (secret: path of its file, or name of a systemd credential; may be repeated; "
                              "must be set)\n"));
  EXPECT_THAT(text, HasSubstr("Keys of every [plugin NAME]\n  module  (NAME|PATH; must be set)\n"));
  EXPECT_THAT(text, HasSubstr("  fall  (1..100; default 3)\n      Bad results in a row that make it fail.\n"));
  EXPECT_THAT(text, Not(HasSubstr("Needs")));
}

TEST(PluginText, TheListShowsWhatIsBrokenAndWhy) {
  Json modules = Json::array({module_json(http()), {{"name", "bad"}, {"error", "bad.so is writable by others"}}});
  Options options;
  options.width = 120;
  EXPECT_EQ(render_plugin_list(modules, options),
            "NAME  VERSION  VERBS         SUMMARY\n"
            "http  1.2      probe, enter  Asks a web server\n"
            "bad   BROKEN   -             bad.so is writable by others\n");
  options.width = 50;
  EXPECT_EQ(render_plugin_list(Json::array({modules[0]}), options),
            "NAME  VERSION  VERBS         SUMMARY\n"
            "http  1.2      probe, enter  Asks a web server\n");
}

config::Plugin section() {
  config::Plugin plugin;
  plugin.name = "web";
  plugin.module = "http";
  plugin.about.path = "/plugins/http.so";
  plugin.interval = 2s;
  plugin.timeout = 800ms;
  return plugin;
}

TEST(PluginText, AProbeThatPassed) {
  CallOutcome outcome;
  outcome.state = ProbeState::kPass;
  outcome.role = ApplicationRole::kPrimary;
  outcome.sentence = "200 OK";
  outcome.facts = {{"status", "200"}};
  outcome.took = 12345us;
  const config::Plugin plugin = section();
  EXPECT_EQ(render_call(outcome, {plugin, "baton-check", 800ms}, Options{}),
            "probe       pass\nsays        200 OK\nrole        primary\nfact        status = 200\n"
            "took        12.345 ms of 800ms\nran as      baton-check, /plugins/http.so\n"
            "the daemon  the check passes at once\n");
  EXPECT_EQ(exit_of(outcome), 0);
}

TEST(PluginText, WhatTheDaemonWouldMakeOfIt) {
  config::Plugin plugin = section();
  CallOutcome outcome;
  EXPECT_EQ(consequence(outcome, plugin),
            "unknown counts as failed: the check fails after 3 such results in a row, one every 2s");
  outcome.state = ProbeState::kFail;
  EXPECT_EQ(consequence(outcome, plugin), "the check fails after 3 such results in a row, one every 2s");
  plugin.fall = 1;
  EXPECT_EQ(consequence(outcome, plugin), "the check fails at once");
  outcome.state = ProbeState::kPass;
  outcome.warning = true;
  plugin.rise = 2;
  EXPECT_EQ(consequence(outcome, plugin),
            "the check passes after 2 such results in a row, one every 2s; but a person should look");
}

TEST(PluginText, AnUnfinishedProbeIsUnknownWhateverItSaid) {
  CallOutcome outcome;
  outcome.state = ProbeState::kPass;
  outcome.status = VerbStatus::kTransient;
  EXPECT_EQ(verdict(outcome), "unknown");
  EXPECT_EQ(exit_of(outcome), 1);
  outcome.status = VerbStatus::kTimeout;
  EXPECT_EQ(exit_of(outcome), 7);
}

TEST(PluginText, AnActIsDoneOrFailed) {
  CallOutcome outcome;
  outcome.verb = PluginVerb::kEnter;
  EXPECT_EQ(verdict(outcome), "done");
  EXPECT_EQ(exit_of(outcome), 0);
  outcome.status = VerbStatus::kConfig;
  EXPECT_EQ(verdict(outcome), "failed");
  EXPECT_EQ(exit_of(outcome), 1);
  EXPECT_EQ(consequence(outcome, section()), "a person must mend the configuration, credentials or rights");
}

TEST(PluginText, TheJsonOfACallHasNumbersAsNumbers) {
  CallOutcome outcome;
  outcome.state = ProbeState::kFail;
  outcome.took = 1500us;
  const config::Plugin plugin = section();
  const Json document = call_json(outcome, {plugin, "baton-check", 800ms});
  EXPECT_EQ(document["verdict"], "fail");
  EXPECT_EQ(document["exit"], 1);
  EXPECT_EQ(document["took_us"], 1500);
  EXPECT_EQ(document["limit_ms"], 800);
  EXPECT_TRUE(document["lag_ms"].is_null());
}

}  // namespace
}  // namespace baton::cli
