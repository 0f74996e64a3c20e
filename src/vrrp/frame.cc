#include "vrrp/frame.h"

#include <algorithm>

#include "base/check.h"

namespace baton::vrrp {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kArpBody = 28;
constexpr std::uint8_t kInternetworkControl = 0xC0;  ///< E-09: IP precedence 6
constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kIpv6FragmentHeader = 44;
constexpr std::uint8_t kNeighborSolicitation = 135;
constexpr std::uint8_t kNeighborAdvertisement = 136;
constexpr std::uint8_t kTargetLinkLayerOption = 2;
constexpr MacAddress kBroadcast{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};

std::uint16_t be16(ConstBytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

IpAddress address_at(ConstBytes bytes, std::size_t at, std::size_t size) {
  return IpAddress::from_bytes(bytes.subspan(at, size));
}

MacAddress mac_at(ConstBytes bytes, std::size_t at) {
  MacAddress mac;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 6, mac.bytes.begin());
  return mac;
}

void put16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

void ethernet_header(ByteWriter& out, const MacAddress& destination, const MacAddress& source, std::uint16_t type) {
  out.bytes(destination.bytes);
  out.bytes(source.bytes);
  out.u16(type);
}

void ipv6_header(ByteWriter& out, std::uint8_t traffic_class, std::size_t length, std::uint8_t next_header,
                 const IpAddress& source, const IpAddress& destination) {
  out.u32(std::uint32_t{6} << 28 | static_cast<std::uint32_t>(traffic_class) << 20);
  out.u16(static_cast<std::uint16_t>(length));
  out.u8(next_header);
  out.u8(kHopLimit);
  out.bytes(source.bytes());
  out.bytes(destination.bytes());
}

const IpAddress& all_nodes() {
  static const IpAddress address = *IpAddress::parse("ff02::1");
  return address;
}

// ---- The way back -------------------------------------------------------------------------------------------------

/// `packet` from the IP header on. F20: fragments are never reassembled; options are legal.
ParsedFrame parse_ipv4(ConstBytes packet, const MacAddress& source_mac) {
  if (packet.size() < kIpv4Header) return DecodeError::kTruncated;
  if (packet[0] >> 4 != 4) return DecodeError::kNotIp;
  if (packet[9] != kIpProtocol) return NotForUs{};
  const std::size_t header = static_cast<std::size_t>(packet[0] & 0x0F) * 4;
  const std::size_t total = be16(packet, 2);
  if (header < kIpv4Header || total < header || total > packet.size()) return DecodeError::kTruncated;
  if (fold(add_words(0, packet.first(header))) != 0xFFFF) return DecodeError::kChecksum;
  if ((be16(packet, 6) & 0x3FFF) != 0) return DecodeError::kFragment;  // more fragments, or an offset
  return VrrpFrame{.envelope = {.source = address_at(packet, 12, 4),
                                .destination = address_at(packet, 16, 4),
                                .hop_limit = packet[8]},
                   .source_mac = source_mac,
                   .payload = packet.subspan(header, total - header)};
}

/// RFC 4861 §7.1.1, §7.1.2: an invalid message is silently discarded.
ParsedFrame parse_neighbor_discovery(ConstBytes message, const IpAddress& source, const IpAddress& destination,
                                     const MacAddress& source_mac) {
  if (message.size() < 24 || message[1] != 0) return NotForUs{};
  const bool advertisement = message[0] == kNeighborAdvertisement;
  // Of solicitations only those of duplicate address detection claim anything; they come from nobody yet.
  if (!advertisement && !(message[0] == kNeighborSolicitation && source.is_unspecified())) return NotForUs{};
  const std::uint64_t pseudo = pseudo_header_sum(source, destination, message.size(), kIcmpv6);
  if (fold(add_words(pseudo, message)) != 0xFFFF) return NotForUs{};
  AddressClaim claim{.address = address_at(message, 8, 16), .owner = source_mac, .announces = advertisement};
  if (claim.address.is_multicast()) return NotForUs{};
  for (ConstBytes options = message.subspan(24); !options.empty();) {
    const std::size_t size = options.size() < 2 ? 0 : std::size_t{options[1]} * 8;
    if (size == 0 || size > options.size()) return NotForUs{};
    if (advertisement && options[0] == kTargetLinkLayerOption) claim.owner = mac_at(options, 2);
    options = options.subspan(size);
  }
  return claim;
}

ParsedFrame parse_ipv6(ConstBytes packet, const MacAddress& source_mac) {
  if (packet.size() < kIpv6Header) return DecodeError::kTruncated;
  if (packet[0] >> 4 != 6) return DecodeError::kNotIp;
  const std::uint8_t next = packet[6];
  if (next != kIpProtocol && next != kIcmpv6 && next != kIpv6FragmentHeader) return NotForUs{};
  const std::size_t length = be16(packet, 4);
  const bool whole = length <= packet.size() - kIpv6Header;
  const ConstBytes payload = packet.subspan(kIpv6Header, whole ? length : packet.size() - kIpv6Header);
  if (next == kIpv6FragmentHeader) {
    if (payload.empty() || payload[0] != kIpProtocol) return NotForUs{};
    return DecodeError::kFragment;
  }
  const IpAddress source = address_at(packet, 8, 16);
  const IpAddress destination = address_at(packet, 24, 16);
  if (next == kIcmpv6) {
    if (!whole || packet[7] != kHopLimit) return NotForUs{};
    return parse_neighbor_discovery(payload, source, destination, source_mac);
  }
  if (!whole) return DecodeError::kTruncated;
  return VrrpFrame{.envelope = {.source = source, .destination = destination, .hop_limit = packet[7]},
                   .source_mac = source_mac,
                   .payload = payload};
}

/// RFC 5227 §1.1: whoever sends an ARP message with a sender address claims that address; with 0.0.0.0 it probes the
/// target address.
ParsedFrame parse_arp(ConstBytes body, const MacAddress& source_mac) {
  constexpr std::uint16_t kEthernet = 1;
  if (body.size() < kArpBody || be16(body, 0) != kEthernet || be16(body, 2) != kEtherTypeIpv4) return NotForUs{};
  if (body[4] != 6 || body[5] != 4) return NotForUs{};
  const std::uint16_t operation = be16(body, 6);
  if (operation != 1 && operation != 2) return NotForUs{};
  AddressClaim claim{.address = address_at(body, 14, 4), .owner = mac_at(body, 8), .announces = true};
  if (claim.owner.is_zero()) claim.owner = source_mac;
  if (claim.address.is_unspecified()) {
    claim.address = address_at(body, 24, 4);
    claim.announces = false;
  }
  return claim;
}

}  // namespace

