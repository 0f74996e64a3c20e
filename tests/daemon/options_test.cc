#include "daemon/options.h"

#include <gtest/gtest.h>

#include <vector>

namespace baton::daemon {
namespace {

Result<Options> parse(const std::vector<const char*>& words) {
  std::vector<char*> arguments{const_cast<char*>("batond")};
  for (const char* word : words) arguments.push_back(const_cast<char*>(word));
  return parse_options(arguments);
}

TEST(OptionsTest, DefaultsAreTheInstalledPlaces) {
  const auto options = parse({});
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->config_path, "/etc/baton/baton.conf");
  EXPECT_EQ(options->runtime_dir, "/run/baton");
  EXPECT_EQ(options->state_dir, "/var/lib/baton");
  EXPECT_FALSE(options->host_from_command_line);
  EXPECT_FALSE(options->host.empty());
  EXPECT_EQ(options->host.find('.'), std::string::npos);
}

TEST(OptionsTest, ValuesComeAfterASpaceOrAnEqualsSign) {
  const auto options = parse({"--config", "/tmp/a.conf", "--host=db1", "--runtime-dir=/tmp/run", "--check"});
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->config_path, "/tmp/a.conf");
  EXPECT_EQ(options->host, "db1");
  EXPECT_TRUE(options->host_from_command_line);
  EXPECT_EQ(options->runtime_dir, "/tmp/run");
  EXPECT_TRUE(options->check_only);
}

TEST(OptionsTest, TheWordsAreKeptForTheProgramThatFollows) {
  const auto options = parse({"--host=db1", "--selfcheck"});
  ASSERT_TRUE(options.has_value());
  EXPECT_TRUE(options->self_check);
  ASSERT_EQ(options->arguments.size(), 3U);
  EXPECT_EQ(options->arguments[1], "--host=db1");
  EXPECT_EQ(options->arguments[2], "--selfcheck");
  EXPECT_EQ(parse({"--selfcheck=yes"}).error().subject, "--selfcheck");
}

TEST(OptionsTest, WhatIsNotUnderstoodIsNamed) {
  EXPECT_EQ(parse({"--confg", "x"}).error().subject, "--confg");
  EXPECT_EQ(parse({"stray"}).error().subject, "stray");
  EXPECT_EQ(parse({"--host"}).error().subject, "--host");
  EXPECT_EQ(parse({"--host="}).error().subject, "--host");
  EXPECT_EQ(parse({"--check=yes"}).error().subject, "--check");
}

}  // namespace
}  // namespace baton::daemon
