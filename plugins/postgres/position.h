// SPDX-License-Identifier: GPL-2.0-or-later
//
// position.h: where data stands in the write-ahead log, and whether one history contains another. Pure: asks nobody.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton_postgres {

using Lsn = std::uint64_t;

/// "0/3000148"; nullopt: it is none.
std::optional<Lsn> parse_lsn(const std::string& text);
std::string lsn_words(Lsn lsn);

/// What Baton carries between the hosts: "SYSTEM:TIMELINE:LSN:HOW". HOW is `shutdown` (the location of the checkpoint
/// record with which the server ended: nothing follows it), `sync=NAME,NAME` (what the primary acknowledged was flushed
/// by one of these standbys, too), or `async`.
struct Position {
  std::string system;
  std::uint32_t timeline = 0;
  Lsn lsn = 0;
  std::string how = "async";

  bool final() const { return how == "shutdown"; }
  /// Whether the standby NAME had all that was acknowledged when this was read.
  bool synchronous(const std::string& name) const;
  std::string text() const;
};
std::optional<Position> parse_position(const std::string& text);

/// The end of one timeline: the next one branched off at `at`.
struct Fork {
  std::uint32_t timeline = 0;
  Lsn at = 0;
  bool operator==(const Fork&) const = default;
};
/// A timeline history file; nullopt: it is none.
std::optional<std::vector<Fork>> parse_history(const std::string& text);

/// A server's history: `forks` lead to `timeline`, whose log ends at `end`.
struct History {
  std::string system;
  std::uint32_t timeline = 0;
  Lsn end = 0;
  std::vector<Fork> forks{};
};
/// Why `own` holds what `target` does not; "" if all of it is part of the target's history.
struct Inclusion {
  std::string trouble;
  Lsn common = 0;           ///< up to here both are the same, if `comparable`
  bool comparable = false;  ///< false: another cluster, or no common history is known
  bool contained() const { return trouble.empty(); }
};
Inclusion compare(const History& own, const History& target);

/// The name of the segment file that holds `lsn`.
std::string segment_name(std::uint32_t timeline, Lsn lsn, std::uint64_t segment_size);

}  // namespace baton_postgres
