// tap's verdicts on golden frames: the bytes and what a router makes of them are those that the parser is held to.
#include "cli/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "tests/vrrp/golden.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
using test::from_hex;
using test::golden_frame;
using test::ip;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const MacAddress kOurs{{0x02, 0, 0, 0, 0, 0x0A}};
const MacAddress kPeer{{0x00, 0x00, 0x5E, 0x00, 0x01, 0x0A}};  // that the golden frames come from
const MacAddress kStranger{{0x02, 0, 0, 0, 0, 0x66}};
constexpr std::int64_t kNoon_ns = 1'795'348'800'123'456'789;  // 2026-11-22 12:00:00.123456789 UTC

Prefix prefix(const char* text) { return *Prefix::parse(text); }

/// The receiving router of tests/golden/frames.tsv.
config::Config config_of(const std::string& router) {
  config::Config config;
  config::Instance instance;
  instance.name = "web";
  instance.interface = "eth0";
  instance.vrid = Vrid{10};
  const bool v2 = router.starts_with("v2");
  instance.version = v2 ? vrrp::Version::kV2 : vrrp::Version::kV3;
  instance.addresses = {prefix("192.0.2.1/24")};
  if (router == "v2-two") instance.addresses.push_back(prefix("192.0.2.2/24"));
  if (router == "v6") instance.addresses = {prefix("fe80::1/64"), prefix("2001:db8::1/64")};
  if (router == "v2-secret") instance.password_file = "/etc/baton/secret";
  if (router == "v2-secret") instance.password = "SECRET";
  config.instances.push_back(instance);
  return config;
}

const std::vector<config::InterfaceFact> kFacts{
    {.name = "eth0", .prefixes = {prefix("192.0.2.10/24"), prefix("fe80::a/64")}, .mtu = 1500, .mac = kOurs}};

ports::CapturedFrame in(const std::vector<std::uint8_t>& bytes) {
  return {.wall_clock_ns = kNoon_ns, .length = static_cast<std::uint32_t>(bytes.size()), .bytes = bytes};
}
ports::CapturedFrame out(const std::vector<std::uint8_t>& bytes) {
  ports::CapturedFrame frame = in(bytes);
  frame.outgoing = true;
  return frame;
}

/// "accepted", or "dropped R-08 checksum-errors"; remarks as rules.
std::string outcome(const Judged& judged) {
  std::string text{verdict_token(judged.verdict)};
  if (!judged.rule.empty()) text += " " + std::string{judged.rule};
  if (judged.reason) text += " " + std::string{vrrp::decode_error_token(*judged.reason)};
  for (const Remark& remark : judged.remarks) text += " +" + std::string{remark.rule};
  return text;
}

std::string outcome_of(const std::string& name) {
  const test::GoldenFrame golden = golden_frame(name);
  Judge judge{config_of(golden.router), kFacts};
  return outcome(judge.judge("eth0", in(golden.bytes)));
}

TEST(VerdictTest, GoldenFramesGetTheVerdictOfTheReceiveRules) {
  const std::map<std::string, std::string> expected{
      {"G01", "accepted"},
      {"G02", "accepted"},
      {"G03", "accepted"},
      {"G04", "accepted"},
      {"G05", "accepted"},
      {"G06", "accepted +S-04"},
      {"G07", "accepted +R-14 +R-13 +A6-12"},
      {"G08", "accepted +R-13"},
      {"G09", "accepted +S-04"},
      {"G10", "accepted +R-14 +S-04"},
      {"B01", "dropped R-08 checksum-errors"},
      {"B02", "dropped R-05 packet-length-errors"},
      {"B03", "dropped R-05 packet-length-errors"},
      {"B04", "dropped R-05 packet-length-errors"},
      {"B05", "dropped R-02 ip-ttl-errors"},
      {"B06", "dropped R-02 ip-ttl-errors"},
      {"B07", "dropped R-03 version-errors"},
      {"B08", "dropped R-04 invalid-type-pkts-rcvd"},
      {"B09", "dropped R-07 zero-count"},
      {"B10", "dropped R-11 zero-interval"},
      {"B15", "dropped R-11 zero-interval"},
      {"B11", "dropped R-09 vrid-errors"},
      {"B12", "accepted +R-10"},
      {"B13", "dropped D-03 interval-errors"},
      {"B14", "dropped D-06 auth-failure"},
      {"W01", "accepted +R-13"},
      {"W02", "accepted +R-14"},
      {"W04", "accepted +R-14"},
      {"W03", "accepted +A6-12"},
  };
  std::set<std::string> seen;
  for (const test::GoldenFrame& golden : test::golden_frames()) {
    const auto found = expected.find(golden.name);
    ASSERT_NE(found, expected.end()) << golden.name << " is new: what is the verdict on it?";
    EXPECT_EQ(outcome_of(golden.name), found->second) << golden.name << ": " << golden.what;
    seen.insert(golden.name);
  }
  EXPECT_EQ(seen.size(), expected.size());
}

