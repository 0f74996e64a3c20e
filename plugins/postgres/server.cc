// SPDX-License-Identifier: GPL-2.0-or-later
//
// server.cc: the statements that read a server's state. All of them are allowed to a member of pg_monitor.
#include "postgres/server.h"

#include <algorithm>
#include <memory>

namespace baton_postgres {
namespace {

// A primary's timeline is that of the file it writes: the control file has the old one until the next checkpoint.
constexpr const char* kState = R"(
SELECT pg_is_in_recovery(),
       current_setting('server_version'),
       (SELECT system_identifier FROM pg_control_system()),
       CASE WHEN pg_is_in_recovery()
            THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()),
                          (SELECT min_recovery_end_timeline FROM pg_control_recovery()), r.received_tli)
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn() END,
       greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()),
       pg_last_wal_replay_lsn(),
       CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END,
       (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::bigint,
       pg_has_role('pg_read_all_stats', 'USAGE') AND pg_has_role('pg_read_all_settings', 'USAGE'),
       r.status, r.sender_host, r.sender_port, r.received_tli,
       (extract(epoch FROM clock_timestamp() - r.last_msg_receipt_time) * 1000)::bigint, r.latest_end_lsn,
       current_setting('default_transaction_read_only')::boolean,
       current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),
       (SELECT application_name FROM pg_stat_activity
         WHERE application_name ILIKE 'patroni%' OR application_name IN ('repmgrd', 'repmgr') LIMIT 1),
       current_setting('wal_log_hints')::boolean OR current_setting('data_checksums')::boolean,
       CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('primary_conninfo') END,
       current_setting('recovery_min_apply_delay'), pg_size_bytes(current_setting('wal_segment_size'))
  FROM (SELECT 1) AS one LEFT JOIN pg_stat_wal_receiver AS r ON r.pid IS NOT NULL)";

struct OptionsFree {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

std::uint32_t timeline(const Table& table, std::size_t column) {
  return static_cast<std::uint32_t>(table.number(0, column, 0));
}

/// Host and port of a primary_conninfo.
Endpoint upstream_of(const std::string& conninfo) {
  Endpoint endpoint{.member = "", .address = ""};
  const std::unique_ptr<PQconninfoOption, OptionsFree> options{PQconninfoParse(conninfo.c_str(), nullptr)};
  if (!options) return endpoint;
  for (const PQconninfoOption* one = options.get(); one->keyword != nullptr; ++one) {
    if (one->val == nullptr) continue;
    const std::string keyword = one->keyword;
    if (keyword == "host" || (keyword == "hostaddr" && endpoint.address.empty())) endpoint.address = one->val;
    if (keyword == "port") endpoint.port = static_cast<std::uint16_t>(std::stoi(one->val));
  }
  return endpoint;
}

}  // namespace

std::int64_t Server::behind() const {
  if (!in_recovery || !receiver || receiver->upstream_end == 0) return -1;
  return receiver->upstream_end > replayed ? static_cast<std::int64_t>(receiver->upstream_end - replayed) : 0;
}

Server read_server(Connection& connection) {
  const Table table = connection.query(kState);
  const auto lsn = [&](std::size_t column) { return parse_lsn(table.text(0, column)).value_or(0); };
  Server server{.in_recovery = table.flag(0, 0), .version = table.text(0, 1), .system = table.text(0, 2)};
  server.timeline = timeline(table, 3);
  server.current = lsn(4);
  server.received = lsn(5);
  server.replayed = lsn(6);
  server.replay_paused = table.flag(0, 7);
  server.since_replay_ms = table.number(0, 8);
  server.may_see_statistics = table.flag(0, 9);
  if (!table.null(0, 10)) {
    server.receiver = Receiver{.status = table.text(0, 10),
                               .host = table.text(0, 11),
                               .port = static_cast<std::uint16_t>(table.number(0, 12, 0)),
                               .timeline = timeline(table, 13),
                               .last_message_ms = table.number(0, 14),
                               .upstream_end = lsn(15)};
  }
  server.read_only_by_default = table.flag(0, 16);
  server.synchronous_names = table.text(0, 17);
  server.synchronous_commit = table.text(0, 18);
  server.manager = table.text(0, 19);
  server.rewindable = table.flag(0, 20);
  server.upstream_setting = table.text(0, 21);
  server.apply_delay = table.text(0, 22);
  server.segment_size = static_cast<std::uint64_t>(table.number(0, 23, 16 << 20));
  return server;
}

