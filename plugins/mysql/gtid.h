// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sets of global transaction ids: MariaDB's `0-1-465,1-2-7` and MySQL's `uuid:1-465:470,uuid:tag:1-3`. Decides what of
// a position a history does not hold. Sequence numbers alone prove nothing: after a crash both sides may stand at 465.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton::mysql {

/// What one side has and the other has not.
struct Missing {
  std::uint64_t count = 0;  ///< transactions; 0: nothing
  std::string what;         ///< "0-1-460..0-1-465", for people
  bool forked = false;      ///< the numbers are reached, but by other transactions

  bool none() const { return count == 0 && !forked; }
};

struct MariadbGtid {
  std::uint32_t domain = 0;
  std::uint32_t server = 0;
  std::uint64_t sequence = 0;
};

/// nullopt: that is no list of GTIDs. "" is an empty list.
std::optional<std::vector<MariadbGtid>> parse_mariadb(const std::string& text);

/// What of `position` (gtid_binlog_pos: the last of each domain) the `history` (gtid_binlog_state: the last of each
/// domain and server) does not hold: for each d-s-n there must be a d-s-m with m >= n.
Missing mariadb_missing(const std::vector<MariadbGtid>& position, const std::vector<MariadbGtid>& history);

/// What a replica has in its binary log beyond what came by replication (gtid_slave_pos): its own, errant
/// transactions, by `server`.
Missing mariadb_errant(const std::vector<MariadbGtid>& position, const std::vector<MariadbGtid>& applied,
                       std::uint64_t server);

/// How many transactions a set of MySQL has: GTID_SUBTRACT's answer, with blanks and line ends.
std::uint64_t mysql_count(const std::string& set);

/// Without blanks and line ends.
std::string compact(const std::string& set);

}  // namespace baton::mysql
