// What doctor concludes: facts as literals in, findings out. A healthy host first; then each fault by itself.
#include "cli/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "cli/doctor_gather.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

linux::SurveyedAddress own(const char* prefix) { return {*Prefix::parse(prefix), false, false, false}; }
linux::SurveyedAddress ours(const char* prefix) { return {*Prefix::parse(prefix), true, false, false}; }

/// db1 of a pair, Active for web (VRID 7, 10.0.0.50/24 on eth0), with its peer db2 (10.0.0.2) as Backup.
DoctorFacts healthy() {
  DoctorFacts facts;
  facts.config.host = "db1";
  config::Instance web;
  web.name = "web";
  web.interface = "eth0";
  web.vrid = Vrid{7};
  web.addresses = {*Prefix::parse("10.0.0.50/24")};
  facts.config.instances = {web};
  facts.config.peers = {{"db1", {*IpAddress::parse("10.0.0.1")}, ""}, {"db2", {*IpAddress::parse("10.0.0.2")}, ""}};
  facts.chosen = {"web"};
  facts.own_version = "1";
  linux::SurveyedInterface eth0;
  eth0.name = "eth0";
  eth0.ifindex = 2;
  eth0.up = eth0.carrier = eth0.group_v4 = true;
  eth0.mac = *MacAddress::parse("02:77:00:00:00:01");
  eth0.addresses = {own("10.0.0.1/24"), ours("10.0.0.50/24")};
  eth0.rp_filter = eth0.arp_ignore = eth0.arp_announce = 0;
  facts.host.interfaces = {eth0};
  facts.host.default_routes = {"eth0"};
  facts.host.clock_synchronised = true;
  facts.ruleset = linux::Ruleset{};
  facts.wire = linux::WireScan{{}, {}, 4s};
  facts.daemon = DaemonFacts{.version = "1", .engine = "running", .instances = {{"web", "active", true}}};
  facts.daemon->peers = {{"db2", true, false, "", {{"web", "backup", true}}, 12}};
  return facts;
}

/// The same seen from the Backup: the peer is heard.
DoctorFacts backup() {
  DoctorFacts facts = healthy();
  facts.daemon->instances[0].role = "backup";
  facts.daemon->peers[0].instances[0].role = "active";
  facts.host.interfaces[0].addresses = {own("10.0.0.1/24")};
  linux::HeardRouter peer;
  peer.interface = "eth0";
  peer.vrid = 7;
  peer.source = *IpAddress::parse("10.0.0.2");
  peer.mac = *MacAddress::parse("02:77:00:00:00:02");
  peer.count = 4;
  peer.priority = 200;
  facts.wire->heard = {peer};
  return facts;
}

linux::SurveyedInterface& eth0(DoctorFacts& facts) { return facts.host.interfaces[0]; }
config::Instance& web(DoctorFacts& facts) { return facts.config.instances[0]; }
linux::HeardRouter& heard(DoctorFacts& facts) { return facts.wire->heard[0]; }

/// The tokens of what is found, the worst first.
std::vector<std::string> found(const DoctorFacts& facts) {
  std::vector<std::string> tokens;
  for (const Finding& finding : judge(facts)) tokens.emplace_back(finding_entry(finding.id).token);
  return tokens;
}
std::string first_text(const DoctorFacts& facts) {
  const auto findings = judge(facts);
  return findings.empty() ? "" : findings.front().text;
}

TEST(DoctorTest, AHealthyPairHasNoFindings) {
  EXPECT_THAT(found(healthy()), IsEmpty());
  EXPECT_THAT(found(backup()), IsEmpty());
  EXPECT_EQ(doctor_exit(judge(healthy())), 0);
}

TEST(DoctorTest, TheExitStatusCountsWarningsAndNoNotes) {
  EXPECT_EQ(doctor_exit({{FindingId::kForeignVrid, "", ""}}), 0);
  EXPECT_EQ(doctor_exit({{FindingId::kRpFilter, "", ""}}), 1);
  EXPECT_EQ(doctor_exit({{FindingId::kFirewallDrops, "", ""}}), 1);
}

