// Layout: two slots of kSlotSize bytes.
//   0 magic  4 length of the body  8 sequence (of the page)  16 CRC-32 of the body  20 body
// The body begins with what read_head() needs: outcome sequence, finished.
#include "ipc/probe_page.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/crc32.h"
#include "ipc/plain_text.h"

namespace baton::ipc {
namespace {

constexpr std::size_t kSlotSize = kProbePageSize / 2;
constexpr std::size_t kHeaderSize = 20;
constexpr std::size_t kMaxBody = kSlotSize - kHeaderSize;
constexpr std::uint32_t kMagic = 0x42505031;  // "BPP1"
constexpr std::uint64_t kLastSequence = std::uint64_t{1} << 62;
// 100 bytes of numbers, two sentences, facts with two lengths each: always fits.
static_assert(100 + kSentenceLimit + 2 + kPositionLimit + 2 + kFactLimit * (kFactKeyLimit + kFactValueLimit + 4) <
              kMaxBody);

struct Slot {
  std::uint64_t sequence = 0;
  std::vector<std::uint8_t> body;
};

struct SlotHeader {
  std::uint64_t sequence = 0;
  std::uint32_t length = 0;
  std::uint32_t checksum = 0;
};

/// nullopt: no slot begins here.
std::optional<SlotHeader> slot_header(ConstBytes page, std::size_t index) {
  std::array<std::uint8_t, kHeaderSize> copy;
  std::memcpy(copy.data(), page.data() + index * kSlotSize, copy.size());
  ByteReader reader{copy};
  if (reader.u32() != kMagic) return std::nullopt;
  SlotHeader header;
  header.length = reader.u32();
  header.sequence = reader.u64();
  header.checksum = reader.u32();
  if (header.length == 0 || header.length > kMaxBody || header.sequence == 0) return std::nullopt;
  return header;
}

/// A whole slot, or nullopt. The bytes may change under us, so they are copied first; and no more of them than there
/// are, since another processor wrote them and each line has to be fetched.
std::optional<Slot> whole_slot(ConstBytes page, std::size_t index) {
  const auto header = slot_header(page, index);
  if (!header) return std::nullopt;
  Slot slot{header->sequence, std::vector<std::uint8_t>(header->length)};
  std::memcpy(slot.body.data(), page.data() + index * kSlotSize + kHeaderSize, header->length);
  if (crc32(slot.body) != header->checksum) return std::nullopt;
  return slot;
}

/// The older one only where the newer one is not whole.
std::optional<Slot> newest_slot(ConstBytes page) {
  const auto first = slot_header(page, 0);
  const auto second = slot_header(page, 1);
  const std::size_t newer = second && (!first || second->sequence > first->sequence) ? 1 : 0;
  auto slot = whole_slot(page, newer);
  return slot ? slot : whole_slot(page, 1 - newer);
}

void write_body(ByteWriter& out, const ProbeOutcome& outcome) {
  out.u64(outcome.sequence);
  out.i64(outcome.finished.time_since_epoch().count());
  out.i64(outcome.started.time_since_epoch().count());
  out.u64(outcome.incarnation);
  out.u32(outcome.streak);
  out.u8(static_cast<std::uint8_t>(outcome.status));
  out.u8(static_cast<std::uint8_t>(outcome.state));
  out.u8(static_cast<std::uint8_t>(outcome.role));
  out.u8(outcome.warning ? 1 : 0);
  out.i64(outcome.lag_ms);
  out.i64(outcome.lag_bytes);
  out.u64(outcome.generation);
  out.text(plain_sentence(outcome.sentence, kSentenceLimit));
  out.text(plain_text(outcome.position, kPositionLimit));
  const std::size_t facts = std::min(outcome.facts.size(), kFactLimit);
  out.u8(static_cast<std::uint8_t>(facts));
  for (std::size_t i = 0; i < facts; ++i) {
    out.text(plain_text(outcome.facts[i].first, kFactKeyLimit));
    out.text(plain_text(outcome.facts[i].second, kFactValueLimit));
  }
}

std::optional<ProbeOutcome> read_body(ConstBytes body) {
  ByteReader in{body};
  ProbeOutcome outcome;
  outcome.sequence = in.u64();
  outcome.finished = Instant{Nanos{in.i64()}};
  outcome.started = Instant{Nanos{in.i64()}};
  outcome.incarnation = in.u64();
  outcome.streak = in.u32();
  outcome.status = static_cast<VerbStatus>(in.u8());
  outcome.state = static_cast<ProbeState>(in.u8());
  outcome.role = static_cast<ApplicationRole>(in.u8());
  const std::uint8_t warning = in.u8();
  outcome.warning = warning == 1;
  outcome.lag_ms = in.i64();
  outcome.lag_bytes = in.i64();
  outcome.generation = in.u64();
  outcome.sentence = in.text();
  outcome.position = in.text();
  const std::size_t facts = in.u8();
  if (facts > kFactLimit) return std::nullopt;
  for (std::size_t i = 0; i < facts; ++i) {
    std::string key = in.text();
    std::string value = in.text();
    if (!is_plain(key, kFactKeyLimit) || !is_plain(value, kFactValueLimit)) return std::nullopt;
    outcome.facts.emplace_back(std::move(key), std::move(value));
  }
  const bool good = in.ok() && in.remaining() == 0 && outcome.sequence != 0 && outcome.streak != 0 && warning <= 1 &&
                    valid(outcome.status) && outcome.state <= ProbeState::kFail &&
                    outcome.role <= ApplicationRole::kReplica && is_plain(outcome.sentence, kSentenceLimit) &&
                    is_plain(outcome.position, kPositionLimit);
  if (!good) return std::nullopt;
  return outcome;
}

}  // namespace

void write_outcome(MutableBytes page, const ProbeOutcome& outcome) {
  CHECK(page.size() >= kProbePageSize);
  const auto first = whole_slot(page, 0);
  const auto second = whole_slot(page, 1);
  std::uint64_t first_sequence = first ? first->sequence : 0;
  std::uint64_t second_sequence = second ? second->sequence : 0;
  if (first_sequence > kLastSequence || second_sequence > kLastSequence) {
    // Nobody counts that far: plugin code wrote it, and it shall not make our own outcomes old for ever.
    std::memset(page.data(), 0, kProbePageSize);
    first_sequence = second_sequence = 0;
  }
  const std::size_t older = first_sequence <= second_sequence ? 0 : 1;
  std::array<std::uint8_t, kSlotSize> slot{};
  ByteWriter body{MutableBytes{slot}.subspan(kHeaderSize)};
  write_body(body, outcome);
  CHECK(body.ok());
  ByteWriter header{slot};
  header.u32(kMagic);
  header.u32(static_cast<std::uint32_t>(body.size()));
  header.u64(std::max(first_sequence, second_sequence) + 1);
  header.u32(crc32(body.written()));
  // The checksum is what makes a slot whole; the order of the bytes does not matter.
  std::memcpy(page.data() + older * kSlotSize, slot.data(), kHeaderSize + body.size());
  std::atomic_thread_fence(std::memory_order_release);
}

PageReading read_outcome(ConstBytes page) {
  if (page.size() < kProbePageSize) return {PageState::kGarbage, {}};
  std::atomic_thread_fence(std::memory_order_acquire);
  // A writer may be at work: it leaves the newest slot alone, so a second look finds one that is whole.
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto slot = newest_slot(page);
    if (!slot) continue;
    auto outcome = read_body(slot->body);
    if (!outcome) return {PageState::kGarbage, {}};
    return {PageState::kGood, std::move(*outcome)};
  }
  const bool empty = std::all_of(page.begin(), page.end(), [](std::uint8_t byte) { return byte == 0; });
  return {empty ? PageState::kEmpty : PageState::kGarbage, {}};
}

}  // namespace baton::ipc
