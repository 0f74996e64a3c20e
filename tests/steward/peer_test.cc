// The stewards' conversation: what a packet looks like, which ones count, and what they carry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "steward/peer_packet.h"
#include "steward/peer_report.h"
#include "steward/peer_session.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;
using Verdict = PeerSession::Verdict;

std::string hex(ConstBytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", byte);
    text += two;
  }
  return text;
}

const PeerKey kKey{"0123456789abcdef0123456789abcdef"};

PeerPacket packet() {
  PeerPacket one{.sender = "db1",
                 .session = 0x1122334455667788,
                 .challenge = {},
                 .echo = {},
                 .counter = 9,
                 .payload = {0xaa, 0xbb}};
  for (std::uint8_t i = 0; i < 16; ++i) one.challenge[i] = i;
  for (std::uint8_t i = 0; i < 16; ++i) one.echo[i] = static_cast<std::uint8_t>(16 + i);
  return one;
}

TEST(PeerPacketTest, HasTheLayoutAndTheSignatureOfAnotherImplementation) {
  // Header by hand, HMAC-SHA256 by Python's hmac.
  EXPECT_EQ(hex(seal(packet(), kKey)),
            "42545043013eb1bd439947eb76036462311122334455667788"
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
            "00000000000000090002aabb"
            "9061ccafd31b86d9cfcf9b74dd341b9495bf00cd0d20976b1113811c9b3a9ebb");
}

TEST(PeerPacketTest, ArrivesAsItWas) {
  const auto opened = open_packet(seal(packet(), kKey), {kKey});
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(*opened, packet());
}

TEST(PeerPacketTest, EveryChangedByteAndEveryCutIsRefused) {
  const auto whole = seal(packet(), kKey);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto changed = whole;
    changed[i] ^= 1;
    EXPECT_FALSE(open_packet(changed, {kKey}).has_value()) << i;
    EXPECT_FALSE(open_packet(ConstBytes{whole}.first(i), {kKey}).has_value()) << i;
  }
}

TEST(PeerPacketTest, AKeyIsChangedHostByHost) {
  const PeerKey old{"the old key, long enough"};
  const PeerKey next{"the new key, long enough"};
  // db1 sends with the old one and knows both; db2 sends with the new one and still knows the old one.
  EXPECT_TRUE(open_packet(seal(packet(), old), {next, old}).has_value());
  EXPECT_TRUE(open_packet(seal(packet(), next), {old, next}).has_value());
  const auto unknown = open_packet(seal(packet(), old), {next});
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().message(), "signed with a key that this host does not have");
}

/// Random numbers that are none: 1, 2, 3, ... in the first byte.
PeerSession::Random counting(std::uint8_t from) {
  return [next = from]() mutable {
    PeerNonce nonce{};
    nonce[0] = next++;
    return nonce;
  };
}

class PeerSessionTest : public testing::Test {
 protected:
  /// The four packets after which both count.
  void meet() {
    EXPECT_EQ(two.accept(now, one.make({})), Verdict::kGreeting);
    EXPECT_EQ(one.accept(now, two.make({})), Verdict::kGreeting);
    EXPECT_EQ(two.accept(now, one.make({})), Verdict::kFresh);
    EXPECT_EQ(one.accept(now, two.make({})), Verdict::kFresh);
  }
  Instant now{1000s};
  PeerSession one{"db1", 11, counting(1)};
  PeerSession two{"db2", 22, counting(100)};
};

TEST_F(PeerSessionTest, TwoHostsProveToEachOtherThatTheyAreThereNow) {
  meet();
  EXPECT_TRUE(one.established());
  EXPECT_TRUE(two.established());
  EXPECT_EQ(two.accept(now, one.make({})), Verdict::kFresh);
}

TEST_F(PeerSessionTest, NoPacketCountsTwice) {
  meet();
  const PeerPacket first = one.make({});
  const PeerPacket second = one.make({});
  EXPECT_EQ(two.accept(now, second), Verdict::kFresh);
  EXPECT_EQ(two.accept(now, second), Verdict::kCopy);
  EXPECT_EQ(two.accept(now, first), Verdict::kCopy);
}

