// The simulator's own reading and writing of frames, as little as it needs and independent of src/vrrp: what leaves a
// host is judged by these few byte offsets, not by the code under test.
#pragma once

#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace baton::sim {

using Bytes = std::vector<std::uint8_t>;

enum class FrameKind : std::uint8_t { kOther, kAdvert, kAnnouncement };

/// What a frame is, from the Ethernet header on (or from the IP header, `from_ip`).
struct Seen {
  FrameKind kind = FrameKind::kOther;
  Family family = Family::kIpv4;
  std::uint8_t version = 0;
  std::uint8_t vrid = 0;
  std::uint8_t priority = 0;
  std::uint32_t interval_units = 0;  ///< centiseconds (v3), seconds (v2)
  IpAddress address;                 ///< announcement: the address; advert: its source
};
Seen look(ConstBytes frame, bool from_ip);

/// Where the VRRP message starts.
std::size_t message_offset(ConstBytes frame, bool from_ip);

/// A short number for traces: the IPv4 address, or bit 63, first byte and last six of an IPv6 one.
std::uint64_t address_id(const IpAddress& address);
std::string address_text(std::uint64_t id);

/// Content hash for traces.
std::uint64_t hash_bytes(ConstBytes bytes);

/// IP packet around a unicast message, as a receiving host's raw socket shows it.
Bytes unicast_packet(const IpAddress& source, const IpAddress& destination, ConstBytes message);

/// Ways to spoil an advert so that RFC 9568 §7.1 and protocol.md's R rules want it discarded without any trace but a
/// counter (I6).
enum class Spoil : std::uint8_t {
  kChecksum,     ///< one bit of the message (R-08)
  kHopLimit,     ///< R-02
  kVersion,      ///< checksum made right again (R-03)
  kType,         ///< R-04
  kTruncate,     ///< R-05
  kZeroCount,    ///< R-07
  kUnknownVrid,  ///< R-09
  kNoInterval,   ///< R-11; v3
  kUnicast,      ///< R-15: not to the group; multicast only
  kSource,       ///< R-15: from a multicast address
  kFragment,     ///< IPv4
  kCount,
};
/// Spoils `frame` (from the Ethernet header on) with `priority` set first; false if this way does not fit this frame.
bool spoil(Bytes& frame, Spoil way, std::uint8_t priority, std::uint64_t chance, std::uint8_t unknown_vrid);

}  // namespace baton::sim
