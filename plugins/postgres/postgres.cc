// SPDX-License-Identifier: GPL-2.0-or-later
//
// postgres.cc: the keys, and what a member is: role, writability, position, lag, generation. A probe changes nothing
// (its write test leaves a message in the log that nobody replays).
#include "postgres/postgres.h"

#include <poll.h>

#include <algorithm>

namespace baton_postgres {
namespace {

using baton::plugin::Role;
using baton::plugin::State;
namespace plugin = baton::plugin;

constexpr std::int64_t kSecond = 1'000'000'000;

constexpr baton_key kKeys[] = {
    plugin::key("member", BATON_KEY_TEXT, "One host of the pair and where its server listens; one line for each.",
                nullptr, BATON_KEY_LIST | BATON_KEY_REQUIRED, "HOST ADDRESS[:PORT]"),
    plugin::key("socket", BATON_KEY_PATH, "Directory of the local server's unix socket, to reach it by that."),
    plugin::key("database", BATON_KEY_TEXT, "The database that has the table baton_generation.", "postgres"),
    plugin::key("check_user", BATON_KEY_TEXT, "The role that probes log in as.", "baton_check"),
    plugin::key("check_password_file", BATON_KEY_SECRET, "File with its password."),
    plugin::key("drive_user", BATON_KEY_TEXT, "The role that acts log in as, here and on the other member.",
                "baton_drive"),
    plugin::key("drive_password_file", BATON_KEY_SECRET, "File with its password. Only acts get it.", nullptr,
                BATON_KEY_ACTS),
    plugin::key("replication_user", BATON_KEY_TEXT, "The role that a standby streams as.", "baton_replication"),
    plugin::key("replication_password_file", BATON_KEY_SECRET, "File with its password. Only acts get it.", nullptr,
                BATON_KEY_ACTS),
    plugin::key("tls", BATON_KEY_WORD, "no; yes: encrypted; verify: and the certificate is that of the address.", "no",
                0, "no|yes|verify"),
    plugin::key("tls_ca", BATON_KEY_PATH, "Authorities (PEM) that sign the servers' certificates."),
    plugin::key("tls_cert", BATON_KEY_PATH, "Our certificate (PEM)."),
    plugin::key("tls_key", BATON_KEY_PATH, "Its key (PEM)."),
    plugin::key("connect_timeout", BATON_KEY_DURATION, "The longest that connecting may take.", "1s", 0, nullptr,
                kSecond / 20, 60 * kSecond),
    plugin::key("query_timeout", BATON_KEY_DURATION, "The longest that a statement of a probe may take.", "2s", 0,
                nullptr, kSecond / 20, 60 * kSecond),
    plugin::key("drain_timeout", BATON_KEY_DURATION, "How long to wait until everything received is applied.", "30s", 0,
                nullptr, kSecond / 10, 3600 * kSecond),
    plugin::key("link_fresh", BATON_KEY_DURATION,
                "A standby that heard its upstream within this time is not promoted by a crash failover.", "5s", 0,
                nullptr, kSecond / 10, 600 * kSecond),
    plugin::key("max_lag", BATON_KEY_INTEGER, "The most bytes of log that a standby may be behind to be promoted.",
                "16777216", 0, "bytes", 0, std::int64_t{1} << 50),
    plugin::key("min_free", BATON_KEY_INTEGER, "Free bytes on the log's disk that a planned promotion wants.",
                "268435456", 0, "bytes", 0, std::int64_t{1} << 50),
    plugin::key("durability", BATON_KEY_WORD,
                "strict: only a standby that acknowledged synchronously is promoted after a crash.", "async", 0,
                "async|strict"),
    plugin::key("write_test", BATON_KEY_BOOLEAN, "Each probe of a primary writes a message to its log.", "yes"),
    plugin::key("rejoin", BATON_KEY_WORD, "What to do with an old primary whose data has diverged.", "manual", 0,
                "manual|safe|rewind"),
    plugin::key("control", BATON_KEY_WORD, "Who stops and starts the server.", "systemd", 0, "pg_ctl|systemd|command"),
    plugin::key("control_socket", BATON_KEY_PATH, "pg_ctl: where baton-postgres-control listens."),
    plugin::key("unit", BATON_KEY_TEXT, "systemd: the server's unit."),
    plugin::key("start_command", BATON_KEY_TEXT, "command: has somebody else start the server, and waits."),
    plugin::key("stop_command", BATON_KEY_TEXT, "command: has it stopped by a fast stop, and waits."),
    plugin::key("data_directory", BATON_KEY_PATH, "The server's data directory.", nullptr, BATON_KEY_REQUIRED),
    plugin::key("bin_directory", BATON_KEY_PATH, "Where pg_controldata, pg_waldump and pg_rewind are.",
                "/usr/lib/postgresql/15/bin"),
    plugin::key("keep_directory", BATON_KEY_PATH,
                "Where what a rewind takes out is kept. Default: beside the data directory, with .baton-kept."),
};

constexpr const char* kManual =
    "Leads a PostgreSQL streaming pair: the server beside the address is the primary, the other one its standby.\n\n"
    "A planned move stops the old primary (fast, with a checkpoint), proves that the other has its last record, and "
    "promotes: nothing acknowledged is lost, or it does not happen. After a crash the standby is promoted only if its "
    "upstream is silent and it is not further behind than max_lag; the answer says how much may be lost. A server that "
    "comes back starts as a standby and follows only if all that it holds is part of the other's history.\n\n"
    "Acts run as the user postgres.";

/// What clients meet, too, is `fail`; what only says that we do not know is `unknown`.
State state_of(const Trouble& trouble) {
  if (trouble.status() == Status::kConfig || trouble.cause() == "dns" || trouble.cause() == "memory") {
    return State::kUnknown;
  }
  return State::kFail;
}

std::string bytes_words(std::int64_t bytes) { return std::to_string(bytes) + " bytes"; }

}  // namespace

Clock::time_point end_of(const Call& call) {
  const auto left = call.remaining();
  const auto kept =
      std::clamp<std::chrono::nanoseconds>(left / 20, std::chrono::milliseconds{2}, std::chrono::milliseconds{100});
  return Clock::now() + (left > kept ? left - kept : std::chrono::nanoseconds{0});
}

Clock::time_point patience_end(const Call& call) {
  const auto kept = std::min<std::chrono::nanoseconds>(call.remaining() / 10, std::chrono::milliseconds{300});
  return end_of(call) - kept;
}

Result result_of(const Trouble& trouble) {
  Result result = plugin::failed(trouble.status(), trouble.what());
  result.fact("cause", trouble.cause());
  return result;
}

bool pause(Clock::time_point until) {
  constexpr int kMoment = 10;
  if (Clock::now() >= until) return false;
  ::poll(nullptr, 0, kMoment);
  return true;
}

Postgres::Postgres(const plugin::Host& host) : settings_(host), data_(settings_), control_(settings_, data_) {}

Patience Postgres::patience(const Call& call) const {
  return {.connect = settings_.connect_timeout, .query = settings_.query_timeout, .until = end_of(call)};
}

Connection Postgres::ask_local(const Call& call) {
  const Login login{.user = settings_.user, .password = settings_.password, .database = settings_.database};
  return {settings_.local(), login, settings_.tls, patience(call), resolver_};
}

Connection Postgres::drive(const Call& call) {
  const Login login{.user = settings_.drive_user, .password = settings_.drive_password, .database = settings_.database};
  return {settings_.local(), login, settings_.tls, patience(call), resolver_};
}

Connection Postgres::drive_remote(const Call& call, const Member& member) {
  const Login login{.user = settings_.drive_user, .password = settings_.drive_password, .database = settings_.database};
  return {member.endpoint, login, settings_.tls, patience(call), resolver_};
}

Connection Postgres::replicate_from(const Call& call, const Member& member) {
  const Login login{.user = settings_.replication_user,
                    .password = settings_.replication_password,
                    .database = "replication",
                    .replication = true};
  return {member.endpoint, login, settings_.tls, patience(call), resolver_};
}

Connection Postgres::drive_when_ready(const Call& call, Clock::time_point until) {
  for (;;) {
    try {
      return drive(call);
    } catch (const Trouble& trouble) {
      const bool starting = trouble.cause() == "loading" || trouble.cause() == "refused" || trouble.cause() == "reset";
      if (!starting || !pause(until)) throw;
    }
  }
}

void Postgres::add_standbys(const std::vector<Standby>& standbys, Result& result) const {
  std::string names;
  for (const Standby& standby : standbys) {
    names += (names.empty() ? "" : ", ") + standby.name + " " + standby.state + " " + standby.sync_state;
    if (standby.behind >= 0) names += " -" + std::to_string(standby.behind);
  }
  result.fact("standbys", names.empty() ? "none" : names);
}

Result Postgres::judge_primary(Connection& connection, const Server& server, Result result) {
  const std::vector<Standby> standbys = read_standbys(connection);
  result.role = Role::kPrimary;
  result.position = position_of(server, standbys).text();
  add_standbys(standbys, result);
  result.fact("writable", server.read_only_by_default ? "no" : "yes");
  const std::string who = connection.words() + " is the primary on timeline " + std::to_string(server.timeline);
  if (settings_.write_test) {
    try {
      // Not `pg_stat_...`: only a write shows that the log's disk takes one. No standby is waited for.
      connection.query(
          "SET default_transaction_read_only = off; SET synchronous_commit = local; "
          "SELECT pg_logical_emit_message(true, 'baton', 'probe')");
    } catch (const Trouble& trouble) {
      result.status = trouble.status();
      result.state = state_of(trouble);
      result.sentence = who + ", but takes no write: " + trouble.what();
      result.facts.back() = {"writable", "no"};
      return std::move(result).fact("cause", trouble.cause());
    }
  }
  result.state = State::kPass;
  result.sentence = who;
  const auto warn = [&](const std::string& cause, const std::string& words) {
    if (!result.warning) result.fact("cause", cause);
    result.warning = true;
    result.sentence += "; " + words;
  };
  if (server.read_only_by_default) warn("read_only", "default_transaction_read_only is on: clients cannot write");
  const bool followed = std::any_of(standbys.begin(), standbys.end(),
                                    [](const Standby& standby) { return standby.state == "streaming"; });
  if (!followed) warn("broken_link", "no standby streams from it");
  if (settings_.strict && (server.synchronous_names.empty() || server.synchronous_commit == "off" ||
                           server.synchronous_commit == "local")) {
    warn("durability",
         "durability = strict, but the server does not wait for a standby (synchronous_standby_names = '" +
             server.synchronous_names + "', synchronous_commit = " + server.synchronous_commit + ")");
  }
  return result;
}

Result Postgres::judge_standby(const Server& server, Result result) const {
  result.role = Role::kReplica;
  result.position = position_of(server, {}).text();
  result.fact("writable", "no").fact("replayed", lsn_words(server.replayed));
  const std::string upstream = upstream_words(server);
  if (!upstream.empty()) result.fact("upstream", upstream);
  result.fact("link", server.receiver ? server.receiver->status : "none");
  if (server.receiver) result.fact("link_age_ms", std::to_string(server.receiver->last_message_ms));
  result.lag_bytes = server.behind();
  if (result.lag_bytes >= 0) result.fact("lag_bytes", std::to_string(result.lag_bytes));
  result.lag_ms = result.lag_bytes == 0 ? 0 : result.lag_bytes > 0 ? server.since_replay_ms : -1;
  const std::string who =
      settings_.own().endpoint.words() + " is a standby on timeline " + std::to_string(server.timeline);
  const auto fail = [&](const std::string& cause, const std::string& words) {
    result.state = State::kFail;
    result.sentence = who + ", but " + words;
    return std::move(result).fact("cause", cause);
  };
  const auto is_upstream = [&](const Member& member) {
    return member.host != settings_.host_name && follows(server, member.endpoint);
  };
  const bool known = std::any_of(settings_.members.begin(), settings_.members.end(), is_upstream);
  if (!upstream.empty() && !known) return fail("wrong_upstream", "follows " + upstream + ", which is no other member");
  if (server.replay_paused) return fail("paused", "its replay is paused (pg_wal_replay_resume())");
  if (result.lag_bytes > settings_.max_lag) {
    return fail("lag", "is " + bytes_words(result.lag_bytes) + " behind (max_lag is " +
                           std::to_string(settings_.max_lag) + ")");
  }
  result.state = State::kPass;
  if (!server.receiver || server.receiver->status != "streaming") {
    result.warning = true;
    result.sentence = who + "; nothing streams to it from " + (upstream.empty() ? "anywhere" : upstream);
    return std::move(result).fact("cause", "broken_link");
  }
  result.sentence = who + ", streaming from " + upstream + ", " +
                    (result.lag_bytes < 0 ? "behind by an unknown amount" : bytes_words(result.lag_bytes) + " behind");
  return result;
}

Result Postgres::probe(const Call& call) {
  try {
    Connection connection = ask_local(call);
    const Server server = read_server(connection);
    Result result;
    result.fact("version", server.version).fact("timeline", std::to_string(server.timeline));
    if (!server.may_see_statistics) {
      throw Trouble(Status::kConfig, "privilege",
                    connection.words() + ": the role " + settings_.user +
                        " does not see the state of replication: GRANT pg_monitor TO " + settings_.user);
    }
    const std::optional<Stamp> stamp = read_stamp(connection);
    if (stamp) result.generation = stamp->generation;
    if (stamp && !stamp->node.empty()) result.fact("promoted", stamp->node);
    result = server.in_recovery ? judge_standby(server, std::move(result))
                                : judge_primary(connection, server, std::move(result));
    if (!stamp) {
      result.warning = true;
      result.sentence += "; the table baton_generation is missing in the database " + settings_.database;
    }
    return result;
  } catch (const Trouble& trouble) {
    Result result = result_of(trouble);
    result.state = state_of(trouble);
    if (result.state == State::kFail && trouble.cause() != "timeout" && trouble.cause() != "hung") {
      result.status = Status::kOk;  // it was found out: the server does not serve
    }
    return result;
  }
}

Result Postgres::position(const Call& call) {
  return typed([&] {
    Connection connection = drive(call);
    const Server server = read_server(connection);
    const std::vector<Standby> standbys = server.in_recovery ? std::vector<Standby>{} : read_standbys(connection);
    Result result = plugin::done("the log ends at " + lsn_words(server.end()));
    result.role = server.in_recovery ? Role::kReplica : Role::kPrimary;
    result.position = position_of(server, standbys).text();
    return result;
  });
}

Result Postgres::verify(const Call& call) {
  return typed([&] {
    Connection connection = drive(call);
    const Server server = read_server(connection);
    const Stamp stamp = read_stamp(connection).value_or(Stamp{});
    Result result = plugin::done(connection.words() + (server.in_recovery ? " is a standby" : " is the primary") +
                                 ", generation " + std::to_string(stamp.generation));
    result.role = server.in_recovery ? Role::kReplica : Role::kPrimary;
    result.generation = stamp.generation;
    if (!server.in_recovery) {
      data_.guard_boot();  // whatever has removed it: the next boot is that of a standby
      if (call.generation() != 0 && stamp.generation != call.generation()) {
        result.status = Status::kConflict;
        result.sentence += ", not " + std::to_string(call.generation());
      }
    }
    return result;
  });
}

}  // namespace baton_postgres

BATON_PLUGIN(baton_postgres::Postgres, baton::plugin::About{.name = "postgres",
                                                            .version = "1",
                                                            .summary = "Leads a PostgreSQL streaming pair",
                                                            .manual = baton_postgres::kManual,
                                                            .keys = baton_postgres::kKeys,
                                                            .act_user = "postgres"})