TEST_F(PeerSessionTest, OnlyAFreshPacketHasCopies) {
  meet();
  const PeerPacket old = one.make({});
  EXPECT_EQ(two.accept(now, old), Verdict::kFresh);
  for (int i = 0; i < 3; ++i) {
    now += 1s;
    const PeerPacket next = one.make({});
    EXPECT_EQ(two.accept(now, next), Verdict::kFresh);
    EXPECT_EQ(two.accept(now, next), Verdict::kCopy);
  }
  EXPECT_EQ(two.accept(now, old), Verdict::kReplay);
  const PeerPacket last = one.make({});
  EXPECT_EQ(two.accept(now, last), Verdict::kFresh);
  now += 1001ms;  // and then the peer is silent
  EXPECT_EQ(two.accept(now, last), Verdict::kReplay);
}

TEST_F(PeerSessionTest, ARecordedConversationProvesNothingToARestartedHost) {
  std::vector<PeerPacket> recorded;
  for (int i = 0; i < 4; ++i) {
    recorded.push_back(one.make({}));
    two.accept(now, recorded.back());
    one.accept(now, two.make({}));
  }
  PeerSession again{"db2", 23, counting(200)};
  for (int round = 0; round < 3; ++round) {
    for (const PeerPacket& old : recorded) {
      EXPECT_EQ(again.accept(now, old), Verdict::kGreeting);
      now += 200ms;
    }
  }
  EXPECT_FALSE(again.established());
}

TEST_F(PeerSessionTest, ARecordedSessionProvesNothingAfterItsHostWasRestarted) {
  std::vector<PeerPacket> recorded;
  for (int i = 0; i < 4; ++i) {
    recorded.push_back(one.make({}));
    two.accept(now, recorded.back());
    one.accept(now, two.make({}));
  }
  PeerSession again{"db1", 12, counting(50)};
  for (int i = 0; i < 3; ++i) {
    now += 200ms;
    two.accept(now, again.make({}));
    again.accept(now, two.make({}));
  }
  EXPECT_EQ(two.accept(now, again.make({})), Verdict::kFresh);
  for (const PeerPacket& old : recorded) {
    now += 200ms;
    EXPECT_EQ(two.accept(now, old), Verdict::kGreeting);
  }
  EXPECT_EQ(two.accept(now, again.make({})), Verdict::kFresh);  // and the true one is not disturbed
}

PeerInstance instance(std::string name, std::size_t position) {
  return {.name = std::move(name),
          .state = vrrp::State::kBackup,
          .effective_priority = 90,
          .holds_addresses = true,
          .against = 5,
          .data_role = ports::DataRole::kNeedsRejoin,
          .step = ports::PromotionStep::kStandby,
          .dirty = true,
          .generation = 7,
          .role = ApplicationRole::kReplica,
          .probe = ProbeState::kPass,
          .lag_bytes = 12,
          .lag_ms = 34,
          .position = std::string(position, 'p'),
          .position_age = 1500ms,
          .promise = {.to = "db1", .generation = 7}};
}

TEST(PeerReportTest, ArrivesInAsManyPartsAsItTakes) {
  PeerReport report{.config_hash = "abc", .engine = 1, .instances_all = 3, .instances = {}};
  for (const char* name : {"a", "b", "c"}) report.instances.push_back(instance(name, 1023));
  const auto parts = encode(report);
  EXPECT_EQ(parts.size(), 3U);  // one position of 1023 bytes each
  std::vector<PeerInstance> all;
  for (const auto& part : parts) {
    EXPECT_LE(part.size(), kMaxPeerPayload);
    const auto decoded = decode_peer_report(part);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->config_hash, "abc");
    EXPECT_EQ(decoded->instances_all, 3);
    all.insert(all.end(), decoded->instances.begin(), decoded->instances.end());
  }
  EXPECT_EQ(all, report.instances);
}

