// Secrets of plugins are read where they stand, and shown nowhere.
#include <map>

#include "config/diff.h"
#include "config/effective.h"
#include "config/serialize.h"
#include "tests/config/fake_modules.h"
#include "tests/config/findings.h"

namespace baton::config {
namespace {

using testing::Not;

struct Bench {
  FakeModules modules;
  std::map<std::string, SecretText> files{{"/etc/s", {"hunter2\n", false}},
                                          {"/run/credentials/baton/web", {"swordfish", true}}};
  ParseOptions options = on_host("db1");

  Bench() {
    options.modules = &modules;
    options.read_secret = [this](const std::string& path) -> Result<SecretText> {
      const auto found = files.find(path);
      if (found == files.end()) return fail("cannot read the file: No such file or directory");
      return found->second;
    };
  }
  Loaded load(const std::string& login, const std::string& more = {}) {
    return parse_text(instance("check = web\n[plugin web]\nmodule = http\nurl = x\nlogin = " + login + "\n" + more),
                      options);
  }
};

std::string as_text(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

TEST(PluginSecret, IsReadFromItsFileWithoutTheFinalNewline) {
  Bench bench;
  const Loaded loaded = bench.load("/etc/s");
  ASSERT_THAT(briefs(loaded), IsEmpty());
  const Plugin& plugin = loaded.config->plugins.at(0);
  EXPECT_EQ(plugin.secrets, (std::vector<Secret>{{"login", {"hunter2"}}}));
  EXPECT_EQ(plugin.settings.back().values, std::vector<std::string>{"/etc/s"});
  EXPECT_TRUE(plugin.settings.back().is_secret);
  EXPECT_EQ(plugin.settings.back().digest.size(), 64u);
}

TEST(PluginSecret, ANameIsASystemdCredential) {
  Bench bench;
  bench.options.credentials_directory = "/run/credentials/baton";
  const Loaded loaded = bench.load("web");
  // What systemd puts there belongs to it: its permissions are not judged.
  ASSERT_THAT(briefs(loaded), IsEmpty());
  EXPECT_EQ(loaded.config->plugins.at(0).secrets.at(0).contents.at(0), "swordfish");
  EXPECT_THAT(briefs(bench.load("wbe")), ElementsAre("E043 9:9"));
  bench.options.credentials_directory = "";
  EXPECT_THAT(briefs(bench.load("web")), ElementsAre("E043 9:9"));
  bench.options.credentials_directory.reset();
  EXPECT_THAT(briefs(bench.load("web")), ElementsAre("W014 9:9"));
}

TEST(PluginSecret, WrittenIntoTheFileByMistakeItIsNotRepeated) {
  Bench bench;
  bench.options.credentials_directory = "/run/credentials/baton";
  const Loaded loaded = bench.load("hunter2");
  ASSERT_THAT(briefs(loaded), ElementsAre("E043 9:9"));
  EXPECT_THAT(render_all(loaded.diagnostics), Not(HasSubstr("hunter2")));
  EXPECT_THAT(render_all(loaded.diagnostics), HasSubstr("login = ********"));
}

TEST(PluginSecret, WhatCannotBeUsedIsAnError) {
  Bench bench;
  EXPECT_THAT(briefs(bench.load("/etc/none")), ElementsAre("E043 9:9"));
  EXPECT_EQ(bench.load("/etc/none").diagnostics.at(0).message,
            "login: /etc/none: cannot read the file: No such file or directory");
  bench.files["/etc/s"].text = "\n";
  EXPECT_EQ(bench.load("/etc/s").diagnostics.at(0).message, "login: the file is empty");
  bench.files["/etc/s"].text = std::string("a\0b", 3);
  EXPECT_EQ(bench.load("/etc/s").diagnostics.at(0).message, "login: the file holds a NUL byte");
}

TEST(PluginSecret, ReadableByOthersIsAWarning) {
  Bench bench;
  bench.files["/etc/s"].others_may_read = true;
  const Loaded loaded = bench.load("/etc/s");
  ASSERT_THAT(briefs(loaded), ElementsAre("W011 9:9"));
  EXPECT_EQ(loaded.diagnostics[0].help, "chmod 600 /etc/s");
}

TEST(PluginSecret, TheModuleIsAskedWithItsContentOrNotAtAll) {
  Bench bench;
  bench.load("/etc/s");
  ASSERT_EQ(bench.modules.asked.size(), 1u);
  EXPECT_EQ(bench.modules.asked[0].second.back(),
            (std::pair<std::string, std::vector<std::string>>{"login", {"hunter2"}}));
  bench.modules.asked.clear();
  bench.options.read_secret = {};
  EXPECT_THAT(briefs(bench.load("/etc/s")), IsEmpty());
  EXPECT_TRUE(bench.modules.asked.empty());
}

TEST(PluginSecret, IsInNoTextThatIsShown) {
  Bench bench;
  Config config = *bench.load("/etc/s").config;
  EXPECT_THAT(effective(config, {.origins = true}), Not(HasSubstr("hunter2")));
  EXPECT_THAT(effective(config), HasSubstr("login = /etc/s\n"));
  EXPECT_THAT(as_text(serialize(config)), HasSubstr("hunter2"));
  config.plugins.at(0).secrets.clear();
  EXPECT_THAT(as_text(serialize(config)), Not(HasSubstr("hunter2")));
}

TEST(PluginSecret, WhereItStandsIsShownWhateverTheKeyIsCalled) {
  Bench bench;
  bench.modules.modules["http"].keys.push_back(module_key("password", ModuleKeyType::kSecret));
  bench.modules.modules["http"].keys.push_back(module_key("api_token", ModuleKeyType::kText));
  const Config config = *bench.load("/etc/s", "password = /etc/s\napi_token = hunter2\n").config;
  EXPECT_THAT(effective(config), HasSubstr("password = /etc/s\n"));
  // The module does not call this one a secret; its name does.
  EXPECT_THAT(effective(config), HasSubstr("api_token = ********\n"));
}

TEST(PluginSecret, AChangeOfItsContentIsAChangeAlthoughTheTextIsTheSame) {
  Bench bench;
  const Config before = *bench.load("/etc/s").config;
  EXPECT_EQ(render_diff(diff(before, *bench.load("/etc/s").config)), "");
  bench.files["/etc/s"].text = "hunter3\n";
  const Config after = *bench.load("/etc/s").config;
  EXPECT_EQ(render_diff(diff(before, after)), "~ plugin web\n    login: ******** -> ********\n");
  EXPECT_EQ(before.hash, after.hash);  // all hosts run the same text
  bench.options.read_secret = {};
  EXPECT_EQ(render_diff(diff(before, *bench.load("/etc/s").config)), "");  // not read: unknown, not changed
}

TEST(PluginSecret, EqualOnesInTwoSectionsDoNotLookEqual) {
  Bench bench;
  const Config config = *bench.load("/etc/s", "[plugin other]\nmodule = http\nurl = x\nlogin = /etc/s\n").config;
  EXPECT_NE(config.plugins.at(0).settings.back().digest, config.plugins.at(1).settings.back().digest);
}

}  // namespace
}  // namespace baton::config
