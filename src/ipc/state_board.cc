// Layout, all offsets fixed by the capacity in the header:
//   page 0            Header
//   instance records  capacity.instances * sizeof(Record<InstanceState>)
//   router records    capacity.routers   * sizeof(Record<RouterState>)
//   counters          capacity.routers   * sizeof(RouterCounters)
//   check records     capacity.checks    * sizeof(Record<CheckState>)
//   texts             capacity.instances * sizeof(Record<HandoverTexts>)
#include "ipc/state_board.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <type_traits>

#include "base/check.h"
#include "base/crc32.h"

namespace baton::ipc {
namespace {

constexpr std::uint64_t kMagic = 0x44524F424E544142;  // "BATNBORD" in memory
constexpr std::size_t kPage = 4096;

constexpr std::size_t kHistogramWords = std::tuple_size_v<decltype(DurationHistogram::counts)> + 1;

struct Header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t instance_capacity;
  std::uint32_t router_capacity;
  std::uint32_t instance_record;  ///< sizes, so that another build's layout is noticed
  std::uint32_t router_record;
  std::uint32_t counters_record;
  std::uint32_t check_capacity;
  std::uint32_t check_record;
  std::uint32_t texts_record;
  std::uint32_t fixed_crc;  ///< over all of the above
  std::int32_t engine_pid;
  std::int64_t heartbeat_ns;
  std::int64_t shortest_active_down_interval_ns;
  std::uint64_t generation;
  std::uint32_t instance_bound;
  std::uint32_t router_bound;
  std::uint32_t check_bound;
  std::uint32_t watchdog;
  std::uint64_t host_counters[7];
  std::uint64_t addresses_taken;
  std::uint64_t advert_lateness[kHistogramWords];
  std::uint64_t loop_stall[kHistogramWords];
};
static_assert(sizeof(Header) <= kPage && std::is_trivially_copyable_v<Header>);

/// Sequence 0: never written. The checksum covers sequence, `used` and payload.
template <class T>
struct Slot {
  std::uint64_t sequence;
  std::uint32_t used;
  std::uint32_t crc;
  T payload;
};
template <class T>
struct Record {
  Slot<T> slots[2];
};
using InstanceRecord = Record<ports::InstanceState>;
using RouterRecord = Record<ports::RouterState>;
using CheckRecord = Record<ports::CheckState>;
using TextsRecord = Record<ports::HandoverTexts>;
static_assert(std::is_trivially_copyable_v<InstanceRecord> && std::is_trivially_copyable_v<RouterRecord>);
static_assert(std::is_trivially_copyable_v<ports::RouterCounters>);

std::size_t instances_at() { return kPage; }
std::size_t routers_at(BoardCapacity capacity) { return instances_at() + capacity.instances * sizeof(InstanceRecord); }
std::size_t counters_at(BoardCapacity capacity) {
  const std::size_t end = routers_at(capacity) + capacity.routers * sizeof(RouterRecord);
  return (end + kPage - 1) / kPage * kPage;
}

std::size_t checks_at(BoardCapacity capacity) {
  const std::size_t end = counters_at(capacity) + capacity.routers * sizeof(ports::RouterCounters);
  return (end + kPage - 1) / kPage * kPage;
}

std::size_t texts_at(BoardCapacity capacity) {
  const std::size_t end = checks_at(capacity) + capacity.checks * sizeof(CheckRecord);
  return (end + kPage - 1) / kPage * kPage;
}

template <class Integer>
Integer load(const Integer& word) {
  return std::atomic_ref<Integer>(const_cast<Integer&>(word)).load(std::memory_order_acquire);
}
template <class Integer>
void store(Integer& word, Integer value) {
  std::atomic_ref<Integer>(word).store(value, std::memory_order_release);
}

using HistogramWords = std::uint64_t[kHistogramWords];

/// Each word is whole; a reader may see a count without its share of the sum.
void load(const HistogramWords& words, DurationHistogram& histogram) {
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) histogram.counts[i] = load(words[i]);
  histogram.sum_ns = load(words[kHistogramWords - 1]);
}
void store(HistogramWords& words, const DurationHistogram& histogram) {
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) store(words[i], histogram.counts[i]);
  store(words[kHistogramWords - 1], histogram.sum_ns);
}

const Header& header(ConstBytes memory) { return *reinterpret_cast<const Header*>(memory.data()); }
Header& header(MutableBytes memory) { return *reinterpret_cast<Header*>(memory.data()); }

std::uint32_t fixed_crc(const Header& head) {
  return crc32({reinterpret_cast<const std::uint8_t*>(&head), offsetof(Header, fixed_crc)});
}

