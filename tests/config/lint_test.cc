// What values mean together: each rule with its place, and where it must stay silent.
#include "config/lint.h"

#include "tests/config/findings.h"

namespace baton::config {
namespace {

constexpr const char* kPeers = "[peer db1]\naddress = 10.0.0.1\n[peer db2]\naddress = 10.0.0.2\n";

std::string second(const std::string& interface, int vrid, const std::string& address) {
  return "[instance two]\ninterface = " + interface + "\nvirtual_router_id = " + std::to_string(vrid) +
         "\naddress = " + address + "\n";
}

TEST(Lint, OneVridTwiceOnALinkAndFamily) {
  const Loaded loaded = parse_text(instance(second("eth0", 51, "10.0.0.51/24")));
  ASSERT_THAT(briefs(loaded), ElementsAre("E050 7:21"));
  EXPECT_EQ(loaded.diagnostics[0].message,
            "virtual_router_id 51 is used on eth0 for IPv4 by [instance web] too, at baton.conf:1");
  EXPECT_THAT(findings(instance(second("eth1", 51, "10.0.0.51/24"))), IsEmpty());
  EXPECT_THAT(findings(instance(second("eth0", 52, "10.0.0.51/24"))), IsEmpty());
  EXPECT_THAT(findings(instance(second("eth0", 51, "2001:db8::1/64"))), IsEmpty());
}

TEST(Lint, OneVridTwiceOnTheOtherHostIsFoundHere) {
  const std::string text =
      "[instance web]\ninterface = eth0\nvirtual_router_id = 51\naddress = 10.0.0.50/24\npriority@db1 = 5\n"
      "[instance two]\ninterface@db1 = eth1\ninterface@db2 = eth0\nvirtual_router_id = 51\naddress = 10.0.0.51/24\n"
      "priority@db1 = 5\n";
  EXPECT_THAT(findings(text + kPeers, on_host("db1")), ElementsAre("E050 9:21"));
}

std::string many_addresses(int count, const char* family) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += family[0] == '4' ? "address = 10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + "/16\n"
                             : "address = 2001:db8::" + std::to_string(i + 1) + "/64\n";
  }
  return text;
}

// §5.2.5 and a 1500-byte MTU: 255 IPv4; 90 IPv6 ((1500 - 40 - 8) / 16 = 90.75), of which one is the derived link-local.
TEST(Lint, AnAdvertHolds255Ipv4Addresses) {
  EXPECT_THAT(findings(instance(many_addresses(254, "4"))), IsEmpty());
  const Loaded loaded = parse_text(instance(many_addresses(255, "4")));
  ASSERT_THAT(briefs(loaded), ElementsAre("E051 259:11"));
  EXPECT_EQ(loaded.diagnostics[0].message,
            "an advert holds at most 255 IPv4 addresses by its count byte, but there are 256");
  EXPECT_EQ(loaded.diagnostics[0].help,
            "write the others as extra_address: held and announced just the same, only not named in the advert");
}

TEST(Lint, AnAdvertHolds90Ipv6AddressesInAnEthernetFrame) {
  EXPECT_THAT(findings(instance(many_addresses(89, "6"))), IsEmpty());
  const Loaded loaded = parse_text(instance(many_addresses(90, "6")));
  ASSERT_THAT(briefs(loaded), ElementsAre("E051 94:11"));
  EXPECT_EQ(loaded.diagnostics[0].message,
            "an advert holds at most 90 IPv6 addresses within an MTU of 1500, but there are 91");
}

TEST(Lint, ALargerOrSmallerMtuOfTheInterfaceCounts) {
  ParseOptions options = on_host("db1");
  // (600 - 20 - 8) / 4 = 143 with v3.
  options.interfaces = {{{.name = "eth0", .prefixes = {*Prefix::parse("10.0.0.1/8")}, .mtu = 600}}};
  EXPECT_THAT(findings(instance(many_addresses(142, "4")), options), IsEmpty());
  EXPECT_THAT(findings(instance(many_addresses(143, "4")), options), ElementsAre("E051 147:11"));
}

