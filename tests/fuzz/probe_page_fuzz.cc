// Arbitrary bytes as the page of a probe host: reading never crashes, everything read is within its limits, and an
// outcome of our own written over it is read back whatever stood there.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/crc32.h"
#include "ipc/plain_text.h"
#include "ipc/probe_page.h"

namespace {

using namespace baton;

constexpr std::size_t kSlotSize = ipc::kProbePageSize / 2;
constexpr std::size_t kHeaderSize = 20;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const ipc::PageReading& reading) {
  if (reading.state != ipc::PageState::kGood) return;
  const ipc::ProbeOutcome& outcome = reading.outcome;
  require(outcome.sequence != 0 && outcome.streak != 0 && valid(outcome.status));
  require(outcome.state <= ProbeState::kFail && outcome.role <= ApplicationRole::kReplica);
  require(ipc::is_plain(outcome.sentence, ipc::kSentenceLimit) && ipc::is_plain(outcome.position, ipc::kSentenceLimit));
  require(outcome.facts.size() <= ipc::kFactLimit);
  for (const auto& [key, value] : outcome.facts) {
    require(ipc::is_plain(key, ipc::kFactKeyLimit) && ipc::is_plain(value, ipc::kFactValueLimit));
  }
}

/// A plugin can compute a checksum, too; the fuzzer alone would never find one.
void mend_checksum(MutableBytes slot) {
  ByteReader in{slot};
  in.u32();
  const std::uint32_t length = in.u32();
  if (length > kSlotSize - kHeaderSize) return;
  ByteWriter out{slot.subspan(16, 4)};
  out.u32(crc32(slot.subspan(kHeaderSize, length)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ConstBytes bytes{data, size};
  check(ipc::read_outcome(bytes));
  // The two slots from the two halves of the input, so that short inputs reach both.
  std::array<std::uint8_t, ipc::kProbePageSize> page{};
  for (std::size_t slot = 0; slot < 2; ++slot) {
    const ConstBytes half = slot == 0 ? bytes.first(size / 2) : bytes.subspan(size / 2);
    const MutableBytes target = MutableBytes{page}.subspan(slot * kSlotSize, kSlotSize);
    std::copy_n(half.begin(), std::min(half.size(), kSlotSize), target.begin());
    mend_checksum(target);
  }
  check(ipc::read_outcome(page));
  ipc::ProbeOutcome ours;
  ours.sequence = ours.streak = 1;
  ours.sentence = "ours";
  ipc::write_outcome(page, ours);
  const ipc::PageReading back = ipc::read_outcome(page);
  require(back.state == ipc::PageState::kGood && back.outcome.sentence == "ours");
  return 0;
}
