// Texts of single values.
#include "config/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::config {
namespace {

using namespace std::chrono_literals;

Code duration_error(const char* text) {
  const auto value = parse_duration(text);
  EXPECT_FALSE(value) << text;
  return value ? Code::kUnreadable : value.error().code;
}

TEST(Values, DurationsCarryUnits) {
  EXPECT_EQ(parse_duration("0").value(), 0ns);
  EXPECT_EQ(parse_duration("0s").value(), 0ns);
  EXPECT_EQ(parse_duration("250us").value(), 250us);
  EXPECT_EQ(parse_duration("10ms").value(), 10ms);
  EXPECT_EQ(parse_duration("40.95s").value(), 40950ms);
  EXPECT_EQ(parse_duration("1.5h").value(), 90min);
  EXPECT_EQ(parse_duration("2m").value(), 120s);
  EXPECT_EQ(parse_duration("365d").value(), 365 * 24h);
  EXPECT_EQ(parse_duration("0.000000001s").value(), 1ns);
  EXPECT_EQ(parse_duration("0.0010us").value(), 1ns);
}

TEST(Values, ATimeWithoutUnitIsRefused) {
  EXPECT_EQ(duration_error("1"), Code::kNoUnit);
  EXPECT_EQ(duration_error("0.5"), Code::kNoUnit);
  EXPECT_EQ(parse_duration("5").error().help,
            "write 5s or 5ms; units are us, ms, s, m, h and d, for instance 1s or 250ms");
}

TEST(Values, MalformedTimesAreRefused) {
  for (const char* text : {"", "s", "-1s", "1 s", "1sec", "1.s", ".5s", "1.2.3s", "1s1", "1S", "0x1s", "1e3s"}) {
    EXPECT_EQ(duration_error(text), Code::kBadValue) << text;
  }
  EXPECT_EQ(duration_error("0.0001us"), Code::kBadValue);
  EXPECT_EQ(duration_error("366d"), Code::kOutOfRange);
  EXPECT_EQ(duration_error("999999999999999d"), Code::kOutOfRange);
  EXPECT_EQ(duration_error("99999999999999999999999s"), Code::kOutOfRange);
}

TEST(Values, Integers) {
  EXPECT_EQ(parse_integer("255", 1, 255).value(), 255u);
  EXPECT_EQ(parse_integer("007", 1, 255).value(), 7u);
  EXPECT_EQ(parse_integer("256", 1, 255).error().message, "256 is not within 1 to 255");
  EXPECT_EQ(parse_integer("99999999999999999999999", 1, 255).error().code, Code::kOutOfRange);
  for (const char* text : {"", "-1", "+1", "1.0", "0x10", "ten"})
    EXPECT_EQ(parse_integer(text, 0, 255).error().code, Code::kBadValue);
}

TEST(Values, Booleans) {
  for (const char* text : {"yes", "on", "true"}) EXPECT_TRUE(parse_boolean(text).value());
  for (const char* text : {"no", "off", "false"}) EXPECT_FALSE(parse_boolean(text).value());
  for (const char* text : {"", "1", "Yes", "y"}) EXPECT_FALSE(parse_boolean(text).has_value());
}

TEST(Values, WordsSayWhatWasMeant) {
  EXPECT_EQ(parse_word("both", "request|reply|both").value(), 2u);
  const auto wrong = parse_word("replay", "request|reply|both");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "`replay` is none of request, reply, both");
  EXPECT_EQ(wrong.error().help, "did you mean `reply`?");
}

TEST(Values, AddressesThatNoHostCanHaveAreRefused) {
  for (const char* text : {"0.0.0.0", "::", "224.0.0.18", "ff02::12", "127.0.0.1", "::1", "0.1.2.3", "240.0.0.1",
                           "255.255.255.255", "::ffff:10.0.0.1"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, Code::kUnusableAddress) << text;
  }
  for (const char* text : {"10.0.0", "10.0.0.256", "db1", "fe80::1%eth0", "10.0.0.1/33", "2001:db8::/129"}) {
    EXPECT_EQ(parse_address(text).error().code, Code::kBadValue) << text;
  }
  EXPECT_EQ(parse_address("10.0.0.1/24").error().help, "write 10.0.0.1");
}

