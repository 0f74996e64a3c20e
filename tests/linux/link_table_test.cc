// Dumps and events in every order: what is told last is the truth.
#include "linux/link_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>

namespace baton::linux {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint32_t kWorking = IFF_UP | IFF_RUNNING | 0x10000;

/// One line for each call: "link 0 3 up", "addr 0 10.0.0.1/24 ours", "begin", "end".
class Lines final : public LinkFacts {
 public:
  void link_changed(const ports::LinkState& state) override {
    lines.push_back("link " + std::to_string(state.link) + " " + std::to_string(state.ifindex) +
                    (!state.present ? " absent"
                     : state.up     ? " up"
                                    : " down"));
  }
  void address_changed(const ports::AddressFact& fact, int) override {
    lines.push_back("addr " + std::to_string(fact.link) + " " + fact.prefix.text() +
                    (!fact.present ? " gone"
                     : fact.ours   ? " ours"
                                   : " foreign"));
  }
  void dump_begins() override { lines.push_back("begin"); }
  void dump_ends() override { lines.push_back("end"); }
  std::vector<std::string> take() { return std::exchange(lines, {}); }
  std::vector<std::string> lines;
};

LinkMessage link(int ifindex, const char* name, std::uint32_t flags = kWorking) {
  LinkMessage message;
  message.ifindex = ifindex;
  message.name = name;
  message.flags = flags;
  return message;
}
LinkMessage removed(LinkMessage message) {
  message.removed = true;
  return message;
}
AddressMessage address(int ifindex, const char* prefix, std::optional<std::uint8_t> proto = std::nullopt) {
  AddressMessage message;
  message.ifindex = ifindex;
  message.prefix = *Prefix::parse(prefix);
  message.proto = proto;
  return message;
}
AddressMessage removed(AddressMessage message) {
  message.removed = true;
  return message;
}

class LinkTableTest : public testing::Test {
 protected:
  Lines lines;
  LinkTable table{lines, true};
};

TEST_F(LinkTableTest, NothingIsToldBeforeTheFirstDump) {
  table.watch(0, "eth0");
  table.expect_dump();
  table.apply(link(3, "eth0"));
  table.tell_new();
  EXPECT_THAT(lines.take(), IsEmpty());
  table.apply_dump({});
  EXPECT_THAT(lines.take(), ElementsAre("begin", "link 0 3 up", "end"));
}

TEST_F(LinkTableTest, DumpTellsAllOfWatchedLinksAndNothingOfOthers) {
  table.watch(0, "eth0");
  table.watch(1, "eth9");
  table.expect_dump();
  table.apply_dump(
      {.links = {link(3, "eth0", IFF_UP), link(4, "eth1")},
       .addresses = {address(3, "10.0.0.1/24"), address(3, "10.0.0.50/24", kMark), address(4, "10.1.0.1/24")}});
  EXPECT_THAT(lines.take(), testing::UnorderedElementsAre("begin", "link 0 3 down", "addr 0 10.0.0.1/24 foreign",
                                                          "addr 0 10.0.0.50/24 ours", "link 1 0 absent", "end"));
}

TEST_F(LinkTableTest, EventSinceTheRequestIsNewerThanTheDump) {
  table.watch(0, "eth0");
  table.expect_dump();
  table.apply_dump({.links = {link(3, "eth0")}, .addresses = {address(3, "10.0.0.1/24")}});
  lines.take();
  table.expect_dump();
  table.apply(removed(address(3, "10.0.0.1/24")));
  table.apply(address(3, "10.0.0.2/24"));
  table.apply(link(3, "eth0", IFF_UP));
  lines.take();
  table.apply_dump({.links = {link(3, "eth0")}, .addresses = {address(3, "10.0.0.1/24")}});
  EXPECT_THAT(lines.take(), ElementsAre("begin", "link 0 3 down", "addr 0 10.0.0.2/24 foreign", "end"));
}

TEST_F(LinkTableTest, WhatTheDumpDoesNotHaveIsGone) {
  table.watch(0, "eth0");
  table.expect_dump();
  table.apply_dump({.links = {link(3, "eth0")}, .addresses = {address(3, "10.0.0.1/24")}});
  lines.take();
  table.expect_dump();
  table.apply_dump({.links = {link(3, "eth0")}, .addresses = {}});
  EXPECT_THAT(lines.take(), ElementsAre("begin", "link 0 3 up", "end"));
  table.expect_dump();
  table.apply_dump({});
  EXPECT_THAT(lines.take(), testing::Contains("link 0 0 absent"));
}

TEST_F(LinkTableTest, DisturbedDumpTakesNothingAway) {
  table.watch(0, "eth0");
  table.expect_dump();
  table.apply_dump({.links = {link(3, "eth0")}, .addresses = {address(3, "10.0.0.1/24")}});
  lines.take();
  table.expect_dump();
  table.apply_dump({.links = {}, .addresses = {}, .interrupted = true});
  EXPECT_THAT(lines.take(), ElementsAre("begin", "link 0 3 up", "addr 0 10.0.0.1/24 foreign", "end"));
}

TEST_F(LinkTableTest, RenamesMoveTheWatchedName) {
  table.watch(0, "eth0");
  table.expect_dump();
  table.apply_dump({.links = {link(3, "eth0"), link(4, "eth1")},
                    .addresses = {address(3, "10.0.0.1/24"), address(4, "10.0.0.2/24")}});
  lines.take();
  table.apply(link(3, "old0"));
  EXPECT_THAT(lines.take(), ElementsAre("link 0 0 absent", "addr 0 10.0.0.1/24 gone"));
  EXPECT_EQ(table.ifindex(0), 0);
  table.apply(link(4, "eth0"));
  EXPECT_THAT(lines.take(), ElementsAre("link 0 4 up", "addr 0 10.0.0.2/24 foreign"));
  EXPECT_EQ(table.ifindex(0), 4);
  table.apply(address(3, "10.0.0.9/24"));
  EXPECT_THAT(lines.take(), IsEmpty());
}

TEST_F(LinkTableTest, SameAddressAgainIsNoNewsButAnotherOwnerIs) {
  table.watch(0, "eth0");
  table.expect_dump();
  table.apply_dump({.links = {link(3, "eth0")}, .addresses = {address(3, "10.0.0.50/24", kMark)}});
  lines.take();
  table.apply(address(3, "10.0.0.50/24", kMark));
  EXPECT_THAT(lines.take(), IsEmpty());
  table.apply(address(3, "10.0.0.50/24"));
  EXPECT_THAT(lines.take(), ElementsAre("addr 0 10.0.0.50/24 foreign"));
}

TEST_F(LinkTableTest, ForwardingSurvivesALinkMessageWithoutIt) {
  table.watch(0, "eth0");
  table.expect_dump();
  table.apply_dump({.links = {link(3, "eth0")}, .addresses = {}});
  lines.take();
  table.apply(ForwardingMessage{3, true});
  EXPECT_THAT(lines.take(), ElementsAre("link 0 3 up"));
  table.apply(link(3, "eth0"));
  EXPECT_THAT(lines.take(), IsEmpty());
}

TEST_F(LinkTableTest, DeletedInterfaceTakesItsAddressesAlong) {
  table.watch(0, "eth0");
  table.expect_dump();
  table.apply_dump({.links = {link(3, "eth0")}, .addresses = {address(3, "10.0.0.1/24")}});
  lines.take();
  table.apply(removed(link(3, "eth0")));
  EXPECT_THAT(lines.take(), ElementsAre("link 0 0 absent"));
  table.apply(link(7, "eth0"));
  EXPECT_THAT(lines.take(), ElementsAre("link 0 7 up"));
}

TEST(LinkTableWithoutMarksTest, ClaimsDecideWhatIsOurs) {
  Lines lines;
  LinkTable table{lines, false};
  table.watch(0, "eth0");
  table.expect_dump();
  table.apply_dump({.links = {link(3, "eth0")}, .addresses = {}});
  lines.take();
  const Holding holding{3, *Prefix::parse("10.0.0.50/24")};
  table.claim(holding);
  table.apply(address(3, "10.0.0.50/24"));
  EXPECT_THAT(lines.take(), ElementsAre("addr 0 10.0.0.50/24 ours"));
  table.disclaim(holding);
  EXPECT_THAT(lines.take(), ElementsAre("addr 0 10.0.0.50/24 foreign"));
}

}  // namespace
}  // namespace baton::linux