IpAddress multicast_group(Family family) {
  static const IpAddress ipv4 = *IpAddress::parse("224.0.0.18");
  static const IpAddress ipv6 = *IpAddress::parse("ff02::12");
  return family == Family::kIpv6 ? ipv6 : ipv4;
}

MacAddress multicast_mac(Family family) {
  if (family == Family::kIpv6) return {{0x33, 0x33, 0x00, 0x00, 0x00, 0x12}};
  return {{0x01, 0x00, 0x5E, 0x00, 0x00, 0x12}};
}

MacAddress virtual_router_mac(Family family, Vrid vrid) {
  const std::uint8_t block = family == Family::kIpv6 ? 0x02 : 0x01;
  return {{0x00, 0x00, 0x5E, 0x00, block, vrid.value()}};
}

Bytes multicast_frame(const MacAddress& source_mac, const IpAddress& source, ConstBytes message) {
  const Family family = source.family();
  const bool ipv6 = family == Family::kIpv6;
  const std::size_t ip_header = ipv6 ? kIpv6Header : kIpv4Header;
  Bytes frame(kEthernetHeader + ip_header + message.size());
  ByteWriter out{frame};
  ethernet_header(out, multicast_mac(family), source_mac, ipv6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
  if (ipv6) {
    ipv6_header(out, kInternetworkControl, message.size(), kIpProtocol, source, multicast_group(family));
  } else {
    out.u8(0x45);
    out.u8(kInternetworkControl);
    out.u16(static_cast<std::uint16_t>(kIpv4Header + message.size()));
    out.u32(0);  // identification and fragment: never fragmented
    out.u8(kHopLimit);
    out.u8(kIpProtocol);
    out.u16(0);
    out.bytes(source.bytes());
    out.bytes(multicast_group(family).bytes());
    put16(frame, kEthernetHeader + 10, internet_checksum({ConstBytes{frame}.subspan(kEthernetHeader, kIpv4Header)}));
  }
  out.bytes(message);
  CHECK(out.ok());
  return frame;
}

Bytes gratuitous_arp(const MacAddress& mac, const IpAddress& vip, ArpForm form) {
  CHECK(!vip.is_ipv6());
  Bytes frame(kEthernetHeader + kArpBody);
  ByteWriter out{frame};
  ethernet_header(out, kBroadcast, mac, kEtherTypeArp);
  out.u16(1);
  out.u16(kEtherTypeIpv4);
  out.u8(6);
  out.u8(4);
  out.u16(form == ArpForm::kReply ? 2 : 1);
  // §6.4.1: the target hardware address, too, is the announced one (V-03).
  for (int side = 0; side < 2; ++side) {
    out.bytes(mac.bytes);
    out.bytes(vip.bytes());
  }
  CHECK(out.ok());
  return frame;
}

Bytes unsolicited_na(const MacAddress& mac, const IpAddress& vip, bool router_flag) {
  CHECK(vip.is_ipv6());
  constexpr std::size_t kMessage = 32;
  constexpr std::uint8_t kRouter = 0x80;
  constexpr std::uint8_t kOverride = 0x20;
  Bytes frame(kEthernetHeader + kIpv6Header + kMessage);
  ByteWriter out{frame};
  ethernet_header(out, MacAddress{{0x33, 0x33, 0x00, 0x00, 0x00, 0x01}}, mac, kEtherTypeIpv6);
  ipv6_header(out, 0, kMessage, kIcmpv6, vip, all_nodes());
  out.u8(kNeighborAdvertisement);
  out.u8(0);
  out.u16(0);
  out.u8(static_cast<std::uint8_t>((router_flag ? kRouter : 0) | kOverride));  // N-04: S=0
  out.u8(0);
  out.u16(0);
  out.bytes(vip.bytes());
  out.u8(kTargetLinkLayerOption);
  out.u8(1);
  out.bytes(mac.bytes);
  CHECK(out.ok());
  const std::size_t message = kEthernetHeader + kIpv6Header;
  const std::uint64_t pseudo = pseudo_header_sum(vip, all_nodes(), kMessage, kIcmpv6);
  put16(frame, message + 2, static_cast<std::uint16_t>(~fold(add_words(pseudo, ConstBytes{frame}.subspan(message)))));
  return frame;
}

ParsedFrame parse_frame(ConstBytes frame) {
  if (frame.size() < kEthernetHeader) return NotForUs{};
  const MacAddress source_mac = mac_at(frame, 6);
  const ConstBytes rest = frame.subspan(kEthernetHeader);
  switch (be16(frame, 12)) {
    case kEtherTypeIpv4: return parse_ipv4(rest, source_mac);
    case kEtherTypeIpv6: return parse_ipv6(rest, source_mac);
    case kEtherTypeArp: return parse_arp(rest, source_mac);
    default: return NotForUs{};  // also 802.1Q: a tagged copy belongs to the VLAN's own interface
  }
}

ParsedFrame parse_ip_packet(ConstBytes packet) {
  if (packet.empty()) return DecodeError::kTruncated;
  switch (packet[0] >> 4) {
    case 4: return parse_ipv4(packet, {});
    case 6: return parse_ipv6(packet, {});
    default: return DecodeError::kNotIp;
  }
}

}  // namespace baton::vrrp
