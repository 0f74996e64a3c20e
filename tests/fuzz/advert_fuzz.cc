// Foreign bytes through the whole receive path. The first byte chooses the way in: a frame from a packet socket, an IP
// packet from a raw socket, or a VRRP message in a given envelope, as it is or with its checksum made right (so that
// the fuzzer gets past it). What is accepted must be valid in itself and survive encoding.
#include <cstdlib>

#include "base/check.h"
#include "vrrp/checksum.h"
#include "vrrp/frame.h"
#include "vrrp/receive_rules.h"

namespace {

using namespace baton;
using namespace baton::vrrp;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

void accepted(const Advert& advert, ConstBytes payload, const Envelope& envelope) {
  CHECK(!advert.addresses.empty() && advert.addresses.size() == payload[3]);
  CHECK(advert.max_advertise_interval > Nanos{0});
  for (const IpAddress& address : advert.addresses) CHECK(address.family() == envelope.source.family());
  const Bytes again = encode(advert, advert.checksum_form, envelope.source, envelope.destination);
  const auto decoded = decode(again, envelope);
  CHECK(decoded.has_value());
  CHECK(*decoded == advert);
  // Where nothing is ignored on receipt, the bytes are the same but for the two ways to write a zero checksum.
  const bool reserve = advert.version == Version::kV3 && payload[4] >> 4 != 0;
  if (!reserve && advert.version == Version::kV3) {
    CHECK(std::equal(again.begin(), again.begin() + 6, payload.begin()));
    CHECK(std::equal(again.begin() + 8, again.end(), payload.begin() + 8));
  }
  ReceiveParameters parameters{.version = advert.version,
                               .advertisement_interval = advert.max_advertise_interval,
                               .addresses = advert.addresses,
                               .own = ip(envelope.source.is_ipv6() ? "fe80::a" : "192.0.2.10"),
                               .auth_type = advert.auth_type,
                               .auth_data = advert.auth_data};
  const auto matched = ReceiveRules{parameters}.match(envelope, advert);
  CHECK(!matched || !matched->address_list_differs);
}

void message(ConstBytes payload, const Envelope& envelope) {
  peek(payload);
  const auto advert = decode(payload, envelope);
  if (advert) accepted(*advert, payload, envelope);
}

void reseal(Bytes& payload, const Envelope& envelope) {
  if (payload.size() < kHeaderSize) return;
  const auto version = payload[0] >> 4 == 2 ? Version::kV2 : Version::kV3;
  const std::size_t size = message_size(version, envelope.source.family(), payload[3]);
  if (payload.size() < size) return;
  payload[6] = payload[7] = 0;
  std::uint64_t sum = add_words(0, ConstBytes{payload}.first(size));
  if (version == Version::kV3) sum += pseudo_header_sum(envelope.source, envelope.destination, size, kIpProtocol);
  const auto checksum = static_cast<std::uint16_t>(~fold(sum));
  payload[6] = static_cast<std::uint8_t>(checksum >> 8);
  payload[7] = static_cast<std::uint8_t>(checksum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Envelope ipv4{ip("192.0.2.251"), ip("224.0.0.18"), 255};
  static const Envelope ipv6{ip("fe80::c8"), ip("ff02::12"), 255};
  if (size == 0) return 0;
  const int way = data[0] % 6;
  const ConstBytes input{data + 1, size - 1};
  if (way < 2) {
    const ParsedFrame parsed = way == 0 ? parse_frame(input) : parse_ip_packet(input);
    if (const auto* frame = std::get_if<VrrpFrame>(&parsed)) message(frame->payload, frame->envelope);
    return 0;
  }
  const Envelope& envelope = way % 2 == 0 ? ipv4 : ipv6;
  Bytes payload(input.begin(), input.end());
  if (way >= 4) reseal(payload, envelope);
  message(payload, envelope);
  return 0;
}
