// The effective text: complete, without secrets, and read back to the same Config.
#include "config/effective.h"

#include "tests/config/findings.h"

namespace baton::config {
namespace {

using namespace std::chrono_literals;

Config without_places(Config config) {
  config.hash.clear();
  for (Instance& instance : config.instances) instance.defined_at.clear();
  for (Group& group : config.groups) group.defined_at.clear();
  for (Plugin& plugin : config.plugins) plugin.defined_at.clear();
  for (Peer& peer : config.peers) peer.defined_at.clear();
  return config;
}

TEST(Effective, DurationsUseTheLargestUnitThatFits) {
  EXPECT_EQ(duration_text(0ns), "0");
  EXPECT_EQ(duration_text(60s), "60s");
  EXPECT_EQ(duration_text(1h), "1h");
  EXPECT_EQ(duration_text(48h), "2d");
  EXPECT_EQ(duration_text(40950ms), "40950ms");
  EXPECT_EQ(duration_text(250us), "250us");
  EXPECT_EQ(duration_text(1500ns), "1.5us");
  EXPECT_EQ(duration_text(1ns), "0.001us");
}

TEST(Effective, ShowsEveryDefaultAndTheDerivedLinkLocal) {
  const Config config = config_of(instance("address = 2001:db8::1/64\n"));
  EXPECT_EQ(effective(config),
            "[daemon]\n"
            "log_level = info\n"
            "realtime = no\n"
            "memory_lock = no\n"
            "peer_port = 5112\n"
            "metrics_listen = off\n"
            "history_limit = 1000\n"
            "recorder = 10s\n"
            "watchdog_timeout = 5s\n"
            "\n"
            "[instance web]\n"
            "interface = eth0\n"
            "virtual_router_id = 51\n"
            "version = 3\n"
            "owner = no\n"
            "advertisement_interval = 1s\n"
            "address = 10.0.0.50/24\n"
            "address = fe80::ba70:0:33/128\n"
            "address = 2001:db8::1/64\n"
            "checksum = auto\n"
            "accept = yes\n"
            "virtual_mac = no\n"
            "announce = request\n"
            "announce_count = 3\n"
            "announce_interval = auto\n"
            "announce_delay = 0\n"
            "announce_refresh = 60s\n"
            "address_lifetime = auto\n"
            "priority = 100\n"
            "preempt = yes\n"
            "preempt_delay = 0\n"
            "startup_delay = 0\n"
            "grant = none\n"
            "min_gap = 20\n"
            "takeover_wait = auto\n"
            "on_isolation = hold\n"
            "on_unknown = release\n"
            "resume_alone = yes\n"
            "cooldown = 60s\n"
            "promotion_budget = 3 per 1h\n");
}

constexpr const char* kRich =
    "[daemon]\nlog_level = debug\nlog_file = /var/log/baton\nrealtime = yes\nhistory_limit = 77\n"
    "[instance web]\ninterface = eth0\nvirtual_router_id = 51\naddress = 10.0.0.50/24\naddress = 2001:db8::1/64\n"
    "extra_address = 10.0.0.60/32\nunicast_peer = 10.0.0.1\nunicast_peer = 10.0.0.2 min_ttl=7\nunicast_peer = "
    "2001:db8::2\n"
    "source_address = 10.0.0.9\nsource_address = fe80::9\nchecksum = message\nannounce = reply\nannounce_interval = "
    "1500us\n"
    "address_lifetime = permanent\nadvertisement_interval = 40.95s\npriority@db1 = 200\npreempt_delay = "
    "90s\nstartup_delay = 1ms\n"
    "[instance old]\ninterface = eth1\nvirtual_router_id = 51\nversion = 2\naddress = 10.0.1.50/24\naddress_lifetime = "
    "1h\n"
    "[group g]\nmember = old\npriority = 9\npriority@db1 = 10\npreempt = no\n"
    "[plugin p]\nmodule = m\ntimeout = 1s\nuser = u\nkey = value\nkey = other\n"
    "[peer db1]\naddress = 10.0.0.1\naddress = 2001:db8::1:1\n[peer db2]\naddress = 10.0.0.2\n";

TEST(Effective, ReadsBackToTheSameConfig) {
  const Config config = config_of(kRich);
  const Config again = config_of(effective(config));
  EXPECT_EQ(without_places(again), without_places(config));
}

// On db2 the text does not say that db1 owns 10.0.0.1: judged, it would be refused; it was judged before.
TEST(Effective, OfABackupOfAnOwnerReadsBackUnjudged) {
  const Config config = config_of(
      "[instance web]\ninterface = eth0\nvirtual_router_id = 51\naddress = 10.0.0.1/24\nowner@db1 = yes\n"
      "[peer db1]\naddress = 10.0.0.1\n[peer db2]\naddress = 10.0.0.2\n",
      on_host("db2"));
  EXPECT_FALSE(parse_text(effective(config), on_host("db2")).config);
  ParseOptions options = on_host("db2");
  options.judge = false;
  EXPECT_EQ(without_places(config_of(effective(config), options)), without_places(config));
}

TEST(Effective, SaysWhereSectionsCameFrom) {
  EXPECT_THAT(effective(config_of(kRich), {.origins = true}), HasSubstr("\n# from baton.conf:6\n[instance web]\n"));
  EXPECT_THAT(effective(config_of(kRich)), Not(HasSubstr("# from")));
}

TEST(Effective, NeverShowsASecret) {
  ParseOptions options = on_host("db1");
  options.read_secret = [](const std::string&) { return SecretText{"hunter2", false}; };
  const Config config =
      config_of(instance("version = 2\npassword_file = /pw\n[plugin p]\nmodule = m\npassword = swordfish\n"), options);
  ASSERT_EQ(config.instances.at(0).password, "hunter2");
  const std::string text = effective(config, {.origins = true});
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  EXPECT_THAT(text, Not(HasSubstr("swordfish")));
  EXPECT_THAT(text, HasSubstr("password_file = /pw\n"));
  EXPECT_THAT(text, HasSubstr("password = ********\n"));
}

}  // namespace
}  // namespace baton::config