TEST(PeerReportTest, TheFinalPositionOfAMoveTakesThePlaceOfTheProbes) {
  PeerInstance giver = instance("a", 1023);
  giver.handover = {.phase = ports::HandoverPhase::kGiven,
                    .gives = true,
                    .with = "db2",
                    .number = 77,
                    .position = std::string(1023, 'f'),
                    .sentence = "why"};
  const auto parts = encode({.config_hash = "abc", .engine = 0, .instances_all = 1, .instances = {giver}});
  ASSERT_EQ(parts.size(), 1U);
  const auto decoded = decode_peer_report(parts.front());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->instances.at(0).handover, giver.handover);
  EXPECT_EQ(decoded->instances.at(0).position, "");
  EXPECT_EQ(decoded->instances.at(0).promise, giver.promise);
}

TEST(PeerReportTest, TwoPositionsOfOneInstanceAreAnError) {
  PeerInstance giver = instance("a", 0);
  giver.handover = {
      .phase = ports::HandoverPhase::kGiven, .gives = true, .with = "db2", .number = 77, .position = "0/3"};
  auto part = encode({.config_hash = "abc", .engine = 0, .instances_all = 1, .instances = {giver}}).front();
  ASSERT_TRUE(decode_peer_report(part).has_value());
  // Behind the head of 9 bytes and the name of 3 stand 48 bytes up to the length of the probe's position.
  constexpr std::size_t kPosition = 9 + 3 + 3 + 8 + 3 + 8 + 8 + 2 + 8 + 8;
  ASSERT_EQ(part.at(kPosition + 1), 0);
  part[kPosition + 1] = 1;
  part.insert(part.begin() + kPosition + 2, 'p');
  EXPECT_FALSE(decode_peer_report(part).has_value());
}

TEST(PeerReportTest, ChecksArriveInAPartOfTheirOwn) {
  const auto parts = encode({.config_hash = "abc",
                             .engine = 0,
                             .instances_all = 1,
                             .instances = {instance("a", 4)},
                             .checks = {{"app", true}, {"web", false}}});
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_TRUE(decode_peer_report(parts[0])->checks.empty());
  const auto second = decode_peer_report(parts[1]);
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(second->instances.empty());
  EXPECT_EQ(second->checks, (std::vector<std::pair<std::string, bool>>{{"app", true}, {"web", false}}));
}

const Wish kWish{
    .of = "db1", .session = 0x1122334455667788, .number = 77, .instance = "pg", .to = "db2", .dry_run = true};
const WishAnswer kAnswer{
    .to = "db2", .number = 77, .over = true, .exit = ExitCode::kRefused, .error = "why", .lines = {"one", "two"}};

TEST(PeerReportTest, AWishAndTheAnswersArriveInPartsOfTheirOwn) {
  const auto parts = encode({.config_hash = "abc",
                             .engine = 0,
                             .instances_all = 1,
                             .instances = {instance("a", 4)},
                             .wish = kWish,
                             .answers = {kAnswer, {.to = "db3", .number = 78}}});
  ASSERT_EQ(parts.size(), 4U);
  EXPECT_EQ(decode_peer_report(parts[0])->wish, Wish{});
  EXPECT_EQ(decode_peer_report(parts[1])->wish, kWish);
  EXPECT_THAT(decode_peer_report(parts[2])->answers, testing::ElementsAre(kAnswer));
  EXPECT_THAT(decode_peer_report(parts[3])->answers, testing::ElementsAre(WishAnswer{.to = "db3", .number = 78}));
}

TEST(PeerReportTest, AWishHasThisLayout) {
  const auto parts = encode({.config_hash = "abc", .engine = 0, .instances_all = 1, .instances = {}, .wish = kWish});
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(hex(parts[1]),
            "03"
            "0003616263"
            "00"
            "0001"
            "0003646231"
            "1122334455667788"
            "000000000000004d"
            "00027067"
            "0003646232"
            "01");
}

