// Parsing on bytes written by hand, all prefixes of them, and the requests as bytes.
#include "linux/route_message.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

namespace baton::linux {
namespace {

using Bytes = std::vector<std::uint8_t>;

// Little-endian hosts only, as the literals are; the code itself reads in host order.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

Bytes message(std::uint16_t type, const Bytes& body, std::uint16_t flags = 0, std::uint32_t sequence = 0) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = sequence;
  Bytes bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

// family 2, length 24, flags 0x80, scope 0, index 3; LOCAL 10.0.0.50; ADDRESS 10.0.0.51; FLAGS 0x280; PROTO 0x62.
const Bytes kAddressBody = {2,  24, 0x80, 0,  3, 0, 0, 0, 8,    0, 2, 0, 10, 0, 0,  50, 8,    0, 1, 0,
                            10, 0,  0,    51, 8, 0, 8, 0, 0x80, 2, 0, 0, 5,  0, 11, 0,  0x62, 0, 0, 0};

// family 0, type 1, index 7, flags 0x11043; IFNAME "eth0"; MTU 1500; ADDRESS 02:..:05; AF_SPEC{AF_INET6{CONF{forwarding
// 1}}}.
const Bytes kLinkBody = {0,   0,   1, 0, 7,  0, 0,  0, 0x43, 0x10, 1,    0, 0, 0, 0,  0, 9, 0, 3, 0, 'e', 't',
                         'h', '0', 0, 0, 0,  0, 8,  0, 4,    0,    0xDC, 5, 0, 0, 10, 0, 1, 0, 2, 0, 0,   0,
                         0,   5,   0, 0, 16, 0, 26, 0, 12,   0,    10,   0, 8, 0, 2,  0, 1, 0, 0, 0};

TEST(RouteMessageTest, ReadsAnAddress) {
  const RouteMessage parsed = parse_route_message(message(RTM_NEWADDR, kAddressBody));
  ASSERT_TRUE(std::holds_alternative<AddressMessage>(parsed));
  const auto& address = std::get<AddressMessage>(parsed);
  EXPECT_FALSE(address.removed);
  EXPECT_EQ(address.ifindex, 3);
  EXPECT_EQ(address.prefix.text(), "10.0.0.50/24");
  EXPECT_EQ(address.flags, 0x280u);
  EXPECT_EQ(address.proto, 0x62);
  EXPECT_TRUE(std::get<AddressMessage>(parse_route_message(message(RTM_DELADDR, kAddressBody))).removed);
}

TEST(RouteMessageTest, ReadsALink) {
  const RouteMessage parsed = parse_route_message(message(RTM_NEWLINK, kLinkBody));
  ASSERT_TRUE(std::holds_alternative<LinkMessage>(parsed));
  const auto& link = std::get<LinkMessage>(parsed);
  EXPECT_EQ(link.ifindex, 7);
  EXPECT_EQ(link.name, "eth0");
  EXPECT_EQ(link.mtu, 1500u);
  EXPECT_EQ(link.mac.text(), "02:00:00:00:00:05");
  EXPECT_EQ(link.flags, 0x11043u);
  EXPECT_EQ(link.forwarding_v6, true);
}

TEST(RouteMessageTest, RefusesWhatIsNoAddressOfOurs) {
  Bytes body = kAddressBody;
  body[1] = 33;
  EXPECT_TRUE(std::holds_alternative<UnknownMessage>(parse_route_message(message(RTM_NEWADDR, body))))
      << "prefix over 32";
  body = kAddressBody;
  body[0] = 7;
  EXPECT_TRUE(std::holds_alternative<UnknownMessage>(parse_route_message(message(RTM_NEWADDR, body)))) << "bridge";
  body = kAddressBody;
  body[0] = 10;
  EXPECT_TRUE(std::holds_alternative<UnknownMessage>(parse_route_message(message(RTM_NEWADDR, body))))
      << "IPv6 with 4 bytes";
  body = kLinkBody;
  body[0] = AF_BRIDGE;
  EXPECT_TRUE(std::holds_alternative<UnknownMessage>(parse_route_message(message(RTM_DELLINK, body))))
      << "a bridge's port";
}

TEST(RouteMessageTest, NoteOfAWirelessDriverIsNoLinkState) {
  const Bytes only_name(kLinkBody.begin(), kLinkBody.begin() + 28);
  EXPECT_TRUE(std::holds_alternative<UnknownMessage>(parse_route_message(message(RTM_NEWLINK, only_name))));
  EXPECT_TRUE(std::holds_alternative<LinkMessage>(parse_route_message(message(RTM_DELLINK, only_name))));
}

TEST(RouteMessageTest, EveryPrefixOfAMessageIsReadWithoutHarm) {
  for (const auto& [type, body] : {std::pair{RTM_NEWADDR, kAddressBody}, std::pair{RTM_NEWLINK, kLinkBody}}) {
    for (std::size_t size = 0; size < body.size(); ++size) {
      const Bytes whole = message(static_cast<std::uint16_t>(type),
                                  Bytes(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size)));
      const Bytes exact(whole);  // its own allocation, so that a sanitizer sees a read past the end
      parse_route_message(exact);
    }
  }
}

TEST(RouteMessageTest, AttributeThatClaimsTooMuchEndsTheList) {
  Bytes body = kAddressBody;
  body[16] = 200;  // IFA_ADDRESS
  const RouteMessage parsed = parse_route_message(message(RTM_NEWADDR, body));
  ASSERT_TRUE(std::holds_alternative<AddressMessage>(parsed));
  EXPECT_FALSE(std::get<AddressMessage>(parsed).proto);
}

TEST(RouteMessageTest, ReadsAnswers) {
  const Bytes refused = {0xEF, 0xFF, 0xFF, 0xFF};  // -17, EEXIST
  const RouteMessage parsed = parse_route_message(message(NLMSG_ERROR, refused, 0, 42));
  ASSERT_TRUE(std::holds_alternative<AnswerMessage>(parsed));
  EXPECT_EQ(std::get<AnswerMessage>(parsed).sequence, 42u);
  EXPECT_EQ(std::get<AnswerMessage>(parsed).sys_errno, 17);
  EXPECT_EQ(std::get<AnswerMessage>(parse_route_message(message(NLMSG_DONE, {}, 0, 4))).sys_errno, 0);
  EXPECT_TRUE(std::holds_alternative<UnknownMessage>(parse_route_message(message(NLMSG_ERROR, {1, 2}))));
  EXPECT_TRUE(std::holds_alternative<OverrunMessage>(parse_route_message(message(NLMSG_OVERRUN, {}))));
}

TEST(RouteMessageReaderTest, SplitsADatagramAndSeesTheDisturbedFlag) {
  Bytes datagram = message(NLMSG_NOOP, {1, 2, 3, 4, 5, 6, 7, 8});
  const Bytes second = message(NLMSG_DONE, {0, 0, 0, 0}, NLM_F_DUMP_INTR);
  datagram.insert(datagram.end(), second.begin(), second.end());
  RouteMessageReader reader{datagram};
  ASSERT_TRUE(reader.next());
  EXPECT_FALSE(reader.interrupted());
  const auto last = reader.next();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->size(), 20u);
  EXPECT_TRUE(reader.interrupted());
  EXPECT_FALSE(reader.next());
}

