// One simulated database of one host, as a plugin sees it: what it holds, whether it can be written, whom it copies.
// A history is a row of segments, one for each promotion, so that "all that A holds is part of B" can be told exactly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace baton::sim {

/// What was written between two promotions.
struct Segment {
  std::uint64_t id = 0;
  std::int64_t writes = 0;
  bool operator==(const Segment&) const = default;
};
using History = std::vector<Segment>;

/// Nothing that `part` holds is missing in `whole`.
bool contains(const History& whole, const History& part);
/// How many writes of `part` are missing in `whole`.
std::int64_t missing(const History& whole, const History& part);
/// As plugins write it, "1:40 2:7"; never empty.
std::string position_text(const History& history);
History history_of(const std::string& position);

class Database {
 public:
  bool answers(Nanos now) const { return running_ && now >= frozen_until_; }
  bool running() const { return running_; }
  bool frozen(Nanos now) const { return now < frozen_until_; }
  bool writable() const { return running_ && writable_; }
  /// Writable since a promotion, and nothing else has happened to it.
  bool by_promotion() const { return writable() && by_promotion_; }
  int upstream() const { return upstream_; }
  std::uint64_t generation() const { return generation_; }
  const History& history() const { return history_; }

  // ---- What befalls it ----
  void crash() { running_ = false; }
  /// `guarded`: it comes back read-only and follows nobody.
  void start(bool guarded);
  void freeze(Nanos until) { frozen_until_ = until; }
  void thaw() { frozen_until_ = Nanos{0}; }
  void write();
  /// Copies up to `most` writes; false if its own data is not part of the other's.
  bool copy_from(const Database& other, std::int64_t most);

  // ---- What plugins do to it ----
  void block();
  /// Undoes that; false: it is not the one that was blocked, or has been started since.
  bool unblock();
  void promote(std::uint64_t generation, std::uint64_t segment);
  void follow(int upstream);
  void detach() { follow(-1); }
  /// Gives up its own data for the other's.
  void rebuild_from(const Database& other, int upstream);

 private:
  bool running_ = true;
  bool writable_ = false;
  bool by_promotion_ = false;
  bool blocked_ = false;  ///< it is the writable one, and takes no writes
  Nanos frozen_until_{0};
  int upstream_ = -1;  ///< host; -1: nobody
  std::uint64_t generation_ = 0;
  History history_{{0, 0}};
};

}  // namespace baton::sim
