// A packet that never was, walked through rules: literals as nftables compiles them, and what the kernel gives back for
// rules that nft and iptables-nft put there.
#include "linux/filter_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "linux/filter_rules.h"
#include "tests/linux/netns.h"

namespace baton::linux {
namespace {

using Fate = FilterOutcome::Fate;
using testing::HasSubstr;

constexpr unsigned kRegister = 4;  // NFT_REG_1

/// 10.77.0.1 to 224.0.0.18, as it comes in by bt0.
ProbePacket advert(FilterHook hook = FilterHook::kInput) {
  ProbePacket packet;
  packet.hook = hook;
  const bool leaves = hook == FilterHook::kOutput || hook == FilterHook::kEgress;
  (leaves ? packet.interface_out : packet.interface_in) = "bt0";
  (leaves ? packet.index_out : packet.index_in) = 7;
  packet.multicast = true;
  packet.link = {0x01, 0, 0x5e, 0, 0, 0x12, 2, 0, 0, 0, 0, 1, 0x08, 0x00};
  packet.network = {0x45, 0xC0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 10, 77, 0, 1, 224, 0, 0, 18};
  packet.transport = {0x31, 10, 100, 1, 0, 100, 0, 0};
  return packet;
}

FilterChain input(std::vector<FilterRule> rules, bool drops = false) {
  return {.family = FilterFamily::kInet,
          .table = "t",
          .name = "in",
          .base = true,
          .hook = FilterHook::kInput,
          .drops = drops,
          .rules = std::move(rules)};
}

const FilterStep kLoadProtocol = LoadMeta{kRegister, LoadMeta::Key::kL4Protocol};
FilterStep is_protocol(std::uint8_t number) { return Compare{kRegister, Comparison::kEqual, {number}}; }
const FilterStep kDrop = Decide{Verdict::kDrop};
const FilterStep kAccept = Decide{Verdict::kAccept};

FilterOutcome walk(const Ruleset& ruleset, const ProbePacket& packet = advert()) {
  return trace(ruleset, packet, {FilterFamily::kInet, FilterFamily::kIpv4});
}

TEST(FilterTraceTest, ARuleThatDropsProtocol112IsNamedWithItsHandleAndWords) {
  const FilterOutcome out =
      walk({{input({{.handle = 3, .steps = {kLoadProtocol, is_protocol(17), kDrop}},
                    {.handle = 4, .comment = "no", .steps = {kLoadProtocol, is_protocol(112), kDrop}}})},
            {}});
  EXPECT_EQ(out.fate, Fate::kDropped);
  EXPECT_EQ(out.table + " " + out.chain, "t in");
  EXPECT_EQ(out.handle, 4u);
  EXPECT_EQ(out.rule, "meta l4proto 112 drop comment \"no\"");
}

TEST(FilterTraceTest, AnAcceptBeforeItSavesIt) {
  const Ruleset rules{
      {input({{.handle = 3, .steps = {kLoadProtocol, is_protocol(112), kAccept}}, {.handle = 4, .steps = {kDrop}}})},
      {}};
  EXPECT_EQ(walk(rules).fate, Fate::kPasses);
}

TEST(FilterTraceTest, APolicyThatNothingPreventsHasNoHandle) {
  const FilterOutcome out =
      walk({{input({{.handle = 3, .steps = {kLoadProtocol, is_protocol(6), kAccept}}}, true)}, {}});
  EXPECT_EQ(out.fate, Fate::kDropped);
  EXPECT_EQ(out.handle, 0u);
  EXPECT_EQ(out.rule, "policy drop");
}

TEST(FilterTraceTest, AnotherHookAnotherDeviceOrAnotherFamilyIsNoConcern) {
  FilterChain chain = input({{.handle = 3, .steps = {kDrop}}});
  chain.hook = FilterHook::kOutput;
  EXPECT_EQ(walk({{chain}, {}}).fate, Fate::kPasses);
  chain.hook = FilterHook::kInput;
  chain.family = FilterFamily::kIpv6;
  EXPECT_EQ(walk({{chain}, {}}).fate, Fate::kPasses);
  chain.family = FilterFamily::kNetdev;
  chain.hook = FilterHook::kIngress;
  chain.devices = {"other"};
  EXPECT_EQ(trace({{chain}, {}}, advert(FilterHook::kIngress), {FilterFamily::kNetdev}).fate, Fate::kPasses);
  chain.devices = {"other", "bt0"};
  EXPECT_EQ(trace({{chain}, {}}, advert(FilterHook::kIngress), {FilterFamily::kNetdev}).fate, Fate::kDropped);
}

TEST(FilterTraceTest, WhatCannotBeForeseenMayDropAndMayAccept) {
  const FilterRule limited{.handle = 3, .steps = {Unforeseen{"limit"}, kDrop}};
  const FilterOutcome may = walk({{input({limited})}, {}});
  EXPECT_EQ(may.fate, Fate::kMayBeDropped);
  EXPECT_EQ(may.unforeseen, "`limit`");
  // The rule behind it is certain again.
  EXPECT_EQ(walk({{input({limited, {.handle = 4, .steps = {kDrop}}})}, {}}).handle, 4u);
  // After an accept that may have been, no drop is certain.
  const FilterRule perhaps{.handle = 5, .steps = {Unforeseen{"limit"}, kAccept}};
  EXPECT_EQ(walk({{input({perhaps}, true)}, {}}).fate, Fate::kMayBeDropped);
}

TEST(FilterTraceTest, AStateIsNewForAGroupAndUnknownForAHost) {
  // ct state established,related accept: as nft has it, state & 6 != 0.
  const FilterRule established{
      .handle = 3,
      .steps = {LoadConntrack{kRegister, true}, Bitwise{kRegister, kRegister, {6, 0, 0, 0}, {0, 0, 0, 0}},
                Compare{kRegister, Comparison::kNotEqual, {0, 0, 0, 0}}, kAccept}};
  const Ruleset rules{{input({established}, true)}, {}};
  EXPECT_EQ(walk(rules).fate, Fate::kDropped);
  ProbePacket unicast = advert();
  unicast.multicast = false;
  EXPECT_EQ(walk(rules, unicast).fate, Fate::kMayBeDropped);
}

TEST(FilterTraceTest, JumpsComeBackGotosDoNot) {
  const FilterChain side{.family = FilterFamily::kInet,
                         .table = "t",
                         .name = "side",
                         .rules = {{.handle = 9, .steps = {kLoadProtocol, is_protocol(6), kDrop}}}};
  const FilterRule after{.handle = 4, .steps = {kDrop}};
  const FilterRule jump{.handle = 3, .steps = {Decide{Verdict::kJump, "side"}}};
  const FilterRule go{.handle = 3, .steps = {Decide{Verdict::kGoto, "side"}}};
  EXPECT_EQ(walk({{input({jump, after}), side}, {}}).handle, 4u);
  EXPECT_EQ(walk({{input({go, after}), side}, {}}).fate, Fate::kPasses);
  EXPECT_EQ(walk({{input({go, after}, true), side}, {}}).rule, "policy drop");
}

TEST(FilterTraceTest, SetsByElementIntervalAndVerdict) {
  const FilterStep look{Lookup{kRegister, "s", false, false}};
  Ruleset rules{{input({{.handle = 3, .steps = {kLoadProtocol, look, kDrop}}})},
                {{.table = "t", .name = "s", .key_size = 1, .elements = {{.key = {50}}, {.key = {112}}}}}};
  EXPECT_EQ(walk(rules).fate, Fate::kDropped);
  rules.sets[0].elements[1].key = {111};
  EXPECT_EQ(walk(rules).fate, Fate::kPasses);
  rules.sets[0].intervals = true;  // 50 to 110, then from 120 on
  rules.sets[0].elements = {{.key = {50}}, {.key = {111}, .interval_end = true}, {.key = {120}}};
  EXPECT_EQ(walk(rules).fate, Fate::kPasses);
  rules.sets[0].elements[1].key = {113};
  EXPECT_EQ(walk(rules).fate, Fate::kDropped);
  rules.sets[0].intervals = false;
  rules.sets[0].elements = {{.key = {112}, .decision = Decide{Verdict::kDrop}}};
  rules.chains[0].rules[0].steps = {kLoadProtocol, Lookup{kRegister, "s", false, true}};
  EXPECT_EQ(walk(rules).fate, Fate::kDropped);
}

TEST(FilterTraceTest, ChainsStandInTheOrderOfTheirPriority) {
  FilterChain late = input({{.handle = 8, .steps = {kDrop}}});
  late.priority = 10;
  late.name = "late";
  FilterChain early = input({{.handle = 9, .steps = {kDrop}}});
  early.priority = -10;
  early.name = "early";
  EXPECT_EQ(walk({{late, early}, {}}).chain, "early");
}

class FilterRulesTest : public NetnsTest {
 protected:
  FilterOutcome look(const ProbePacket& packet = advert(), FilterFamily family = FilterFamily::kInet) {
    auto rules = read_ruleset();
    EXPECT_TRUE(rules) << rules.error().message();
    return rules ? trace(*rules, packet, {family, FilterFamily::kIpv4}) : FilterOutcome{};
  }
  void TearDown() override {
    shell("nft flush ruleset");
    NetnsTest::TearDown();
  }
};

TEST_F(FilterRulesTest, RulesOfNftAreReadBack) {
  EXPECT_EQ(look().fate, Fate::kPasses);
  shell("nft 'add table inet f; add chain inet f c { type filter hook input priority 0; policy accept; }'");
  shell("nft add rule inet f c ip saddr 10.77.0.2 drop");
  EXPECT_EQ(look().fate, Fate::kPasses);
  shell("nft 'add rule inet f c iifname \"bt0\" ip protocol 112 counter drop comment \"no vrrp\"'");
  const FilterOutcome out = look();
  EXPECT_EQ(out.fate, Fate::kDropped);
  EXPECT_EQ(out.table + " " + out.chain, "f c");
  EXPECT_EQ(out.rule, "iifname \"bt0\" ip protocol 112 drop comment \"no vrrp\"");
  // The handle is the one that nft shows.
  EXPECT_THAT(shell("nft -a list chain inet f c"), HasSubstr("# handle " + std::to_string(out.handle) + "\n"));
  shell("nft delete rule inet f c handle " + std::to_string(out.handle));
  EXPECT_EQ(look().fate, Fate::kPasses);
}

TEST_F(FilterRulesTest, SetsMapsAndJumpsOfNftAreUnderstood) {
  shell("nft 'add table inet f; add chain inet f c { type filter hook input priority 0; policy drop; }'");
  EXPECT_EQ(look().rule, "policy drop");
  shell("nft 'add chain inet f ok; add rule inet f ok ip daddr { 224.0.0.0/24, 10.0.0.1 } accept'");
  shell("nft 'add rule inet f c meta l4proto vmap { 6 : drop, 112 : jump ok }'");
  EXPECT_EQ(look().fate, Fate::kPasses);
  shell("nft 'flush chain inet f ok; add rule inet f ok ip daddr != { 224.0.0.0/24 } accept'");
  EXPECT_EQ(look().fate, Fate::kDropped);
  shell("nft 'flush chain inet f c; add rule inet f c ct state new accept'");
  EXPECT_EQ(look().fate, Fate::kPasses);
}

TEST_F(FilterRulesTest, HooksOfADeviceAreReadBack) {
  shell("nft 'add table netdev n; add chain netdev n c { type filter hook ingress device bt0 priority 0; }'");
  shell("nft add rule netdev n c ip daddr 224.0.0.18 drop");
  const FilterOutcome out = look(advert(FilterHook::kIngress), FilterFamily::kNetdev);
  EXPECT_EQ(out.fate, Fate::kDropped);
  EXPECT_EQ(out.rule, "ip daddr 224.0.0.18 drop");
}

TEST_F(FilterRulesTest, IptablesNftIsNftables) {
  shell("iptables-nft -A INPUT -m comment --comment x -m conntrack --ctstate ESTABLISHED -j ACCEPT");
  shell("iptables-nft -A INPUT -p 112 -j DROP");
  const FilterOutcome out = look();
  EXPECT_EQ(out.fate, Fate::kDropped);
  EXPECT_EQ(out.table + " " + out.chain, "filter INPUT");
  shell("iptables-nft -I INPUT -m conntrack --ctstate NEW -j ACCEPT");
  EXPECT_EQ(look().fate, Fate::kPasses);
}

}  // namespace
}  // namespace baton::linux
