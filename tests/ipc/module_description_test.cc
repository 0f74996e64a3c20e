#include <gtest/gtest.h>

#include "ipc/module_catalog.h"

namespace baton::ipc {
namespace {

config::Module full_module() {
  config::Module module;
  module.name = "http";
  module.path = "/usr/lib/baton/plugins/http.so";
  module.version = "1";
  module.summary = "Asks an HTTP server";
  module.manual = "First line.\nSecond line.\n";
  module.act_user = "baton-act";
  module.abi_minor = 2;
  module.needs = 1;
  module.own = false;
  module.checks_settings = true;
  module.verbs.add(PluginVerb::kProbe);
  module.verbs.add(PluginVerb::kFence);
  module.keys = {{.name = "url",
                  .type = config::ModuleKeyType::kText,
                  .required = true,
                  .domain = "URL",
                  .default_text = {},
                  .help = "Where."},
                 {.name = "limit",
                  .type = config::ModuleKeyType::kSecret,
                  .list = true,
                  .has_default = true,
                  .acts_only = true,
                  .domain = {},
                  .default_text = "5s",
                  .help = {},
                  .minimum = -1,
                  .maximum = 1'000'000'000'000}};
  return module;
}

TEST(ModuleDescriptionTest, ArrivesAsItWas) {
  const auto read = decode_module(encode(full_module()));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, full_module());
}

TEST(ModuleDescriptionTest, EveryCutAndEveryTrailingByteIsAnError) {
  auto bytes = encode(full_module());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_module(ConstBytes{bytes}.first(size)).has_value()) << size;
  }
  bytes.push_back(0);
  EXPECT_FALSE(decode_module(bytes).has_value());
}

TEST(ModuleDescriptionTest, ControlCharactersAreErrorsButLinesOfTheManual) {
  config::Module module = full_module();
  module.summary = "two\nlines";
  EXPECT_FALSE(decode_module(encode(module)).has_value());
  module = full_module();
  module.manual = "escape \x1b[31m";
  EXPECT_FALSE(decode_module(encode(module)).has_value());
  module = full_module();
  module.keys[0].help = "bell \a";
  EXPECT_FALSE(decode_module(encode(module)).has_value());
}

TEST(ModuleDescriptionTest, TooMuchIsAnError) {
  config::Module module = full_module();
  module.keys.resize(257);
  EXPECT_FALSE(decode_module(encode(module)).has_value());
  module = full_module();
  module.manual = std::string((64 << 10) + 1, 'm');
  EXPECT_FALSE(decode_module(encode(module)).has_value());
  module = full_module();
  module.keys[0].type = static_cast<config::ModuleKeyType>(8);
  EXPECT_FALSE(decode_module(encode(module)).has_value());
}

TEST(ModuleDescriptionTest, ComplaintsArriveAndAreBounded) {
  const std::vector<config::ModuleComplaint> complaints = {{"url", "is no URL"}, {"", "both at once"}};
  const auto bytes = encode(complaints);
  const auto read = decode_complaints(bytes);
  ASSERT_TRUE(read.has_value());
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].key, "url");
  EXPECT_EQ((*read)[1].message, "both at once");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_complaints(ConstBytes{bytes}.first(size)).has_value()) << size;
  }
  const std::vector<config::ModuleComplaint> flood(1000, {"k", "m"});
  ASSERT_TRUE(decode_complaints(encode(flood)).has_value());
  EXPECT_EQ(decode_complaints(encode(flood))->size(), 64u);
}

}  // namespace
}  // namespace baton::ipc