TEST(DoctorTest, TheInterface) {
  DoctorFacts facts = healthy();
  facts.host.interfaces.clear();
  EXPECT_THAT(found(facts), ElementsAre("interface_missing"));
  facts = healthy();
  eth0(facts).up = eth0(facts).carrier = false;
  EXPECT_THAT(found(facts), ElementsAre("interface_down"));
  EXPECT_EQ(judge(facts)[0].command, "ip link set eth0 up");
  facts = healthy();
  eth0(facts).carrier = false;
  EXPECT_THAT(found(facts), ElementsAre("no_carrier"));
  facts = healthy();
  eth0(facts).upper = "br0";
  EXPECT_THAT(found(facts), ElementsAre("interface_is_port"));
  facts = healthy();
  eth0(facts).no_arp = true;
  EXPECT_THAT(found(facts), ElementsAre("no_arp"));
}

TEST(DoctorTest, AnAdvertMustFitIntoTheMtu) {
  DoctorFacts facts = healthy();
  eth0(facts).mtu = 32;  // 20 of IP, 8 and 4 of the message
  EXPECT_THAT(found(facts), IsEmpty());
  eth0(facts).mtu = 31;
  EXPECT_THAT(found(facts), ElementsAre("mtu_too_small"));
  EXPECT_EQ(first_text(facts), "an IPv4 advert has 32 bytes, the MTU of eth0 is 31");
}

TEST(DoctorTest, AnAddressToSendFrom) {
  DoctorFacts facts = healthy();
  eth0(facts).addresses = {ours("10.0.0.50/24")};
  EXPECT_THAT(found(facts), ElementsAre("no_source_address", "vip_outside_prefix"));
  facts = healthy();
  web(facts).source_address_v4 = IpAddress::parse("10.0.0.9");
  EXPECT_THAT(found(facts), ElementsAre("source_address_missing"));
  facts = healthy();
  web(facts).addresses.push_back(*Prefix::parse("2001:db8::50/64"));
  eth0(facts).group_v6 = true;
  eth0(facts).addresses.push_back(own("2001:db8::1/64"));
  EXPECT_THAT(found(facts), ElementsAre("no_source_address"));  // VRRP over IPv6 speaks from a link-local one
  eth0(facts).addresses.push_back(own("fe80::1/64"));
  EXPECT_THAT(found(facts), IsEmpty());
  eth0(facts).addresses.back().dad_failed = true;
  EXPECT_THAT(found(facts), ElementsAre("address_tentative"));
}

// As the engine chooses: a peer behind a global address cannot answer to a link-local one.
TEST(DoctorTest, UnicastPeersWithGlobalAddressesAreSpokenToFromAGlobalOne) {
  DoctorFacts facts = healthy();
  web(facts).addresses = {*Prefix::parse("2001:db8::50/64")};
  web(facts).unicast = true;
  web(facts).unicast_peers = {{*IpAddress::parse("2001:db8::2"), {}}};
  eth0(facts).group_v6 = true;
  eth0(facts).addresses = {own("2001:db8::1/64"), ours("2001:db8::50/64")};
  EXPECT_THAT(found(facts), IsEmpty());
  eth0(facts).addresses = {own("fe80::1/64"), ours("2001:db8::50/64")};
  EXPECT_THAT(first_text(facts), HasSubstr("eth0 has no global IPv6 address of its own"));
}

TEST(DoctorTest, AVirtualAddressThatSomebodyElseSet) {
  DoctorFacts facts = backup();
  eth0(facts).addresses.push_back(own("10.0.0.50/24"));
  EXPECT_THAT(found(facts), ElementsAre("vip_foreign"));
  EXPECT_EQ(judge(facts)[0].command, "ip address del 10.0.0.50/24 dev eth0");
  facts.host.kernel_marks = false;  // then nobody can say whose it is
  EXPECT_THAT(found(facts), IsEmpty());
  facts = backup();
  eth0(facts).manager = {false, "/etc/systemd/network/a.network", "", {"10.0.0.50/24"}, false};
  EXPECT_THAT(found(facts), ElementsAre("vip_in_network_file"));
}

TEST(DoctorTest, AnAddressOutsideEveryPrefixIsAWarningUnlessItIsMeant) {
  DoctorFacts facts = healthy();
  web(facts).addresses = {*Prefix::parse("10.9.0.50/24")};
  EXPECT_THAT(found(facts), ElementsAre("vip_outside_prefix"));
  web(facts).addresses = {*Prefix::parse("10.9.0.50/32")};
  EXPECT_THAT(found(facts), IsEmpty());
}