TEST(VerdictTest, EachRuleIsInTheLedger) {
  std::ifstream ledger{std::string{BATON_SOURCE_DIR} + "/tests/rfc9568.tsv"};
  std::set<std::string> known;
  for (std::string line; std::getline(ledger, line);) known.insert(line.substr(0, line.find('\t')));
  for (std::size_t number = 0; number < vrrp::kDecodeErrorCount; ++number) {
    const auto error = static_cast<vrrp::DecodeError>(number);
    EXPECT_EQ(known.count(std::string{vrrp::decode_error_rule(error)}), 1u) << vrrp::decode_error_token(error);
  }
  for (const char* rule : {"A6-7", "A6-12", "I-05", "N-01", "N-04", "R-01", "R-10", "R-13", "R-14", "S-03", "S-04",
                           "S-07", "S-12", "V-01", "V-03"}) {
    EXPECT_EQ(known.count(rule), 1u) << rule;
  }
}

TEST(VerdictTest, LinesSayWhoWhatAndWhy) {
  Judge judge{config_of("v3"), kFacts};
  EXPECT_EQ(tap_line(judge.judge("eth0", in(golden_frame("G03").bytes))),
            "12:00:00.123456Z eth0 in  vrrp 192.0.2.251 > 224.0.0.18 ttl=255 v3 vrid=10 prio=200 interval=1s 192.0.2.1 "
            "[web] accepted");
  EXPECT_EQ(tap_line(judge.judge("eth0", in(golden_frame("B01").bytes))),
            "12:00:00.123456Z eth0 in  vrrp 192.0.2.251 > 224.0.0.18 ttl=255 v3 vrid=10 [web] dropped R-08 "
            "checksum-errors: the checksum is wrong in either form");
  EXPECT_EQ(tap_line(judge.judge("eth0", in(golden_frame("W01").bytes))),
            "12:00:00.123456Z eth0 in  vrrp 192.0.2.251 > 224.0.0.18 ttl=255 v3 vrid=10 prio=200 interval=2s 192.0.2.1 "
            "[web] accepted; R-13 another interval than is configured here");
  EXPECT_THAT(tap_line(judge.judge("eth0", in(golden_frame("B11").bytes))),
              HasSubstr("vrid=77 prio=200 interval=1s 192.0.2.1 dropped R-09 vrid-errors: "));
}

TEST(VerdictTest, JsonHasTheDocumentedFields) {
  Judge judge{config_of("v3"), kFacts};
  EXPECT_EQ(
      tap_json(judge.judge("eth0", in(golden_frame("G03").bytes))).dump(),
      R"({"time":"2026-11-22T12:00:00.123456789Z","interface":"eth0","direction":"in","protocol":"vrrp","length":60,)"
      R"("source_mac":"00:00:5e:00:01:0a","source":"192.0.2.251","destination":"224.0.0.18","ttl":255,"version":3,)"
      R"("vrid":10,"priority":200,"interval_ms":1000,"addresses":["192.0.2.1"],"checksum_form":"message-only",)"
      R"("instance":"web","verdict":"accepted","reason":null,"rule":null,"text":"","remarks":[]})");
  const auto dropped = tap_json(judge.judge("eth0", in(golden_frame("B05").bytes)));
  EXPECT_EQ(dropped["verdict"], "dropped");
  EXPECT_EQ(dropped["reason"], "ip-ttl-errors");
  EXPECT_EQ(dropped["rule"], "R-02");
  EXPECT_EQ(dropped["ttl"], 254);
  const auto claim = tap_json(judge.judge("eth0", in(vrrp::gratuitous_arp(kStranger, ip("192.0.2.1"), {}))));
  EXPECT_EQ(claim["protocol"], "arp");
  EXPECT_EQ(claim["address"], "192.0.2.1");
  EXPECT_EQ(claim["owner_mac"], "02:00:00:00:00:66");
  EXPECT_EQ(claim["verdict"], "conflict");
  EXPECT_EQ(claim["rule"], "A6-7");
}

