// Whole Ethernet frames: the VRRP envelope (RFC 9568 §5.1, E-01 to E-05, E-09), gratuitous ARP (§8.1.2) and unsolicited
// Neighbor Advertisements (§8.2.2), and the way back from received bytes. Pure.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "vrrp/checksum.h"
#include "vrrp/packet.h"

namespace baton::vrrp {

inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86DD;

/// 224.0.0.18 or ff02::12.
IpAddress multicast_group(Family family);
/// 01:00:5e:00:00:12 or 33:33:00:00:00:12.
MacAddress multicast_mac(Family family);
/// 00:00:5e:00:01:VRID or 00:00:5e:00:02:VRID (RFC 9568 §7.3).
MacAddress virtual_router_mac(Family family, Vrid vrid);

using Bytes = std::vector<std::uint8_t>;

/// Ethernet + IPv4/IPv6 + message, to the multicast group: TTL / Hop Limit 255, TOS / Class 0xC0, never fragmented.
Bytes multicast_frame(const MacAddress& source_mac, const IpAddress& source, ConstBytes message);

enum class ArpForm : std::uint8_t { kRequest, kReply };
/// §8.1.2, V-03: broadcast; sender and target protocol address = `vip`, both hardware addresses = `mac`. 42 bytes:
/// padding to the Ethernet minimum is the device's.
Bytes gratuitous_arp(const MacAddress& mac, const IpAddress& vip, ArpForm form);
/// §8.2.2, N-04: R as given, S=0, O=1, target link-layer option = `mac`, to ff02::1, Hop Limit 255, source = `vip`.
Bytes unsolicited_na(const MacAddress& mac, const IpAddress& vip, bool router_flag);

/// A received frame, taken apart. Views point into the frame.
struct VrrpFrame {
  Envelope envelope;
  MacAddress source_mac;
  ConstBytes payload;  ///< the IP payload by the IP header's own length: Ethernet padding is cut (R-06)
};
/// Somebody announces or probes an address: ARP (request or reply, gratuitous or not), NA, or a DAD NS. Whoever sends
/// ARP with a sender address claims it (RFC 5227 §1.1), also when he asks for another. ND is taken only if valid (RFC
/// 4861).
struct AddressClaim {
  IpAddress address;
  MacAddress owner;        ///< the hardware address claimed; of the frame if the message carries none
  bool announces = false;  ///< true: claims to have it (ARP from it, NA); false: only probes (ARP from 0.0.0.0, DAD)
};
struct NotForUs {};
using ParsedFrame = std::variant<NotForUs, VrrpFrame, AddressClaim, DecodeError>;

/// Takes a frame from the Ethernet header on. Fragments, a bad IPv4 header checksum or lengths that contradict each
/// other give a DecodeError; IP options are legal. Anything that is no VRRP, ARP or ND is NotForUs.
ParsedFrame parse_frame(ConstBytes frame);
/// The same from the IP header on, for raw IPv4 sockets.
ParsedFrame parse_ip_packet(ConstBytes packet);

}  // namespace baton::vrrp
