// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading a server's state; what changes it is in server_acts.cc.
#include "mysql/server.h"

#include <mysqld_error.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace baton::mysql {
namespace {

bool on(const std::string& value) { return value == "ON" || value == "1" || value == "YES" || value == "Yes"; }

template <class Number>
Number number(const std::string& text) {
  return text.empty() ? Number{0} : static_cast<Number>(std::strtoull(text.c_str(), nullptr, 10));
}

/// Whether `version` ("8.0.33-log") is at least that of MySQL.
bool at_least(const std::string& version, int major, int minor, int patch) {
  std::array<int, 3> is{};
  std::sscanf(version.c_str(), "%d.%d.%d", &is[0], &is[1], &is[2]);
  return is >= std::array<int, 3>{major, minor, patch};
}

/// The filters that a replica has; one that is not a copy must not be promoted.
std::string filters_of(const Table& status) {
  std::string filters;
  for (const char* name : {"Replicate_Do_DB", "Replicate_Ignore_DB", "Replicate_Do_Table", "Replicate_Ignore_Table",
                           "Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table", "Replicate_Rewrite_DB",
                           "Replicate_Ignore_Server_Ids", "Replicate_Do_Domain_Ids", "Replicate_Ignore_Domain_Ids"}) {
    const std::string value = status.text(name);
    if (value.empty()) continue;
    filters += (filters.empty() ? "" : ", ") + std::string{name} + "=" + value;
  }
  return filters;
}

}  // namespace

Server::Server(const Settings& settings, const Member& member, bool local, Clock::time_point until)
    : settings_(settings),
      connection_(settings, member, local ? settings.socket : "", until),
      mariadb_(connection_.server_version().find("MariaDB") != std::string::npos),
      version_(connection_.server_version()) {
  new_words_ = !mariadb_ && at_least(version_, 8, 0, 26);
  if (!mariadb_ && !at_least(version_, 8, 0, 0)) {
    throw plugin::Trouble(
        Status::kConfig, "version",
        "the server at " + place() + " is MySQL " + version_ + "; 8.0 is the oldest that this module knows");
  }
}

void Server::read_variables(State& state) {
  const Table variables = connection_.query(
      "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only','super_read_only','log_bin','log_slave_updates',"
      "'log_replica_updates','gtid_mode','server_id','server_uuid','wsrep_on','datadir','gtid_binlog_pos',"
      "'gtid_binlog_state','gtid_slave_pos','gtid_executed','rpl_semi_sync_master_enabled','rpl_semi_sync_slave_"
      "enabled',"
      "'rpl_semi_sync_source_enabled','rpl_semi_sync_replica_enabled')");
  const auto is_on = [&](const char* name) { return on(variables.value_of(name)); };
  state.mariadb = mariadb_;
  state.version = version_.substr(0, version_.find("-log"));
  state.server_id = number<std::uint64_t>(variables.value_of("server_id"));
  state.server_uuid = variables.value_of("server_uuid");
  state.read_only = is_on("read_only");
  state.super_read_only = is_on("super_read_only");
  state.log_bin = is_on("log_bin");
  state.log_replica_updates = is_on("log_slave_updates") || is_on("log_replica_updates");
  state.gtid = mariadb_ || is_on("gtid_mode");
  state.galera = is_on("wsrep_on");
  state.datadir = variables.value_of("datadir");
  state.position = compact(variables.value_of(mariadb_ ? "gtid_binlog_pos" : "gtid_executed"));
  state.history = compact(variables.value_of(mariadb_ ? "gtid_binlog_state" : "gtid_executed"));
  // Not the Gtid_Slave_Pos of SHOW SLAVE STATUS, which counts transactions of this server, too.
  state.replication.applied = compact(variables.value_of(mariadb_ ? "gtid_slave_pos" : "gtid_executed"));
  state.semi_sync.source_enabled = is_on("rpl_semi_sync_master_enabled") || is_on("rpl_semi_sync_source_enabled");
  state.semi_sync.replica_enabled = is_on("rpl_semi_sync_slave_enabled") || is_on("rpl_semi_sync_replica_enabled");
  state.semi_sync.available = !variables.value_of("rpl_semi_sync_master_enabled").empty() ||
                              !variables.value_of("rpl_semi_sync_source_enabled").empty();
}