template <class T>
std::uint32_t slot_crc(Slot<T> copy) {
  copy.crc = 0;
  ConstBytes bytes{reinterpret_cast<const std::uint8_t*>(&copy), sizeof copy};
  // Long texts at a record's end are mostly empty.
  static constexpr std::array<std::uint8_t, 64> kZeros{};
  while (bytes.size() > kZeros.size() &&
         std::memcmp(bytes.data() + bytes.size() - kZeros.size(), kZeros.data(), kZeros.size()) == 0) {
    bytes = bytes.first(bytes.size() - kZeros.size());
  }
  return crc32(bytes);
}

/// A copy that is known to be whole, or nullopt.
template <class T>
std::optional<Slot<T>> whole(const Slot<T>& slot) {
  Slot<T> copy;
  std::memcpy(&copy, &slot, sizeof copy);
  if (copy.sequence == 0 || slot_crc(copy) != copy.crc) return std::nullopt;
  return copy;
}

template <class T>
std::optional<Slot<T>> newest(const Record<T>& record) {
  // A reader that is slow may see both slots change under it; the writer publishes far less often than this loop turns.
  for (int attempt = 0; attempt < 8; ++attempt) {
    std::atomic_thread_fence(std::memory_order_acquire);
    const auto first = whole(record.slots[0]);
    const auto second = whole(record.slots[1]);
    if (first && second) return first->sequence > second->sequence ? first : second;
    if (first) return first;
    if (second) return second;
    if (load(record.slots[0].sequence) == 0 && load(record.slots[1].sequence) == 0) return std::nullopt;
  }
  return std::nullopt;
}

/// Sequence n stands in slots[(n - 1) % 2]. `last`, 0 if not known, is set to the sequence written; whoever writes
/// alone need not read what it wrote (a router's record is written before each advert).
template <class T>
void write(Record<T>& record, bool used, const T& payload, std::uint64_t& last) {
  if (last == 0) {
    const auto found = newest(record);
    last = found ? found->sequence : 0;
  }
  Slot<T>& older = record.slots[last % 2];
  Slot<T> fresh;
  std::memset(static_cast<void*>(&fresh), 0, sizeof fresh);  // padding too: the checksum covers it
  fresh.sequence = ++last;
  fresh.used = used ? 1 : 0;
  std::memcpy(static_cast<void*>(&fresh.payload), &payload, sizeof payload);
  fresh.crc = slot_crc(fresh);
  store(older.sequence, std::uint64_t{0});
  std::memcpy(static_cast<void*>(&older.used), &fresh.used, sizeof fresh - offsetof(Slot<T>, used));
  store(older.sequence, fresh.sequence);
}
template <class T>
void write(Record<T>& record, bool used, const T& payload) {
  std::uint64_t last = 0;
  write(record, used, payload, last);
}

std::uint64_t& grown(std::vector<std::uint64_t>& written, std::uint32_t slot) {
  if (slot >= written.size()) written.resize(slot + std::size_t{1});
  return written[slot];
}

template <class T>
const Record<T>& record_at(ConstBytes memory, std::size_t base, std::uint32_t slot) {
  return reinterpret_cast<const Record<T>*>(memory.data() + base)[slot];
}
template <class T>
Record<T>& record_at(MutableBytes memory, std::size_t base, std::uint32_t slot) {
  return reinterpret_cast<Record<T>*>(memory.data() + base)[slot];
}

Result<BoardCapacity> check_header(ConstBytes memory) {
  if (memory.size() < kPage) return fail("read state board: too short");
  const Header& head = header(memory);
  if (head.magic != kMagic || head.fixed_crc != fixed_crc(head)) return fail("read state board: not a state board");
  if (head.version != kBoardVersion || head.instance_record != sizeof(InstanceRecord) ||
      head.router_record != sizeof(RouterRecord) || head.counters_record != sizeof(ports::RouterCounters) ||
      head.check_record != sizeof(CheckRecord) || head.texts_record != sizeof(TextsRecord)) {
    return fail("read state board: written by another version");
  }
  const BoardCapacity capacity{head.instance_capacity, head.router_capacity, head.check_capacity};
  if (memory.size() < board_size(capacity)) return fail("read state board: cut short");
  return capacity;
}

}  // namespace

std::size_t board_size(BoardCapacity capacity) {
  const std::size_t end = texts_at(capacity) + capacity.instances * sizeof(TextsRecord);
  return (end + kPage - 1) / kPage * kPage;
}

