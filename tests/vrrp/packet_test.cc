#include "vrrp/packet.h"

#include <gtest/gtest.h>

#include "tests/vrrp/golden.h"
#include "vrrp/checksum.h"

namespace baton::vrrp {
namespace {

using namespace std::chrono_literals;
using test::from_hex;
using test::golden_rows;
using test::ip;

const Envelope kIpv4{ip("192.0.2.251"), ip("224.0.0.18"), 255};
const Envelope kIpv6{ip("fe80::c8"), ip("ff02::12"), 255};

DecodeError error_of(const std::vector<std::uint8_t>& message, const Envelope& envelope) {
  const auto advert = decode(message, envelope);
  EXPECT_FALSE(advert.has_value());
  return advert ? DecodeError::kNotIp : advert.error();
}

// Makes the message checksum right again after a change, for messages without pseudo-header.
std::vector<std::uint8_t> resealed(std::vector<std::uint8_t> message) {
  message[6] = message[7] = 0;
  unsigned sum = 0;
  for (std::size_t i = 0; i < message.size(); i += 2) sum += message[i] * 256u + message[i + 1];
  while (sum > 0xFFFF) sum = sum % 0x10000 + sum / 0x10000;
  message[6] = static_cast<std::uint8_t>((0xFFFF - sum) / 256);
  message[7] = static_cast<std::uint8_t>((0xFFFF - sum) % 256);
  return message;
}

const std::vector<std::uint8_t> kGood = from_hex("310ac8010064448ec0000201");                    // G03
const std::vector<std::uint8_t> kGoodV2 = from_hex("210ac801000154f1c00002010000000000000000");  // G01

TEST(PacketTest, DecodesEveryFieldOfAnIpv4Advert) {
  const auto advert = decode(kGood, kIpv4);
  ASSERT_TRUE(advert.has_value());
  EXPECT_EQ(advert->version, Version::kV3);
  EXPECT_EQ(advert->vrid, Vrid{10});
  EXPECT_EQ(advert->priority, Priority{200});
  EXPECT_EQ(advert->max_advertise_interval, 1s);  // 0x0064 centiseconds, neither 25600 nor 100 s (I-02)
  EXPECT_EQ(advert->addresses, std::vector{ip("192.0.2.1")});
  EXPECT_EQ(advert->checksum_form, ChecksumForm::kMessageOnly);
}

TEST(PacketTest, DecodesEveryFieldOfAnIpv6Advert) {
  const auto advert =
      decode(from_hex("310a640200643f5dfe80000000000000000000000000000120010db8000000000000000000000001"), kIpv6);
  ASSERT_TRUE(advert.has_value());
  EXPECT_EQ(advert->priority, Priority{100});
  EXPECT_EQ(advert->addresses, (std::vector{ip("fe80::1"), ip("2001:db8::1")}));
  EXPECT_EQ(advert->checksum_form, ChecksumForm::kPseudoHeader);
}

TEST(PacketTest, DecodesVersion2WithItsPassword) {
  const auto advert = decode(from_hex("210ac80101017805c00002015345435245540000"), kIpv4);
  ASSERT_TRUE(advert.has_value());
  EXPECT_EQ(advert->version, Version::kV2);
  EXPECT_EQ(advert->max_advertise_interval, 1s);
  EXPECT_EQ(advert->auth_type, 1);
  EXPECT_EQ(advert->auth_data, (std::array<std::uint8_t, 8>{'S', 'E', 'C', 'R', 'E', 'T', 0, 0}));
}

TEST(PacketTest, Version2WithoutAuthenticationIgnoresItsData) {
  std::vector<std::uint8_t> message = kGoodV2;
  message[15] = 0x77;
  const auto advert = decode(resealed(message), kIpv4);
  ASSERT_TRUE(advert.has_value());
  EXPECT_EQ(advert->auth_data, (std::array<std::uint8_t, 8>{}));
}

TEST(PacketTest, BothChecksumFormsOfVersion3Ipv4AreAcceptedAndToldApart) {
  EXPECT_EQ(decode(kGood, kIpv4)->checksum_form, ChecksumForm::kMessageOnly);
  EXPECT_EQ(decode(from_hex("310ac8010064a103c0000201"), kIpv4)->checksum_form, ChecksumForm::kPseudoHeader);  // G04
}

TEST(PacketTest, ThePseudoHeaderFormDependsOnTheAddresses) {
  const Envelope other{ip("192.0.2.250"), ip("224.0.0.18"), 255};
  EXPECT_EQ(error_of(from_hex("310ac8010064a103c0000201"), other), DecodeError::kChecksum);
  EXPECT_TRUE(decode(kGood, other).has_value());
}

TEST(PacketTest, Version2ChecksumNeverHasAPseudoHeader) {
  // G01 summed with the pseudo-header of 192.0.2.251 -> 224.0.0.18, length 20: 54f1 + c000 + 02fb + e000 + 0012 + 0070
  // + 0014.
  std::vector<std::uint8_t> message = kGoodV2;
  message[6] = message[7] = 0;
  message = resealed(message);
  unsigned sum = 0xC000 + 0x02FB + 0xE000 + 0x0012 + 0x0070 + 0x0014 + (0xFFFFu - 0x54F1);
  while (sum > 0xFFFF) sum = sum % 0x10000 + sum / 0x10000;
  message[6] = static_cast<std::uint8_t>((0xFFFF - sum) / 256);
  message[7] = static_cast<std::uint8_t>((0xFFFF - sum) % 256);
  EXPECT_EQ(error_of(message, kIpv4), DecodeError::kChecksum);
  EXPECT_TRUE(decode(kGoodV2, kIpv4).has_value());
}

TEST(PacketTest, Ipv6ChecksumNeedsThePseudoHeaderOfProtocol112) {
  // G10's message, message-only sum: 310a 0001 0064 + fe80 + 0001 = 1 2ff0 -> 2ff1, complement d00e.
  EXPECT_EQ(error_of(from_hex("310a00010064d00efe800000000000000000000000000001"), kIpv6), DecodeError::kChecksum);
  EXPECT_TRUE(decode(from_hex("310a00010064d128fe800000000000000000000000000001"), kIpv6).has_value());
  // With next header 58 in the sum instead of 112 the checksum is greater by 54 = 0x36: d15e.
  EXPECT_EQ(error_of(from_hex("310a00010064d15efe800000000000000000000000000001"), kIpv6), DecodeError::kChecksum);
}

TEST(PacketTest, LadderNamesTheFirstRungThatFails) {
  const Envelope low_ttl{kIpv4.source, kIpv4.destination, 254};
  std::vector<std::uint8_t> message = kGood;
  message[0] = 0x42;
  message[3] = 0;
  EXPECT_EQ(error_of(message, low_ttl), DecodeError::kTtl);
  EXPECT_EQ(error_of(message, kIpv4), DecodeError::kVersion);
  message[0] = 0x32;
  EXPECT_EQ(error_of(message, kIpv4), DecodeError::kType);
  message[0] = 0x31;
  EXPECT_EQ(error_of(std::vector(message.begin(), message.begin() + 7), kIpv4), DecodeError::kTruncated);
  EXPECT_EQ(error_of(message, kIpv4), DecodeError::kZeroCount);
  message[3] = 2;
  EXPECT_EQ(error_of(message, kIpv4), DecodeError::kTruncated);
  message[3] = 1;
  message[5] = 0;
  EXPECT_EQ(error_of(message, kIpv4), DecodeError::kChecksum);
  EXPECT_EQ(error_of(resealed(message), kIpv4), DecodeError::kZeroInterval);
  message[1] = 0;
  EXPECT_EQ(error_of(resealed(message), kIpv4), DecodeError::kVrid);
}

TEST(PacketTest, HopLimitIs255ForTheGroupAndLeftToTheRulesForUnicast) {
  for (const int ttl : {0, 1, 64, 254}) {
    EXPECT_EQ(error_of(kGood, {kIpv4.source, kIpv4.destination, static_cast<std::uint8_t>(ttl)}), DecodeError::kTtl);
  }
  EXPECT_TRUE(decode(kGood, {kIpv4.source, ip("192.0.2.10"), 64}).has_value());
}

TEST(PacketTest, EveryVersionButTwoAndThreeIsRefused) {
  for (int version = 0; version <= 15; ++version) {
    std::vector<std::uint8_t> message = kGood;
    message.resize(20);
    message[0] = static_cast<std::uint8_t>(version * 16 + 1);
    EXPECT_EQ(decode(resealed(message), kIpv4).has_value(), version == 2 || version == 3) << version;
  }
  std::vector<std::uint8_t> v2_over_ipv6(8 + 16 + 8);
  v2_over_ipv6[0] = 0x21;
  EXPECT_EQ(error_of(v2_over_ipv6, kIpv6), DecodeError::kVersion);
}

TEST(PacketTest, EveryTypeButAdvertisementIsRefused) {
  for (int type = 0; type <= 15; ++type) {
    std::vector<std::uint8_t> message = kGood;
    message[0] = static_cast<std::uint8_t>(0x30 + type);
    EXPECT_EQ(decode(resealed(message), kIpv4).has_value(), type == 1) << type;
  }
}

TEST(PacketTest, CarpAdvertIsDiscardedQuietly) {
  // Byte 0 = 0x21 and protocol 112, but byte 3 is a length of 7 words and there is no such checksum (I-10).
  std::vector<std::uint8_t> carp(36, 0x5A);
  carp[0] = 0x21, carp[1] = 10, carp[2] = 0, carp[3] = 7;
  EXPECT_EQ(error_of(carp, kIpv4), DecodeError::kTruncated);
}

TEST(PacketTest, Version2NeedsItsAuthenticationData) {
  EXPECT_EQ(error_of(from_hex("210ac801000154f1c0000201"), kIpv4), DecodeError::kTruncated);  // B04
}

TEST(PacketTest, ReserveBitsAreIgnored) {
  const auto advert = decode(from_hex("310ac801ffff44f2c0000201"), kIpv4);  // G08
  ASSERT_TRUE(advert.has_value());
  EXPECT_EQ(advert->max_advertise_interval, 40'950ms);
}

TEST(PacketTest, BytesAfterTheMessageAreIgnoredAndNotSummed) {
  std::vector<std::uint8_t> message = kGood;
  for (const std::uint8_t byte : {0, 0xFF, 0x12}) {
    message.insert(message.end(), 28, byte);
    EXPECT_TRUE(decode(message, kIpv4).has_value());
  }
  std::vector<std::uint8_t> pseudo = from_hex("310ac8010064a103c0000201");  // G04 with a 28-byte trailer (I-12)
  pseudo.insert(pseudo.end(), 28, 0xAB);
  EXPECT_TRUE(decode(pseudo, kIpv4).has_value());
}

TEST(PacketTest, DecodesIntoTheSameAdvertAgain) {
  Advert advert;
  EXPECT_EQ(decode_into(advert, from_hex("210ac80101017805c00002015345435245540000"), kIpv4), std::nullopt);
  EXPECT_EQ(decode_into(advert, kGood, kIpv4), std::nullopt);
  EXPECT_EQ(advert, *decode(kGood, kIpv4));  // nothing of the password is left
  EXPECT_EQ(decode_into(advert, from_hex("310ac8010064448fc0000201"), kIpv4), DecodeError::kChecksum);
}

TEST(PacketTest, EncodesBothForms) {
  const Advert advert{
      .vrid = Vrid{10}, .priority = Priority{200}, .max_advertise_interval = 1s, .addresses = {ip("192.0.2.1")}};
  EXPECT_EQ(encode(advert, ChecksumForm::kMessageOnly, kIpv4.source, kIpv4.destination), kGood);
  EXPECT_EQ(encode(advert, ChecksumForm::kPseudoHeader, kIpv4.source, kIpv4.destination),
            from_hex("310ac8010064a103c0000201"));
}

TEST(PacketTest, EncodesThePseudoHeaderOfTheRealUnicastDestination) {
  // C-06. Message of G03 without checksum sums to bb71; c000+0201 + c000+0209 + 0070 + 000c = 1 8486 -> 8487.
  // bb71 + 8487 = 1 3ff8 -> 3ff9, complement c006.
  const Advert advert{
      .vrid = Vrid{10}, .priority = Priority{200}, .max_advertise_interval = 1s, .addresses = {ip("192.0.2.1")}};
  EXPECT_EQ(encode(advert, ChecksumForm::kPseudoHeader, ip("192.0.2.1"), ip("192.0.2.9")),
            from_hex("310ac8010064c006c0000201"));
}

TEST(PacketTest, KeepsTheConfiguredOrderAndZeroReserveBits) {
  const Advert advert{.vrid = Vrid{10},
                      .priority = Priority{1},
                      .max_advertise_interval = 40'950ms,
                      .addresses = {ip("198.51.100.7"), ip("192.0.2.1")}};
  const auto message = encode(advert, ChecksumForm::kMessageOnly, kIpv4.source, kIpv4.destination);
  EXPECT_EQ(message[4], 0x0F);
  EXPECT_EQ(message[5], 0xFF);
  EXPECT_EQ(message[8], 198);
  EXPECT_EQ(message[12], 192);
}

TEST(PacketTest, EveryAddressCountSurvivesTheRoundTrip) {
  for (const int count : {1, 2, 3, 90, 254, 255}) {
    for (const Envelope& envelope : {kIpv4, kIpv6}) {
      Advert advert{.vrid = Vrid{255}, .priority = Priority{254}, .max_advertise_interval = 10ms, .addresses = {}};
      for (int i = 0; i < count; ++i) {
        const std::string tail = std::to_string(i);
        advert.addresses.push_back(ip(envelope.source.is_ipv6() ? "fe80::" + tail : "10.1.0." + tail));
      }
      advert.checksum_form = ChecksumForm::kPseudoHeader;
      const auto message = encode(advert, ChecksumForm::kPseudoHeader, envelope.source, envelope.destination);
      EXPECT_EQ(message.size(), 8u + static_cast<std::size_t>(count) * (envelope.source.is_ipv6() ? 16 : 4));
      EXPECT_EQ(*decode(message, envelope), advert);
    }
  }
}

TEST(PacketTest, MessagesThatOthersPublishDecodeAndEncodeToTheSameBytes) {
  for (const auto& row : golden_rows("vectors.tsv")) {
    const Envelope envelope{ip(row.at(1)), ip(row.at(2)), 255};
    const auto message = from_hex(row.at(4));
    const auto advert = decode(message, envelope);
    ASSERT_TRUE(advert.has_value()) << row[0] << ": " << decode_error_token(advert.error());
    const auto form = row.at(3) == "pseudo" ? ChecksumForm::kPseudoHeader : ChecksumForm::kMessageOnly;
    EXPECT_EQ(advert->checksum_form, form) << row[0];
    EXPECT_EQ(encode(*advert, form, envelope.source, envelope.destination), message) << row[0];
  }
}

TEST(PacketTest, UnitTestBytesWithoutAWireChecksumAreRefused) {
  // Holo's unit test leaves the checksum to the kernel.
  EXPECT_EQ(error_of(from_hex("310116010001b57f20010db8000000000000000003707334"), kIpv6), DecodeError::kChecksum);
}

TEST(PacketTest, PeekReadsVersionAndVridOnly) {
  EXPECT_EQ(peek(kGood)->version, 3);
  EXPECT_EQ(peek(kGood)->vrid, 10);
  EXPECT_FALSE(peek(ConstBytes{kGood}.first(1)).has_value());
}

TEST(PacketTest, EveryDecodeErrorHasItsOwnTokenAndWords) {
  std::vector<std::string_view> tokens;
  for (std::size_t i = 0; i < kDecodeErrorCount; ++i) {
    const auto token = decode_error_token(static_cast<DecodeError>(i));
    EXPECT_NE(token, "unknown");
    EXPECT_EQ(std::count(tokens.begin(), tokens.end(), token), 0) << token;
    EXPECT_NE(decode_error_words(static_cast<DecodeError>(i)), "unknown") << token;
    tokens.push_back(token);
  }
}

TEST(PacketTest, IntervalsThatTheWireCannotSayAreOurOwnBug) {
  Advert advert{.vrid = Vrid{1}, .max_advertise_interval = 40'960ms, .addresses = {ip("192.0.2.1")}};
  const auto encode_it = [&] { return encode(advert, ChecksumForm::kMessageOnly, kIpv4.source, kIpv4.destination); };
  EXPECT_DEATH(encode_it(), "CHECK failed");
  advert.max_advertise_interval = 0s;
  EXPECT_DEATH(encode_it(), "CHECK failed");
  advert.max_advertise_interval = 15ms;
  EXPECT_DEATH(encode_it(), "CHECK failed");
  advert.max_advertise_interval = 1s;
  advert.addresses = {ip("fe80::1")};  // F-03
  EXPECT_DEATH(encode_it(), "CHECK failed");
}

TEST(ChecksumTest, OddLengthAndCarries) {
  EXPECT_EQ(internet_checksum({from_hex("0001f203f4f5f6f7")}), 0x220D);  // RFC 1071 §3: sum ddf2
  EXPECT_EQ(internet_checksum({from_hex("ffff"), from_hex("01")}), 0xFEFF);
}

}  // namespace
}  // namespace baton::vrrp
