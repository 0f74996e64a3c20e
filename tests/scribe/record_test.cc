#include "scribe/record.h"

#include <gtest/gtest.h>

#include "base/crc32.h"

namespace baton::scribe {
namespace {

using namespace std::chrono_literals;

Record full_record() {
  Record record{.sequence = 7, .wall_clock_ns = 1'795'230'000'000'000'000, .instance = "web", .report = {}};
  record.report.kind = ports::EventKind::kTransition;
  record.report.from = vrrp::State::kBackup;
  record.report.to = vrrp::State::kActive;
  record.report.reason = Reason::kActiveDownExpired;
  record.report.instance = 3;
  record.report.priority = 110;
  record.report.decode_error = 4;
  record.report.other = IpAddress::parse("2001:db8::2").value();
  record.report.other_mac = MacAddress::parse("02:00:00:00:00:07").value();
  record.report.address = IpAddress::parse("10.0.0.50").value();
  record.report.sys_errno = -1;
  record.report.duration_ns = -5;
  record.report.at = Instant{9s};
  record.report.plugin = ports::PluginName{"app"};
  record.report.verb = PluginVerb::kLeave;
  record.report.outcome = VerbStatus::kTimeout;
  record.report.probe = ProbeState::kFail;
  record.report.sentence = ports::Sentence{"HTTP 503"};
  return record;
}

/// Changes one byte and makes the checksum fit again.
RecordBytes forged(std::size_t position, std::uint8_t value) {
  RecordBytes bytes = encode_record(full_record());
  bytes[position] = value;
  const std::uint32_t crc = crc32(ConstBytes{bytes}.first(380));
  for (std::size_t i = 0; i < 4; ++i) bytes[380 + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
  return bytes;
}

TEST(RecordTest, APlannedMoveSurvives) {
  Record move = full_record();
  move.report.kind = ports::EventKind::kMove;
  move.report.decode_error = 0;
  move.report.move = ports::HandoverPhase::kAborted;
  move.report.gives = true;
  const auto record = decode_record(encode_record(move));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->report.move, ports::HandoverPhase::kAborted);
  EXPECT_TRUE(record->report.gives);
  EXPECT_EQ(record->report.decode_error, 0);
}

TEST(RecordTest, EveryFieldSurvives) {
  const auto record = decode_record(encode_record(full_record()));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->sequence, 7u);
  EXPECT_EQ(record->wall_clock_ns, 1'795'230'000'000'000'000);
  EXPECT_EQ(record->instance, "web");
  EXPECT_EQ(record->report.kind, ports::EventKind::kTransition);
  EXPECT_EQ(record->report.from, vrrp::State::kBackup);
  EXPECT_EQ(record->report.to, vrrp::State::kActive);
  EXPECT_EQ(record->report.reason, Reason::kActiveDownExpired);
  EXPECT_EQ(record->report.instance, 3u);
  EXPECT_EQ(record->report.priority, 110);
  EXPECT_EQ(record->report.decode_error, 4);
  EXPECT_EQ(record->report.other.text(), "2001:db8::2");
  EXPECT_EQ(record->report.other_mac.text(), "02:00:00:00:00:07");
  EXPECT_EQ(record->report.address.text(), "10.0.0.50");
  EXPECT_EQ(record->report.sys_errno, -1);
  EXPECT_EQ(record->report.duration_ns, -5);
  EXPECT_EQ(record->report.at, Instant{9s});
  EXPECT_EQ(record->report.plugin.view(), "app");
  EXPECT_EQ(record->report.verb, PluginVerb::kLeave);
  EXPECT_EQ(record->report.outcome, VerbStatus::kTimeout);
  EXPECT_EQ(record->report.probe, ProbeState::kFail);
  EXPECT_EQ(record->report.sentence.view(), "HTTP 503");
}

/// 128 bytes: the same fields up to the time, magic "BHR1", the checksum at 124.
std::vector<std::uint8_t> format1(const Record& record) {
  const RecordBytes whole = encode_record(record);
  std::vector<std::uint8_t> bytes(whole.begin(), whole.begin() + 124);
  bytes[3] = '1';
  const std::uint32_t crc = crc32(bytes);
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(crc >> shift));
  return bytes;
}

TEST(RecordTest, ARecordOfFormat1IsReadWithoutAPlugin) {
  const auto record = decode_record(format1(full_record()));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->sequence, 7u);
  EXPECT_EQ(record->report.at, Instant{9s});
  EXPECT_TRUE(record->report.plugin.empty());
  std::vector<std::uint8_t> torn = format1(full_record());
  torn[60] ^= 1;
  EXPECT_FALSE(decode_record(torn));
}

TEST(RecordTest, EveryFlippedBitIsNoticed) {
  const RecordBytes good = encode_record(full_record());
  for (std::size_t bit = 0; bit < 8 * kRecordSize; ++bit) {
    RecordBytes bytes = good;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(decode_record(bytes)) << bit;
  }
}

TEST(RecordTest, ValuesOutOfRangeAreRefusedEvenWithAGoodChecksum) {
  EXPECT_TRUE(decode_record(forged(53, 1)));
  EXPECT_FALSE(decode_record(forged(53, 0))) << "kind";
  EXPECT_FALSE(decode_record(forged(53, 9))) << "kind";
  EXPECT_FALSE(decode_record(forged(54, 200))) << "alarm";
  EXPECT_FALSE(decode_record(forged(59, 3))) << "from";
  EXPECT_FALSE(decode_record(forged(60, 3))) << "to";
  EXPECT_FALSE(decode_record(forged(61, 15))) << "reason";
  EXPECT_FALSE(decode_record(forged(62, 18))) << "decode error";
  EXPECT_FALSE(decode_record(forged(20, 33))) << "length of the name";
  // 53 + 71 bytes of the report, then the plugin: length, 32 bytes of name, verb, outcome, probe.
  EXPECT_FALSE(decode_record(forged(124, 33))) << "length of the plugin's name";
  EXPECT_FALSE(decode_record(forged(157, 18))) << "verb";
  EXPECT_FALSE(decode_record(forged(158, 6))) << "outcome";
  EXPECT_FALSE(decode_record(forged(159, 3))) << "probe";
}

TEST(RecordTest, OtherLengthsAndZerosAreNoRecord) {
  const RecordBytes good = encode_record(full_record());
  EXPECT_FALSE(decode_record(ConstBytes{good}.first(383)));
  EXPECT_FALSE(decode_record(ConstBytes{good}.first(128)));
  EXPECT_FALSE(decode_record({}));
  EXPECT_FALSE(decode_record(RecordBytes{}));
}

TEST(RecordTest, LongNamesAreCut) {
  Record record = full_record();
  record.instance = std::string(40, 'x');
  EXPECT_EQ(decode_record(encode_record(record))->instance, std::string(32, 'x'));
}

}  // namespace
}  // namespace baton::scribe