void format_board(MutableBytes memory, BoardCapacity capacity) {
  CHECK(memory.size() >= board_size(capacity));
  Header& head = header(memory);
  head.magic = kMagic;
  head.version = kBoardVersion;
  head.instance_capacity = capacity.instances;
  head.router_capacity = capacity.routers;
  head.instance_record = sizeof(InstanceRecord);
  head.router_record = sizeof(RouterRecord);
  head.counters_record = sizeof(ports::RouterCounters);
  head.check_capacity = capacity.checks;
  head.check_record = sizeof(CheckRecord);
  head.texts_record = sizeof(TextsRecord);
  head.fixed_crc = fixed_crc(head);
}

Result<BoardReader> BoardReader::open(ConstBytes memory) {
  const auto capacity = check_header(memory);
  if (!capacity) return Unexpected<Error>{capacity.error()};
  return BoardReader{memory, *capacity};
}

BoardHeartbeat BoardReader::heartbeat() const {
  const Header& head = header(memory_);
  BoardHeartbeat beat;
  beat.at = Instant{Nanos{load(head.heartbeat_ns)}};
  beat.shortest_active_down_interval = Nanos{load(head.shortest_active_down_interval_ns)};
  beat.generation = load(head.generation);
  beat.engine_pid = load(head.engine_pid);
  return beat;
}

WatchdogState BoardReader::watchdog() const {
  const std::uint32_t state = load(header(memory_).watchdog);
  return state <= static_cast<std::uint32_t>(WatchdogState::kMissing) ? static_cast<WatchdogState>(state)
                                                                      : WatchdogState::kMissing;
}

engine::HostCounters BoardReader::host_counters() const {
  const auto& words = header(memory_).host_counters;
  engine::HostCounters counters;
  counters.checksum_errors = load(words[0]);
  counters.version_errors = load(words[1]);
  counters.vrid_errors = load(words[2]);
  counters.ip_ttl_errors = load(words[3]);
  counters.frames = load(words[4]);
  counters.turns = load(words[5]);
  counters.stalls = load(words[6]);
  counters.addresses_taken = load(header(memory_).addresses_taken);
  load(header(memory_).advert_lateness, counters.advert_lateness);
  load(header(memory_).loop_stall, counters.loop_stall);
  return counters;
}

std::uint32_t BoardReader::instance_bound() const {
  return std::min(load(header(memory_).instance_bound), capacity_.instances);
}
std::uint32_t BoardReader::router_bound() const {
  return std::min(load(header(memory_).router_bound), capacity_.routers);
}

std::optional<ports::InstanceState> BoardReader::instance(std::uint32_t slot) const {
  if (slot >= capacity_.instances) return std::nullopt;
  const auto found = newest(record_at<ports::InstanceState>(memory_, instances_at(), slot));
  if (!found || found->used != 1) return std::nullopt;
  return found->payload;
}

std::optional<ports::RouterState> BoardReader::router(std::uint32_t slot) const {
  if (slot >= capacity_.routers) return std::nullopt;
  const auto found = newest(record_at<ports::RouterState>(memory_, routers_at(capacity_), slot));
  if (!found || found->used != 1) return std::nullopt;
  return found->payload;
}

ports::HandoverTexts BoardReader::texts(std::uint32_t slot) const {
  if (slot >= capacity_.instances) return {};
  const auto found = newest(record_at<ports::HandoverTexts>(memory_, texts_at(capacity_), slot));
  return found ? found->payload : ports::HandoverTexts{};
}

std::uint32_t BoardReader::check_bound() const { return std::min(load(header(memory_).check_bound), capacity_.checks); }

std::optional<ports::CheckState> BoardReader::check(std::uint32_t slot) const {
  if (slot >= capacity_.checks) return std::nullopt;
  const auto found = newest(record_at<ports::CheckState>(memory_, checks_at(capacity_), slot));
  if (!found || found->used != 1) return std::nullopt;
  return found->payload;
}

ports::RouterCounters BoardReader::counters(std::uint32_t slot) const {
  ports::RouterCounters copy;
  if (slot >= capacity_.routers) return copy;
  // Each counter is one aligned word: it is whole, though two of them may be of different moments.
  std::memcpy(static_cast<void*>(&copy), memory_.data() + counters_at(capacity_) + slot * sizeof copy, sizeof copy);
  return copy;
}

