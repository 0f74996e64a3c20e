#include "tests/sim/database.h"

#include <algorithm>
#include <sstream>

namespace baton::sim {

std::int64_t missing(const History& whole, const History& part) {
  std::int64_t lacks = 0;
  bool parted = false;
  for (std::size_t i = 0; i < part.size(); ++i) {
    parted = parted || i >= whole.size() || whole[i].id != part[i].id;
    if (parted) {
      lacks += part[i].writes;
      continue;
    }
    lacks += std::max<std::int64_t>(part[i].writes - whole[i].writes, 0);
    // After a segment that is not the same to its end nothing is common.
    parted = whole[i].writes != part[i].writes;
  }
  return lacks;
}

bool contains(const History& whole, const History& part) { return missing(whole, part) == 0; }

std::string position_text(const History& history) {
  std::string out;
  for (const Segment& segment : history) {
    out += (out.empty() ? "" : " ") + std::to_string(segment.id) + ":" + std::to_string(segment.writes);
  }
  return out;
}

History history_of(const std::string& position) {
  History history;
  std::istringstream words{position};
  Segment segment;
  char colon = 0;
  while (words >> segment.id >> colon >> segment.writes) history.push_back(segment);
  return history;
}

void Database::block() {
  blocked_ = blocked_ || writable_;
  writable_ = false;
}

bool Database::unblock() {
  if (blocked_) writable_ = true;
  blocked_ = false;
  return writable_;
}

void Database::start(bool guarded) {
  if (running_) return;
  running_ = true;
  by_promotion_ = false;
  if (!guarded) return;
  writable_ = blocked_ = false;
  upstream_ = -1;
}

void Database::write() { ++history_.back().writes; }

bool Database::copy_from(const Database& other, std::int64_t most) {
  if (!contains(other.history_, history_)) return false;
  // Promotions after which nothing was written leave nothing behind.
  while (history_.size() > other.history_.size() || history_.back().id != other.history_[history_.size() - 1].id) {
    history_.pop_back();
  }
  while (most > 0) {
    const std::size_t last = history_.size() - 1;
    const std::int64_t there = std::min(most, other.history_[last].writes - history_[last].writes);
    history_[last].writes += there;
    most -= there;
    if (history_[last].writes < other.history_[last].writes || last + 1 >= other.history_.size()) break;
    history_.push_back({other.history_[last + 1].id, 0});
  }
  if (history_.size() == other.history_.size()) generation_ = other.generation_;
  return true;
}

void Database::promote(std::uint64_t generation, std::uint64_t segment) {
  writable_ = by_promotion_ = true;
  blocked_ = false;
  upstream_ = -1;
  generation_ = generation;
  history_.push_back({segment, 0});
}

void Database::follow(int upstream) {
  writable_ = blocked_ = false;
  by_promotion_ = false;
  upstream_ = upstream;
}

void Database::rebuild_from(const Database& other, int upstream) {
  history_ = other.history_;
  generation_ = other.generation_;
  follow(upstream);
}

}  // namespace baton::sim