TEST(Lint, ExtraAddressesDoNotCount) {
  std::string text;
  for (int i = 0; i < 600; ++i) {
    text += "extra_address = 10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + "/16\n";
  }
  EXPECT_THAT(findings(instance(text)), IsEmpty());
}

// F-02.
TEST(Lint, AGivenLinkLocalMustBeTheFirst) {
  EXPECT_THAT(findings(instance("address = 2001:db8::1/64\naddress = fe80::50/64\n")), ElementsAre("E052 6:11"));
  EXPECT_THAT(findings(instance("address = fe80::50/64\naddress = 2001:db8::1/64\n")), IsEmpty());
}

TEST(Lint, AnOwnerNamesItsOwnLinkLocal) {
  EXPECT_THAT(findings(instance("address = 2001:db8::1/64\nowner = yes\n")), ElementsAre("E052 5:11"));
  EXPECT_THAT(findings(instance("address = fe80::1/64\naddress = 2001:db8::1/64\nowner = yes\n")), IsEmpty());
}

// D-01.
TEST(Lint, Version2HasNoIpv6) {
  EXPECT_THAT(findings(instance("version = 2\naddress = 2001:db8::1/64\n")), ElementsAre("E053 6:11"));
  EXPECT_THAT(findings(instance("version = 2\nextra_address = 2001:db8::1/64\n")), ElementsAre("E053 6:17"));
}

TEST(Lint, PasswordsAreVersion2sAndChecksumFormsVersion3s) {
  EXPECT_THAT(findings(instance("password_file = /etc/baton/pw\n")), ElementsAre("E053 5:1"));
  EXPECT_THAT(findings(instance("version = 2\npassword_file = /etc/baton/pw\n")), ElementsAre("W004 6:1"));
  EXPECT_THAT(findings(instance("version = 2\nchecksum = message\n")), ElementsAre("E053 6:1"));
}

TEST(Lint, AnOwnerIgnoresItsPriority) {
  EXPECT_THAT(findings(instance("owner = yes\n")), IsEmpty());
  EXPECT_THAT(findings(instance("owner = yes\npriority = 50\n")), ElementsAre("W007 6:1"));
  EXPECT_THAT(findings(instance("owner = yes\npreempt = no\n")), ElementsAre("W007 6:1"));
  // The plain priority is the other host's.
  EXPECT_THAT(findings(instance("owner@db1 = yes\npriority = 50\n") + kPeers), IsEmpty());
  EXPECT_THAT(findings(instance("owner@db1 = yes\npriority@db1 = 50\n") + kPeers), ElementsAre("W007 6:1"));
}

TEST(Lint, AnOwnerHasNoChecks) {
  EXPECT_THAT(findings(instance("owner = yes\ncheck = pg\n[plugin pg]\nmodule = postgres\n")), ElementsAre("E054 6:1"));
}

TEST(Lint, AnOwnerIsInNoGroup) {
  EXPECT_THAT(findings(instance("owner = yes\n[group g]\nmember = web\n")), ElementsAre("E042 5:1"));
}

TEST(Lint, UnicastNeedsPeersOfEachFamily) {
  EXPECT_THAT(findings(instance("unicast_source = 10.0.0.1\n")), ElementsAre("E055 5:1", "W003 5:1"));
  EXPECT_THAT(findings(instance("address = 2001:db8::1/64\nunicast_peer = 10.0.0.2\n")),
              ElementsAre("E055 6:1", "W003 6:1"));
  EXPECT_THAT(findings(instance("unicast_peer = 10.0.0.2\nunicast_peer = 2001:db8::2\n")),
              ElementsAre("W003 6:1", "E055 6:16"));
  // Only this host itself is listed.
  EXPECT_THAT(findings(instance("unicast_peer = 10.0.0.1\n[peer db1]\naddress = 10.0.0.1\n")),
              ElementsAre("E055 5:1", "W003 5:1"));
}