TEST(DoctorTest, StrictReversePathsHurtOnlyWhereAnswersLeaveElsewhere) {
  DoctorFacts facts = healthy();
  eth0(facts).rp_filter = 1;
  EXPECT_THAT(found(facts), IsEmpty());
  facts.host.default_routes = {"eth1"};
  EXPECT_THAT(found(facts), ElementsAre("rp_filter"));
  eth0(facts).rp_filter = 2;
  EXPECT_THAT(found(facts), IsEmpty());
}

TEST(DoctorTest, ArpSettingsThatHideTheAddressOrShowItTwice) {
  DoctorFacts facts = healthy();
  for (const int fine : {0, 1, 2}) {
    eth0(facts).arp_ignore = fine;
    EXPECT_THAT(found(facts), IsEmpty()) << fine;
  }
  eth0(facts).arp_ignore = 8;
  EXPECT_THAT(found(facts), ElementsAre("arp_ignore"));
  eth0(facts).arp_ignore = 2;
  web(facts).addresses = {*Prefix::parse("10.0.0.50/32")};
  EXPECT_THAT(found(facts), ElementsAre("arp_ignore"));
  facts = healthy();
  linux::SurveyedInterface second = eth0(facts);
  second.name = "eth1";
  second.addresses = {own("10.0.0.3/24")};
  facts.host.interfaces.push_back(second);
  EXPECT_THAT(found(facts), ElementsAre("arp_flux"));
  facts.host.interfaces[1].arp_ignore = 1;
  EXPECT_THAT(found(facts), IsEmpty());
}

TEST(DoctorTest, TheRestOfTheKernelsSettings) {
  DoctorFacts facts = healthy();
  facts.host.nonlocal_bind_v4 = true;
  EXPECT_THAT(found(facts), ElementsAre("nonlocal_bind"));
  facts = healthy();
  eth0(facts).group_v4 = false;
  EXPECT_THAT(found(facts), ElementsAre("group_not_joined"));
  facts.daemon.reset();  // then nobody has to have joined
  EXPECT_THAT(found(facts), IsEmpty());
  facts = healthy();
  web(facts).addresses.push_back(*Prefix::parse("2001:db8::50/128"));
  eth0(facts).group_v6 = eth0(facts).ipv6_disabled = true;
  EXPECT_THAT(found(facts), ElementsAre("ipv6_disabled"));
}

/// One chain with the rule `meta l4proto PROTOCOL drop`, handle 5.
linux::Ruleset dropping(linux::FilterFamily family, linux::FilterHook hook, std::uint8_t protocol = 112) {
  linux::FilterChain chain{
      .family = family, .table = "t", .name = "c", .base = true, .hook = hook, .devices = {"eth0"}};
  chain.rules = {
      {.handle = 5,
       .steps = {linux::LoadMeta{4, linux::LoadMeta::Key::kL4Protocol},
                 linux::Compare{4, linux::Comparison::kEqual, {protocol}}, linux::Decide{linux::Verdict::kDrop}}}};
  return {{chain}, {}};
}

TEST(DoctorFirewallTest, MulticastPassesTheHostsFilterButNotTheDevices) {
  using linux::FilterFamily;
  using linux::FilterHook;
  DoctorFacts facts = healthy();
  facts.ruleset = dropping(FilterFamily::kInet, FilterHook::kInput);
  EXPECT_THAT(found(facts), ElementsAre("firewall_passed_by"));
  EXPECT_EQ(first_text(facts),
            "adverts that come in by eth0 are dropped by table inet t, chain c, handle 5: meta l4proto 112 drop");
  facts.ruleset = dropping(FilterFamily::kInet, FilterHook::kOutput);
  EXPECT_THAT(found(facts), ElementsAre("firewall_passed_by"));
  facts.ruleset = dropping(FilterFamily::kNetdev, FilterHook::kIngress);
  EXPECT_THAT(found(facts), ElementsAre("firewall_drops"));
  EXPECT_EQ(judge(facts)[0].command, "nft insert rule netdev t c handle 5 meta l4proto 112 accept");
  facts.ruleset = dropping(FilterFamily::kNetdev, FilterHook::kEgress);
  EXPECT_THAT(found(facts), ElementsAre("firewall_drops"));
  facts.ruleset = dropping(FilterFamily::kBridge, FilterHook::kInput);
  EXPECT_THAT(found(facts), IsEmpty());
  eth0(facts).bridge = true;
  EXPECT_THAT(found(facts), ElementsAre("firewall_drops"));
}

