// One line of the history as 384 bytes on disk: fixed size, so that a torn or damaged record costs itself alone. Pure.
//
//  0 magic  4 sequence  12 wall clock  20 name length, 32 bytes of name  53 report ...  380 CRC-32 of the 380 bytes
//  before. Records of format 1 (128 bytes, nothing about plugins) are read, too.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "ports/ports.h"

namespace baton::scribe {

inline constexpr std::size_t kRecordSize = 384;
inline constexpr std::size_t kFormat1Size = 128;
inline constexpr std::size_t kMaxInstanceName = 32;  ///< longer names are cut

struct Record {
  std::uint64_t sequence = 0;      ///< from 1, counts on across restarts
  std::int64_t wall_clock_ns = 0;  ///< when it was written, for people only
  std::string instance;            ///< "" = the host
  ports::Report report;
};

using RecordBytes = std::array<std::uint8_t, kRecordSize>;
RecordBytes encode_record(const Record& record);
/// nullopt: not a record, damaged, or an enumerator out of range. REQUIRES nothing of the bytes; kFormat1Size of them
/// are read as format 1.
std::optional<Record> decode_record(ConstBytes bytes);

}  // namespace baton::scribe
