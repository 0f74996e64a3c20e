#include "tests/sim/scribe.h"

#include <algorithm>

namespace baton::sim {

Nanos Scribe::remember(Nanos now, Nanos fsync, std::uint64_t ticket, const ports::DataRecord& record, int life) {
  Nanos done = now + fsync;
  if (!pending_.empty()) done = std::max(done, pending_.back().done);
  memory_[record.instance] = record;
  pending_.push_back({ticket, record, done, life});
  return done;
}

bool Scribe::take_done(Nanos now, Pending& done) {
  if (pending_.empty() || pending_.front().done > now) return false;
  done = pending_.front();
  pending_.pop_front();
  disk_[done.record.instance] = done.record;
  return true;
}

void Scribe::lose_memory() {
  pending_.clear();
  memory_ = disk_;
}

const ports::DataRecord* Scribe::on_disk(const std::string& instance) const {
  const auto found = disk_.find(instance);
  return found == disk_.end() ? nullptr : &found->second;
}

const ports::DataRecord* Scribe::in_memory(const std::string& instance) const {
  const auto found = memory_.find(instance);
  return found == memory_.end() ? nullptr : &found->second;
}

}  // namespace baton::sim
