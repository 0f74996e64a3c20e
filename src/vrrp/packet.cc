#include "vrrp/packet.h"

#include "base/check.h"
#include "base/defect.h"
#include "vrrp/checksum.h"

namespace baton::vrrp {
namespace {

constexpr std::uint8_t kAdvertisement = 1;
constexpr Nanos kCentisecond = std::chrono::milliseconds{10};
constexpr Nanos kSecond = std::chrono::seconds{1};
constexpr std::size_t kChecksumOffset = 6;

std::uint16_t wire_interval(Version version, Nanos interval) {
  const Nanos unit = version == Version::kV2 ? kSecond : kCentisecond;
  const auto count = interval / unit;
  CHECK(interval % unit == Nanos{0});
  CHECK(count >= 1 && count <= (version == Version::kV2 ? 255 : 4095));
  return static_cast<std::uint16_t>(count);
}

/// §5.2.8, RFC 3768 §5.3.8: which form of the checksum verifies, if any. v3/IPv4 has two in the field (C-04).
std::optional<ChecksumForm> verify(Version version, ConstBytes message, const Envelope& envelope) {
  const std::uint64_t sum = add_words(0, message);
  const bool good = fold(sum) == 0xFFFF;
  if (version == Version::kV2) return good ? std::optional{ChecksumForm::kMessageOnly} : std::nullopt;
  if (good && !envelope.source.is_ipv6()) return ChecksumForm::kMessageOnly;
  const std::uint64_t pseudo = pseudo_header_sum(envelope.source, envelope.destination, message.size(), kIpProtocol);
  return fold(sum + pseudo) == 0xFFFF ? std::optional{ChecksumForm::kPseudoHeader} : std::nullopt;
}

}  // namespace

std::vector<std::uint8_t> encode(const Advert& advert, ChecksumForm form, const IpAddress& source,
                                 const IpAddress& destination) {
  const Family family = source.family();
  CHECK(destination.family() == family);
  CHECK(advert.addresses.size() <= 255);
  CHECK(advert.version == Version::kV3 || family == Family::kIpv4);

  std::vector<std::uint8_t> message(message_size(advert.version, family, advert.addresses.size()));
  ByteWriter out{message};
  const std::uint16_t interval = wire_interval(advert.version, advert.max_advertise_interval);
  out.u8(static_cast<std::uint8_t>(static_cast<int>(advert.version) << 4 | kAdvertisement));
  out.u8(advert.vrid.value());
  out.u8(advert.priority.value());
  out.u8(static_cast<std::uint8_t>(advert.addresses.size()));
  if (advert.version == Version::kV2) {
    out.u8(advert.auth_type);
    out.u8(static_cast<std::uint8_t>(interval));
  } else {
    out.u16(interval);  // §5.2.6: the four Reserve bits above the 12 of the interval are zero (F-01)
  }
  out.u16(0);
  for (const IpAddress& address : advert.addresses) {
    CHECK(address.family() == family);  // §5.2.9: the family of the IP header (F-03)
    out.bytes(address.bytes());
  }
  if (advert.version == Version::kV2) out.bytes(advert.auth_data);
  CHECK(out.ok() && out.size() == message.size());

  std::uint64_t sum = add_words(0, message);
  const bool pseudo = family == Family::kIpv6 || form == ChecksumForm::kPseudoHeader;
  if (advert.version == Version::kV3 && pseudo) {
    sum += pseudo_header_sum(source, destination, message.size(), kIpProtocol);
  }
  const std::uint16_t checksum = static_cast<std::uint16_t>(~fold(sum));
  message[kChecksumOffset] = static_cast<std::uint8_t>(checksum >> 8);
  message[kChecksumOffset + 1] = static_cast<std::uint8_t>(checksum);
  return message;
}

std::optional<DecodeError> decode_into(Advert& advert, ConstBytes payload, const Envelope& envelope) {
  const Family family = envelope.source.family();
  // R-02, §5.1.1.3, §5.1.2.3. A unicast sender may be routed: its min_ttl is configured, so ReceiveRules asks it.
  if (envelope.destination.is_multicast() && envelope.hop_limit != kHopLimit) return DecodeError::kTtl;
  if (payload.empty()) return DecodeError::kTruncated;
  // R-03, §5.2.1; version 2 has no IPv6 (D-01).
  const int version = payload[0] >> 4;
  if (version != 3 && !(version == 2 && family == Family::kIpv4)) return DecodeError::kVersion;
  advert.version = static_cast<Version>(version);
  // R-04, §5.2.2.
  if ((payload[0] & 0x0F) != kAdvertisement) return DecodeError::kType;
  // R-05, §7.1: the whole message; what follows it is ignored.
  if (payload.size() < kHeaderSize) return DecodeError::kTruncated;
  const std::size_t count = payload[3];
  const std::size_t size = message_size(advert.version, family, count);
  if (payload.size() < size) return DecodeError::kTruncated;
  // R-07, §5.2.5. RFC 3768 does not speak of it, but an advert without an address says nothing there either.
  if (count == 0 && !BATON_DEFECT(23)) return DecodeError::kZeroCount;
  // R-08, §7.1.
  auto form = verify(advert.version, payload.first(size), envelope);
  if (BATON_DEFECT(21)) form = ChecksumForm::kPseudoHeader;
  if (!form) return DecodeError::kChecksum;
  advert.checksum_form = *form;
  // §5.2.3: 1..255.
  if (payload[1] == 0) return DecodeError::kVrid;
  advert.vrid = Vrid{payload[1]};
  advert.priority = Priority{payload[2]};
  // R-11, erratum 8301; §5.2.7: 12 bits, centiseconds; the Reserve bits are ignored (F-01). v2: seconds.
  const bool v2 = advert.version == Version::kV2;
  const Centiseconds centiseconds{static_cast<std::uint16_t>((payload[4] & 0x0F) << 8 | payload[5])};
  advert.max_advertise_interval = v2 ? Nanos{kSecond} * payload[5] : centiseconds.nanos();
  if (advert.max_advertise_interval == Nanos{0}) return DecodeError::kZeroInterval;

  const std::size_t step = family == Family::kIpv6 ? 16 : 4;
  advert.addresses.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    advert.addresses[i] = IpAddress::from_bytes(payload.subspan(kHeaderSize + i * step, step));
  }
  advert.auth_type = v2 ? payload[4] : std::uint8_t{0};
  advert.auth_data = {};
  if (v2 && advert.auth_type != 0) {
    const ConstBytes trailer = payload.subspan(size - kV2AuthSize, kV2AuthSize);
    std::copy(trailer.begin(), trailer.end(), advert.auth_data.begin());
  }
  return std::nullopt;
}

Expected<Advert, DecodeError> decode(ConstBytes payload, const Envelope& envelope) {
  Advert advert;
  if (const auto error = decode_into(advert, payload, envelope)) return Unexpected<DecodeError>{*error};
  return advert;
}

std::optional<Peek> peek(ConstBytes payload) {
  if (payload.size() < 2) return std::nullopt;
  return Peek{static_cast<std::uint8_t>(payload[0] >> 4), payload[1]};
}

}  // namespace baton::vrrp
