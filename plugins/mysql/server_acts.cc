// SPDX-License-Identifier: GPL-2.0-or-later
//
// The statements that change a server, in the words of MariaDB and of MySQL. Each may be repeated.
#include <mysqld_error.h>
#include <poll.h>

#include <algorithm>
#include <set>

#include "mysql/server.h"

namespace baton::mysql {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kKillDeniedMysql = 1095;
constexpr unsigned kStopIncompleteMysql = 1875;   // STOP has come back, the applier has not stopped yet
constexpr const char* kNoTimeout = "4294967295";  // ms: 49 days
constexpr auto kLook = 100ms;

std::string in_seconds(std::chrono::nanoseconds duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  std::string fraction = std::to_string(ms % 1000);
  fraction.insert(0, 3 - fraction.size(), '0');
  return std::to_string(ms / 1000) + "." + fraction;
}

}  // namespace

void Server::make_read_only() {
  // MySQL: kept over a restart, so that it never comes up writable by itself.
  connection_.query(mariadb_ ? "SET GLOBAL read_only=1" : "SET PERSIST super_read_only=1");
  if (!mariadb_) connection_.query("SET PERSIST read_only=1");
}

void Server::make_writable() {
  if (!mariadb_) connection_.query("SET GLOBAL super_read_only=0");
  connection_.query("SET GLOBAL read_only=0");
}

std::size_t Server::end_clients() {
  static const std::set<std::string> kOwnCommands{"Binlog Dump", "Binlog Dump GTID", "Daemon",
                                                  "Slave_IO",    "Slave_SQL",        "Slave_worker",
                                                  "Connect",     "Register Slave",   "Register Replica"};
  const Table list = connection_.query("SHOW PROCESSLIST");
  std::size_t ended = 0;
  for (std::size_t row = 0; row < list.size(); ++row) {
    const std::string user = list.text("User", row);
    const std::string id = list.text("Id", row);
    if (id == std::to_string(connection_.id()) || kOwnCommands.count(list.text("Command", row)) != 0) continue;
    if (user == "system user" || user == "event_scheduler" || user == "unauthenticated user") continue;
    if (user == settings_.check_user || user == settings_.drive_user || user == settings_.replication.user) continue;
    try {
      connection_.query("KILL " + id);
      ++ended;
    } catch (const SqlTrouble& trouble) {
      // Gone by itself; or a user above us, whom super_read_only stops all the same.
      const bool above =
          !mariadb_ && (trouble.number() == kKillDeniedMysql || trouble.number() == ER_SPECIFIC_ACCESS_DENIED_ERROR);
      if (trouble.number() != ER_NO_SUCH_THREAD && !above) throw;
    }
  }
  return ended;
}

void Server::flush_logs() { connection_.query("FLUSH BINARY LOGS"); }

bool Server::writes_binary_log() { return !mariadb_ || !connection_.query("SHOW MASTER STATUS").empty(); }

bool Server::wait_applied(const std::string& position, std::chrono::nanoseconds timeout) {
  if (position.empty()) return true;
  const auto end = Clock::now() + std::min<std::chrono::nanoseconds>(timeout, connection_.left());
  const std::string set = connection_.quoted(position);
  for (;;) {
    // Slices, each well within the time of a statement.
    const auto slice = std::clamp<std::chrono::nanoseconds>(end - Clock::now(), 1ms, settings_.query_timeout / 2);
    const Table answer =
        connection_.query((mariadb_ ? "SELECT MASTER_GTID_WAIT(" : "SELECT WAIT_FOR_EXECUTED_GTID_SET(") + set + "," +
                          in_seconds(slice) + ") AS late");
    if (answer.text("late") == "0") return true;
    State now;
    read_replication(now);
    if (!now.replication.applying()) {
      throw plugin::Trouble(Status::kRefused, "applier",
                            "the applier of " + place() + " has stopped" +
                                (now.replication.applier_error.empty() ? "" : ": " + now.replication.applier_error));
    }
    if (Clock::now() >= end) return false;
  }
}

/// These wait for threads and for the disk. To give up and ask again would only begin anew.
void Server::change_replication(const std::string& statement) {
  connection_.query(statement, std::max<std::chrono::nanoseconds>(settings_.query_timeout, connection_.left() / 2));
}

void Server::stop_receiver() { change_replication(new_words_ ? "STOP REPLICA IO_THREAD" : "STOP SLAVE IO_THREAD"); }

