// The state board: what the engine keeps in shared memory so that a successor continues (adoption) and others can read
// (status). This file decides the layout: header, instance records, router records, counters, check records, texts of
// planned moves. Each record has two slots with sequence and CRC-32; the writer writes the older one, so whenever it
// dies a reader finds the old or the new value, never a mixture. No system call here: both sides are given the mapped
// bytes. One writer (the engine; of the watchdog's state, the guardian), any number of readers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "engine/engine.h"
#include "ports/snapshot.h"

namespace baton::ipc {

inline constexpr std::uint32_t kBoardVersion = 3;  ///< a board of another version is not adopted

struct BoardCapacity {
  std::uint32_t instances = 4096;
  std::uint32_t routers = 8192;
  std::uint32_t checks = config::kMaxPlugins;
};

/// Bytes of a board with this capacity; page-aligned. Untouched pages of a memfd cost nothing.
std::size_t board_size(BoardCapacity capacity);
/// Writes an empty board's header. REQUIRES board_size(capacity) bytes, all zero.
void format_board(MutableBytes memory, BoardCapacity capacity);

/// The guardian's word to the engine: nothing is promoted while a watchdog is wanted and not armed.
enum class WatchdogState : std::uint32_t { kNotWanted = 0, kArmed = 1, kMissing = 2 };

/// Numbers that are written alone and need no record.
struct BoardHeartbeat {
  Instant at{};  ///< the engine's last turn; the clock's epoch = none yet
  Nanos shortest_active_down_interval{0};
  std::uint64_t generation = 0;  ///< counts engines on this board
  std::int32_t engine_pid = 0;
};

class BoardReader {
 public:
  /// Error: not a board, another version, or lengths that contradict each other. `memory` must outlive the reader.
  static Result<BoardReader> open(ConstBytes memory);

  BoardCapacity capacity() const { return capacity_; }
  WatchdogState watchdog() const;
  BoardHeartbeat heartbeat() const;
  engine::HostCounters host_counters() const;
  /// Slots ever used lie below these.
  std::uint32_t instance_bound() const;
  std::uint32_t router_bound() const;
  /// nullopt: never used, retired, or (never seen with one writer) both slots torn.
  std::optional<ports::InstanceState> instance(std::uint32_t slot) const;
  std::optional<ports::RouterState> router(std::uint32_t slot) const;
  /// Empty texts: none were published. Reading touches the page.
  ports::HandoverTexts texts(std::uint32_t slot) const;
  ports::RouterCounters counters(std::uint32_t slot) const;
  std::uint32_t check_bound() const;
  std::optional<ports::CheckState> check(std::uint32_t slot) const;

  struct Entry {
    std::uint32_t slot = 0;
    ports::InstanceState instance;
    std::vector<ports::RouterState> routers;
    ports::HandoverWord word = {};
  };
  /// All instances whose routers are all there. An instance with a missing router record is left out.
  std::vector<Entry> entries() const;
  /// The same for Engine::start.
  std::vector<ports::AdoptedInstance> adopted() const;

 private:
  explicit BoardReader(ConstBytes memory, BoardCapacity capacity) : memory_(memory), capacity_(capacity) {}
  ConstBytes memory_;
  BoardCapacity capacity_;
};

class BoardWriter {
 public:
  /// As BoardReader::open. `memory` must outlive the writer.
  static Result<BoardWriter> open(MutableBytes memory);

  BoardCapacity capacity() const { return capacity_; }
  /// Once, by a new engine: counts it and names its process.
  void begin(std::int32_t pid);
  /// Of the guardian, the one number on the board that is not the engine's.
  void set_watchdog(WatchdogState state);
  void heartbeat(Instant now);
  void set_shortest_active_down_interval(Nanos interval);
  void set_host_counters(const engine::HostCounters& counters);

  /// REQUIRES slots below the capacity.
  void publish_instance(std::uint32_t slot, const ports::InstanceState& state);
  void publish_router(std::uint32_t slot, const ports::RouterState& state);
  /// Of the instance in `slot`; before its state.
  void publish_texts(std::uint32_t slot, const ports::HandoverTexts& texts);
  void publish_check(std::uint32_t slot, const ports::CheckState& state);
  void retire_check(std::uint32_t slot);
  void retire_instance(std::uint32_t slot);
  void retire_router(std::uint32_t slot);
  ports::RouterCounters& counters(std::uint32_t slot);

 private:
  BoardWriter(MutableBytes memory, BoardCapacity capacity) : memory_(memory), capacity_(capacity) {}
  MutableBytes memory_;
  BoardCapacity capacity_;
  /// By slot: the sequence of the record as this writer wrote it last; 0 = it has not.
  std::vector<std::uint64_t> instances_written_ = {};
  std::vector<std::uint64_t> routers_written_ = {};
};

}  // namespace baton::ipc
