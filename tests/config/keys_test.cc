// The key table against the structs: one truth about defaults.
#include "config/keys.h"

#include <set>

#include "tests/config/findings.h"

namespace baton::config {
namespace {

TEST(Keys, AreUniqueInTheirSectionAndHelpful) {
  std::set<std::pair<SectionType, std::string_view>> seen;
  for (const KeySpec& spec : key_table()) {
    EXPECT_TRUE(seen.emplace(spec.section, spec.name).second) << spec.name;
    EXPECT_FALSE(spec.help.empty()) << spec.name;
    EXPECT_EQ(find_key(spec.section, spec.name), &spec);
    EXPECT_FALSE(spec.list && !spec.default_text.empty()) << spec.name;
  }
  EXPECT_EQ(find_key(SectionType::kPeer, "priority"), nullptr);
}

// Writing every default down changes nothing: the table's texts and the structs' initial values agree.
TEST(Keys, DefaultsOfTheTableAreThoseOfTheStructs) {
  std::string daemon = "[daemon]\n";
  std::string web;
  std::string plugin = "[plugin p]\nmodule = m\n";
  for (const KeySpec& spec : key_table()) {
    if (spec.default_text.empty()) continue;
    const std::string line = std::string(spec.name) + " = " + std::string(spec.default_text) + "\n";
    if (spec.section == SectionType::kDaemon) daemon += line;
    if (spec.section == SectionType::kInstance) web += line;
    if (spec.section == SectionType::kPlugin) plugin += line;
  }
  Config with = config_of(instance(web) + daemon + plugin);
  Config without = config_of(instance("") + "[plugin p]\nmodule = m\n");
  ASSERT_EQ(with.plugins.size(), 1u);
  with.plugins[0].defined_at = without.plugins[0].defined_at;
  EXPECT_NE(with.hash, without.hash);
  with.hash = without.hash;
  EXPECT_EQ(with, without);
}

// Design section 4, as it is written there.
TEST(Keys, DefaultsAreTheDesigns) {
  const auto standard = [](SectionType section, std::string_view key) { return find_key(section, key)->default_text; };
  EXPECT_EQ(standard(SectionType::kInstance, "priority"), "100");
  EXPECT_EQ(standard(SectionType::kInstance, "preempt"), "yes");
  EXPECT_EQ(standard(SectionType::kInstance, "min_gap"), "20");
  EXPECT_EQ(standard(SectionType::kInstance, "cooldown"), "60s");
  EXPECT_EQ(standard(SectionType::kInstance, "promotion_budget"), "3 per 1h");
  EXPECT_EQ(standard(SectionType::kInstance, "version"), "3");
  EXPECT_EQ(standard(SectionType::kInstance, "advertisement_interval"), "1s");
  EXPECT_EQ(standard(SectionType::kInstance, "accept"), "yes");
  EXPECT_EQ(standard(SectionType::kInstance, "announce"), "request");
  EXPECT_EQ(standard(SectionType::kInstance, "announce_count"), "3");
  EXPECT_EQ(standard(SectionType::kInstance, "announce_refresh"), "60s");
  EXPECT_EQ(standard(SectionType::kGroup, "priority"), "100");
  EXPECT_EQ(standard(SectionType::kDaemon, "history_limit"), "1000");
  EXPECT_EQ(standard(SectionType::kDaemon, "recorder"), "10s");
  EXPECT_EQ(standard(SectionType::kDaemon, "metrics_listen"), "off");
  EXPECT_EQ(standard(SectionType::kPlugin, "fall"), "3");
  EXPECT_EQ(standard(SectionType::kPlugin, "deadline"), "60s");
}

}  // namespace
}  // namespace baton::config