TEST(Lint, UnicastWithoutAuthenticationIsWarnedOf) {
  EXPECT_THAT(findings(instance("unicast_peer = 10.0.0.2\n")), ElementsAre("W003 5:1"));
  EXPECT_THAT(findings(instance("unicast_peer = 10.0.0.2\nversion = 2\npassword_file = /pw\n")),
              ElementsAre("W004 7:1"));
}

TEST(Lint, AMinTtlBelow255IsWarnedOf) {
  EXPECT_THAT(findings(instance("unicast_peer = 10.0.0.2 min_ttl=64\n")), ElementsAre("W003 5:1", "W005 5:16"));
}

TEST(Lint, AVirtualAddressThatIsAHosts) {
  const Loaded loaded = parse_text(instance("extra_address = 10.0.0.2/24\npriority@db1 = 5\n") + kPeers);
  ASSERT_THAT(briefs(loaded), ElementsAre("E056 5:17"));
  EXPECT_EQ(loaded.diagnostics[0].message, "10.0.0.2 is the address of host db2");
  EXPECT_THAT(findings(instance("extra_address = 10.0.0.2/24\nowner@db2 = yes\n") + kPeers), IsEmpty());
  EXPECT_THAT(findings(instance("source_address = 10.0.0.50\n")), ElementsAre("E056 4:11"));
}

TEST(Lint, OneAddressInTwoInstances) {
  EXPECT_THAT(findings(instance(second("eth1", 52, "10.0.0.50/24"))), ElementsAre("E057 8:11"));
  EXPECT_THAT(findings(instance(second("eth1", 52, "10.0.0.51/24") + "extra_address = 10.0.0.50/32\n")),
              ElementsAre("E057 9:17"));
  // A link-local address may be on every link: here one VRID on two links gives the same derived one.
  EXPECT_THAT(findings(instance("address = 2001:db8::1/64\n" + second("eth1", 51, "2001:db8::2/64"))), IsEmpty());
}

ParseOptions with_interfaces(const char* prefix) {
  ParseOptions options = on_host("db1");
  options.interfaces = {{{.name = "eth0", .prefixes = {*Prefix::parse(prefix)}}}};
  return options;
}

TEST(Lint, AnAddressOutsideEveryPrefixOfTheInterface) {
  EXPECT_THAT(findings(instance(""), with_interfaces("10.0.0.1/24")), IsEmpty());
  const Loaded loaded = parse_text(instance("extra_address = 10.0.1.50/24\n"), with_interfaces("10.0.0.1/24"));
  ASSERT_THAT(briefs(loaded), ElementsAre("W001 5:17"));
  EXPECT_EQ(loaded.diagnostics[0].help, "if that is meant, write 10.0.1.50/32");
  EXPECT_THAT(findings(instance("extra_address = 10.0.1.50/32\n"), with_interfaces("10.0.0.1/24")), IsEmpty());
  EXPECT_THAT(findings(instance("address = 2001:db8::1/64\n"), with_interfaces("10.0.0.1/24")),
              ElementsAre("W001 5:11"));
  EXPECT_THAT(findings(instance("address = 2001:db8::1/128\n"), with_interfaces("10.0.0.1/24")), IsEmpty());
}

TEST(Lint, UnknownInterfacesSayNothing) { EXPECT_THAT(findings(instance("")), IsEmpty()); }

TEST(Lint, AMissingInterfaceIsAWarning) {
  ParseOptions options = on_host("db1");
  options.interfaces.emplace();
  EXPECT_THAT(findings(instance(""), options), ElementsAre("W009 2:13"));
}

TEST(Lint, AnAddressThatTheInterfaceHasAlready) {
  EXPECT_THAT(findings(instance(""), with_interfaces("10.0.0.50/24")), ElementsAre("W013 4:11"));
  EXPECT_THAT(findings(instance("owner = yes\n"), with_interfaces("10.0.0.50/24")), IsEmpty());
}