TEST(DoctorFirewallTest, UnicastIsStoppedByOutput) {
  DoctorFacts facts = healthy();
  web(facts).unicast = true;
  web(facts).unicast_source = {*IpAddress::parse("10.0.0.1")};
  web(facts).unicast_peers = {{*IpAddress::parse("10.0.0.1")}, {*IpAddress::parse("10.0.0.2")}};
  facts.ruleset = dropping(linux::FilterFamily::kIpv4, linux::FilterHook::kOutput);
  EXPECT_THAT(found(facts), ElementsAre("firewall_drops"));
  EXPECT_EQ(
      first_text(facts),
      "adverts that leave by eth0 to 10.0.0.2 are dropped by table ip t, chain c, handle 5: meta l4proto 112 drop");
  facts.ruleset->chains[0].rules.clear();
  facts.ruleset->chains[0].drops = true;
  EXPECT_EQ(first_text(facts),
            "adverts that leave by eth0 to 10.0.0.2 are dropped by table ip t, chain c: policy drop");
  EXPECT_EQ(judge(facts)[0].command, "nft add rule ip t c meta l4proto 112 accept");
}

TEST(DoctorFirewallTest, ThePeerChannelIsUdp) {
  DoctorFacts facts = healthy();
  facts.ruleset = dropping(linux::FilterFamily::kInet, linux::FilterHook::kInput, 17);
  EXPECT_THAT(found(facts), IsEmpty());  // there is none
  facts.config.daemon.peer_key_files = {"/etc/baton/peer.key"};
  EXPECT_THAT(found(facts), ElementsAre("firewall_drops_peer_channel"));
  EXPECT_EQ(
      first_text(facts),
      "what comes from db2 (10.0.0.2, UDP port 5112) is dropped by table inet t, chain c, handle 5: meta l4proto 17 "
      "drop");
}

TEST(DoctorWireTest, AHostThatIsNoPeerWithOurVrid) {
  DoctorFacts facts = backup();
  heard(facts).source = *IpAddress::parse("10.0.0.9");
  EXPECT_THAT(found(facts), ElementsAre("same_vrid_elsewhere"));
  EXPECT_THAT(first_text(facts), HasSubstr("10.0.0.9 (02:77:00:00:00:02, priority 200) uses VRID 7 (IPv4) on eth0"));
  facts.host.neighbours[*IpAddress::parse("10.0.0.2")] = heard(facts).mac;  // it is db2, from another address
  EXPECT_THAT(found(facts), IsEmpty());
  facts.host.neighbours.clear();
  facts.config.peers.clear();  // who may speak is not said
  EXPECT_THAT(found(facts), IsEmpty());
}

TEST(DoctorWireTest, LinkLocalSendersMayBeThePeersAsLongAsThereAreNotTooMany) {
  DoctorFacts facts = backup();
  web(facts).addresses.push_back(*Prefix::parse("2001:db8::50/128"));
  eth0(facts).group_v6 = true;
  eth0(facts).addresses.push_back(own("fe80::1/64"));
  linux::HeardRouter six = heard(facts);
  six.family = Family::kIpv6;
  six.source = *IpAddress::parse("fe80::2");
  facts.wire->heard.push_back(six);
  EXPECT_THAT(found(facts), IsEmpty());
  six.source = *IpAddress::parse("fe80::9");
  six.mac = *MacAddress::parse("02:77:00:00:00:09");
  six.count = 1;
  facts.wire->heard.push_back(six);
  EXPECT_THAT(found(facts), ElementsAre("same_vrid_elsewhere"));
}

TEST(DoctorWireTest, TwoWhoSpeakAtTheSameTime) {
  DoctorFacts facts = backup();
  facts.daemon->instances[0].role = "active";
  facts.daemon->peers.clear();
  EXPECT_THAT(found(facts), ElementsAre("two_actives"));
  heard(facts).count = 1;  // its last one
  EXPECT_THAT(found(facts), IsEmpty());
}

TEST(DoctorWireTest, OurOwnAddressFromOutside) {
  DoctorFacts facts = healthy();
  facts.wire->heard = backup().wire->heard;
  heard(facts).source = *IpAddress::parse("10.0.0.1");
  EXPECT_THAT(found(facts), ElementsAre("own_address_heard"));
}

