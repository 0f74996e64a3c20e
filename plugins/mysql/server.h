// SPDX-License-Identifier: GPL-2.0-or-later
//
// A server as a member of a pair sees it: its state in words that MariaDB and MySQL share, and the statements of each
// for the same act. Decides which statement; whether it should be done is for pair.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mysql/connection.h"
#include "mysql/gtid.h"

namespace baton::mysql {

struct Replication {
  bool configured = false;
  std::size_t channels = 0;
  std::string channel;  ///< of the first; "" is the default one
  std::string host;
  std::uint16_t port = 0;
  std::string user;
  std::string receiver;  ///< Yes, No, Connecting
  std::string applier;   ///< Yes, No
  unsigned receiver_errno = 0;
  std::string receiver_error;
  unsigned applier_errno = 0;
  std::string applier_error;
  std::string received;  ///< all that came, applied or not
  std::string applied;   ///< by replication alone
  std::int64_t seconds_behind = -1;
  std::string filters;  ///< "": none
  bool uses_gtid = false;
  unsigned connect_retry = 0;   ///< seconds
  double heartbeat_period = 0;  ///< seconds; 0: not known
  std::uint64_t heartbeats = 0;

  bool receiving() const { return receiver == "Yes"; }
  bool applying() const { return applier == "Yes"; }
  /// MySQL: it was stopped within a transaction whose rest did not come; ER_MTA_INCONSISTENT_DATA.
  bool gave_up_half() const { return applier == "No" && applier_errno == 1756; }
};

struct SemiSync {
  bool available = false;
  bool source_enabled = false;
  bool source_active = false;  ///< it waits for acknowledgements now
  std::uint64_t clients = 0;
  bool replica_enabled = false;
  bool replica_active = false;
};

struct State {
  bool mariadb = false;
  std::string version;
  std::uint64_t server_id = 0;
  std::string server_uuid;
  bool read_only = false;
  bool super_read_only = false;
  bool log_bin = false;
  bool log_replica_updates = false;
  bool gtid = false;
  bool galera = false;
  bool group = false;      ///< member of a replication group
  bool boot_guard = true;  ///< false: the configuration file does not make it start read-only
  std::string datadir;
  std::string position;  ///< what is in its binary log: all that it has
  std::string history;   ///< for the inclusion test
  Replication replication;
  SemiSync semi_sync;
  bool stamped = false;
  std::uint64_t generation = 0;
  std::string generation_host;
  bool generation_strict = false;  ///< acknowledged writes of that generation are on the standby, too

  bool writable() const { return !read_only && !super_read_only; }
  bool primary() const { return writable() && !replication.configured; }
};

/// A client whose connection is ended when writes are blocked.
struct Client {
  std::uint64_t id = 0;
  std::string user;
};

class Server {
 public:
  Server(const Settings& settings, const Member& member, bool local, Clock::time_point until);

  State state();
  const std::string& place() const { return connection_.place(); }
  Connection& connection() { return connection_; }
  bool mariadb() const { return mariadb_; }

  /// May wait for running statements; SqlTrouble 1205 or 1969 if they take longer than query_timeout.
  void make_read_only();
  void make_writable();
  /// Ends connections but for those of Baton, of replication and of the server itself. How many were ended.
  std::size_t end_clients();
  void flush_logs();
  /// False: MariaDB has turned its binary log off, which no variable tells. Needs BINLOG MONITOR.
  bool writes_binary_log();
  std::string position();

  Missing missing(const std::string& position, const std::string& history);
  /// `position` and what `more` holds.
  Missing missing_after(const std::string& position, const std::string& history, const std::string& more);
  /// Waits in slices; false: not reached within `timeout`.
  bool wait_applied(const std::string& position, std::chrono::nanoseconds timeout);

  void stop_receiver();
  void stop_replication();
  void forget_source();
  void start_replication();
  void follow(const Member& source, bool was_primary, bool configured);

  void create_generation_table();
  void stamp(std::uint64_t generation);
  void mark_verified(std::uint64_t generation);
  void mark_strict(std::uint64_t generation);

  void semi_sync_as_primary(bool waiting);
  void semi_sync_as_standby();
  /// Files of the binary log, for a person to look into.
  std::string binary_logs();

 private:
  void read_variables(State& state);
  void read_replication(State& state);
  void read_generation(State& state);
  void read_semi_sync(State& state);
  void read_boot_guard(State& state);
  std::string table() const { return settings_.schema + ".baton_generation"; }
  void change_replication(const std::string& statement);
  bool give_up_half_transaction();
  void stop_within_half_transaction(const std::string& stop);
  void forget_half_transaction();
  std::string source_options(const Member& source, const char* prefix) const;
  void set_if_there(const std::string& assignment);

  const Settings& settings_;
  Connection connection_;
  bool mariadb_;
  std::string version_;
  bool new_words_ = false;  ///< MySQL >= 8.0.23: SOURCE and REPLICA for MASTER and SLAVE
};

}  // namespace baton::mysql
