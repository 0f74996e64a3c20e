// The catalog of modules against the real host program and the museum: one clear sentence for each kind of trouble.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "ipc/module_catalog.h"
#include "posix/clock.h"

namespace baton::ipc {
namespace {

using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;

CatalogPlaces places() {
  CatalogPlaces found = find_places("");
  found.plugin_dir = std::filesystem::path{found.plugin_dir}.parent_path().string() + "/bad_plugins";
  return found;
}

std::string refusal(const std::string& module) {
  ModuleCatalog catalog{places()};
  const auto described = catalog.describe(module);
  return described ? "it was described" : described.error().message();
}

TEST(ModuleCatalogTest, FindsThePlacesOfTheTreeAsBuilt) {
  EXPECT_THAT(find_places("").host_program, EndsWith("/bin/baton-plugin-host"));
  EXPECT_EQ(::access(find_places("").host_program.c_str(), X_OK), 0);
  EXPECT_THAT(find_places("").plugin_dir, EndsWith("/lib/baton/plugins"));
  EXPECT_EQ(find_places("/elsewhere").plugin_dir, "/elsewhere");
}

TEST(ModuleCatalogTest, AModuleIsDescribedByItsNameAndByItsPath) {
  ModuleCatalog catalog{places()};
  const auto named = catalog.describe("good");
  ASSERT_TRUE(named.has_value()) << named.error().message();
  EXPECT_EQ(named->name, "good");
  EXPECT_TRUE(named->own);
  EXPECT_TRUE(named->checks_settings);
  EXPECT_EQ(named->needs, 1u);
  EXPECT_TRUE(named->verbs.has(PluginVerb::kProbe));
  EXPECT_TRUE(named->verbs.has(PluginVerb::kEnter));
  EXPECT_FALSE(named->verbs.has(PluginVerb::kLeave));
  ASSERT_EQ(named->keys.size(), 2u);
  EXPECT_EQ(named->keys[0].name, "word");
  EXPECT_TRUE(named->keys[0].list);
  EXPECT_EQ(named->keys[1].type, config::ModuleKeyType::kDuration);
  EXPECT_EQ(named->keys[1].default_text, "1.5s");
  EXPECT_EQ(named->keys[1].maximum, 5'000'000'000);
  const auto by_path = catalog.describe(places().plugin_dir + "/good.so");
  ASSERT_TRUE(by_path.has_value());
  EXPECT_EQ(*by_path, *named);
}

TEST(ModuleCatalogTest, AModuleElsewhereIsNotOurs) {
  CatalogPlaces elsewhere = places();
  elsewhere.plugin_dir = "/usr/lib";
  ModuleCatalog catalog{elsewhere};
  const auto described = catalog.describe(places().plugin_dir + "/good.so");
  ASSERT_TRUE(described.has_value()) << described.error().message();
  EXPECT_FALSE(described->own);
}

TEST(ModuleCatalogTest, SettingsAreLookedAtByTheModule) {
  ModuleCatalog catalog{places()};
  const auto module = catalog.describe("good");
  ASSERT_TRUE(module.has_value());
  const auto fine = catalog.check_settings(*module, "shop", "db1", {{"word", {"blue"}}});
  ASSERT_TRUE(fine.has_value()) << fine.error().message();
  EXPECT_TRUE(fine->empty());
  const auto wrong = catalog.check_settings(*module, "shop", "db1", {{"word", {"xenon"}}});
  ASSERT_TRUE(wrong.has_value());
  ASSERT_EQ(wrong->size(), 1u);
  EXPECT_EQ((*wrong)[0].key, "word");
  EXPECT_EQ((*wrong)[0].message, "must not begin with x");
}

TEST(ModuleCatalogTest, EachKindOfTroubleHasItsSentence) {
  EXPECT_THAT(refusal("goood"), HasSubstr("there is no module goood in "));
  EXPECT_THAT(refusal("goood"), HasSubstr("the nearest is good"));
  EXPECT_EQ(refusal("/nowhere/x.so"), "there is no module /nowhere/x.so");
  EXPECT_THAT(refusal("missing_symbol"), HasSubstr("it is no Baton plugin"));
  EXPECT_THAT(refusal("wrong_major"), HasSubstr("built for a newer plugin interface"));
  EXPECT_THAT(refusal("short_struct"), HasSubstr("is too short: 80 bytes"));
  EXPECT_THAT(refusal("crashes_at_load"),
              HasSubstr("crashes_at_load.so crashed while it was asked: killed by signal 6"));
}

TEST(ModuleCatalogTest, AModuleThatHangsIsGivenUpInTime) {
  const Instant begin = posix::now();
  EXPECT_THAT(refusal("hangs_at_load"), HasSubstr("did not answer within 3 s"));
  const Nanos took = posix::now() - begin;
  EXPECT_GE(took, std::chrono::seconds{3});
  EXPECT_LT(took, std::chrono::seconds{5});
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // no child is left
}

TEST(ModuleCatalogTest, ListsNamesInOrder) {
  ModuleCatalog catalog{places()};
  const auto names = catalog.names();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_THAT(names, Contains("good"));
  CatalogPlaces nowhere = places();
  nowhere.plugin_dir = "/nowhere";
  EXPECT_TRUE(ModuleCatalog{nowhere}.names().empty());
}

TEST(ModuleCatalogTest, TheSameQuestionIsAskedOnce) {
  ModuleCatalog catalog{places()};
  ASSERT_FALSE(catalog.describe("hangs_at_load").has_value());
  const Instant begin = posix::now();
  ASSERT_FALSE(catalog.describe("hangs_at_load").has_value());
  EXPECT_LT(posix::now() - begin, std::chrono::milliseconds{100});
}

}  // namespace
}  // namespace baton::ipc