std::vector<BoardReader::Entry> BoardReader::entries() const {
  std::vector<Entry> found;
  for (std::uint32_t slot = 0; slot < instance_bound(); ++slot) {
    const auto state = instance(slot);
    if (!state) continue;
    Entry entry{slot, *state, {}};
    if (state->handover.number != 0) entry.word = ports::word_of(state->handover, texts(slot));
    for (std::uint32_t i = 0; i < state->router_count; ++i) {
      const auto one = router(state->first_router_slot + i);
      if (!one || one->instance_slot != slot) break;
      entry.routers.push_back(*one);
    }
    if (entry.routers.size() == state->router_count) found.push_back(std::move(entry));
  }
  return found;
}

std::vector<ports::AdoptedInstance> BoardReader::adopted() const {
  std::vector<ports::AdoptedInstance> found;
  for (Entry& entry : entries()) found.push_back({entry.instance, std::move(entry.routers), std::move(entry.word)});
  return found;
}

Result<BoardWriter> BoardWriter::open(MutableBytes memory) {
  const auto capacity = check_header(memory);
  if (!capacity) return Unexpected<Error>{capacity.error()};
  return BoardWriter{memory, *capacity};
}

void BoardWriter::begin(std::int32_t pid) {
  Header& head = header(memory_);
  store(head.generation, head.generation + 1);
  store(head.engine_pid, pid);
}

void BoardWriter::set_watchdog(WatchdogState state) {
  store(header(memory_).watchdog, static_cast<std::uint32_t>(state));
}

void BoardWriter::heartbeat(Instant now) {
  store(header(memory_).heartbeat_ns, std::int64_t{now.time_since_epoch().count()});
}

void BoardWriter::set_shortest_active_down_interval(Nanos interval) {
  store(header(memory_).shortest_active_down_interval_ns, std::int64_t{interval.count()});
}

void BoardWriter::set_host_counters(const engine::HostCounters& counters) {
  auto& words = header(memory_).host_counters;
  const std::uint64_t values[7] = {counters.checksum_errors, counters.version_errors, counters.vrid_errors,
                                   counters.ip_ttl_errors,   counters.frames,         counters.turns,
                                   counters.stalls};
  for (std::size_t i = 0; i < 7; ++i) store(words[i], values[i]);
  store(header(memory_).addresses_taken, counters.addresses_taken);
  store(header(memory_).advert_lateness, counters.advert_lateness);
  store(header(memory_).loop_stall, counters.loop_stall);
}

void BoardWriter::publish_instance(std::uint32_t slot, const ports::InstanceState& state) {
  CHECK(slot < capacity_.instances);
  write(record_at<ports::InstanceState>(memory_, instances_at(), slot), true, state, grown(instances_written_, slot));
  Header& head = header(memory_);
  if (slot >= head.instance_bound) store(head.instance_bound, slot + 1);
}

void BoardWriter::publish_router(std::uint32_t slot, const ports::RouterState& state) {
  CHECK(slot < capacity_.routers);
  write(record_at<ports::RouterState>(memory_, routers_at(capacity_), slot), true, state,
        grown(routers_written_, slot));
  Header& head = header(memory_);
  if (slot >= head.router_bound) store(head.router_bound, slot + 1);
}

void BoardWriter::publish_texts(std::uint32_t slot, const ports::HandoverTexts& texts) {
  CHECK(slot < capacity_.instances);
  write(record_at<ports::HandoverTexts>(memory_, texts_at(capacity_), slot), true, texts);
}

void BoardWriter::publish_check(std::uint32_t slot, const ports::CheckState& state) {
  CHECK(slot < capacity_.checks);
  write(record_at<ports::CheckState>(memory_, checks_at(capacity_), slot), true, state);
  Header& head = header(memory_);
  if (slot >= head.check_bound) store(head.check_bound, slot + 1);
}

void BoardWriter::retire_check(std::uint32_t slot) {
  CHECK(slot < capacity_.checks);
  write(record_at<ports::CheckState>(memory_, checks_at(capacity_), slot), false, ports::CheckState{});
}

void BoardWriter::retire_instance(std::uint32_t slot) {
  CHECK(slot < capacity_.instances);
  write(record_at<ports::InstanceState>(memory_, instances_at(), slot), false, ports::InstanceState{},
        grown(instances_written_, slot));
}

void BoardWriter::retire_router(std::uint32_t slot) {
  CHECK(slot < capacity_.routers);
  write(record_at<ports::RouterState>(memory_, routers_at(capacity_), slot), false, ports::RouterState{},
        grown(routers_written_, slot));
}

ports::RouterCounters& BoardWriter::counters(std::uint32_t slot) {
  CHECK(slot < capacity_.routers);
  return reinterpret_cast<ports::RouterCounters*>(memory_.data() + counters_at(capacity_))[slot];
}

}  // namespace baton::ipc
