// A [plugin] section is read by what its module says of itself.
#include "config/plugin_section.h"

#include "config/diff.h"
#include "config/effective.h"
#include "tests/config/fake_modules.h"
#include "tests/config/findings.h"

namespace baton::config {
namespace {

using namespace std::chrono_literals;
using testing::Not;

struct Bench {
  FakeModules modules;
  ParseOptions options = on_host("db1");
  Bench() { options.modules = &modules; }

  std::vector<std::string> findings_of(const std::string& text) { return findings(text, options); }
  Loaded load(const std::string& text) { return parse_text(text, options); }
  Config config(const std::string& text) { return config_of(text, options); }
};

/// Lines 5 to 7 refer to, and begin, a plugin of module http; `more` are lines 8 and on.
std::string http(const std::string& more) { return instance("check = web\n[plugin web]\nmodule = http\n" + more); }
constexpr const char* kUrl = "url = http://[::1]/\n";
/// Two hosts; that their priorities are equal is W002.
constexpr const char* kPeers = "[peer db1]\naddress = 10.0.0.1\n[peer db2]\naddress = 10.0.0.2\n";

TEST(PluginSection, DefaultsOfTheModuleAreFilledIn) {
  Bench bench;
  const Plugin plugin = bench.config(http(kUrl)).plugins.at(0);
  EXPECT_EQ(plugin.about.path, "/plugins/http.so");
  EXPECT_EQ(plugin.about.needs, 1u);
  EXPECT_TRUE(plugin.about.verbs.has(PluginVerb::kProbe));
  EXPECT_EQ(plugin.settings, (std::vector<Setting>{{.key = "url", .values = {"http://[::1]/"}},
                                                   {.key = "status", .values = {"200"}},
                                                   {.key = "pause", .values = {"5s"}},
                                                   {.key = "method", .values = {"GET"}}}));
}

TEST(PluginSection, AModuleFromElsewhereIsGrantedNothing) {
  Bench bench;
  const Plugin plugin = bench.config(instance("notify = m\n[plugin m]\nmodule = mail\n")).plugins.at(0);
  EXPECT_FALSE(plugin.about.own);
  EXPECT_EQ(plugin.about.needs, 0u);
}

TEST(PluginSection, TheTimeoutIsTheIntervalButAtMostASecond) {
  Bench bench;
  EXPECT_EQ(bench.config(http(kUrl)).plugins.at(0).timeout, 1s);
  EXPECT_EQ(bench.config(http("interval = 200ms\n" + std::string(kUrl))).plugins.at(0).timeout, 200ms);
  EXPECT_EQ(bench.config(http("interval = 1m\n" + std::string(kUrl))).plugins.at(0).timeout, 1s);
  EXPECT_EQ(bench.config(http("interval = 1m\ntimeout = 20s\n" + std::string(kUrl))).plugins.at(0).timeout, 20s);
  EXPECT_THAT(bench.findings_of(http("interval = 1s\ntimeout = 2s\n" + std::string(kUrl))), ElementsAre("E031 9:11"));
}

TEST(PluginSection, AnUnknownModuleIsAnErrorThatNamesTheNearest) {
  Bench bench;
  const Loaded loaded = bench.load(instance("check = web\n[plugin web]\nmodule = htp\nurl = x\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E044 7:10"));
  EXPECT_EQ(loaded.diagnostics[0].message, "module: there is no module `htp` in /plugins");
  EXPECT_EQ(loaded.diagnostics[0].help, "did you mean `http`?");
  EXPECT_EQ(bench.load(instance("notify = m\n[plugin m]\nmodule = nothing-like-it\n")).diagnostics.at(0).help,
            "`batonctl plugin list` shows the modules there are");
}

TEST(PluginSection, AModuleIsANameOrAnAbsolutePath) {
  Bench bench;
  EXPECT_THAT(bench.findings_of(instance("check = p\n[plugin p]\nmodule = lib/http.so\n")), ElementsAre("E030 7:10"));
  Module there = bench.modules.modules.at("mail");
  bench.modules.modules["/opt/mail.so"] = there;
  EXPECT_EQ(bench.config(instance("check = p\n[plugin p]\nmodule = /opt/mail.so\n")).plugins.at(0).module,
            "/opt/mail.so");
}

TEST(PluginSection, AnUnknownKeyIsAnErrorThatNamesTheNearest) {
  Bench bench;
  const Loaded loaded = bench.load(http("url = x\nstaus = 200\nintervall = 1s\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E023 9:1", "E023 10:1"));
  EXPECT_EQ(loaded.diagnostics[0].message, "module `http` has no key `staus`");
  EXPECT_EQ(loaded.diagnostics[0].help, "did you mean `status`?");
  EXPECT_EQ(loaded.diagnostics[1].help, "did you mean `interval`?");
}

TEST(PluginSection, AWordOfKeepalivedIsSentWhereItBelongs) {
  Bench bench;
  const Loaded loaded = bench.load(http("url = x\nweight = -20\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E023 9:1"));
  EXPECT_THAT(loaded.diagnostics[0].help, HasSubstr("`check` = NAME prefer=N into the instance"));
}

TEST(PluginSection, ValuesAreTestedAgainstTheKeysTypeAndLimits) {
  Bench bench;
  const auto of = [&](const std::string& line) { return bench.findings_of(http(kUrl + line + "\n")); };
  for (const char* good : {"status = 100", "status = 599", "pause = 1s", "pause = 1m", "method = HEAD", "tls = on",
                           "ca = /etc/ca.pem", "via = 127.0.0.1", "via = ::1", "login = /etc/secret", "login = name"}) {
    EXPECT_THAT(of(good), IsEmpty()) << good;
  }
  EXPECT_THAT(of("status = 99"), ElementsAre("E031 9:10"));
  EXPECT_THAT(of("status = 600"), ElementsAre("E031 9:10"));
  EXPECT_THAT(of("status = 2OO"), ElementsAre("E030 9:10"));
  EXPECT_THAT(of("status = 99999999999999999999"), ElementsAre("E031 9:10"));
  EXPECT_THAT(of("pause = 999ms"), ElementsAre("E031 9:9"));
  EXPECT_THAT(of("pause = 61s"), ElementsAre("E031 9:9"));
  EXPECT_THAT(of("pause = 5"), ElementsAre("E032 9:9"));
  EXPECT_THAT(of("method = PUT"), ElementsAre("E030 9:10"));
  EXPECT_THAT(of("tls = maybe"), ElementsAre("E030 9:7"));
  EXPECT_THAT(of("ca = ca.pem"), ElementsAre("E030 9:6"));
  EXPECT_THAT(of("via = localhost"), ElementsAre("E030 9:7"));
  EXPECT_THAT(of("login = ../name"), ElementsAre("E030 9:9"));
  EXPECT_EQ(bench.load(http(std::string(kUrl) + "pause = 61s\n")).diagnostics.at(0).message,
            "pause: 61s is not within 1s to 60s");
}

TEST(PluginSection, AKeyWithoutLimitsTakesEveryNumber) {
  ModuleKey key = module_key("offset", ModuleKeyType::kInteger);
  EXPECT_FALSE(check_value(key, "-9223372036854775808"));
  EXPECT_TRUE(check_value(key, "1.5"));
  key.minimum = -5;
  EXPECT_FALSE(check_value(key, "-5"));
  EXPECT_TRUE(check_value(key, "-6"));
  EXPECT_TRUE(check_value(key, "1"));  // the maximum is 0 then
}

TEST(PluginSection, WhatTheModuleNeedsMustBeThere) {
  Bench bench;
  const Loaded loaded = bench.load(http("status = 200\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E027 6:2"));
  EXPECT_EQ(loaded.diagnostics[0].message, "[plugin web]: `url`, which module `http` needs, is missing");
  EXPECT_EQ(loaded.diagnostics[0].help, "Help of url.");
  EXPECT_THAT(bench.findings_of(http("url@db1 = x\n") + kPeers), ElementsAre("W002 1:2", "E027 6:2"));
}

TEST(PluginSection, OnlyListsAreRepeated) {
  Bench bench;
  EXPECT_THAT(bench.findings_of(http("url = a\nurl = b\n")), ElementsAre("E024 9:1"));
  EXPECT_THAT(bench.findings_of(http("url =\n")), ElementsAre("E028 8:6"));
  const Plugin plugin = bench.config(http("url = a\nheader = one\nheader =\nheader = two\nheader = 3\n")).plugins.at(0);
  EXPECT_THAT(plugin.settings.at(3).values, ElementsAre("two", "3"));
}

TEST(PluginSection, ALineForThisHostCountsBeforeTheGeneralOne) {
  Bench bench;
  const std::string text = http("url@db2 = http://b/\nurl = http://a/\nstatus@db1 = 204\n") + kPeers;
  EXPECT_EQ(bench.config(text).plugins.at(0).settings.at(0).values.at(0), "http://a/");
  EXPECT_EQ(bench.config(text).plugins.at(0).settings.at(1).values.at(0), "204");
  bench.options.host = "db2";
  EXPECT_EQ(bench.config(text).plugins.at(0).settings.at(0).values.at(0), "http://b/");
  EXPECT_EQ(bench.config(text).plugins.at(0).settings.at(1).values.at(0), "200");
  // What is wrong on the other host is found here, too.
  EXPECT_THAT(bench.findings_of(http("url = a\nstatus@db2 = 99\n") + kPeers), ElementsAre("W002 1:2", "E031 9:14"));
}

TEST(PluginSection, AReferenceNeedsAVerbOfTheModule) {
  Bench bench;
  const std::string job = "[plugin j]\nmodule = job\n";
  const Loaded loaded = bench.load(instance("check = j\n" + job));
  ASSERT_THAT(briefs(loaded), ElementsAre("E045 5:9"));
  EXPECT_EQ(loaded.diagnostics[0].message, "check: module `job` of [plugin j] cannot do that: it has no `probe`");
  EXPECT_EQ(loaded.diagnostics[0].help, "it has enter, leave");
  EXPECT_THAT(bench.findings_of(instance("follow_up = j\n" + job)), IsEmpty());
  EXPECT_THAT(bench.findings_of(instance("notify = j\n" + job)), ElementsAre("E045 5:10"));
  EXPECT_THAT(bench.findings_of(instance("promote = j\n" + job)), ElementsAre("E045 5:11"));
  EXPECT_THAT(bench.findings_of(instance("promote = j\ngrant = follow\n" + job)), ElementsAre("E045 5:11", "W008 6:1"));
  EXPECT_THAT(bench.findings_of(instance("witness = j\n" + job)), ElementsAre("W008 5:1", "E045 5:11"));
  EXPECT_THAT(bench.findings_of(instance("fence = j\n" + job)), ElementsAre("W008 5:1", "E045 5:9"));
  const std::string mail = "[plugin m]\nmodule = mail\n";
  EXPECT_THAT(bench.findings_of(instance("notify = m\ncheck = m prefer=3\n" + mail)), IsEmpty());
  EXPECT_EQ(bench.load(instance("follow_up = m\n" + mail)).diagnostics.at(0).message,
            "follow_up: module `mail` of [plugin m] cannot do that: it has no `enter` and no `leave`");
}

TEST(PluginSection, AModuleThatKnowsEnterAloneFollowsUp) {
  Bench bench;
  bench.modules.modules["job"].verbs = verb_set({PluginVerb::kEnter});
  EXPECT_THAT(bench.findings_of(instance("follow_up = j\n[plugin j]\nmodule = job\n")), IsEmpty());
}

TEST(PluginSection, ThereAreAtMost256) {
  Bench bench;
  std::string text = instance("");
  for (int i = 0; i < 256; ++i) text += "[plugin j" + std::to_string(i) + "]\nmodule = job\n";
  EXPECT_TRUE(bench.load(text).config);
  EXPECT_THAT(bench.findings_of(text + "[plugin more]\nmodule = job\n"), ElementsAre("E058"));
}

TEST(PluginSection, ASectionThatNobodyRefersToIsAWarning) {
  Bench bench;
  EXPECT_THAT(bench.findings_of(instance("[plugin j]\nmodule = job\n")), ElementsAre("W010 5:2"));
}

TEST(PluginSection, TheModulesOwnComplaintsAreShownAtTheLineOfTheKey) {
  Bench bench;
  bench.modules.complaints = {{"status", "204 has no body to match"}, {"", "this cannot work"}, {"method", "no"}};
  const Loaded loaded = bench.load(http(std::string(kUrl) + "status = 204\n"));
  EXPECT_THAT(briefs(loaded), ElementsAre("E046 6:2", "E046 6:2", "E046 9:10"));
  EXPECT_EQ(loaded.diagnostics.at(0).message, "[plugin web]: this cannot work");
  EXPECT_EQ(loaded.diagnostics.at(2).message, "status: 204 has no body to match");
  ASSERT_EQ(bench.modules.asked.size(), 1u);
  EXPECT_EQ(bench.modules.asked[0].first, "web");
  EXPECT_EQ(bench.modules.asked[0].second,
            (ModuleSettings{{"url", {"http://[::1]/"}}, {"status", {"204"}}, {"pause", {"5s"}}, {"method", {"GET"}}}));
}

TEST(PluginSection, TheModuleIsNotAskedAboutWhatIsWrongAlready) {
  Bench bench;
  bench.findings_of(http("url = x\nstatus = 7\n"));
  EXPECT_TRUE(bench.modules.asked.empty());
}

TEST(PluginSection, TheModuleIsAskedOncePerDifferentHost) {
  Bench bench;
  bench.config(http(kUrl) + kPeers);
  EXPECT_EQ(bench.modules.asked.size(), 1u);
  bench.modules.asked.clear();
  bench.config(http("url = a\nurl@db2 = b\n") + kPeers);
  ASSERT_EQ(bench.modules.asked.size(), 2u);
  EXPECT_THAT(bench.modules.asked[1].second.at(0).second, ElementsAre("b"));
}

TEST(PluginSection, ItsUserMustExistOnThisHost) {
  Bench bench;
  bench.options.user_exists = [](const std::string& user) { return user == "baton-check" || user == "root"; };
  EXPECT_THAT(bench.findings_of(http(kUrl)), IsEmpty());
  EXPECT_THAT(bench.findings_of(http("user = root\n" + std::string(kUrl))), IsEmpty());
  const Loaded loaded = bench.load(http("user = webb\n" + std::string(kUrl)));
  ASSERT_THAT(briefs(loaded), ElementsAre("E047 8:8"));
  EXPECT_EQ(loaded.diagnostics[0].help,
            "make it with: useradd --system --no-create-home --shell /usr/sbin/nologin webb, or write user = NAME");
  const Loaded acts = bench.load(instance("follow_up = j\n[plugin j]\nmodule = job\n"));
  ASSERT_THAT(briefs(acts), ElementsAre("E047 6:2"));
  EXPECT_EQ(acts.diagnostics[0].message, "[plugin j] acts as `worker`, and there is no such user on this host");
  EXPECT_THAT(bench.findings_of(instance("follow_up = j\n[plugin j]\nmodule = job\nuser = root\n")), IsEmpty());
  // Nobody runs it, so nobody is missed.
  EXPECT_THAT(bench.findings_of(instance("[plugin j]\nmodule = job\n")), ElementsAre("W010 5:2"));
}

TEST(PluginSection, ItsUserIsNobodyWhomAProcessOfBatonsRunsAs) {
  Bench bench;
  for (const std::string own : {"baton-engine", "baton-steward", "baton-scribe"}) {
    const Loaded loaded = bench.load(http("user = " + own + "\n" + std::string(kUrl)));
    ASSERT_THAT(briefs(loaded), ElementsAre("E047 8:8"));
    EXPECT_EQ(loaded.diagnostics[0].message, "user: `" + own + "` is who a process of Baton's own runs as");
    EXPECT_EQ(loaded.diagnostics[0].help, "a plugin could end it: write the name of another user");
  }
  EXPECT_THAT(bench.findings_of(http("user = baton-check\n" + std::string(kUrl))), IsEmpty());
  EXPECT_THAT(bench.findings_of(http("user = baton-act\n" + std::string(kUrl))), IsEmpty());
  // Nor may a module ask for it by itself.
  Module module;
  module.name = "sly";
  module.path = "/plugins/sly.so";
  module.act_user = "baton-engine";
  module.verbs = verb_set({PluginVerb::kEnter});
  bench.modules.add(module);
  const Loaded sly = bench.load(instance("follow_up = s\n[plugin s]\nmodule = sly\n"));
  ASSERT_THAT(briefs(sly), ElementsAre("E047 7:10"));
  EXPECT_EQ(sly.diagnostics[0].message,
            "module: `sly` wants to act as `baton-engine`, as a process of Baton's own does");
}

TEST(PluginSection, AModuleMayNotAskForRoot) {
  Bench bench;
  EXPECT_THAT(bench.findings_of(instance("follow_up = g\n[plugin g]\nmodule = greedy\n")), ElementsAre("E044 7:10"));
}

TEST(PluginSection, WhoRunsItIsWrittenOrTheModulesOrBatons) {
  Plugin plugin;
  EXPECT_EQ(plugin.probe_user(), "baton-check");
  EXPECT_EQ(plugin.act_user(), "baton-act");
  plugin.about.act_user = "postgres";
  EXPECT_EQ(plugin.probe_user(), "baton-check");
  EXPECT_EQ(plugin.act_user(), "postgres");
  plugin.user = "me";
  EXPECT_EQ(plugin.probe_user(), "me");
  EXPECT_EQ(plugin.act_user(), "me");
}

TEST(PluginSection, WithoutAModuleSourceKeysAreKeptAsTheyStand) {
  const Config config = config_of(http("staus = 7\nheader = a\nheader = b\n"));
  EXPECT_EQ(config.plugins.at(0).settings,
            (std::vector<Setting>{{.key = "staus", .values = {"7"}}, {.key = "header", .values = {"a", "b"}}}));
  EXPECT_EQ(config.plugins.at(0).about, PluginModule{});
}

TEST(PluginSection, TheEffectiveTextReadsBackToTheSame) {
  Bench bench;
  const Config config = bench.config(http("url = a\nheader = x\nheader =\ninterval = 2s\nlogin = /etc/s\n"));
  const std::string text = effective(config);
  EXPECT_THAT(text, HasSubstr("[plugin web]\nmodule = http\ninterval = 2s\ntimeout = 1s\nrise = 1\nfall = 3\n"
                              "deadline = 60s\nurl = a\nstatus = 200\npause = 5s\nheader = \nmethod = GET\n"
                              "login = /etc/s\n"));
  Config again = bench.config(text);
  again.plugins.at(0).defined_at = config.plugins.at(0).defined_at;
  EXPECT_EQ(again.plugins, config.plugins);
}

TEST(PluginSection, AChangedKeyShowsInTheDiffAndInTheHash) {
  Bench bench;
  const Config before = bench.config(http(kUrl));
  const Config after = bench.config(http("status = 204\nfall = 5\n" + std::string(kUrl)));
  EXPECT_EQ(render_diff(diff(before, after)), "~ plugin web\n    fall: 3 -> 5\n    status: 200 -> 204\n");
  EXPECT_NE(before.hash, after.hash);
}

}  // namespace
}  // namespace baton::config
