// SPDX-License-Identifier: GPL-2.0-or-later
//
// server.h: what one running server says of itself, read in as few statements as possible. Decides nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.h"
#include "postgres/position.h"

namespace baton_postgres {

/// The walreceiver of a standby.
struct Receiver {
  std::string status;  ///< streaming, waiting, starting, ...
  std::string host;
  std::uint16_t port = 0;
  std::uint32_t timeline = 0;
  std::int64_t last_message_ms = -1;
  Lsn upstream_end = 0;  ///< how far the upstream had come, as it said last
};

/// The last promotion, as it is written in the data.
struct Stamp {
  std::uint64_t generation = 0;
  std::string node;
};

struct Server {
  bool in_recovery = false;
  std::string version;
  std::string system;
  std::uint32_t timeline = 0;
  Lsn current = 0;   ///< primary: the end of what it has written
  Lsn received = 0;  ///< standby: GREATEST(received, replayed): after a reconnect `received` alone may be too small
  Lsn replayed = 0;
  bool replay_paused = false;
  std::int64_t since_replay_ms = -1;  ///< age of the last commit that was replayed
  std::optional<Receiver> receiver{};
  std::string upstream_setting{};  ///< primary_conninfo
  std::string synchronous_names{};
  std::string synchronous_commit{};
  std::string apply_delay{};
  bool read_only_by_default = false;
  bool may_see_statistics = false;
  std::string manager{};  ///< another cluster manager that is connected: Patroni, repmgrd
  bool rewindable = false;
  std::uint64_t segment_size = 0;

  Lsn end() const { return in_recovery ? received : current; }
  std::int64_t behind() const;  ///< bytes; -1: not known
};

/// One walsender of a primary.
struct Standby {
  std::string name;
  std::string address;
  std::string state;
  std::string sync_state;
  std::int64_t behind = -1;
};

Server read_server(Connection& connection);
std::vector<Standby> read_standbys(Connection& connection);
/// Whether the startup process has applied all that it has and waits for more.
bool waits_for_more(Connection& connection);
/// nullopt: the table does not exist.
std::optional<Stamp> read_stamp(Connection& connection);
/// The position of a server as Baton carries it.
Position position_of(const Server& server, const std::vector<Standby>& standbys);
/// Whether the receiver (or, without one, the setting) points at the endpoint.
bool follows(const Server& server, const Endpoint& endpoint);
/// "10.0.0.1:5432", "" if nothing is followed.
std::string upstream_words(const Server& server);
/// The target's history by the replication protocol.
History read_history(Connection& replication);

}  // namespace baton_postgres