TEST(VerdictTest, AnotherInterfaceIsAnotherVirtualRouter) {
  Judge judge{config_of("v3"), kFacts};
  EXPECT_EQ(outcome(judge.judge("eth1", in(golden_frame("G03").bytes))), "dropped R-09 vrid-errors");
}

TEST(VerdictTest, WhatThisHostSendsIsSent) {
  Judge judge{config_of("v3"), kFacts};
  EXPECT_EQ(outcome(judge.judge("eth0", out(golden_frame("G03").bytes))), "sent R-01");
  EXPECT_EQ(outcome(judge.judge("eth0", out(golden_frame("G06").bytes))), "sent R-01 +S-03");
  EXPECT_THAT(tap_line(judge.judge("eth0", out(golden_frame("B11").bytes))),
              HasSubstr("sent R-01: by this host, but by no"));
}

TEST(VerdictTest, OurOwnSourceAddressFromOutsideIsOwn) {
  std::vector<config::InterfaceFact> facts = kFacts;
  facts[0].prefixes = {prefix("192.0.2.251/24")};
  Judge judge{config_of("v3"), facts};
  EXPECT_EQ(outcome(judge.judge("eth0", in(golden_frame("G03").bytes))), "dropped R-01 own");
}

TEST(VerdictTest, WithoutAnAddressTheInstanceIsDeafUntilThereIsOne) {
  std::vector<config::InterfaceFact> facts = kFacts;
  facts[0].prefixes = {prefix("192.0.2.1/24")};  // the floating address is none to send from
  Judge judge{config_of("v3"), facts};
  EXPECT_EQ(outcome(judge.judge("eth0", in(golden_frame("G03").bytes))), "deaf S-12");
  judge.renew(kFacts);
  EXPECT_EQ(outcome(judge.judge("eth0", in(golden_frame("G03").bytes))), "accepted");
}

TEST(VerdictTest, ASourceThatIsNotOnTheLinkIsNamed) {
  std::vector<config::InterfaceFact> facts = kFacts;
  facts[0].prefixes = {prefix("192.0.2.10/29")};
  Judge judge{config_of("v3"), facts};
  EXPECT_EQ(outcome(judge.judge("eth0", in(golden_frame("G03").bytes))), "dropped R-15 wrong-source");
}

TEST(VerdictTest, APasswordThatCannotBeReadIsTakenOnTrustAndSaid) {
  config::Config config = config_of("v2-secret");
  config.instances[0].password.clear();
  Judge judge{config, kFacts};
  EXPECT_EQ(outcome(judge.judge("eth0", in(golden_frame("G02").bytes))), "accepted +D-06");
  EXPECT_EQ(outcome(judge.judge("eth0", in(golden_frame("B14").bytes))), "accepted +D-06");
  EXPECT_EQ(outcome(judge.judge("eth0", in(golden_frame("G01").bytes))), "dropped D-05 auth-type-mismatch");
}

/// ARP of the floating address by `owner`.
Judged announced(Judge& judge, const MacAddress& owner, const char* address = "192.0.2.1") {
  return judge.judge("eth0", in(vrrp::gratuitous_arp(owner, ip(address), vrrp::ArpForm::kReply)));
}

TEST(VerdictTest, AnnouncementsAreTheActivesOrAStrangers) {
  Judge judge{config_of("v3"), kFacts};
  EXPECT_EQ(outcome(announced(judge, kPeer)), "active V-03") << "the virtual router's MAC address is the Active's";
  EXPECT_EQ(outcome(announced(judge, kStranger)), "unclear A6-7");
  EXPECT_EQ(outcome(announced(judge, kOurs)), "ours V-03");
  judge.judge("eth0", in(golden_frame("G03").bytes));
  EXPECT_EQ(outcome(announced(judge, kPeer)), "active V-03");
  EXPECT_EQ(outcome(announced(judge, kStranger)), "conflict A6-7");
  EXPECT_EQ(outcome(announced(judge, kStranger, "192.0.2.77")), "foreign");
  judge.judge("eth0", in(golden_frame("G06").bytes));  // it resigns
  EXPECT_EQ(outcome(announced(judge, kStranger)), "unclear A6-7");
}

