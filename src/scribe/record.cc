#include "scribe/record.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32.h"

namespace baton::scribe {
namespace {

constexpr std::uint32_t kMagic = 0x42485231;  // "BHR1"
constexpr std::size_t kChecked = kRecordSize - 4;

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

void write_report(ByteWriter& writer, const ports::Report& report) {
  writer.u8(static_cast<std::uint8_t>(report.kind));
  writer.u8(static_cast<std::uint8_t>(report.alarm));
  writer.u32(report.instance);
  writer.u8(static_cast<std::uint8_t>(report.from));
  writer.u8(static_cast<std::uint8_t>(report.to));
  writer.u8(static_cast<std::uint8_t>(report.reason));
  writer.u8(report.decode_error);
  writer.u8(report.priority);
  write_address(writer, report.other);
  writer.bytes(report.other_mac.bytes);
  write_address(writer, report.address);
  writer.u32(static_cast<std::uint32_t>(report.sys_errno));
  writer.i64(report.duration_ns);
  writer.i64(report.at.time_since_epoch().count());
}

bool in_range(const ports::Report& report) {
  return report.kind >= ports::EventKind::kTransition && report.kind <= ports::EventKind::kHolding &&
         report.from <= vrrp::State::kActive && report.to <= vrrp::State::kActive &&
         report.decode_error < vrrp::kDecodeErrorCount && ports::alarm_token(report.alarm) != "unknown" &&
         reason_token(report.reason) != "unknown";
}

ports::Report read_report(ByteReader& reader) {
  ports::Report report;
  report.kind = static_cast<ports::EventKind>(reader.u8());
  report.alarm = static_cast<ports::Alarm>(reader.u8());
  report.instance = reader.u32();
  report.from = static_cast<vrrp::State>(reader.u8());
  report.to = static_cast<vrrp::State>(reader.u8());
  report.reason = static_cast<Reason>(reader.u8());
  report.decode_error = reader.u8();
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
  std::array<std::uint8_t, kMaxInstanceName> name{};
  const std::size_t length = std::min(record.instance.size(), kMaxInstanceName);
  std::copy_n(record.instance.begin(), length, name.begin());
  writer.u8(static_cast<std::uint8_t>(length));
  writer.bytes(name);
  write_report(writer, record.report);
  CHECK(writer.ok() && writer.size() == kChecked);
  writer.u32(crc32(ConstBytes{bytes}.first(kChecked)));
  return bytes;
}

std::optional<Record> decode_record(ConstBytes bytes) {
  if (bytes.size() != kRecordSize) return std::nullopt;
  ByteReader trailer{bytes.subspan(kChecked)};
  if (trailer.u32() != crc32(bytes.first(kChecked))) return std::nullopt;
  ByteReader reader{bytes};
  if (reader.u32() != kMagic) return std::nullopt;
  Record record;
  record.sequence = reader.u64();
  record.wall_clock_ns = reader.i64();
  const std::size_t length = reader.u8();
  const ConstBytes name = reader.take(kMaxInstanceName);
  if (length > kMaxInstanceName) return std::nullopt;
  record.instance.assign(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(length));
  record.report = read_report(reader);
  if (!reader.ok() || !in_range(record.report)) return std::nullopt;
  return record;
}

}  // namespace baton::scribe