TEST(DoctorWireTest, AnotherProgramOnThisHost) {
  DoctorFacts facts = healthy();
  facts.wire->heard = backup().wire->heard;
  heard(facts).from_this_host = true;
  heard(facts).source = *IpAddress::parse("10.0.0.1");
  facts.speakers = {{812, "keepalived"}};
  EXPECT_THAT(found(facts), ElementsAre("same_vrid_here", "other_speaker_here"));
  EXPECT_EQ(first_text(facts), "keepalived (pid 812) on this host sends VRID 7 (IPv4) on eth0, from 10.0.0.1");
  heard(facts).vrid = 8;
  EXPECT_THAT(found(facts), ElementsAre("other_speaker_here", "foreign_vrid"));
}

TEST(DoctorWireTest, SilenceAndWhatCannotBeRead) {
  DoctorFacts facts = backup();
  facts.wire->heard.clear();
  facts.daemon->instances[0].active_known = false;
  facts.daemon->peers.clear();
  EXPECT_THAT(found(facts), ElementsAre("nobody_speaks"));
  facts.wire->listened = 2s;  // not long enough to say
  EXPECT_THAT(found(facts), IsEmpty());
  facts = backup();
  heard(facts).count = 0;
  heard(facts).bad = 3;
  EXPECT_THAT(found(facts), ElementsAre("multicast_eaten", "unreadable_adverts"));
}

TEST(DoctorPeersTest, ThePeerAnswersButItsAdvertsDoNotArrive) {
  DoctorFacts facts = backup();
  facts.wire->heard.clear();
  EXPECT_THAT(found(facts), ElementsAre("multicast_eaten"));
  EXPECT_EQ(first_text(facts), "db2 says that it is Active, but none of its adverts for VRID 7 on eth0 arrive here");
  facts = backup();
  facts.daemon->instances[0].role = "active";  // both are
  EXPECT_THAT(found(facts), ElementsAre("two_actives", "multicast_eaten"));
  EXPECT_EQ(judge(facts)[1].text,
            "db2 is Active, too, for VRID 7 on eth0: it does not hear this host's adverts, or a filter on this host's "
            "interface keeps Baton from hearing its");
  facts.daemon->peers[0].heard = false;
  facts.daemon->peers[0].instances.clear();
  EXPECT_THAT(found(facts), ElementsAre("two_actives", "peer_lost"));
}

TEST(DoctorDaemonTest, ItsAlarmsItsRightsAndItsFiles) {
  DoctorFacts facts = healthy();
  facts.daemon->alarms = {{"web", "mtu", "too large", "raise it"}, {"other", "mtu", "", ""}, {"", "peer_lost", "", ""}};
  EXPECT_THAT(found(facts), ElementsAre("alarm"));
  EXPECT_EQ(first_text(facts), "mtu: too large. raise it");
  facts = healthy();
  facts.daemon->processes = {{.pid = 5, .name = "batond", .capabilities = 0, .readable = true, .old_program = true},
                             {.pid = 6, .name = "baton-engine", .capabilities = 1u << 12, .readable = true}};
  EXPECT_THAT(found(facts), ElementsAre("capability_missing", "old_program"));
  EXPECT_EQ(first_text(facts), "baton-engine (pid 6) lacks CAP_NET_RAW");
  facts = healthy();
  facts.daemon->processes = {{.pid = 5, .name = "batond", .deleted_libraries = {"/lib/libssl.so.3", "/lib/libc.so.6"}}};
  EXPECT_EQ(first_text(facts), "batond (pid 5) runs on /lib/libssl.so.3 and 1 more, replaced or deleted on disk");
  facts = healthy();
  facts.daemon->version = "0.9";
  facts.daemon->engine = "given_up";
  EXPECT_THAT(found(facts), ElementsAre("engine_down", "version_differs"));
  facts = healthy();
  facts.daemon->other_namespace = true;
  EXPECT_THAT(found(facts), ElementsAre("other_namespace"));
}

TEST(DoctorTest, NetworkManagersAndTheClock) {
  DoctorFacts facts = healthy();
  eth0(facts).manager = {true, "/etc/systemd/network/a.network", "static", {}, false};
  EXPECT_THAT(found(facts), ElementsAre("networkd_removes"));
  EXPECT_EQ(first_text(facts),
            "systemd-networkd manages eth0 by /etc/systemd/network/a.network, with KeepConfiguration=static");
  eth0(facts).manager.keep_configuration = "yes";
  EXPECT_THAT(found(facts), IsEmpty());
  eth0(facts).manager.network_manager = true;
  EXPECT_THAT(found(facts), ElementsAre("network_manager"));
  facts = healthy();
  facts.host.clock_synchronised = false;
  EXPECT_THAT(found(facts), ElementsAre("clock_unsynchronised"));
}