TEST(Lint, EqualPrioritiesOnAllHosts) {
  const Loaded loaded = parse_text(instance("") + kPeers);
  ASSERT_THAT(briefs(loaded), ElementsAre("W002 1:2"));
  EXPECT_EQ(loaded.diagnostics[0].message, "[instance web] has priority 100 on every host");
  EXPECT_EQ(loaded.diagnostics[0].help, "give the preferred host more: priority@db1 = 110");
  EXPECT_THAT(findings(instance("priority = 90\npriority@db2 = 90\n") + kPeers), ElementsAre("W002 5:1"));
  EXPECT_THAT(findings(instance("priority@db2 = 90\n") + kPeers), IsEmpty());
  EXPECT_THAT(findings(instance("owner@db2 = yes\n") + kPeers), IsEmpty());
  EXPECT_THAT(findings(instance("[peer db1]\naddress = 10.0.0.1\n")), IsEmpty());
  EXPECT_THAT(findings(instance("[group g]\nmember = web\n") + kPeers), ElementsAre("W002 5:2"));
  EXPECT_THAT(findings(instance("[group g]\nmember = web\npriority@db1 = 7\n") + kPeers), IsEmpty());
}

TEST(Lint, PreemptDelayWithoutPreempt) {
  EXPECT_THAT(findings(instance("preempt = no\npreempt_delay = 5s\n")), ElementsAre("W006 6:1"));
  EXPECT_THAT(findings(instance("preempt_delay = 5s\n")), IsEmpty());
}

TEST(Lint, KeysWithoutEffect) {
  EXPECT_THAT(findings(instance("min_gap = 5\ncooldown = 5s\ntakeover_wait = 5s\n")),
              ElementsAre("W008 5:1", "W008 6:1", "W008 7:1"));
  EXPECT_THAT(findings(instance("[plugin p]\nmodule = m\n")), ElementsAre("W010 5:2"));
}

TEST(Lint, AGroupHasAtMost64VirtualRouters) {
  std::string group = "[group g]\n";
  std::string instances;
  for (int i = 1; i <= 33; ++i) {
    const std::string n = std::to_string(i);
    instances += "[instance i" + n + "]\ninterface = eth0\nvirtual_router_id = " + n + "\naddress = 10.0.0." + n +
                 "/24\naddress = 2001:db8::" + n + "/64\n";
    group += "member = i" + n + "\n";
  }
  EXPECT_THAT(findings(group + instances), ElementsAre("E058 1:2"));
}

TEST(Lint, APreferenceThatCanNeverMoveTheRoleIsAWarning) {
  const auto with = [](const std::string& more) {
    return instance("priority@db1 = 110\n" + more + "[plugin p]\nmodule = m\n[plugin q]\nmodule = m\n" + kPeers);
  };
  // db1 without the check: 110. db2 with it: 100 + 29 = 129, 19 ahead; min_gap is 20.
  const Loaded loaded = parse_text(with("check = p prefer=29\ncheck = q\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("W008 6:9"));
  EXPECT_EQ(
      loaded.diagnostics[0].message,
      "check: if all that is preferred is lost on db1, no other host takes over: it is only 19 ahead, and min_gap "
      "is 20");
  EXPECT_THAT(loaded.diagnostics[0].help, HasSubstr("prefer by 1 more"));
  EXPECT_THAT(findings(with("check = p prefer=30\ncheck = q\n")), IsEmpty());
  EXPECT_THAT(findings(with("check = p prefer=15\ncheck = q prefer=15\n")), IsEmpty());
  EXPECT_THAT(findings(with("check = p prefer=29\ncheck = q\nmin_gap = 19\n")), IsEmpty());
  // A negative one takes from who fails: db1 110 - 30 = 80, db2 100.
  EXPECT_THAT(findings(with("check = p prefer=-30\ncheck = q\n")), IsEmpty());
  EXPECT_THAT(findings(with("check = p prefer=-29\ncheck = q\n")), ElementsAre("W008 6:9"));
  EXPECT_THAT(findings(with("check = p prefer=30\ncheck = q\npreempt = no\n")), ElementsAre("W008 6:9"));
  EXPECT_THAT(findings(with("check = p prefer=30\ncheck = q\npreempt@db1 = no\n")), IsEmpty());
  EXPECT_THAT(findings(with("check = p\ncheck = q\n")), IsEmpty());
}

}  // namespace
}  // namespace baton::config
