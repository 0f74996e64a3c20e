#include "scribe/record.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32.h"

namespace baton::scribe {
namespace {

constexpr std::uint32_t kMagic = 0x42485232;  // "BHR2"
constexpr std::uint32_t kMagic1 = 0x42485231;
constexpr std::size_t kChecked = kRecordSize - 4;
constexpr std::size_t kPluginNameSize = config::kMaxNameLength;
constexpr std::size_t kSentenceSize = 200;
constexpr std::uint8_t kGives = 0x80;  ///< beside the phase of a move

void write_address(ByteWriter& writer, const IpAddress& address) {
  std::array<std::uint8_t, 16> bytes{};
  const ConstBytes source = address.bytes();
  std::copy(source.begin(), source.end(), bytes.begin());
  writer.u8(address.is_ipv6() ? 6 : 4);
  writer.bytes(bytes);
}

IpAddress read_address(ByteReader& reader) {
  const std::uint8_t family = reader.u8();
  const ConstBytes bytes = reader.take(16);
  return bytes.empty() ? IpAddress{} : IpAddress::from_bytes(bytes.first(family == 6 ? 16 : 4));
}

/// Length and a field of fixed size.
template <std::size_t kBytes>
void write_text(ByteWriter& writer, std::string_view text) {
  std::array<std::uint8_t, kBytes> field{};
  const std::size_t length = std::min(text.size(), kBytes);
  std::copy_n(text.begin(), length, field.begin());
  writer.u8(static_cast<std::uint8_t>(length));
  writer.bytes(field);
}

template <std::size_t kBytes>
std::string read_text(ByteReader& reader, bool& good) {
  const std::size_t length = reader.u8();
  const ConstBytes field = reader.take(kBytes);
  good &= length <= field.size();
  return good ? std::string{field.begin(), field.begin() + static_cast<std::ptrdiff_t>(length)} : std::string{};
}

void write_plugin(ByteWriter& writer, const ports::Report& report) {
  write_text<kPluginNameSize>(writer, report.plugin.view());
  writer.u8(static_cast<std::uint8_t>(report.verb));
  writer.u8(static_cast<std::uint8_t>(report.outcome));
  writer.u8(static_cast<std::uint8_t>(report.probe));
  write_text<kSentenceSize>(writer, report.sentence.view());
}

bool read_plugin(ByteReader& reader, ports::Report& report) {
  bool good = true;
  report.plugin = ports::PluginName{read_text<kPluginNameSize>(reader, good)};
  report.verb = static_cast<PluginVerb>(reader.u8());
  report.outcome = static_cast<VerbStatus>(reader.u8());
  report.probe = static_cast<ProbeState>(reader.u8());
  report.sentence = ports::Sentence{read_text<kSentenceSize>(reader, good)};
  return good && report.verb <= PluginVerb::kFence && valid(report.outcome) && report.probe <= ProbeState::kFail;
}

void write_report(ByteWriter& writer, const ports::Report& report) {
  writer.u8(static_cast<std::uint8_t>(report.kind));
  writer.u8(static_cast<std::uint8_t>(report.alarm));
  writer.u32(report.instance);
  writer.u8(static_cast<std::uint8_t>(report.from));
  writer.u8(static_cast<std::uint8_t>(report.to));
  writer.u8(static_cast<std::uint8_t>(report.reason));
  const bool move = report.kind == ports::EventKind::kMove;
  writer.u8(move ? static_cast<std::uint8_t>(report.move) | (report.gives ? kGives : 0) : report.decode_error);
  writer.u8(report.priority);
  write_address(writer, report.other);
  writer.bytes(report.other_mac.bytes);
  write_address(writer, report.address);
  writer.u32(static_cast<std::uint32_t>(report.sys_errno));
  writer.i64(report.duration_ns);
  writer.i64(report.at.time_since_epoch().count());
}

bool in_range(const ports::Report& report) {
  return report.kind >= ports::EventKind::kTransition && report.kind <= ports::EventKind::kMove &&
         report.from <= vrrp::State::kActive && report.to <= vrrp::State::kActive &&
         report.decode_error < vrrp::kDecodeErrorCount && report.move <= ports::HandoverPhase::kAborted &&
         ports::alarm_token(report.alarm) != "unknown" && reason_token(report.reason) != "unknown";
}

ports::Report read_report(ByteReader& reader) {
  ports::Report report;
  report.kind = static_cast<ports::EventKind>(reader.u8());
  report.alarm = static_cast<ports::Alarm>(reader.u8());
  report.instance = reader.u32();
  report.from = static_cast<vrrp::State>(reader.u8());
  report.to = static_cast<vrrp::State>(reader.u8());
  report.reason = static_cast<Reason>(reader.u8());
  const std::uint8_t detail = reader.u8();
  if (report.kind == ports::EventKind::kMove) {
    report.move = static_cast<ports::HandoverPhase>(detail & ~kGives);
    report.gives = (detail & kGives) != 0;
  } else {
    report.decode_error = detail;
  }
  report.priority = reader.u8();
  report.other = read_address(reader);
  const ConstBytes mac = reader.take(6);
  std::copy(mac.begin(), mac.end(), report.other_mac.bytes.begin());
  report.address = read_address(reader);
  report.sys_errno = static_cast<std::int32_t>(reader.u32());
  report.duration_ns = reader.i64();
  report.at = Instant{Nanos{reader.i64()}};
  return report;
}

}  // namespace

RecordBytes encode_record(const Record& record) {
  RecordBytes bytes{};
  ByteWriter writer{bytes};
  writer.u32(kMagic);
  writer.u64(record.sequence);
  writer.i64(record.wall_clock_ns);
  write_text<kMaxInstanceName>(writer, record.instance);
  write_report(writer, record.report);
  write_plugin(writer, record.report);
  CHECK(writer.ok() && writer.size() <= kChecked);
  ByteWriter trailer{MutableBytes{bytes}.subspan(kChecked)};
  trailer.u32(crc32(ConstBytes{bytes}.first(kChecked)));
  return bytes;
}

std::optional<Record> decode_record(ConstBytes bytes) {
  if (bytes.size() != kRecordSize && bytes.size() != kFormat1Size) return std::nullopt;
  const std::size_t checked = bytes.size() - 4;
  ByteReader trailer{bytes.subspan(checked)};
  if (trailer.u32() != crc32(bytes.first(checked))) return std::nullopt;
  ByteReader reader{bytes};
  const bool format1 = bytes.size() == kFormat1Size;
  if (reader.u32() != (format1 ? kMagic1 : kMagic)) return std::nullopt;
  Record record;
  record.sequence = reader.u64();
  record.wall_clock_ns = reader.i64();
  bool good = true;
  record.instance = read_text<kMaxInstanceName>(reader, good);
  record.report = read_report(reader);
  if (!format1) good &= read_plugin(reader, record.report);
  if (!good || !reader.ok() || !in_range(record.report)) return std::nullopt;
  return record;
}

}  // namespace baton::scribe
