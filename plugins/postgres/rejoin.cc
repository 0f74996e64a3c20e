// SPDX-License-Identifier: GPL-2.0-or-later
//
// rejoin.cc: following another server. First this one is made a standby of nobody, so that it takes no write whatever
// comes; then its history is compared with the target's; only if all of it is part of that is the target followed.
// Never deletes data: what a rewind takes out is copied aside first.
#include <algorithm>
#include <utility>

#include "common/command.h"
#include "postgres/postgres.h"

namespace baton_postgres {
namespace {

using baton::plugin::Role;
namespace plugin = baton::plugin;

/// Lies in the data directory from a rewind until the server streams.
constexpr const char* kRewound = "baton.rewound";

}  // namespace

/// Whether its data was rewound and may need more of the target's log to be consistent: alone it would let nobody in.
bool Postgres::needs_upstream() const {
  return data_.exists(kRewound) || data_.read("backup_label").find("pg_rewind") != std::string::npos;
}

/// Running or not, a primary or not: afterwards the server runs as a standby, and stays one through a restart.
void Postgres::become_standby(const Call& call, const Member& target) {
  data_.guard_boot();
  if (data_.postmaster()) {
    bool stays = false;
    try {
      Connection connection = drive_when_ready(call, Clock::now() + settings_.query_timeout);
      stays = read_server(connection).in_recovery;
    } catch (const Trouble&) {
      // Who cannot be asked, or lets us not in, might take writes all the same. The control file knows.
      const bool stuck = needs_upstream() && !data_.has_upstream();
      stays = data_.control(call).state == "in archive recovery" && !stuck;
    }
    if (stays) return;
    if (!control_.stop(call, call.remaining() / 2)) control_.stop_at_once(call, call.remaining() / 2);
  }
  data_.remove("baton.promoting");
  data_.set_upstream(needs_upstream() ? data_.conninfo_of(target) : "");
  control_.start(call);
}

/// Waits until it has applied all of its own log. REQUIRES a standby of nobody.
Server Postgres::settled_standby(const Call& call, Connection& connection) {
  const auto until = patience_end(call);
  for (;;) {
    const Server server = read_server(connection);
    if (!server.in_recovery) {
      throw Trouble(Status::kFatal, "role", connection.words() + " was started as a standby, but is a primary");
    }
    if (!server.receiver && waits_for_more(connection)) return read_server(connection);
    if (!pause(until)) {
      throw Trouble(Status::kTransient, "timeout", connection.words() + " has not yet applied all of its own log");
    }
  }
}

History Postgres::own_history(const Server& server) const {
  const std::uint32_t timeline = data_.timeline_at(server.replayed, server.timeline, server.segment_size);
  return {.system = server.system, .timeline = timeline, .end = server.replayed, .forks = data_.forks_of(timeline)};
}

void Postgres::require_primary(const Call& call, const Member& target, Connection& replication) {
  std::string in_standby = replication.parameter("in_hot_standby");
  if (in_standby.empty()) {  // before PostgreSQL 14
    Connection connection = drive_remote(call, target);
    in_standby = connection.query("SELECT pg_is_in_recovery()").flag(0, 0) ? "on" : "off";
  }
  if (in_standby == "on") {
    throw Trouble(Status::kTransient, "target", target.endpoint.words() + " is no primary yet: it is not followed");
  }
}

/// Two that were promoted on their own may have the same timeline and branch point: then the stamps in the data differ.
std::string Postgres::same_timeline_trouble(const Call& call, Connection& connection, const Member& target,
                                            const History& own, const History& theirs) {
  if (own.timeline != theirs.timeline || own.timeline == 1) return {};
  Connection remote = drive_remote(call, target);
  const Stamp mine = read_stamp(connection).value_or(Stamp{});
  const Stamp other = read_stamp(remote).value_or(Stamp{});
  const bool same = mine.generation == other.generation && mine.node == other.node;
  if (same || mine.generation < other.generation) return {};
  return "both are on timeline " + std::to_string(own.timeline) + ", but here the data bears generation " +
         std::to_string(mine.generation) + " of " + mine.node + ", there " + std::to_string(other.generation) + " of " +
         other.node;
}

Result Postgres::follow(const Call& call, Connection& connection, const Member& target, Result result) {
  connection.query("ALTER SYSTEM SET primary_conninfo = " + connection.literal(data_.conninfo_of(target)));
  connection.query("SELECT pg_reload_conf()");
  const auto until = patience_end(call);
  for (;;) {
    const Server server = read_server(connection);
    if (server.receiver && server.receiver->status == "streaming" && follows(server, target.endpoint)) {
      data_.remove(kRewound);
      result.role = Role::kReplica;
      result.position = position_of(server, {}).text();
      result.sentence = connection.words() + " streams from " + target.endpoint.words() + result.sentence;
      return std::move(result).fact("upstream", upstream_words(server));
    }
    if (!pause(until)) {
      throw Trouble(Status::kTransient, "broken_link",
                    connection.words() + " is a standby of " + target.endpoint.words() +
                        ", but nothing streams yet: see its log");
    }
  }
}

Result Postgres::attach(const Call& call, Connection& connection, const Server& server, const Member& target,
                        Purpose purpose) {
  const History own = own_history(server);
  History theirs;
  try {
    Connection replication = replicate_from(call, target);
    require_primary(call, target, replication);
    theirs = read_history(replication);
  } catch (const Trouble& trouble) {
    // Without its history nobody is followed: a server that is behind us on the same timeline would be taken for good.
    if (trouble.status() != Status::kTransient) throw;
    Result result =
        plugin::done(connection.words() + " is a standby of nobody until the target can be asked: " + trouble.what());
    // For who gives the role that is enough: it takes no writes. Who comes back has not come back yet.
    if (purpose == Purpose::kRejoin) result.status = Status::kTransient;
    result.role = Role::kReplica;
    result.position = position_of(server, {}).text();
    return std::move(result).fact("cause", trouble.cause()).fact("upstream", "none");
  }
  Inclusion inclusion = compare(own, theirs);
  if (inclusion.contained()) inclusion.trouble = same_timeline_trouble(call, connection, target, own, theirs);
  if (inclusion.contained()) return follow(call, connection, target, {});
  std::optional<std::size_t> transactions;
  if (inclusion.comparable && inclusion.common < own.end) {
    transactions = data_.transactions_between(call, own.timeline, inclusion.common, own.end);
  }
  // `safe` takes out what nobody misses: checkpoints and the like, that a server writes by itself when it was cut off.
  const bool allowed = settings_.rejoin == "rewind" || (settings_.rejoin == "safe" && transactions == 0U);
  const bool may_rewind = purpose == Purpose::kRejoin && allowed;
  if (may_rewind && inclusion.comparable && server.rewindable) return rewind(call, target, own, inclusion);
  Result result = plugin::failed(
      Status::kConflict, connection.words() + " holds what " + target.endpoint.words() +
                             " does not: " + inclusion.trouble + "; it is read-only and follows nobody" +
                             (may_rewind ? "; it cannot be rewound (wal_log_hints or checksums are needed)" : ""));
  result.role = Role::kReplica;
  result.position = position_of(server, {}).text();
  const Lsn common = inclusion.comparable ? inclusion.common : 0;
  result.fact("cause", "diverged").fact("common", lsn_words(common)).fact("end", lsn_words(own.end));
  if (transactions) result.fact("diverged_transactions", std::to_string(*transactions));
  if (inclusion.comparable) result.fact("diverged_bytes", std::to_string(own.end > common ? own.end - common : 0));
  return result;
}

/// What comes after the safe part: a trouble here leaves a server that takes no writes, and says so.
Connection Postgres::drive_standby(const Call& call) {
  try {
    return drive_when_ready(call, patience_end(call));
  } catch (const Trouble& trouble) {
    throw Trouble(trouble.status(), trouble.cause(),
                  std::string{trouble.what()} + "; the server was left as a standby that takes no writes");
  }
}

Result Postgres::settle(const Call& call, Purpose purpose) {
  const Member& target = settings_.other(call.target());
  become_standby(call, target);
  Connection connection = drive_standby(call);
  Server server = read_server(connection);
  const bool right = follows(server, target.endpoint);
  if (server.in_recovery && right && server.receiver && server.receiver->status == "streaming") {
    data_.remove(kRewound);
    Result result = plugin::done(connection.words() + " streams from " + target.endpoint.words() + " already");
    result.role = Role::kReplica;
    result.position = position_of(server, {}).text();
    return std::move(result).fact("upstream", upstream_words(server));
  }
  if (!server.upstream_setting.empty() || server.receiver) {
    connection.query("ALTER SYSTEM SET primary_conninfo = ''");
    connection.query("SELECT pg_reload_conf()");
  }
  server = settled_standby(call, connection);
  return attach(call, connection, server, target, purpose);
}

Result Postgres::rewind(const Call& call, const Member& target, const History& own, const Inclusion& inclusion) {
  // pg_rewind reads the target's timeline in its control file, which has the new one only after a checkpoint.
  drive_remote(call, target).query_within(call.remaining() / 3, "CHECKPOINT");
  const std::uint64_t segment = data_.control(call).segment_size;
  const std::string kept = data_.keep_tail(call, own.timeline, inclusion.common, own.end, segment);
  // pg_rewind copies every file that differs: the target's configuration, too, where it lies in the data directory.
  std::vector<std::pair<std::string, std::string>> own_files;
  for (const char* name : {"postgresql.conf", "pg_hba.conf", "pg_ident.conf"}) {
    if (data_.exists(name)) own_files.emplace_back(name, data_.read(name));
  }
  if (!control_.stop(call, call.remaining() / 3)) {
    throw Trouble(Status::kTransient, "timeout", "the server does not stop to be rewound");
  }
  const std::string passwords = data_.write_password_file("baton.rewind-pgpass", target.endpoint, settings_.database,
                                                          settings_.drive_user, settings_.drive_password);
  const std::string source = "host=" + target.endpoint.address + " port=" + std::to_string(target.endpoint.port) +
                             " user=" + settings_.drive_user + " dbname=" + settings_.database + data_.tls_words();
  const plugin::CommandResult run = plugin::run_command(
      {.argv = {settings_.bin_directory + "/pg_rewind", "--target-pgdata=" + data_.path(), "--source-server=" + source},
       .environment = {"PGPASSFILE=" + passwords},
       .directory = "/"},
      plugin::command_limits(call));
  data_.remove("baton.rewind-pgpass");
  const bool untouched = run.error_output.find("could not find") != std::string::npos ||
                         run.error_output.find("must be") != std::string::npos;
  if (!run.succeeded()) {
    const std::size_t at = run.error_output.find("error: ");
    const std::string said =
        at == std::string::npos ? run.start_trouble : run.error_output.substr(at, run.error_output.find('\n', at) - at);
    throw Trouble(Status::kFatal, "rewind",
                  "pg_rewind " + run.end_words() + ": " + said +
                      (untouched ? "" : "; the data directory may be half rewound: rebuild it") +
                      "; the tail is kept in " + kept);
  }
  for (const auto& [name, text] : own_files) data_.write(name, text);
  data_.write(kRewound, target.host + "\n");
  data_.guard_boot();
  data_.remove("baton.promoting");
  data_.set_upstream(data_.conninfo_of(target));
  control_.start(call);
  Connection connection = drive_when_ready(call, patience_end(call));
  const std::uint64_t bytes = own.end > inclusion.common ? own.end - inclusion.common : 0;
  Result result = plugin::done("; " + std::to_string(bytes) +
                               " bytes of log that only it had were taken out and are kept in " + kept);
  result.fact("kept", kept).fact("diverged_bytes", std::to_string(bytes));
  return follow(call, connection, target, std::move(result));
}

}  // namespace baton_postgres