void Server::read_replication(State& state) {
  const Table status = connection_.query(mariadb_     ? "SHOW ALL SLAVES STATUS"
                                         : new_words_ ? "SHOW REPLICA STATUS"
                                                      : "SHOW SLAVE STATUS");
  Replication& replication = state.replication;
  std::size_t row = 0;
  for (std::size_t i = 0; i < status.size(); ++i) {
    // The channels of a group are its own business.
    if (status.text("Channel_Name", i).rfind("group_replication_", 0) == 0) continue;
    if (replication.channels++ == 0) row = i;
  }
  if (replication.channels == 0) return;
  const auto text = [&](const char* one, const char* other) { return status.text(one, other, row); };
  replication.configured = !text("Master_Host", "Source_Host").empty();
  replication.channel = text("Connection_name", "Channel_Name");
  replication.host = text("Master_Host", "Source_Host");
  replication.port = number<std::uint16_t>(text("Master_Port", "Source_Port"));
  replication.user = text("Master_User", "Source_User");
  replication.receiver = text("Slave_IO_Running", "Replica_IO_Running");
  replication.applier = text("Slave_SQL_Running", "Replica_SQL_Running");
  replication.receiver_errno = number<unsigned>(status.text("Last_IO_Errno", row));
  replication.receiver_error = status.text("Last_IO_Error", row);
  replication.applier_errno = number<unsigned>(status.text("Last_SQL_Errno", row));
  replication.applier_error = status.text("Last_SQL_Error", row);
  const auto behind = status.get("Seconds_Behind_Master", row) ? status.get("Seconds_Behind_Master", row)
                                                               : status.get("Seconds_Behind_Source", row);
  if (behind) replication.seconds_behind = number<std::int64_t>(*behind);
  replication.received = compact(text("Gtid_IO_Pos", "Retrieved_Gtid_Set"));
  replication.connect_retry = number<unsigned>(status.text("Connect_Retry", row));
  replication.filters = filters_of(status);
  replication.uses_gtid = mariadb_ ? status.text("Using_Gtid", row) != "No" : status.text("Auto_Position", row) == "1";
  if (mariadb_) {
    replication.heartbeats = number<std::uint64_t>(status.text("Slave_received_heartbeats", row));
    replication.heartbeat_period = std::strtod(status.text("Slave_heartbeat_period", row).c_str(), nullptr);
    return;
  }
  const Table beats = connection_.query(
      "SELECT s.COUNT_RECEIVED_HEARTBEATS AS beats, c.HEARTBEAT_INTERVAL AS period FROM "
      "performance_schema.replication_connection_status s JOIN performance_schema.replication_connection_configuration "
      "c USING (CHANNEL_NAME) WHERE s.CHANNEL_NAME=" +
      connection_.quoted(replication.channel));
  replication.heartbeats = number<std::uint64_t>(beats.text("beats"));
  replication.heartbeat_period = std::strtod(beats.text("period").c_str(), nullptr);
}

void Server::read_generation(State& state) {
  try {
    const Table rows =
        connection_.query("SELECT generation, host, strict FROM " + table() + " ORDER BY generation DESC LIMIT 1");
    if (rows.empty()) return;
    state.stamped = true;
    state.generation = number<std::uint64_t>(rows.text("generation"));
    state.generation_host = rows.text("host");
    state.generation_strict = rows.text("strict") == "1";
  } catch (const SqlTrouble& trouble) {
    if (trouble.number() != ER_NO_SUCH_TABLE && trouble.number() != ER_BAD_DB_ERROR) throw;
  }
}

void Server::read_semi_sync(State& state) {
  if (!state.semi_sync.available) return;
  const Table status = connection_.query("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync%'");
  const auto value = [&](const char* one, const char* other) {
    const std::string first = status.value_of(one);
    return first.empty() ? status.value_of(other) : first;
  };
  state.semi_sync.source_active = on(value("Rpl_semi_sync_master_status", "Rpl_semi_sync_source_status"));
  state.semi_sync.clients =
      number<std::uint64_t>(value("Rpl_semi_sync_master_clients", "Rpl_semi_sync_source_clients"));
  state.semi_sync.replica_active = on(value("Rpl_semi_sync_slave_status", "Rpl_semi_sync_replica_status"));
}

/// MySQL keeps read_only over a restart by SET PERSIST, which demote and promote use; MariaDB only by its files.
void Server::read_boot_guard(State& state) {
  if (!mariadb_) return;
  const Table origin = connection_.query(
      "SELECT GLOBAL_VALUE_ORIGIN AS origin FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME='READ_ONLY'");
  state.boot_guard = origin.text("origin") != "COMPILE-TIME";
}

State Server::state() {
  State state;
  read_variables(state);
  read_replication(state);
  read_generation(state);
  read_semi_sync(state);
  read_boot_guard(state);
  if (!mariadb_) {
    const Table members = connection_.query(
        "SELECT MEMBER_STATE AS state FROM performance_schema.replication_group_members WHERE "
        "MEMBER_ID=@@server_uuid");
    state.group = !members.empty() && members.text("state") != "OFFLINE";
  }
  return state;
}

std::string Server::position() {
  const Table table =
      connection_.query(mariadb_ ? "SELECT @@global.gtid_binlog_pos AS p" : "SELECT @@global.gtid_executed AS p");
  return compact(table.text("p"));
}

Missing Server::missing(const std::string& position, const std::string& history) {
  if (mariadb_) {
    const auto wanted = parse_mariadb(position);
    const auto held = parse_mariadb(history);
    if (!wanted || !held) {
      throw plugin::Trouble(Status::kConfig, "position",
                            "\"" + (wanted ? history : position) + "\" is no GTID position of MariaDB");
    }
    return mariadb_missing(*wanted, *held);
  }
  const Table rest = connection_.query("SELECT GTID_SUBTRACT(" + connection_.quoted(position) + "," +
                                       connection_.quoted(history) + ") AS rest");
  const std::string what = compact(rest.text("rest"));
  return {.count = mysql_count(what), .what = what, .forked = false};
}

Missing Server::missing_after(const std::string& position, const std::string& history, const std::string& more) {
  return missing(position, more.empty() ? history : history.empty() ? more : history + "," + more);
}

}  // namespace baton::mysql