TEST(PeerReportTest, AWishOrAnAnswerThatIsCutOrStrangeIsAnError) {
  const auto parts = encode(
      {.config_hash = "abc", .engine = 0, .instances_all = 1, .instances = {}, .wish = kWish, .answers = {kAnswer}});
  ASSERT_EQ(parts.size(), 3U);
  for (const std::size_t part : {1U, 2U}) {
    auto longer = parts[part];
    longer.push_back(0);
    EXPECT_FALSE(decode_peer_report(longer).has_value()) << part;
    // An answer may be cut between two lines; 25 bytes of it are in front of them, and 9 of the head.
    for (std::size_t size = 10; size < parts[part].size(); ++size) {
      const bool whole = part == 2 && (size == 9 + 20 || size == 9 + 25);
      EXPECT_EQ(decode_peer_report(ConstBytes{parts[part]}.first(size)).has_value(), whole) << part << ' ' << size;
    }
  }
  auto undecided = parts[1];
  undecided.back() = 2;  // dry_run is 0 or 1
  EXPECT_FALSE(decode_peer_report(undecided).has_value());
  // Nor does anything follow it that would be good elsewhere.
  const auto other = encode({.config_hash = "abc", .instances = {instance("a", 4)}}).front();
  auto followed = parts[1];
  followed.insert(followed.end(), other.begin() + 9, other.end());
  EXPECT_FALSE(decode_peer_report(followed).has_value());
  auto strange = parts[2];
  strange[9 + 5 + 8 + 1] = 9;  // an exit status that there is not
  EXPECT_FALSE(decode_peer_report(strange).has_value());
}

TEST(PeerReportTest, TheTimeHasAPartOfItsOwn) {
  const auto parts =
      encode({.config_hash = "abc", .instances_all = 1, .instances = {}, .wall_clock_ns = 0x1122334455667788});
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(hex(parts[1]),
            "05000361626300"
            "0001"
            "1122334455667788");
  EXPECT_EQ(decode_peer_report(parts[0])->wall_clock_ns, std::nullopt);
  EXPECT_EQ(decode_peer_report(parts[1])->wall_clock_ns, 0x1122334455667788);
  for (std::size_t size = 0; size < parts[1].size(); ++size) {
    EXPECT_FALSE(decode_peer_report(ConstBytes{parts[1]}.first(size)).has_value()) << size;
  }
  auto longer = parts[1];
  longer.push_back(0);
  EXPECT_FALSE(decode_peer_report(longer).has_value());
  auto negative = parts[1];
  negative[9] = 0x80;
  EXPECT_FALSE(decode_peer_report(negative).has_value());
}

TEST(PeerReportTest, AnAnswerIsCutToWhatFitsAFrame) {
  WishAnswer answer{.to = "db2", .number = 77, .over = true, .lines = {}};
  for (const char letter : {'a', 'b', 'c', 'd'}) answer.lines.push_back(std::string(400, letter));
  answer.lines.push_back("done\n");
  const WishAnswer cut = fitted(answer);
  // Lines of 302 bytes each with their length: three and the rest fit 1000.
  EXPECT_THAT(cut.lines, testing::ElementsAre(std::string(297, 'a') + "...", std::string(297, 'b') + "...",
                                              std::string(297, 'c') + "...", "(1 more lines: ask there)", "done "));
  EXPECT_EQ(fitted(cut), cut);
  const auto parts = encode({.config_hash = std::string(64, 'h'), .instances = {}, .answers = {cut}});
  EXPECT_LE(parts.back().size(), kFramePayload);
  EXPECT_THAT(decode_peer_report(parts.back())->answers, testing::ElementsAre(cut));
}

TEST(PeerReportTest, CutsAndStrangeValuesAreErrors) {
  const auto parts = encode({.config_hash = "abc", .engine = 0, .instances_all = 1, .instances = {instance("a", 4)}});
  ASSERT_EQ(parts.size(), 1U);
  const std::vector<std::uint8_t>& whole = parts.front();
  // kind 1, hash 2 + 3, engine 1, count 2: the head alone is a report without instances.
  constexpr std::size_t kHead = 9;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(decode_peer_report(ConstBytes{whole}.first(size)).has_value(), size == kHead) << size;
  }
  auto changed = whole;
  changed[kHead + 3] = 9;  // behind the name of one letter: a state that there is not
  EXPECT_FALSE(decode_peer_report(changed).has_value());
}

}  // namespace
}  // namespace baton::steward