TEST(DoctorTest, ThePeersClock) {
  DoctorFacts facts = healthy();
  facts.daemon->peers[0].clock_ahead_ms = -999;
  EXPECT_THAT(found(facts), IsEmpty());
  facts.daemon->peers[0].clock_ahead_ms = -1000;
  EXPECT_THAT(found(facts), ElementsAre("clock_differs"));
  EXPECT_EQ(first_text(facts), "the clock of db2 is 1000 ms behind this host's");
  facts.daemon->peers[0].clock_ahead_ms = 3'600'000;
  EXPECT_EQ(first_text(facts), "the clock of db2 is 3600000 ms ahead of this host's");
}

TEST(DoctorTest, ARuntimeDirectoryOnADisk) {
  DoctorFacts facts = healthy();
  facts.daemon->runtime_on_disk = "/srv/run";
  EXPECT_THAT(found(facts), ElementsAre("runtime_on_disk"));
  EXPECT_EQ(first_text(facts), "/srv/run is on a disk, not in memory");
}

TEST(DoctorTest, OnlyTheChosenInstancesAreJudgedAndNothingIsSaidTwice) {
  DoctorFacts facts = healthy();
  config::Instance mail = web(facts);
  mail.name = "mail";
  mail.vrid = Vrid{8};
  mail.interface = "eth9";
  facts.config.instances.push_back(mail);
  EXPECT_THAT(found(facts), IsEmpty());
  facts.chosen.insert("mail");
  EXPECT_THAT(found(facts), ElementsAre("interface_missing"));
  facts.config.instances[1].interface = "eth0";
  eth0(facts).carrier = false;
  EXPECT_THAT(found(facts), ElementsAre("no_carrier"));
}

TEST(DoctorTest, TheTableHasEachTokenOnceAndWordsForAll) {
  std::set<std::string_view> tokens;
  for (const FindingEntry& entry : finding_table()) {
    EXPECT_TRUE(tokens.insert(entry.token).second) << entry.token;
    EXPECT_TRUE(entry.meaning.ends_with('.') && entry.fix.ends_with('.')) << entry.token;
    EXPECT_NE(entry.severity, FindingSeverity::kOk) << entry.token;
  }
}

TEST(DoctorGatherTest, TheStatusDocumentAsFacts) {
  const DaemonFacts facts = daemon_facts(Json::parse(R"json({
    "version": "0.1.0", "engine": "running",
    "alarm_details": [{"alarm": "peer_lost", "text": "t", "advice": "a"}],
    "instances": [{"name": "web", "role": "backup", "active": null,
                   "alarm_details": [{"alarm": "mtu", "text": "too large", "advice": "raise it"}]},
                  {"name": "mail", "role": "active", "active": {"this_host": true}}],
    "peers": [{"host": "db2", "heard": true, "stopped": false, "trouble": null,
               "instances": [{"name": "web", "role": "active"}]}]})json"));
  ASSERT_EQ(facts.instances.size(), 2u);
  EXPECT_EQ(facts.instances[0].role, "backup");
  EXPECT_FALSE(facts.instances[0].active_known);
  EXPECT_TRUE(facts.instances[1].active_known);
  ASSERT_EQ(facts.alarms.size(), 2u);
  EXPECT_EQ(facts.alarms[1].instance, "web");
  EXPECT_EQ(facts.alarms[1].advice, "raise it");
  ASSERT_EQ(facts.peers.size(), 1u);
  EXPECT_TRUE(facts.peers[0].heard);
  EXPECT_EQ(facts.peers[0].instances[0].role, "active");
}

TEST(DoctorGatherTest, ListensForThreeIntervalsAndAtLeastThreeSeconds) {
  DoctorFacts facts = healthy();
  EXPECT_EQ(listening_time(facts), 4s);
  web(facts).advertisement_interval = 100ms;
  EXPECT_EQ(listening_time(facts), 3s);
  web(facts).advertisement_interval = 10s;
  EXPECT_EQ(listening_time(facts), 31s);
}

}  // namespace
}  // namespace baton::cli
