// The VRRP message: RFC 9568 §5.2 (v3), RFC 3768 §5.3 (v2). Bytes in, values out, and back. No sockets.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-------+-------+---------------+---------------+---------------+
// |Version| Type  | Virtual Rtr ID|   Priority    | Address Count |
// +-------+-------+---------------+-------+-------+---------------+
// |Rsvd(4)|  Max Advertise Interval (12)  |          Checksum             |   v3
// |Auth Type|  Adver Int (s)              |          Checksum             |   v2
// +-----------------------------------------------+---------------+
// |  IPv4 or IPv6 addresses ...   (v2: then 8 bytes of authentication data) |
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/priority.h"
#include "base/time.h"

namespace baton::vrrp {

inline constexpr std::uint8_t kIpProtocol = 112;
inline constexpr std::uint8_t kHopLimit = 255;
inline constexpr std::size_t kHeaderSize = 8;
inline constexpr std::size_t kV2AuthSize = 8;

enum class Version : std::uint8_t { kV2 = 2, kV3 = 3 };

/// How the checksum of a v3/IPv4 message is made (C-01, C-04). IPv6 always has the pseudo-header, v2 never.
enum class ChecksumForm : std::uint8_t {
  kMessageOnly = 0,   ///< RFC 9568 §5.2.8
  kPseudoHeader = 1,  ///< RFC 5798 as keepalived, FRR and others read it
};

/// Why a received message was discarded. One counter and one label each (RFC 8347 names in `decode_error_token`).
enum class DecodeError : std::uint8_t {
  kTruncated,         ///< packet-length-errors
  kVersion,           ///< version-errors
  kType,              ///< invalid-type-pkts-rcvd
  kTtl,               ///< ip-ttl-errors
  kChecksum,          ///< checksum-errors
  kZeroCount,         ///< R-07
  kZeroInterval,      ///< R-11
  kVrid,              ///< vrid-errors: VRID not configured on this interface and family
  kFragment,          ///< IP fragments are never reassembled here
  kDestination,       ///< R-15: not the group (or, unicast, not us)
  kSource,            ///< R-15: multicast, unspecified or off-link source
  kOwn,               ///< R-01, F12: our own frame, or one that carries our source address
  kUnknownPeer,       ///< unicast from an address that is no configured peer
  kAuthType,          ///< v2: authTypeMismatch
  kAuthData,          ///< v2: authFailure
  kIntervalMismatch,  ///< v2 only: D-03
  kAddressList,       ///< v2 only, non-owner: D-04
  kNotIp,             ///< an envelope that is no IP packet of protocol 112
};
inline constexpr std::size_t kDecodeErrorCount = static_cast<std::size_t>(DecodeError::kNotIp) + 1;

/// "checksum-errors" and so on, the name under which `batonctl status --json` counts it.
std::string_view decode_error_token(DecodeError error);
/// The rule of the protocol checklist that discards it: "R-08"; tests/rfc9568.tsv has the clause and the tests of each.
std::string_view decode_error_rule(DecodeError error);
/// What was wrong with it, for people: "the checksum is wrong".
std::string_view decode_error_words(DecodeError error);

/// A decoded message. `addresses` in wire order.
struct Advert {
  Version version = Version::kV3;
  Vrid vrid{1};
  Priority priority = kDefaultPriority;
  Nanos max_advertise_interval{0};  ///< v2: whole seconds
  std::vector<IpAddress> addresses{};
  ChecksumForm checksum_form = ChecksumForm::kMessageOnly;  ///< v3/IPv4: the form that verified
  std::uint8_t auth_type = 0;                               ///< v2 only
  std::array<std::uint8_t, kV2AuthSize> auth_data{};        ///< v2 only; all zero for type 0

  bool operator==(const Advert&) const = default;
};

/// What the IP header said about the message.
struct Envelope {
  IpAddress source;
  IpAddress destination;
  std::uint8_t hop_limit = 0;
};

/// Bytes of a message with `count` addresses.
constexpr std::size_t message_size(Version version, Family family, std::size_t count) {
  return kHeaderSize + count * (family == Family::kIpv6 ? 16 : 4) + (version == Version::kV2 ? kV2AuthSize : 0);
}

/// Encodes one message; the checksum of v3 covers the pseudo-header where the family or `form` asks for it.
/// REQUIRES interval 1..4095 cs (v3) or 1..255 s (v2), at most 255 addresses of the envelope's family.
std::vector<std::uint8_t> encode(const Advert& advert, ChecksumForm form, const IpAddress& source,
                                 const IpAddress& destination);

/// The receive ladder over the IP payload. Does not know what is configured: to a unicast
/// destination any Hop Limit is let through here, and ReceiveRules asks the peer's min_ttl. Extra bytes after the
/// message are ignored.
Expected<Advert, DecodeError> decode(ConstBytes payload, const Envelope& envelope);
/// The same into an Advert that is used again and again: no allocation once its list has grown. nullopt = accepted;
/// after an error `advert` holds nothing of use.
std::optional<DecodeError> decode_into(Advert& advert, ConstBytes payload, const Envelope& envelope);

/// The version nibble and VRID alone, to drop an unconfigured VRID before any parsing (F08). nullopt if too short.
struct Peek {
  std::uint8_t version;
  std::uint8_t vrid;
};
std::optional<Peek> peek(ConstBytes payload);

}  // namespace baton::vrrp
