// Config to bytes and back; damaged bytes are refused.
#include "config/serialize.h"

#include "tests/config/findings.h"

namespace baton::config {
namespace {

using namespace std::chrono_literals;

/// Every member differs from its default.
Config full_config() {
  const IpAddress v4 = *IpAddress::parse("10.0.0.9");
  const IpAddress v6 = *IpAddress::parse("fe80::9");
  Election election{.priority = Priority{7},
                    .preempt = false,
                    .preempt_delay = 1s,
                    .startup_delay = 2s,
                    .checks = {{"pg", CheckUse::kPrefer, -20, true}},
                    .promote = {"a", "b"},
                    .follow_up = {"c"},
                    .notify = {"d"},
                    .grant = Grant::kUnsafe,
                    .witness = {"e"},
                    .fence = {"f"},
                    .min_gap = 3,
                    .takeover_wait = 5s,
                    .takeover_least = 6s,
                    .demote_on_isolation = true,
                    .release_on_unknown = false,
                    .resume_alone = false,
                    .cooldown = 6s,
                    .promotion_budget = 8,
                    .promotion_budget_window = 9s};
  Instance instance;
  instance.name = "web";
  instance.group = "g";
  instance.election = election;
  instance.interface = "eth0";
  instance.vrid = Vrid{255};
  instance.version = vrrp::Version::kV2;
  instance.owner = true;
  instance.advertisement_interval = 10ms;
  instance.addresses = {{v4, 24}, {v6, 64}};
  instance.extra_addresses = {{v6, 128}};
  instance.source_address_v4 = v4;
  instance.source_address_v6 = v6;
  instance.unicast = true;
  instance.unicast_source = {v4};
  instance.unicast_peers = {{v6, 1}};
  instance.checksum = Checksum::kPseudoHeader;
  instance.password_file = "/pw";
  instance.password = std::string("a\0b", 3);
  instance.accept = false;
  instance.announce = Announce::kBoth;
  instance.announce_count = 4'000'000'000;
  instance.announce_interval = 1ns;
  instance.announce_delay = 2ns;
  instance.announce_refresh = 0ns;
  instance.address_lifetime = 0ns;
  instance.defined_at = "f:1";
  Config config;
  config.host = "db1";
  config.daemon = {LogLevel::kError, "/log", true, true, {"/k1", "/k2"}, {"secret"}, 5113, "0.0.0.0:1", 5, 1s,
                   "/dev/watchdog",  4s};
  config.instances = {instance, Instance{}};
  config.groups = {{"g", {"web"}, election, "f:2"}};
  VerbSet verbs;
  verbs.add(PluginVerb::kProbe);
  verbs.add(PluginVerb::kFence);
  config.plugins = {{"p",
                     "m",
                     {"/m.so", "web", 1, false, verbs},
                     2s,
                     3s,
                     4,
                     5,
                     "u",
                     6s,
                     {{"k", {"v", ""}, false, ""}, {"s", {"/s"}, true, "d1"}},
                     {{"s", {"hunter2"}}},
                     "f:3"}};
  config.peers = {{"db1", {v4, v6}, "f:4"}};
  config.hash = "abc";
  return config;
}

TEST(Serialize, EveryMemberComesBack) {
  const Config config = full_config();
  const auto again = deserialize(serialize(config));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*again, config);
  EXPECT_EQ(deserialize(serialize(Config{})).value(), Config{});
}

TEST(Serialize, MoreThan64KilobytesComeBack) {
  Config config = full_config();
  config.instances.assign(4096, config.instances[0]);
  const std::vector<std::uint8_t> bytes = serialize(config);
  EXPECT_GT(bytes.size(), 65536u);
  EXPECT_EQ(deserialize(bytes).value(), config);
}

TEST(Serialize, EveryPrefixIsRefused) {
  const std::vector<std::uint8_t> bytes = serialize(full_config());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(deserialize(ConstBytes{bytes}.first(size))) << size;
  }
}

TEST(Serialize, TrailingBytesAreRefused) {
  std::vector<std::uint8_t> bytes = serialize(full_config());
  bytes.push_back(0);
  EXPECT_FALSE(deserialize(bytes));
}

TEST(Serialize, AnotherVersionOrAnotherFileIsRefused) {
  std::vector<std::uint8_t> bytes = serialize(full_config());
  ++bytes[7];
  EXPECT_EQ(deserialize(bytes).error().message(), "read the configuration's bytes: version 3");
  bytes[0] ^= 1;
  EXPECT_EQ(deserialize(bytes).error().message(), "read the configuration's bytes: this is no configuration");
}

// A flipped bit either is refused or gives another Config that has exactly these bytes: there is one encoding of each
// value.
TEST(Serialize, EachConfigHasOneEncoding) {
  const std::vector<std::uint8_t> bytes = serialize(full_config());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::vector<std::uint8_t> flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    const auto config = deserialize(flipped);
    if (!config) continue;
    EXPECT_EQ(serialize(*config), flipped) << bit;
  }
}

TEST(Serialize, AHugeCountCostsNothing) {
  std::vector<std::uint8_t> bytes = serialize(Config{});
  // Behind magic, version and an empty host: log level, log file, two flags; then the count of peer_key_file.
  const std::size_t at = 4 + 4 + 4 + 1 + 4 + 1 + 1;
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = 0xFF;
  EXPECT_FALSE(deserialize(bytes));
}

}  // namespace
}  // namespace baton::config
