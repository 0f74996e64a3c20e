#include "vrrp/frame.h"

#include <gtest/gtest.h>

#include "tests/vrrp/golden.h"

namespace baton::vrrp {
namespace {

using test::from_hex;
using test::golden_frame;
using test::ip;

const MacAddress kMac{{0x02, 0x00, 0x00, 0x00, 0x00, 0x0A}};

template <class T>
bool gives(const ParsedFrame& parsed) {
  return std::holds_alternative<T>(parsed);
}
bool gives(const ParsedFrame& parsed, DecodeError error) {
  const auto* given = std::get_if<DecodeError>(&parsed);
  return given != nullptr && *given == error;
}

// Makes the IPv4 header checksum right again.
void reseal_ipv4(Bytes& frame) {
  const std::size_t size = (frame[14] % 16u) * 4;
  if (14 + size > frame.size()) return;
  frame[24] = frame[25] = 0;
  unsigned sum = 0;
  for (std::size_t i = 0; i < size; i += 2) sum += frame[14 + i] * 256u + frame[15 + i];
  while (sum > 0xFFFF) sum = sum % 0x10000 + sum / 0x10000;
  frame[24] = static_cast<std::uint8_t>((0xFFFF - sum) / 256);
  frame[25] = static_cast<std::uint8_t>((0xFFFF - sum) % 256);
}

// Makes the ICMPv6 checksum right again, in a frame without extension headers.
void reseal_icmpv6(Bytes& frame) {
  frame[56] = frame[57] = 0;
  unsigned sum = 58 + static_cast<unsigned>(frame.size() - 54);
  for (std::size_t i = 22; i < frame.size(); i += 2) sum += frame[i] * 256u + frame[i + 1];
  while (sum > 0xFFFF) sum = sum % 0x10000 + sum / 0x10000;
  frame[56] = static_cast<std::uint8_t>((0xFFFF - sum) / 256);
  frame[57] = static_cast<std::uint8_t>((0xFFFF - sum) % 256);
}

TEST(FrameTest, MulticastFrameIpv4Envelope) {
  const Bytes frame = multicast_frame(kMac, ip("192.0.2.10"), from_hex("310ac8010064448ec0000201"));
  // TOS c0, length 32, no fragment, TTL 255, protocol 112. Header sum: 45c0+0020+0000+0000+ff70+c000+020a+e000+0012
  // = 2 e76c -> e76e, complement 1891.
  EXPECT_EQ(frame, from_hex("01005e000012"
                            "02000000000a"
                            "0800"
                            "45c000200000"
                            "0000ff701891"
                            "c000020ae0000012"
                            "310ac8010064448ec0000201"));
}

TEST(FrameTest, MulticastFrameIpv6Envelope) {
  const Bytes frame = multicast_frame(kMac, ip("fe80::a"), from_hex("31"));
  EXPECT_EQ(frame, from_hex("333300000012"
                            "02000000000a"
                            "86dd"
                            "6c000000000170ff"
                            "fe80000000000000000000000000000a"
                            "ff020000000000000000000000000012"
                            "31"));
}

TEST(FrameTest, VirtualRouterMacOfBothFamilies) {
  EXPECT_EQ(virtual_router_mac(Family::kIpv4, Vrid{10}).text(), "00:00:5e:00:01:0a");
  EXPECT_EQ(virtual_router_mac(Family::kIpv6, Vrid{255}).text(), "00:00:5e:00:02:ff");
}

TEST(FrameTest, GratuitousArpRequestAnnouncesTheVip) {
  EXPECT_EQ(gratuitous_arp(kMac, ip("192.0.2.1"), ArpForm::kRequest), from_hex("ffffffffffff"
                                                                               "02000000000a"
                                                                               "0806"
                                                                               "0001080006040001"
                                                                               "02000000000ac0000201"
                                                                               "02000000000ac0000201"));
}

TEST(FrameTest, GratuitousArpReplyDiffersInTheOperationOnly) {
  Bytes request = gratuitous_arp(kMac, ip("192.0.2.1"), ArpForm::kRequest);
  request[21] = 2;
  EXPECT_EQ(gratuitous_arp(kMac, ip("192.0.2.1"), ArpForm::kReply), request);
}

TEST(FrameTest, UnsolicitedNaOfARouterStartsWithA0) {
  // Sum: 8800+a000 + target 2001+0db8+0001 + option 0201+0200+0000+000a, source 2001+0db8+0001, ff02+0001, 0020, 003a:
  // 8800+a000=12800; +2dba=155ba; +040b=159c5; +2dba=1877f; +ff03=28682; +005a=286dc -> 86de; complement 7921.
  EXPECT_EQ(unsolicited_na(kMac, ip("2001:db8::1"), true), from_hex("333300000001"
                                                                    "02000000000a"
                                                                    "86dd"
                                                                    "6000000000203aff"
                                                                    "20010db8000000000000000000000001"
                                                                    "ff020000000000000000000000000001"
                                                                    "88007921a0000000"
                                                                    "20010db8000000000000000000000001"
                                                                    "020102000000000a"));
}

TEST(FrameTest, UnsolicitedNaOfAHostHasOverrideOnly) {
  const Bytes frame = unsolicited_na(kMac, ip("2001:db8::1"), false);
  EXPECT_EQ(frame[58], 0x20);
  EXPECT_TRUE(gives<AddressClaim>(parse_frame(frame)));  // its checksum holds
}

TEST(FrameTest, ReceivedVrrpFrameIsTakenApart) {
  const auto golden = golden_frame("G03");
  const auto parsed = std::get<VrrpFrame>(parse_frame(golden.bytes));
  EXPECT_EQ(parsed.envelope.source, ip("192.0.2.251"));
  EXPECT_EQ(parsed.envelope.destination, ip("224.0.0.18"));
  EXPECT_EQ(parsed.envelope.hop_limit, 255);
  EXPECT_EQ(parsed.source_mac.text(), "00:00:5e:00:01:0a");
  EXPECT_EQ(Bytes(parsed.payload.begin(), parsed.payload.end()), from_hex("310ac8010064448ec0000201"));  // padding cut
}

TEST(FrameTest, RawIpPacketsAreTakenApartAlike) {
  for (const std::string name : {"G03", "G05"}) {
    const auto golden = golden_frame(name);
    const auto parsed = std::get<VrrpFrame>(parse_ip_packet(ConstBytes{golden.bytes}.subspan(14)));
    const auto whole = std::get<VrrpFrame>(parse_frame(golden.bytes));
    EXPECT_EQ(parsed.envelope.source, whole.envelope.source);
    EXPECT_TRUE(std::equal(parsed.payload.begin(), parsed.payload.end(), whole.payload.begin(), whole.payload.end()));
    EXPECT_TRUE(parsed.source_mac.is_zero());
  }
  EXPECT_TRUE(gives(parse_ip_packet({}), DecodeError::kTruncated));
  EXPECT_TRUE(gives(parse_ip_packet(from_hex("55")), DecodeError::kNotIp));
}

TEST(FrameTest, IpOptionsAreLegal) {
  Bytes frame = golden_frame("G03").bytes;
  const Bytes router_alert = from_hex("94040000");
  frame.insert(frame.begin() + 34, router_alert.begin(), router_alert.end());
  frame[14] = 0x46;
  frame[17] = 36;
  reseal_ipv4(frame);
  const auto parsed = std::get<VrrpFrame>(parse_frame(frame));
  EXPECT_EQ(Bytes(parsed.payload.begin(), parsed.payload.end()), from_hex("310ac8010064448ec0000201"));
}

TEST(FrameTest, FragmentsAreRefusedAndDontFragmentIsNot) {
  for (const auto& [high, low, fragment] :
       {std::tuple{0x20, 0x00, true}, {0x00, 0x01, true}, {0x1F, 0xFF, true}, {0x40, 0x00, false}}) {
    Bytes frame = golden_frame("G03").bytes;
    frame[20] = static_cast<std::uint8_t>(high);
    frame[21] = static_cast<std::uint8_t>(low);
    reseal_ipv4(frame);
    EXPECT_EQ(gives(parse_frame(frame), DecodeError::kFragment), fragment) << high << " " << low;
    EXPECT_EQ(gives<VrrpFrame>(parse_frame(frame)), !fragment) << high << " " << low;
  }
}

TEST(FrameTest, ContradictoryIpv4LengthsAreRefused) {
  for (const auto& [ihl, total] : {std::pair{4, 32}, {15, 32}, {5, 19}, {5, 47}, {5, 0xFFFF}}) {
    Bytes frame = golden_frame("G03").bytes;
    frame[14] = static_cast<std::uint8_t>(0x40 + ihl);
    frame[16] = static_cast<std::uint8_t>(total / 256);
    frame[17] = static_cast<std::uint8_t>(total % 256);
    reseal_ipv4(frame);
    EXPECT_TRUE(gives(parse_frame(frame), DecodeError::kTruncated)) << ihl << " " << total;
  }
}

TEST(FrameTest, BadIpv4HeaderChecksumIsRefused) {
  Bytes frame = golden_frame("G03").bytes;
  frame[18] ^= 1;  // identification
  EXPECT_TRUE(gives(parse_frame(frame), DecodeError::kChecksum));
}

TEST(FrameTest, TaggedCopiesAndOtherProtocolsAreNotForUs) {
  Bytes tagged = golden_frame("G03").bytes;
  const Bytes tag = from_hex("81000005");
  tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
  EXPECT_TRUE(gives<NotForUs>(parse_frame(tagged)));
  Bytes tcp = golden_frame("G03").bytes;
  tcp[23] = 6;
  EXPECT_TRUE(gives<NotForUs>(parse_frame(tcp)));
  EXPECT_TRUE(gives<NotForUs>(parse_frame(from_hex("01005e0000120000"))));
  EXPECT_TRUE(gives<NotForUs>(parse_frame({})));
}

TEST(FrameTest, Ipv6ExtensionHeaders) {
  Bytes hop_by_hop = golden_frame("G10").bytes;
  const Bytes extension = from_hex("7000050200000000");
  hop_by_hop.insert(hop_by_hop.begin() + 54, extension.begin(), extension.end());
  hop_by_hop[20] = 0;
  hop_by_hop[19] = 32;
  EXPECT_TRUE(gives<NotForUs>(parse_frame(hop_by_hop)));
  Bytes fragment = hop_by_hop;
  fragment[20] = 44;
  EXPECT_TRUE(gives(parse_frame(fragment), DecodeError::kFragment));
  fragment[54] = 58;  // a fragment of something else
  EXPECT_TRUE(gives<NotForUs>(parse_frame(fragment)));
}

TEST(FrameTest, Ipv6LengthBeyondTheFrameIsRefused) {
  Bytes frame = golden_frame("G10").bytes;
  frame[19] = 25;
  EXPECT_TRUE(gives(parse_frame(frame), DecodeError::kTruncated));
}

TEST(FrameTest, GratuitousArpAndRepliesClaimAnAddress) {
  for (const ArpForm form : {ArpForm::kRequest, ArpForm::kReply}) {
    const auto claim = std::get<AddressClaim>(parse_frame(gratuitous_arp(kMac, ip("192.0.2.1"), form)));
    EXPECT_EQ(claim.address, ip("192.0.2.1"));
    EXPECT_EQ(claim.owner, kMac);
    EXPECT_TRUE(claim.announces);
  }
}

TEST(FrameTest, OrdinaryArpRequestClaimsItsSenderAddress) {
  const Bytes frame = from_hex(
      "ffffffffffff02000000000a08060001080006040001"
      "02000000000bc0000201"
      "000000000000c0000207");
  const auto claim = std::get<AddressClaim>(parse_frame(frame));
  EXPECT_EQ(claim.address, ip("192.0.2.1"));
  EXPECT_EQ(claim.owner.text(), "02:00:00:00:00:0b");
  EXPECT_TRUE(claim.announces);
}

TEST(FrameTest, ArpProbeOnlyAsks) {
  const Bytes frame = from_hex(
      "ffffffffffff02000000000a08060001080006040001"
      "02000000000a00000000"
      "000000000000c0000201");
  const auto claim = std::get<AddressClaim>(parse_frame(frame));
  EXPECT_EQ(claim.address, ip("192.0.2.1"));
  EXPECT_FALSE(claim.announces);
}

TEST(FrameTest, MalformedArpIsNotForUs) {
  const Bytes good = gratuitous_arp(kMac, ip("192.0.2.1"), ArpForm::kRequest);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(gives<NotForUs>(parse_frame(ConstBytes{good}.first(size)))) << size;
  }
  for (const std::size_t at : {15u, 16u, 18u, 19u, 21u}) {  // hardware, protocol, their sizes, operation
    Bytes bad = good;
    bad[at] = 0x7F;
    EXPECT_TRUE(gives<NotForUs>(parse_frame(bad))) << at;
  }
}

TEST(FrameTest, NeighborAdvertisementClaimsItsTarget) {
  Bytes frame = unsolicited_na(kMac, ip("2001:db8::1"), true);
  frame[6] = 0x04;  // another Ethernet source: the option counts
  const auto claim = std::get<AddressClaim>(parse_frame(frame));
  EXPECT_EQ(claim.address, ip("2001:db8::1"));
  EXPECT_EQ(claim.owner, kMac);
  EXPECT_TRUE(claim.announces);
}

TEST(FrameTest, InvalidNeighborAdvertisementIsNotForUs) {
  const Bytes good = unsolicited_na(kMac, ip("2001:db8::1"), true);
  for (std::size_t size = 54; size < good.size(); ++size) {
    EXPECT_FALSE(gives<AddressClaim>(parse_frame(ConstBytes{good}.first(size)))) << size;
  }
  Bytes bad = good;
  bad[21] = 254;  // Hop Limit
  EXPECT_TRUE(gives<NotForUs>(parse_frame(bad)));
  bad = good;
  bad[57] ^= 1;  // checksum
  EXPECT_TRUE(gives<NotForUs>(parse_frame(bad)));
  bad = good;
  bad[55] = 1;  // code
  reseal_icmpv6(bad);
  EXPECT_TRUE(gives<NotForUs>(parse_frame(bad)));
  bad = good;
  bad[62] = 0xFF;  // a multicast target
  reseal_icmpv6(bad);
  EXPECT_TRUE(gives<NotForUs>(parse_frame(bad)));
  for (const int size : {0, 2}) {
    bad = good;
    bad[79] = static_cast<std::uint8_t>(size);  // option length
    reseal_icmpv6(bad);
    EXPECT_TRUE(gives<NotForUs>(parse_frame(bad))) << size;
  }
}

TEST(FrameTest, OnlyTheSolicitationOfDuplicateAddressDetectionAsks) {
  Bytes frame = unsolicited_na(kMac, ip("2001:db8::1"), true);
  frame.resize(78);  // no option
  frame[19] = 24;
  frame[54] = 135;
  reseal_icmpv6(frame);
  EXPECT_TRUE(gives<NotForUs>(parse_frame(frame)));
  std::fill(frame.begin() + 22, frame.begin() + 38, std::uint8_t{0});
  reseal_icmpv6(frame);
  const auto claim = std::get<AddressClaim>(parse_frame(frame));
  EXPECT_EQ(claim.address, ip("2001:db8::1"));
  EXPECT_EQ(claim.owner, kMac);
  EXPECT_FALSE(claim.announces);
}

}  // namespace
}  // namespace baton::vrrp
