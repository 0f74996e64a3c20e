#include "vrrp/receive_rules.h"

#include <gtest/gtest.h>

#include "tests/vrrp/golden.h"

namespace baton::vrrp {
namespace {

using namespace std::chrono_literals;
using test::ip;

const Envelope kMulticast{ip("192.0.2.251"), ip("224.0.0.18"), 255};

ReceiveParameters three_addresses() {
  return {.addresses = {ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.3")}, .own = ip("192.0.2.10")};
}

Advert advert_of(const ReceiveParameters& parameters) {
  return {.version = parameters.version,
          .vrid = Vrid{10},
          .priority = Priority{200},
          .max_advertise_interval = 1s,
          .addresses = parameters.addresses,
          .auth_type = parameters.auth_type,
          .auth_data = parameters.auth_data};
}

/// The token of the error, or "" when accepted.
std::string discarded(const ReceiveParameters& parameters, const Envelope& envelope, const Advert& advert) {
  const auto matched = ReceiveRules{parameters}.match(envelope, advert);
  return matched ? "" : std::string{decode_error_token(matched.error())};
}

std::string discarded(const Envelope& envelope) {
  return discarded(three_addresses(), envelope, advert_of(three_addresses()));
}

TEST(ReceiveRulesTest, AcceptsWhatIsConfiguredWithoutRemark) {
  const auto matched = ReceiveRules{three_addresses()}.match(kMulticast, advert_of(three_addresses()));
  ASSERT_TRUE(matched.has_value());
  EXPECT_EQ(*matched, AcceptRemarks{});
}

TEST(ReceiveRulesTest, OurOwnSourceAddressIsOurOwnFrame) {
  EXPECT_EQ(discarded({ip("192.0.2.10"), ip("224.0.0.18"), 255}), "own");
  EXPECT_EQ(discarded({ip("192.0.2.11"), ip("224.0.0.18"), 255}), "");
}

TEST(ReceiveRulesTest, OnlyTheGroupIsADestinationInMulticastMode) {
  EXPECT_EQ(discarded({ip("192.0.2.251"), ip("192.0.2.10"), 255}), "wrong-destination");
  EXPECT_EQ(discarded({ip("192.0.2.251"), ip("224.0.0.1"), 255}), "wrong-destination");
  EXPECT_EQ(discarded({ip("192.0.2.251"), ip("224.0.0.18"), 254}), "ip-ttl-errors");
}

TEST(ReceiveRulesTest, SourcesThatNobodyCanHaveAreRefused) {
  for (const std::string source : {"0.0.0.0", "224.0.0.5", "127.0.0.1", "255.255.255.255"}) {
    EXPECT_EQ(discarded({ip(source), ip("224.0.0.18"), 255}), "wrong-source") << source;
  }
}

TEST(ReceiveRulesTest, OffLinkSourcesAreRefusedWhereThePrefixesAreKnown) {
  ReceiveParameters parameters = three_addresses();
  parameters.on_link = {*Prefix::parse("192.0.2.0/24"), *Prefix::parse("10.0.0.0/8")};
  const Advert advert = advert_of(parameters);
  EXPECT_EQ(discarded(parameters, kMulticast, advert), "");
  EXPECT_EQ(discarded(parameters, {ip("10.9.9.9"), ip("224.0.0.18"), 255}, advert), "");
  EXPECT_EQ(discarded(parameters, {ip("192.0.3.1"), ip("224.0.0.18"), 255}, advert), "wrong-source");
}

TEST(ReceiveRulesTest, Ipv6SourcesAreLinkLocal) {
  const ReceiveParameters parameters{.addresses = {ip("fe80::1")}, .own = ip("fe80::a")};
  const Advert advert = advert_of(parameters);
  EXPECT_EQ(discarded(parameters, {ip("fe80::b"), ip("ff02::12"), 255}, advert), "");
  EXPECT_EQ(discarded(parameters, {ip("2001:db8::b"), ip("ff02::12"), 255}, advert), "wrong-source");
  EXPECT_EQ(discarded(parameters, {ip("::"), ip("ff02::12"), 255}, advert), "wrong-source");
  EXPECT_EQ(discarded(parameters, {ip("fe80::b"), ip("ff02::1"), 255}, advert), "wrong-destination");
}

TEST(ReceiveRulesTest, UnicastComesFromAConfiguredPeerToUs) {
  ReceiveParameters parameters = three_addresses();
  parameters.unicast = true;
  parameters.senders = {{ip("192.0.2.20"), 255}, {ip("198.51.100.1"), 250}};
  const Advert advert = advert_of(parameters);
  const IpAddress own = ip("192.0.2.10");
  EXPECT_EQ(discarded(parameters, {ip("192.0.2.20"), own, 255}, advert), "");
  EXPECT_EQ(discarded(parameters, {ip("192.0.2.20"), own, 254}, advert), "ip-ttl-errors");
  EXPECT_EQ(discarded(parameters, {ip("198.51.100.1"), own, 250}, advert), "");
  EXPECT_EQ(discarded(parameters, {ip("198.51.100.1"), own, 249}, advert), "ip-ttl-errors");
  EXPECT_EQ(discarded(parameters, {ip("192.0.2.21"), own, 255}, advert), "unknown-peer");
  EXPECT_EQ(discarded(parameters, kMulticast, advert), "wrong-destination");
  EXPECT_EQ(discarded(parameters, {own, own, 255}, advert), "own");
}

TEST(ReceiveRulesTest, AddressListsAreComparedAsSets) {
  const ReceiveRules rules{three_addresses()};
  Advert advert = advert_of(three_addresses());
  std::swap(advert.addresses[0], advert.addresses[2]);
  EXPECT_FALSE(rules.match(kMulticast, advert)->address_list_differs);
  advert.addresses.push_back(ip("192.0.2.2"));  // twice is still that set
  EXPECT_FALSE(rules.match(kMulticast, advert)->address_list_differs);
  advert.addresses.push_back(ip("192.0.2.4"));
  EXPECT_TRUE(rules.match(kMulticast, advert)->address_list_differs);
  advert.addresses = {ip("192.0.2.1"), ip("192.0.2.2")};
  EXPECT_TRUE(rules.match(kMulticast, advert)->address_list_differs);
}

TEST(ReceiveRulesTest, Version3KeepsAnAdvertWithAnotherIntervalOrList) {
  Advert advert = advert_of(three_addresses());
  advert.max_advertise_interval = 2s;
  advert.addresses = {ip("192.0.2.99")};
  EXPECT_EQ(discarded(three_addresses(), kMulticast, advert), "");
}

TEST(ReceiveRulesTest, Version2DropsAnotherInterval) {
  ReceiveParameters parameters = three_addresses();
  parameters.version = Version::kV2;
  Advert advert = advert_of(parameters);
  EXPECT_EQ(discarded(parameters, kMulticast, advert), "");
  advert.max_advertise_interval = 2s;
  EXPECT_EQ(discarded(parameters, kMulticast, advert), "interval-errors");
}

TEST(ReceiveRulesTest, Version2DropsAnotherListUnlessTheSenderOwnsIt) {
  ReceiveParameters parameters = three_addresses();
  parameters.version = Version::kV2;
  Advert advert = advert_of(parameters);
  advert.addresses = {ip("192.0.2.99")};
  EXPECT_EQ(discarded(parameters, kMulticast, advert), "address-list-errors");
  advert.priority = kOwnerPriority;
  const auto matched = ReceiveRules{parameters}.match(kMulticast, advert);
  ASSERT_TRUE(matched.has_value());
  EXPECT_TRUE(matched->address_list_differs);
}

TEST(ReceiveRulesTest, Version2AuthenticationComparesTypeThenAllEightBytes) {
  ReceiveParameters parameters = three_addresses();
  parameters.version = Version::kV2;
  parameters.auth_type = kAuthSimplePassword;
  parameters.auth_data = simple_password("SECRETPW");
  Advert advert = advert_of(parameters);
  EXPECT_EQ(discarded(parameters, kMulticast, advert), "");
  advert.auth_data = simple_password("SECRETPX");
  EXPECT_EQ(discarded(parameters, kMulticast, advert), "auth-failure");
  advert.auth_data = simple_password("SECRET");
  EXPECT_EQ(discarded(parameters, kMulticast, advert), "auth-failure");
  for (const int type : {0, 2, 3, 255}) {
    advert.auth_type = static_cast<std::uint8_t>(type);
    EXPECT_EQ(discarded(parameters, kMulticast, advert), "auth-type-mismatch") << type;
  }
}

TEST(ReceiveRulesTest, Version2UnknownAuthenticationTypesAreDiscardedWithoutAPassword) {
  ReceiveParameters parameters = three_addresses();
  parameters.version = Version::kV2;
  Advert advert = advert_of(parameters);
  for (const int type : {1, 2, 3, 255}) {
    advert.auth_type = static_cast<std::uint8_t>(type);
    EXPECT_EQ(discarded(parameters, kMulticast, advert), "auth-type-mismatch") << type;
  }
  advert.auth_type = 0;
  advert.auth_data = simple_password("whatever");
  EXPECT_EQ(discarded(parameters, kMulticast, advert), "");
}

TEST(ReceiveRulesTest, PasswordsOfMoreThanEightCharactersAreOurOwnBug) {
  EXPECT_EQ(simple_password("ab"), (std::array<std::uint8_t, 8>{'a', 'b', 0, 0, 0, 0, 0, 0}));
  EXPECT_DEATH(simple_password("123456789"), "CHECK failed");
}

TEST(ReceiveRulesTest, FirstIpv6AddressThatIsNotLinkLocalIsOnlyRemarked) {
  const ReceiveParameters parameters{.addresses = {ip("2001:db8::1"), ip("fe80::1")}, .own = ip("fe80::a")};
  const ReceiveRules rules{parameters};
  const Envelope envelope{ip("fe80::b"), ip("ff02::12"), 255};
  Advert advert = advert_of(parameters);
  EXPECT_TRUE(rules.match(envelope, advert)->first_address_not_link_local);
  std::swap(advert.addresses[0], advert.addresses[1]);
  EXPECT_FALSE(rules.match(envelope, advert)->first_address_not_link_local);
}

}  // namespace
}  // namespace baton::vrrp
