#include "base/address.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

TEST(IpAddressTest, ParsesAndPrintsBothFamilies) {
  EXPECT_EQ(ip("192.0.2.1").text(), "192.0.2.1");
  EXPECT_EQ(ip("2001:DB8:0::1").text(), "2001:db8::1");
  EXPECT_EQ(ip("192.0.2.1").family(), Family::kIpv4);
  EXPECT_EQ(ip("::1").family(), Family::kIpv6);
}

TEST(IpAddressTest, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "192.0.2", "192.0.2.256", "192.0.2.1 ", "fe80::1%eth0", "1.2.3.4/24", "host"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view{"192.0.2.1\0x", 11}));
}

TEST(IpAddressTest, OrdersUnsignedInNetworkOrder) {
  EXPECT_LT(ip("192.0.2.9"), ip("192.0.2.10"));
  EXPECT_LT(ip("192.0.2.10"), ip("192.0.2.130"));
  EXPECT_LT(ip("fe80::ff"), ip("fe80::1:0"));
}

TEST(PrefixTest, ContainsByBits) {
  const Prefix prefix = *Prefix::parse("10.0.4.0/22");
  EXPECT_TRUE(prefix.contains(ip("10.0.7.255")));
  EXPECT_FALSE(prefix.contains(ip("10.0.8.0")));
  EXPECT_FALSE(prefix.contains(ip("::1")));
  EXPECT_TRUE(Prefix::parse("0.0.0.0/0")->contains(ip("203.0.113.9")));
  EXPECT_TRUE(Prefix::parse("192.0.2.1")->contains(ip("192.0.2.1")));
}

TEST(PrefixTest, RefusesBadLengths) {
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/24x", "::/129", "/24"}) {
    EXPECT_FALSE(Prefix::parse(text)) << text;
  }
}

TEST(MacAddressTest, ParsesStrictly) {
  EXPECT_EQ(MacAddress::parse("00:00:5e:00:01:0a")->text(), "00:00:5e:00:01:0a");
  for (const char* text : {"", "00:00:5e:00:01", "00-00-5e-00-01-0a", "00:00:5e:00:01:0g", "00:00:5e:00:01:0a:"}) {
    EXPECT_FALSE(MacAddress::parse(text)) << text;
  }
}

}  // namespace
}  // namespace baton