TEST(VerdictTest, WhoAsksWhetherAnAddressIsInUseIsAnsweredByTheActiveAlone) {
  Judge judge{config_of("v3"), kFacts};
  std::vector<std::uint8_t> probe = vrrp::gratuitous_arp(kStranger, ip("192.0.2.1"), {});
  std::fill_n(probe.begin() + 28, 4, std::uint8_t{0});  // sender 0.0.0.0: RFC 5227 section 1.1
  EXPECT_EQ(outcome(judge.judge("eth0", in(probe))), "probe V-01");
}

TEST(VerdictTest, WhileThisHostIsActiveEverybodyElseIsAStranger) {
  Judge judge{config_of("v3"), kFacts};
  judge.judge("eth0", out(golden_frame("W03").bytes));  // ours, priority 255
  EXPECT_EQ(outcome(announced(judge, kStranger)), "conflict A6-7");
  EXPECT_EQ(outcome(announced(judge, kOurs)), "ours V-03");
  const Judged lower = judge.judge("eth0", in(golden_frame("G03").bytes));  // 200: it has to yield
  EXPECT_EQ(outcome(lower), "accepted +S-07");
  EXPECT_EQ(outcome(announced(judge, kPeer)), "conflict A6-7");
}

TEST(VerdictTest, ALowerPriorityBesideTheActiveIsNotTheActiveUntilThatIsSilent) {
  Judge judge{config_of("v3"), kFacts};
  judge.judge("eth0", in(golden_frame("G03").bytes));  // 200 from 192.0.2.251, each second
  const vrrp::Advert lower{
      .vrid = Vrid{10}, .priority = Priority{10}, .max_advertise_interval = 1s, .addresses = {ip("192.0.2.1")}};
  const auto message = vrrp::encode(lower, vrrp::ChecksumForm::kPseudoHeader, ip("192.0.2.66"), ip("224.0.0.18"));
  const auto frame = vrrp::multicast_frame(kStranger, ip("192.0.2.66"), message);
  EXPECT_EQ(outcome(judge.judge("eth0", in(frame))), "accepted +S-07");
  EXPECT_EQ(outcome(announced(judge, kStranger)), "conflict A6-7");
  ports::CapturedFrame late = in(frame);
  late.wall_clock_ns += 3'000'000'001;
  EXPECT_EQ(outcome(judge.judge("eth0", late)), "accepted");
  EXPECT_EQ(outcome(announced(judge, kStranger)), "active V-03");
}

TEST(VerdictTest, OurOwnAddressFromElsewhereIsAConflict) {
  Judge judge{config_of("v3"), kFacts};
  EXPECT_EQ(outcome(announced(judge, kStranger, "192.0.2.10")), "conflict I-05");
  EXPECT_EQ(outcome(announced(judge, kOurs, "192.0.2.10")), "foreign");
}

TEST(VerdictTest, NeighbourDiscoveryIsJudgedAsArpIs) {
  Judge judge{config_of("v6"), kFacts};
  EXPECT_EQ(outcome(judge.judge("eth0", in(vrrp::unsolicited_na(kStranger, ip("2001:db8::1"), false)))),
            "unclear A6-7");
  judge.judge("eth0", in(golden_frame("G05").bytes));
  const Judged na = judge.judge("eth0", in(vrrp::unsolicited_na(kStranger, ip("2001:db8::1"), false)));
  EXPECT_EQ(outcome(na), "conflict A6-7");
  EXPECT_THAT(tap_line(na), HasSubstr(" nd 02:00:00:00:00:66 has 2001:db8::1 [web] conflict A6-7: "));
  EXPECT_EQ(outcome(judge.judge("eth0", in(vrrp::unsolicited_na(kOurs, ip("2001:db8::1"), false)))), "ours N-04");
}

TEST(VerdictTest, EveryPrefixOfAFrameHasAVerdict) {
  for (const test::GoldenFrame& golden : test::golden_frames()) {
    Judge judge{config_of(golden.router), kFacts};
    for (std::size_t size = 0; size <= golden.bytes.size(); ++size) {
      std::vector<std::uint8_t> cut(golden.bytes.begin(), golden.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const Judged judged = judge.judge("eth0", in(cut));
      EXPECT_FALSE(verdict_token(judged.verdict).empty());
      EXPECT_FALSE(verdict_words(judged).empty());
      if (size % 8 != 0) continue;  // making text is slow under the sanitizers
      EXPECT_FALSE(tap_line(judged).empty());
      EXPECT_FALSE(tap_json(judged).dump().empty());
    }
  }
}

}  // namespace
}  // namespace baton::cli