TEST(Values, PrefixesNameAHost) {
  EXPECT_EQ(parse_prefix("10.0.0.50/24").value().text(), "10.0.0.50/24");
  EXPECT_EQ(parse_prefix("10.0.0.50").value().text(), "10.0.0.50/32");
  EXPECT_EQ(parse_prefix("10.0.0.0/31").value().text(), "10.0.0.0/31");
  EXPECT_EQ(parse_prefix("2001:db8::/64").value().text(), "2001:db8::/64");
  EXPECT_EQ(parse_prefix("10.0.0.0/24").error().message, "`10.0.0.0/24` is the network's own address");
  EXPECT_EQ(parse_prefix("10.0.0.255/24").error().message, "`10.0.0.255/24` is the broadcast address");
  EXPECT_EQ(parse_prefix("10.0.1.255/23").error().code, Code::kUnusableAddress);
  EXPECT_TRUE(parse_prefix("10.0.0.255/23"));
  EXPECT_EQ(parse_prefix("10.0.0.5/0").error().code, Code::kUnusableAddress);
  EXPECT_EQ(parse_prefix("10.0.0.5/33").error().message, "`/33` is no prefix length");
  EXPECT_EQ(parse_prefix("10.0.0.5/").error().code, Code::kBadValue);
}

TEST(Values, UnicastPeers) {
  EXPECT_EQ(parse_unicast_peer("10.0.0.2").value(), (UnicastPeer{*IpAddress::parse("10.0.0.2"), 255}));
  EXPECT_EQ(parse_unicast_peer("10.0.0.2  min_ttl=64").value(), (UnicastPeer{*IpAddress::parse("10.0.0.2"), 64}));
  EXPECT_EQ(parse_unicast_peer("10.0.0.2 min_ttl=0").error().code, Code::kOutOfRange);
  EXPECT_EQ(parse_unicast_peer("10.0.0.2 max_ttl=9").error().help, "write ADDRESS min_ttl=N");
}

TEST(Values, Checks) {
  EXPECT_EQ(parse_check("pg").value(), (CheckReference{"pg", CheckUse::kRequired, 0, false}));
  EXPECT_EQ(parse_check("gateway prefer=-20 relative").value(),
            (CheckReference{"gateway", CheckUse::kPrefer, -20, true}));
  EXPECT_EQ(parse_check("pg gate").value(), (CheckReference{"pg", CheckUse::kGate, 0, false}));
  for (const char* text :
       {"pg gate required", "pg maybe", "pg prefer=254", "pg prefer=", "pg relative relative", "p/g"}) {
    EXPECT_FALSE(parse_check(text)) << text;
  }
}

TEST(Values, Budgets) {
  EXPECT_EQ(parse_budget("3 per 1h").value().count, 3u);
  EXPECT_EQ(parse_budget("3 per 1h").value().window, 1h);
  for (const char* text : {"3", "3 in 1h", "0 per 1h", "3 per 0", "3 per 1"}) EXPECT_FALSE(parse_budget(text)) << text;
}

TEST(Values, InterfaceNames) {
  EXPECT_EQ(parse_interface("enp0s31f6").value(), "enp0s31f6");
  EXPECT_EQ(parse_interface("eth0.100").value(), "eth0.100");
  for (const char* text : {"", ".", "..", "a/b", "a b", "eth0:1", "abcdefghijklmnop", "eth%d"})
    EXPECT_FALSE(parse_interface(text)) << text;
}

TEST(Values, TheNearestNameIsNearEnough) {
  const std::vector<std::string_view> names{"priority", "preempt", "address"};
  EXPECT_EQ(nearest("priorty", names), "priority");
  EXPECT_EQ(nearest("adress", names), "address");
  EXPECT_EQ(nearest("preemtp", names), "preempt");
  EXPECT_EQ(nearest("vrid", names), std::nullopt);
  EXPECT_EQ(nearest("", names), std::nullopt);
}

}  // namespace
}  // namespace baton::config
