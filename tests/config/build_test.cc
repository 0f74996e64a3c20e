// One host's Config out of the document: values, defaults, ranges, references, what this build refuses.
#include "config/build.h"

#include "tests/config/findings.h"

namespace baton::config {
namespace {

using namespace std::chrono_literals;

Instance only_instance(const std::string& more) { return config_of(instance(more)).instances.at(0); }

TEST(Build, DefaultsAreTheDesigns) {
  const Config config = config_of(instance(""));
  EXPECT_EQ(config.daemon, Daemon{});
  const Instance& web = config.instances.at(0);
  EXPECT_EQ(web.election, Election{});
  EXPECT_EQ(web.version, vrrp::Version::kV3);
  EXPECT_EQ(web.advertisement_interval, 1s);
  EXPECT_EQ(web.election.priority, Priority{100});
  EXPECT_TRUE(web.election.preempt);
  EXPECT_EQ(web.announce_refresh, 60s);
  EXPECT_EQ(web.address_lifetime, std::nullopt);
  EXPECT_FALSE(web.unicast);
}

TEST(Build, EveryInstanceKeyReachesTheConfig) {
  const Instance web = only_instance(
      "priority = 42\npreempt = yes\npreempt_delay = 3s\nstartup_delay = 4s\nadvertisement_interval = 50ms\n"
      "extra_address = 10.0.0.60\nsource_address = 10.0.0.7\nchecksum = pseudo-header\nannounce = both\nannounce_count "
      "= 5\n"
      "announce_interval = 2ms\nannounce_delay = 6s\nannounce_refresh = 0\naddress_lifetime = 20s\n");
  EXPECT_EQ(web.election.priority, Priority{42});
  EXPECT_EQ(web.election.preempt_delay, 3s);
  EXPECT_EQ(web.election.startup_delay, 4s);
  EXPECT_EQ(web.advertisement_interval, 50ms);
  EXPECT_EQ(web.extra_addresses.at(0).text(), "10.0.0.60/32");
  EXPECT_EQ(web.source_address_v4, IpAddress::parse("10.0.0.7"));
  EXPECT_EQ(web.checksum, Checksum::kPseudoHeader);
  EXPECT_EQ(web.announce, Announce::kBoth);
  EXPECT_EQ(web.announce_count, 5u);
  EXPECT_EQ(web.announce_interval, 2ms);
  EXPECT_EQ(web.announce_delay, 6s);
  EXPECT_EQ(web.announce_refresh, 0s);
  EXPECT_EQ(web.address_lifetime, 20s);
  EXPECT_EQ(only_instance("address_lifetime = permanent\n").address_lifetime, 0s);
  EXPECT_EQ(only_instance("checksum = message\n").checksum, Checksum::kMessageOnly);
}

TEST(Build, EveryDaemonKeyReachesTheConfig) {
  const Daemon daemon =
      config_of(
          instance("[daemon]\nlog_level = debug\nlog_file = /var/log/baton.log\nrealtime = yes\nmemory_lock = on\n"
                   "history_limit = 50\nmetrics_listen = off\nrecorder = 10s\n"))
          .daemon;
  EXPECT_EQ(daemon.log_level, LogLevel::kDebug);
  EXPECT_EQ(daemon.log_file, "/var/log/baton.log");
  EXPECT_TRUE(daemon.realtime);
  EXPECT_TRUE(daemon.memory_lock);
  EXPECT_EQ(daemon.history_limit, 50u);
}

TEST(Build, MetricsAreServedToThisHostOnly) {
  const auto listen = [](const std::string& value) { return instance("[daemon]\nmetrics_listen = " + value + "\n"); };
  EXPECT_EQ(config_of(listen("127.0.0.1:9112")).daemon.metrics_listen, "127.0.0.1:9112");
  EXPECT_EQ(config_of(listen("[::1]:9112")).daemon.metrics_listen, "[::1]:9112");
  EXPECT_EQ(config_of(listen("off")).daemon.metrics_listen, "");
  for (const char* bad : {"0.0.0.0:9112", "10.0.0.1:9112", "[::]:9112", "127.0.0.1", "::1:9112", "[127.0.0.1]:9112",
                          "localhost:9112", ":9112"}) {
    EXPECT_THAT(findings(listen(bad)), ElementsAre("E030 6:18")) << bad;
  }
  EXPECT_THAT(findings(listen("127.0.0.1:80")), ElementsAre("E031 6:18"));
  EXPECT_THAT(findings(listen("127.0.0.1:65536")), ElementsAre("E031 6:18"));
  EXPECT_THAT(findings(listen("127.0.0.1:")), ElementsAre("E030 6:18"));
}

// F-05: 0 and 255 cannot be configured.
TEST(Build, PriorityIs1To254) {
  for (const char* bad : {"0", "255", "256"})
    EXPECT_THAT(findings(instance("priority = " + std::string(bad) + "\n")), ElementsAre("E031 5:12"));
  EXPECT_EQ(only_instance("priority = 254\n").election.priority, Priority{254});
  EXPECT_EQ(only_instance("priority = 1\n").election.priority, Priority{1});
  EXPECT_EQ(parse_text(instance("priority = 255\n")).diagnostics.at(0).help,
            "write owner = yes if the addresses are this host's own");
}

// F-06 and erratum 8301.
TEST(Build, Version3IntervalsAre1To4095WholeCentiseconds) {
  EXPECT_EQ(only_instance("advertisement_interval = 10ms\n").advertisement_interval, 10ms);
  EXPECT_EQ(only_instance("advertisement_interval = 40.95s\n").advertisement_interval, 40950ms);
  for (const char* bad : {"0", "9ms", "40.96s", "15ms", "100.5ms", "1h"}) {
    EXPECT_THAT(findings(instance("advertisement_interval = " + std::string(bad) + "\n")), ElementsAre("E033 5:26"))
        << bad;
  }
  EXPECT_THAT(findings(instance("advertisement_interval = 100\n")), ElementsAre("E032 5:26"));
  EXPECT_EQ(parse_text(instance("advertisement_interval = 15ms\n")).diagnostics.at(0).help, "write 10ms or 20ms");
}

TEST(Build, Version2IntervalsAre1To255WholeSeconds) {
  EXPECT_EQ(only_instance("version = 2\nadvertisement_interval = 255s\n").advertisement_interval, 255s);
  for (const char* bad : {"0", "500ms", "1.5s", "256s"}) {
    EXPECT_THAT(findings(instance("version = 2\nadvertisement_interval = " + std::string(bad) + "\n")),
                ElementsAre("E033 6:26"))
        << bad;
  }
}

TEST(Build, RangesOfTheWireKeys) {
  EXPECT_THAT(findings("[instance web]\ninterface = eth0\nvirtual_router_id = 0\naddress = 10.0.0.50/24\n"),
              ElementsAre("E031 3:21"));
  EXPECT_THAT(findings("[instance web]\ninterface = eth0\nvirtual_router_id = 256\naddress = 10.0.0.50/24\n"),
              ElementsAre("E031 3:21"));
  EXPECT_THAT(findings(instance("version = 4\n")), ElementsAre("E031 5:11"));
  EXPECT_THAT(findings(instance("announce_count = 0\n")), ElementsAre("E031 5:18"));
  EXPECT_THAT(findings(instance("address_lifetime = 1s\n")), ElementsAre("E031 5:20"));
  EXPECT_THAT(findings(instance("address_lifetime = 2500ms\n")), ElementsAre("E030 5:20"));
  EXPECT_THAT(findings(instance("preempt_delay = 2d\n")), ElementsAre("E031 5:17"));
}

TEST(Build, MissingKeysAreNamed) {
  const Loaded loaded = parse_text("[instance web]\npriority = 5\n");
  ASSERT_THAT(briefs(loaded), ElementsAre("E027 1:2", "E027 1:2", "E027 1:2"));
  EXPECT_EQ(loaded.diagnostics[0].message, "[instance web] has no `address`");
  EXPECT_EQ(loaded.diagnostics[1].message, "[instance web] has no `interface`");
  EXPECT_EQ(loaded.diagnostics[2].message, "[instance web] has no `virtual_router_id`");
}

// F-02: the derived link-local address stands before the first IPv6 address; the rest keeps its order.
TEST(Build, TheDerivedLinkLocalComesFirst) {
  const Instance web = only_instance("address = 2001:db8::2/64\naddress = 2001:db8::1/64\naddress = 10.0.0.49/24\n");
  ASSERT_EQ(web.addresses.size(), 5u);
  EXPECT_EQ(web.addresses[0].text(), "10.0.0.50/24");
  EXPECT_EQ(web.addresses[1].text(), "fe80::ba70:0:33/128");  // 51 = 0x33
  EXPECT_EQ(web.addresses[2].text(), "2001:db8::2/64");
  EXPECT_EQ(web.addresses[3].text(), "2001:db8::1/64");
  EXPECT_EQ(web.addresses[4].text(), "10.0.0.49/24");
  EXPECT_EQ(derived_link_local(Vrid{255}).text(), "fe80::ba70:0:ff/128");
}

TEST(Build, AGivenLinkLocalIsKept) {
  const Instance web = only_instance("address = fe80::50/64\naddress = 2001:db8::1/64\n");
  ASSERT_EQ(web.addresses.size(), 3u);
  EXPECT_EQ(web.addresses[1].text(), "fe80::50/64");
}

TEST(Build, AnIpv6OnlyExtraAddressNeedsNoLinkLocal) {
  EXPECT_EQ(only_instance("extra_address = 2001:db8::1/64\n").addresses.size(), 1u);
}

TEST(Build, AnAddressTwiceIsAnError) {
  EXPECT_THAT(findings(instance("address = 10.0.0.50/32\n")), ElementsAre("E035 5:11"));
  EXPECT_THAT(findings(instance("extra_address = 10.0.0.50/24\n")), ElementsAre("E035 5:17"));
}

TEST(Build, SourcesOneOfEachFamily) {
  EXPECT_THAT(findings(instance("source_address = 10.0.0.7\nsource_address = 10.0.0.8\n")), ElementsAre("E059 6:18"));
  EXPECT_THAT(findings(instance("source_address = 2001:db8::7\n")), ElementsAre("E059 5:18"));
  EXPECT_EQ(only_instance("source_address = fe80::7\n").source_address_v6, IpAddress::parse("fe80::7"));
  EXPECT_THAT(findings(instance("unicast_source = 10.0.0.7\nunicast_source = 10.0.0.8\nunicast_peer = 10.0.0.2\n")),
              ElementsAre("E059 6:18", "W003 7:1"));
}

TEST(Build, ThisHostsOwnUnicastPeerIsPassedOver) {
  const std::string text =
      instance("unicast_peer = 10.0.0.1\nunicast_peer = 10.0.0.2 min_ttl=254\npriority@db1 = 5\n") +
      "[peer db1]\naddress = 10.0.0.1\n[peer db2]\naddress = 10.0.0.2\n";
  const Instance first = config_of(text, on_host("db1")).instances.at(0);
  EXPECT_TRUE(first.unicast);
  EXPECT_EQ(first.unicast_peers, (std::vector<UnicastPeer>{{*IpAddress::parse("10.0.0.2"), 254}}));
  EXPECT_EQ(config_of(text, on_host("db2")).instances.at(0).unicast_peers,
            (std::vector<UnicastPeer>{{*IpAddress::parse("10.0.0.1"), 255}}));
}

TEST(Build, AGroupGivesItsElectionToItsMembers) {
  const Config config =
      config_of(instance("[instance two]\ninterface = eth1\nvirtual_router_id = 52\naddress = 10.0.1.50/24\n"
                         "[group g]\nmember = two\nmember = web\npriority = 42\npreempt = no\n"));
  ASSERT_EQ(config.groups.size(), 1u);
  EXPECT_THAT(config.groups[0].members, ElementsAre("two", "web"));
  EXPECT_EQ(config.instances.at(0).group, "g");
  EXPECT_EQ(config.instances.at(0).election.priority, Priority{42});
  EXPECT_FALSE(config.instances.at(1).election.preempt);
}

TEST(Build, MembersExistOnceAndHaveNoElectionKeys) {
  EXPECT_THAT(findings(instance("[group g]\nmember = webb\n")), ElementsAre("E040 6:10"));
  EXPECT_EQ(parse_text(instance("[group g]\nmember = webb\n")).diagnostics.at(0).help, "did you mean `web`?");
  EXPECT_THAT(findings(instance("[group g]\nmember = web\nmember = web\n")), ElementsAre("E035 7:10"));
  EXPECT_THAT(findings(instance("[group g]\nmember = web\n[group h]\nmember = web\n")), ElementsAre("E042 8:10"));
  EXPECT_THAT(findings(instance("[group g]\n")), ElementsAre("E027 5:2"));
  EXPECT_THAT(findings(instance("[group web]\nmember = web\n")), ElementsAre("E021 5:2"));
  const Loaded loaded = parse_text(instance("priority = 5\n[group g]\nmember = web\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E029 5:1"));
  EXPECT_EQ(loaded.diagnostics[0].message, "`priority` cannot be set for a member of [group g]");
  EXPECT_EQ(loaded.diagnostics[0].help, "move it to [group g], at baton.conf:6");
}

constexpr const char* kPlugin = "[plugin pg]\nmodule = postgres\n";

TEST(Build, ReferencesToPluginsMustExist) {
  EXPECT_THAT(findings(instance("check = pgg\n") + kPlugin), ElementsAre("E040 5:9", "W010 6:2"));
  EXPECT_EQ(parse_text(instance("check = pgg\n") + kPlugin).diagnostics.at(0).help, "did you mean `pg`?");
}

TEST(Build, ChecksAndPlainActionsAreTaken) {
  const Config config =
      config_of(instance("check = pg prefer=-7\ncheck = web gate\nfollow_up = pg\nfollow_up = web\nnotify = web\n") +
                kPlugin + "[plugin web]\nmodule = http\n");
  const Election& election = config.instances.at(0).election;
  EXPECT_EQ(election.checks,
            (std::vector<CheckReference>{{"pg", CheckUse::kPrefer, -7, false}, {"web", CheckUse::kGate, 0, false}}));
  EXPECT_THAT(election.follow_up, ElementsAre("pg", "web"));
  EXPECT_THAT(election.notify, ElementsAre("web"));
}

TEST(Build, ARelativeCheckWithoutAPeerChannelIsAPlainOne) {
  const Loaded loaded = parse_text(instance("check = pg prefer=20 relative\n") + kPlugin);
  ASSERT_THAT(briefs(loaded), ElementsAre("W008 5:9"));
  EXPECT_FALSE(loaded.config->instances.at(0).election.checks.at(0).relative);
}

TEST(Build, WhatMovesDataNeedsAGrant) {
  const auto of = [](const std::string& lines) { return findings(instance(lines) + kPlugin); };
  EXPECT_THAT(of("promote = pg\n"), ElementsAre("E060 5:1"));
  EXPECT_THAT(of("promote = pg\ngrant = witness\n"), ElementsAre("E060 6:9"));
  EXPECT_THAT(of("promote = pg\ngrant = peer\n"), ElementsAre("E060 6:9"));
  EXPECT_THAT(of("promote = pg\ngrant = witness\nwitness = pg\n"), IsEmpty());
  EXPECT_THAT(of("promote = pg\ngrant = manual\n"), IsEmpty());
  EXPECT_THAT(of("promote = pg\ngrant = unsafe\n"), ElementsAre("W015 6:9"));
  EXPECT_THAT(of("promote = pg\ngrant = manual\npreempt = yes\n"), ElementsAre("E060 7:11"));
  EXPECT_THAT(of("promote = pg\ngrant = follow\npreempt = yes\n"), IsEmpty());
  EXPECT_THAT(of("promote = pg\ngrant = manual\nwitness = pg\n"), ElementsAre("W008 7:1"));
  EXPECT_THAT(of("fence = pg\n"), ElementsAre("W008 5:1"));
  EXPECT_THAT(findings(instance("grant = manual\n")), ElementsAre("W008 5:1"));
}

TEST(Build, ADatabaseNeitherPreemptsNorResumesAloneUnlessWrittenOut) {
  const auto election = [](const std::string& lines) {
    return config_of(instance(lines) + kPlugin).instances.at(0).election;
  };
  EXPECT_FALSE(election("promote = pg\ngrant = manual\n").preempt);
  EXPECT_FALSE(election("promote = pg\ngrant = manual\n").resume_alone);
  EXPECT_TRUE(election("promote = pg\ngrant = manual\nresume_alone = yes\n").resume_alone);
  EXPECT_TRUE(election("promote = pg\ngrant = follow\n").preempt);
  EXPECT_TRUE(election("").preempt);
  EXPECT_TRUE(election("").resume_alone);
}

TEST(Build, WhatThisBuildCannotDoIsRefusedUnlessItIsTheDefault) {
  EXPECT_THAT(findings(instance("accept = yes\nvirtual_mac = off\ngrant = none\n")), IsEmpty());
  EXPECT_THAT(findings(instance("accept = no\n")), ElementsAre("E041 5:1"));
  EXPECT_THAT(findings(instance("virtual_mac = yes\n")), ElementsAre("E041 5:1"));
  EXPECT_THAT(findings(instance("route = default via 10.0.0.1\n")), ElementsAre("E041 5:1"));
  EXPECT_THAT(findings(instance("rule = from 10.0.0.1\n")), ElementsAre("E041 5:1"));
}

TEST(Build, APluginKeepsItsModulesKeysInOrder) {
  const Config config =
      config_of(instance("[plugin pg]\nmodule = postgres\nuser = postgres\nport = 5432\nhost = /run\nport = 5433\n"
                         "interval = 2s\ntimeout = 800ms\nrise = 2\nfall = 4\ndeadline = 90s\n"));
  const Plugin& plugin = config.plugins.at(0);
  EXPECT_EQ(plugin.module, "postgres");
  EXPECT_EQ(plugin.user, "postgres");
  EXPECT_EQ(plugin.interval, 2s);
  EXPECT_EQ(plugin.timeout, 800ms);
  EXPECT_EQ(plugin.rise, 2u);
  EXPECT_EQ(plugin.fall, 4u);
  EXPECT_EQ(plugin.deadline, 90s);
  EXPECT_EQ(plugin.settings,
            (std::vector<Setting>{{.key = "port", .values = {"5432", "5433"}}, {.key = "host", .values = {"/run"}}}));
}

Loaded parse_with_password(Result<SecretText> secret) {
  ParseOptions options = on_host("db1");
  options.read_secret = [&](const std::string& path) {
    EXPECT_EQ(path, "/etc/baton/pw");
    return secret;
  };
  return parse_text(instance("version = 2\npassword_file = /etc/baton/pw\n"), options);
}

TEST(Build, ThePasswordIsReadAndItsLastNewlineIsNotAPartOfIt) {
  const Loaded loaded = parse_with_password(SecretText{"SECRET\n", false});
  EXPECT_THAT(briefs(loaded), ElementsAre("W004 6:1"));
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->instances.at(0).password, "SECRET");
}

TEST(Build, UnusablePasswordsAreRefusedAndNeverShown) {
  for (const std::string& text : {std::string("123456789\n"), std::string("ab\ncd\n"), std::string("ab\0cd", 5),
                                  std::string(), std::string("\n")}) {
    const Loaded loaded = parse_with_password(SecretText{text, false});
    EXPECT_THAT(briefs(loaded), ElementsAre("W004 6:1", "E043 6:17"));
    EXPECT_THAT(render_all(loaded.diagnostics), Not(HasSubstr("ab")));
    EXPECT_THAT(render_all(loaded.diagnostics), Not(HasSubstr("1234")));
  }
  EXPECT_TRUE(parse_with_password(SecretText{"12345678\n", false}).config);
  EXPECT_THAT(briefs(parse_with_password(fail("cannot read the file: Permission denied"))),
              ElementsAre("W004 6:1", "E043 6:17"));
}

TEST(Build, APasswordFileThatOthersReadIsWarnedOf) {
  EXPECT_THAT(briefs(parse_with_password(SecretText{"SECRET", true})), ElementsAre("W004 6:1", "W011 6:17"));
}

}  // namespace
}  // namespace baton::config