/// MySQL's applier, told to stop within a transaction, waits a minute for the rest of it, and whatever else is said
/// about replication waits behind. Killed before that, it stops at once: nothing of such a transaction is committed
/// here. false: it is in one, and must not be killed by this user.
bool Server::give_up_half_transaction() {
  State now;
  read_replication(now);
  if (!now.replication.applying() || !missing(now.replication.received, position()).none()) return true;
  const Table half = connection_.query(
      "SELECT t.PROCESSLIST_ID AS id FROM performance_schema.replication_applier_status_by_coordinator c JOIN "
      "performance_schema.threads t USING (THREAD_ID) WHERE c.PROCESSING_TRANSACTION<>'' AND c.CHANNEL_NAME=" +
      connection_.quoted(now.replication.channel));
  if (half.empty()) return true;
  try {
    connection_.query("KILL " + half.text("id"));
  } catch (const SqlTrouble& trouble) {
    if (trouble.number() == kKillDeniedMysql) return false;
    if (trouble.number() != ER_NO_SUCH_THREAD) throw;
  }
  // A STOP that comes before the applier has noticed makes it wait all the same.
  const auto end = Clock::now() + connection_.left() / 4;
  do {
    read_replication(now);
    if (!now.replication.applying()) break;
    ::poll(nullptr, 0, static_cast<int>(kLook.count()));
  } while (Clock::now() < end);
  return true;
}

/// Briefly: until STOP has come back every other word about replication waits behind it, also of who has gone away
/// since.
void Server::stop_within_half_transaction(const std::string& stop) {
  const std::string limit = new_words_ ? "rpl_stop_replica_timeout" : "rpl_stop_slave_timeout";
  const std::string before = connection_.query("SELECT @@global." + limit + " AS was").text("was");
  connection_.query("SET GLOBAL " + limit + "=2");
  unsigned failed = 0;
  try {
    change_replication(stop);
  } catch (const SqlTrouble& trouble) {
    failed = trouble.number();
    if (failed != kStopIncompleteMysql) throw;
  }
  connection_.query("SET GLOBAL " + limit + "=" + before);
  if (failed == 0) return;
  for (const auto end = Clock::now() + connection_.left() / 2; Clock::now() < end;) {
    State now;
    read_replication(now);
    if (!now.replication.applying()) return;
    ::poll(nullptr, 0, static_cast<int>(kLook.count()));
  }
  throw plugin::Trouble(Status::kTransient, "applier",
                        "the applier of " + place() +
                            " waits a minute for the rest of a transaction that does not come; with SYSTEM_USER the "
                            "drive user could end that");
}

void Server::stop_replication() {
  const std::string stop = new_words_ ? "STOP REPLICA" : "STOP SLAVE";
  if (!mariadb_) {
    stop_receiver();  // so that no rest comes any more
    if (!give_up_half_transaction()) return stop_within_half_transaction(stop);
  }
  change_replication(stop);
}

void Server::forget_source() { change_replication(new_words_ ? "RESET REPLICA ALL" : "RESET SLAVE ALL"); }

/// An applier that gave up half a transaction would begin it again, and could not be stopped once more.
void Server::forget_half_transaction() {
  State now;
  read_replication(now);
  const Replication& replication = now.replication;
  if (!replication.gave_up_half()) return;
  if (!missing(replication.received, position()).none()) return;
  stop_receiver();
  change_replication(new_words_ ? "RESET REPLICA" : "RESET SLAVE");
}

void Server::start_replication() {
  if (!mariadb_) forget_half_transaction();
  change_replication(new_words_ ? "START REPLICA" : "START SLAVE");
}

std::string Server::source_options(const Member& source, const char* prefix) const {
  const std::string p = prefix;
  const auto quoted = [&](const std::string& text) { return connection_.quoted(text); };
  std::string options = p + "HOST=" + quoted(source.address) + ", " + p + "PORT=" + std::to_string(source.port) + ", " +
                        p + "USER=" + quoted(settings_.replication.user) + ", " + p +
                        "PASSWORD=" + quoted(settings_.replication.password) + ", " + p + "CONNECT_RETRY=1, " + p +
                        "HEARTBEAT_PERIOD=0.5";
  const TlsFiles& tls = settings_.replication_tls;
  options += ", " + p + "SSL=" + (tls.tls == Tls::kNo ? "0" : "1");
  options += ", " + p + "SSL_VERIFY_SERVER_CERT=" + (tls.tls == Tls::kVerify ? "1" : "0");
  if (tls.tls != Tls::kNo && !tls.ca.empty()) options += ", " + p + "SSL_CA=" + quoted(tls.ca);
  if (tls.tls != Tls::kNo && !tls.certificate.empty()) {
    options += ", " + p + "SSL_CERT=" + quoted(tls.certificate) + ", " + p + "SSL_KEY=" + quoted(tls.key);
  }
  return options;
}

