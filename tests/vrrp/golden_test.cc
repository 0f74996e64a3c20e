// Golden frames through parse_frame, decode and ReceiveRules: the outcome of each, of every prefix and of every flipped
// bit. What must be accepted is said twice, independently of the code: by region of the frame, and by a plain reading
// of the format (`valid_by_the_book`).
#include "tests/vrrp/golden.h"

#include <gtest/gtest.h>

#include "vrrp/frame.h"
#include "vrrp/receive_rules.h"

namespace baton::vrrp {
namespace {

using namespace std::chrono_literals;
using test::golden_frame;
using test::golden_frames;
using test::GoldenFrame;
using test::ip;
using Raw = std::vector<std::uint8_t>;

ReceiveParameters router(const std::string& name) {
  ReceiveParameters parameters{.addresses = {ip("192.0.2.1")}, .own = ip("192.0.2.10")};
  if (name == "v6") {
    parameters.addresses = {ip("fe80::1"), ip("2001:db8::1")};
    parameters.own = ip("fe80::a");
  }
  if (name.starts_with("v2")) parameters.version = Version::kV2;
  if (name == "v2-two") parameters.addresses.push_back(ip("192.0.2.2"));
  if (name == "v2-secret") {
    parameters.auth_type = kAuthSimplePassword;
    parameters.auth_data = simple_password("SECRET");
  }
  return parameters;
}

std::string outcome(const GoldenFrame& golden) {
  const ParsedFrame parsed = parse_frame(golden.bytes);
  if (const auto* error = std::get_if<DecodeError>(&parsed)) return std::string{decode_error_token(*error)};
  const auto* frame = std::get_if<VrrpFrame>(&parsed);
  if (frame == nullptr) return "not for us";
  const auto advert = decode(frame->payload, frame->envelope);
  if (!advert) return std::string{decode_error_token(advert.error())};
  if (advert->vrid != Vrid{10}) return std::string{decode_error_token(DecodeError::kVrid)};
  const auto matched = ReceiveRules{router(golden.router)}.match(frame->envelope, *advert);
  if (!matched) return std::string{decode_error_token(matched.error())};
  std::string text = "accept";
  if (matched->first_address_not_link_local) text += " not-link-local";
  if (matched->address_list_differs) text += " address-list";
  return text;
}

// Only parse_frame and decode: what any router could accept.
bool accepted(const Raw& bytes) {
  const ParsedFrame parsed = parse_frame(bytes);
  const auto* frame = std::get_if<VrrpFrame>(&parsed);
  return frame != nullptr && decode(frame->payload, frame->envelope).has_value();
}

unsigned folded_sum(const Raw& bytes, std::size_t from, std::size_t size) {
  unsigned sum = 0;
  for (std::size_t i = 0; i + 1 < size; i += 2) sum += bytes[from + i] * 256u + bytes[from + i + 1];
  while (sum > 0xFFFF) sum = sum % 0x10000 + sum / 0x10000;
  return sum;
}

bool sums_to_ffff(unsigned a, unsigned b) {
  const unsigned sum = a + b;
  return sum == 0xFFFF || sum == 0x1FFFE;
}

/// The format, read plainly: protocol.md sections 2 to 4, by fixed offsets of a frame without IP options.
bool valid_by_the_book(const Raw& f) {
  if (f.size() < 14) return false;
  const bool v4 = f[12] == 0x08 && f[13] == 0x00;
  const bool v6 = f[12] == 0x86 && f[13] == 0xDD;
  std::size_t at = 0, payload = 0, pseudo_at = 0, pseudo_size = 0;
  bool multicast = false;
  if (v4) {
    if (f.size() < 34 || f[14] != 0x45 || f[23] != 112) return false;
    const std::size_t total = f[16] * 256u + f[17];
    if (total < 20 || total > f.size() - 14) return false;
    if (folded_sum(f, 14, 20) != 0xFFFF || (f[20] & 0x3F) != 0 || f[21] != 0) return false;
    at = 34, payload = total - 20, pseudo_at = 26, pseudo_size = 8;
    multicast = f[30] / 16 == 14;
    if (multicast && f[22] != 255) return false;
  } else if (v6) {
    if (f.size() < 54 || f[14] / 16 != 6 || f[20] != 112) return false;
    payload = f[18] * 256u + f[19];
    if (payload > f.size() - 54) return false;
    at = 54, pseudo_at = 22, pseudo_size = 32;
    multicast = f[38] == 0xFF;
    if (multicast && f[21] != 255) return false;
  } else {
    return false;
  }
  if (payload < 8) return false;
  const bool version2 = v4 && f[at] == 0x21;
  if (f[at] != 0x31 && !version2) return false;
  const std::size_t count = f[at + 3];
  const std::size_t size = 8 + count * (v6 ? 16 : 4) + (version2 ? 8 : 0);
  if (count == 0 || payload < size || f[at + 1] == 0) return false;
  if (version2 ? f[at + 5] == 0 : f[at + 5] == 0 && f[at + 4] % 16 == 0) return false;
  const unsigned message = folded_sum(f, at, size);
  const unsigned pseudo = folded_sum(f, pseudo_at, pseudo_size) + 112 + static_cast<unsigned>(size);
  const bool with_pseudo = sums_to_ffff(message, pseudo > 0xFFFF ? pseudo - 0xFFFF : pseudo);
  if (version2) return message == 0xFFFF;
  return v6 ? with_pseudo : message == 0xFFFF || with_pseudo;
}

TEST(GoldenTest, EveryFrameHasItsOutcome) {
  const auto frames = golden_frames();
  ASSERT_EQ(frames.size(), 29u);
  for (const GoldenFrame& golden : frames)
    EXPECT_EQ(outcome(golden), golden.outcome) << golden.name << ": " << golden.what;
}

TEST(GoldenTest, Version2FrameIsDiscardedByAVersion3RouterAndTheOtherWayRound) {
  GoldenFrame v2 = golden_frame("G01");
  v2.router = "v3";
  EXPECT_EQ(outcome(v2), "version-errors");
  GoldenFrame v3 = golden_frame("G03");
  v3.router = "v2";
  EXPECT_EQ(outcome(v3), "version-errors");
}

TEST(GoldenTest, PasswordOnARouterWithoutOneIsAnAuthenticationTypeMismatch) {
  GoldenFrame secret = golden_frame("G02");
  secret.router = "v2";
  EXPECT_EQ(outcome(secret), "auth-type-mismatch");
  GoldenFrame plain = golden_frame("G01");
  plain.router = "v2-secret";
  EXPECT_EQ(outcome(plain), "auth-type-mismatch");
}

TEST(GoldenTest, SelfConsistencyCannotShowAHalfWordSlipButTheseBytesCan) {
  // C-08: length 0x18 sums alike in either half of the pseudo-header's 32 bits; the golden frame fixes the sum itself.
  const auto bytes = golden_frame("G10").bytes;
  EXPECT_EQ(bytes[54 + 6], 0xD1);
  EXPECT_EQ(bytes[54 + 7], 0x28);
  EXPECT_TRUE(accepted(bytes));
}

TEST(GoldenTest, APrefixIsAcceptedOnlyWhenItHoldsTheWholeIpPacket) {
  for (const GoldenFrame& golden : golden_frames()) {
    const Raw& whole = golden.bytes;
    const bool v6 = whole[12] == 0x86;
    const std::size_t end = v6 ? 54u + whole[18] * 256u + whole[19] : 14u + whole[16] * 256u + whole[17];
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Raw prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(accepted(prefix), size >= end && accepted(whole)) << golden.name << " cut to " << size;
      EXPECT_EQ(accepted(prefix), valid_by_the_book(prefix)) << golden.name << " cut to " << size;
    }
  }
}

/// True for bytes that no check covers at this layer: MAC addresses, IPv6 traffic class and flow label, padding.
bool covered_by_nothing(const Raw& frame, std::size_t byte, int bit) {
  const bool v6 = frame[12] == 0x86;
  if (byte < 12) return true;
  if (v6) return (byte == 14 && bit < 4) || (byte >= 15 && byte <= 17);
  return byte >= 14u + frame[16] * 256u + frame[17];
}

TEST(GoldenTest, AFlippedBitIsNeverAcceptedWhereACheckCoversIt) {
  int flips = 0;
  for (const GoldenFrame& golden : golden_frames()) {
    const bool good = accepted(golden.bytes);
    for (std::size_t byte = 0; byte < golden.bytes.size(); ++byte) {
      for (int bit = 0; bit < 8; ++bit) {
        Raw flipped = golden.bytes;
        flipped[byte] = static_cast<std::uint8_t>(flipped[byte] ^ (1 << bit));
        ++flips;
        EXPECT_EQ(accepted(flipped), valid_by_the_book(flipped)) << golden.name << " byte " << byte << " bit " << bit;
        if (good) {
          EXPECT_EQ(accepted(flipped), covered_by_nothing(golden.bytes, byte, bit))
              << golden.name << " byte " << byte << " bit " << bit;
        }
      }
    }
  }
  EXPECT_EQ(flips, 14'752);  // 25 frames of 60 bytes, 94 + 78 + 78 + 94 more
}

TEST(GoldenTest, OurEncoderMakesTheGoldenFramesByteForByte) {
  for (const std::string name :
       {"G01", "G02", "G03", "G04", "G05", "G06", "G07", "G09", "G10", "W01", "W02", "W03", "W04"}) {
    const GoldenFrame golden = golden_frame(name);
    const auto parsed = std::get<VrrpFrame>(parse_frame(golden.bytes));
    const auto advert = decode(parsed.payload, parsed.envelope);
    ASSERT_TRUE(advert.has_value()) << name;
    const auto message = encode(*advert, advert->checksum_form, parsed.envelope.source, parsed.envelope.destination);
    Raw frame =
        multicast_frame(virtual_router_mac(parsed.envelope.source.family(), Vrid{10}), parsed.envelope.source, message);
    if (frame.size() < 60) frame.resize(60);  // the golden frames are padded as on the wire
    EXPECT_EQ(frame, golden.bytes) << name;
  }
}

}  // namespace
}  // namespace baton::vrrp