std::vector<Standby> read_standbys(Connection& connection) {
  const Table table = connection.query(
      "SELECT application_name, coalesce(host(client_addr), ''), state, sync_state, "
      "pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint FROM pg_stat_replication "
      "WHERE state IS NOT NULL ORDER BY application_name LIMIT 32");
  std::vector<Standby> standbys;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    standbys.push_back({.name = table.text(row, 0),
                        .address = table.text(row, 1),
                        .state = table.text(row, 2),
                        .sync_state = table.text(row, 3),
                        .behind = table.number(row, 4)});
  }
  return standbys;
}

bool waits_for_more(Connection& connection) {
  const Table table = connection.query(
      "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'startup' "
      "AND wait_event IN ('RecoveryWalStream', 'RecoveryRetrieveRetryInterval', 'RecoveryWalAll')");
  return table.rows() != 0;
}

std::optional<Stamp> read_stamp(Connection& connection) {
  try {
    const Table table = connection.query("SELECT generation, node FROM public.baton_generation");
    if (table.rows() == 0) return Stamp{};
    return Stamp{.generation = static_cast<std::uint64_t>(table.number(0, 0, 0)), .node = table.text(0, 1)};
  } catch (const Trouble& trouble) {
    if (trouble.cause() == "missing") return std::nullopt;
    throw;
  }
}

Position position_of(const Server& server, const std::vector<Standby>& standbys) {
  Position position{.system = server.system, .timeline = server.timeline, .lsn = server.end()};
  std::string names;
  const bool waits = server.synchronous_commit != "off" && server.synchronous_commit != "local";
  for (const Standby& standby : standbys) {
    const bool acknowledges = standby.sync_state == "sync" || standby.sync_state == "quorum";
    if (waits && acknowledges && standby.state == "streaming" &&
        standby.name.find_first_of(":,") == std::string::npos) {
      names += (names.empty() ? "" : ",") + standby.name;
    }
  }
  // One of several that acknowledge is no proof for any single one of them, unless there is but one.
  if (!names.empty() && names.find(',') == std::string::npos) position.how = "sync=" + names;
  return position;
}

bool follows(const Server& server, const Endpoint& endpoint) {
  if (server.receiver && !server.receiver->host.empty()) {
    return server.receiver->host == endpoint.address && server.receiver->port == endpoint.port;
  }
  if (server.upstream_setting.empty()) return false;
  const Endpoint setting = upstream_of(server.upstream_setting);
  return setting.address == endpoint.address && setting.port == endpoint.port;
}

std::string upstream_words(const Server& server) {
  if (server.receiver && !server.receiver->host.empty()) {
    return server.receiver->host + ":" + std::to_string(server.receiver->port);
  }
  if (server.upstream_setting.empty()) return {};
  const Endpoint setting = upstream_of(server.upstream_setting);
  return setting.address + ":" + std::to_string(setting.port);
}

History read_history(Connection& replication) {
  const Table system = replication.query("IDENTIFY_SYSTEM");
  History history{
      .system = system.text(0, 0), .timeline = timeline(system, 1), .end = parse_lsn(system.text(0, 2)).value_or(0)};
  if (history.timeline <= 1) return history;
  const Table file = replication.query("TIMELINE_HISTORY " + std::to_string(history.timeline));
  const auto forks = parse_history(file.text(0, 1));
  if (!forks) {
    throw Trouble(Status::kTransient, "statement",
                  replication.words() + " sent a history of timeline " + std::to_string(history.timeline) +
                      " that cannot be read");
  }
  history.forks = *forks;
  return history;
}

}  // namespace baton_postgres