void Server::follow(const Member& source, bool was_primary, bool configured) {
  if (configured) stop_replication();
  if (mariadb_) {
    const std::string gtid =
        was_primary ? ", MASTER_USE_GTID=slave_pos, MASTER_DEMOTE_TO_SLAVE=1" : ", MASTER_USE_GTID=slave_pos";
    change_replication("CHANGE MASTER TO " + source_options(source, "MASTER_") + gtid);
  } else if (new_words_) {
    change_replication("CHANGE REPLICATION SOURCE TO " + source_options(source, "SOURCE_") +
                       ", SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1");
  } else {
    change_replication("CHANGE MASTER TO " + source_options(source, "MASTER_") +
                       ", MASTER_AUTO_POSITION=1, GET_MASTER_PUBLIC_KEY=1");
  }
  start_replication();
}

void Server::create_generation_table() {
  const Table there = connection_.query("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA=" +
                                        connection_.quoted(settings_.schema) + " AND TABLE_NAME='baton_generation'");
  if (!there.empty()) return;
  connection_.query("CREATE TABLE IF NOT EXISTS " + table() +
                    " (generation BIGINT UNSIGNED NOT NULL PRIMARY KEY, host VARCHAR(255) NOT NULL, strict TINYINT NOT "
                    "NULL DEFAULT 0, at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), verified_at TIMESTAMP(6) "
                    "NULL) ENGINE=InnoDB");
}

void Server::stamp(std::uint64_t generation) {
  // While read_only holds: what Baton writes, its user may. super_read_only lets nobody.
  if (!mariadb_) connection_.query("SET GLOBAL super_read_only=0");
  create_generation_table();
  connection_.query("INSERT IGNORE INTO " + table() + " (generation, host) VALUES (" + std::to_string(generation) +
                    "," + connection_.quoted(settings_.host_name) + ")");
}

void Server::mark_verified(std::uint64_t generation) {
  connection_.query("UPDATE " + table() +
                    " SET verified_at=CURRENT_TIMESTAMP(6) WHERE generation=" + std::to_string(generation));
}

void Server::mark_strict(std::uint64_t generation) {
  connection_.query("UPDATE " + table() + " SET strict=1 WHERE generation=" + std::to_string(generation));
}

void Server::set_if_there(const std::string& assignment) {
  try {
    connection_.query("SET GLOBAL " + assignment);
  } catch (const SqlTrouble& trouble) {
    if (trouble.number() != ER_UNKNOWN_SYSTEM_VARIABLE) throw;
    throw plugin::Trouble(Status::kConfig, "semi_sync",
                          "durability = strict: the server at " + place() + " has not loaded its semi-sync plugins");
  }
}

void Server::semi_sync_as_primary(bool waiting) {
  const std::string source = new_words_ ? "rpl_semi_sync_source_" : "rpl_semi_sync_master_";
  const std::string replica = new_words_ ? "rpl_semi_sync_replica_" : "rpl_semi_sync_slave_";
  set_if_there(source + "wait_point=AFTER_SYNC");
  set_if_there(source + "timeout=" + kNoTimeout);
  set_if_there(source + (new_words_ ? "wait_no_replica=1" : "wait_no_slave=1"));
  set_if_there(source + "enabled=" + (waiting ? "1" : "0"));
  set_if_there(replica + "enabled=0");
}

void Server::semi_sync_as_standby() {
  set_if_there(std::string{new_words_ ? "rpl_semi_sync_source_" : "rpl_semi_sync_master_"} + "enabled=0");
  set_if_there(std::string{new_words_ ? "rpl_semi_sync_replica_" : "rpl_semi_sync_slave_"} + "enabled=1");
}

std::string Server::binary_logs() {
  const Table logs = connection_.query("SHOW BINARY LOGS");
  if (logs.empty()) return {};
  return logs.text("Log_name", 0) + (logs.size() > 1 ? " to " + logs.text("Log_name", logs.size() - 1) : "");
}

}  // namespace baton::mysql