TEST(RouteMessageReaderTest, LengthThatLiesEndsTheDatagram) {
  Bytes datagram = message(NLMSG_NOOP, {});
  datagram[0] = 17;
  EXPECT_FALSE(RouteMessageReader{datagram}.next());
  datagram[0] = 3;
  EXPECT_FALSE(RouteMessageReader{datagram}.next());
}

TEST(RouteRequestsTest, InstallationIsExclusiveMarkedAndHasItsLifetime) {
  RouteRequests requests{9};
  requests.add_address(
      {.ifindex = 3, .prefix = *Prefix::parse("10.0.0.50/20"), .lifetime_seconds = 3, .mark = 0x62, .replace = false});
  const Bytes expected = {76, 0, 0, 0, 20, 0, 0x05, 0x06, 9, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWADDR, REQUEST|ACK,
                                                                                   // EXCL|CREATE, sequence 9
                          2, 20, 0, 0, 3, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 50, 8, 0, 1, 0, 10, 0, 0, 50, 8, 0, 4, 0, 10,
                          0, 15, 255,                                                   // broadcast of a /20
                          20, 0, 6, 0, 3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // preferred and valid 3 s
                          5, 0, 11, 0, 0x62, 0, 0, 0};
  Bytes wanted = expected;
  wanted[0] = static_cast<std::uint8_t>(expected.size());
  EXPECT_EQ(Bytes(requests.bytes().begin(), requests.bytes().end()), wanted);
}

TEST(RouteRequestsTest, ReplacingIsNotExclusiveAndIpv6HasNoPrefixRoute) {
  RouteRequests requests{1};
  requests.add_address(
      {.ifindex = 3, .prefix = *Prefix::parse("2001:db8::1/64"), .lifetime_seconds = 0, .mark = 0, .replace = true});
  const ConstBytes bytes = requests.bytes();
  EXPECT_EQ(bytes[6] | bytes[7] << 8, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  // header 16, ifaddrmsg 8, LOCAL 20, ADDRESS 20, then FLAGS
  const Bytes flags(bytes.begin() + 64, bytes.end());
  EXPECT_EQ(flags, (Bytes{8, 0, 8, 0, 0x02, 0x02, 0, 0}));  // NODAD 0x02, NOPREFIXROUTE 0x200
}

TEST(RouteRequestsTest, AFullBatchFits) {
  RouteRequests requests{1};
  for (std::size_t i = 0; i < RouteRequests::kCapacity; ++i) {
    requests.add_address({.ifindex = 3,
                          .prefix = *Prefix::parse("2001:db8::1/64"),
                          .lifetime_seconds = 9,
                          .mark = 0x62,
                          .replace = true});
  }
  RouteMessageReader reader{requests.bytes()};
  std::size_t count = 0;
  while (reader.next()) ++count;
  EXPECT_EQ(count, 32u);
}

}  // namespace
}  // namespace baton::linux
