// The simulated scribe of one host: the newest record of each instance in memory, and on disk after its fsync. A new
// engine is told what is in memory; a new daemon and a host that was reset only what is on disk.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "base/time.h"
#include "ports/data_record.h"

namespace baton::sim {

class Scribe {
 public:
  struct Pending {
    std::uint64_t ticket = 0;
    ports::DataRecord record;
    Nanos done{0};
    int life = 0;  ///< of the engine that asked
  };
  /// When it will be on disk.
  Nanos remember(Nanos now, Nanos fsync, std::uint64_t ticket, const ports::DataRecord& record, int life);
  /// The oldest whose time has come; it is on disk then.
  bool take_done(Nanos now, Pending& done);
  /// What was not on disk is gone.
  void lose_memory();

  const std::map<std::string, ports::DataRecord>& memory() const { return memory_; }
  const ports::DataRecord* on_disk(const std::string& instance) const;
  const ports::DataRecord* in_memory(const std::string& instance) const;

 private:
  std::map<std::string, ports::DataRecord> memory_, disk_;
  std::deque<Pending> pending_;
};

}  // namespace baton::sim
