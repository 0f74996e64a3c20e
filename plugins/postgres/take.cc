// SPDX-License-Identifier: GPL-2.0-or-later
//
// take.cc: taking the role. Refuses whatever could lose more than was agreed to: a planned promotion without the proof
// that the old primary's last record is here, one after a crash while the upstream is alive or too much is missing.
#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

#include "postgres/postgres.h"

namespace baton_postgres {
namespace {

using baton::plugin::Role;
namespace plugin = baton::plugin;

/// Written before pg_promote and removed when the generation is stamped: what a repetition knows of the first attempt.
constexpr const char* kIntent = "baton.promoting";

std::string bytes_words(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

/// Its executor runs the resource agents, PAF among them, and listens on the abstract socket `lrmd`, filled up with
/// zero bytes (seen of Pacemaker 2.1.5).
bool pacemaker_runs() {
  constexpr std::string_view kExecutor = "@lrmd";
  std::ifstream sockets{"/proc/self/net/unix"};
  for (std::string line; std::getline(sockets, line);) {
    const std::string_view name = std::string_view{line}.substr(std::min(line.find('@'), line.size()));
    if (name.starts_with(kExecutor) && name.find_first_not_of('@', kExecutor.size()) == name.npos) return true;
  }
  return false;
}

}  // namespace

/// While nothing streams, the control file alone would tell: until the next restartpoint it has the timeline before.
std::uint32_t Postgres::timeline_of(const Server& server) const {
  return data_.timeline_at(server.replayed, server.timeline, server.segment_size);
}

std::string Postgres::unreached(const Call& call, const Server& server, const Position& position) const {
  const std::string where = position.final() ? "the old primary's last record at " : "the position ";
  if (server.system != position.system) {
    return "the position is of another cluster (system identifier " + position.system + ", here it is " +
           server.system + ")";
  }
  if (const std::uint32_t timeline = timeline_of(server); timeline != position.timeline) {
    return "the position is on timeline " + std::to_string(position.timeline) + ", this server is on timeline " +
           std::to_string(timeline);
  }
  const bool there = position.final() ? server.replayed > position.lsn : server.replayed >= position.lsn;
  if (!there) {
    return "replay stands at " + lsn_words(server.replayed) + ", " + bytes_words(position.lsn - server.replayed) +
           " before " + where + lsn_words(position.lsn);
  }
  if (!position.final()) return {};
  // Beyond it could also be some other record: an old primary that went on, or another one's log.
  const std::string record = data_.record_at(call, position.timeline, position.lsn);
  if (record.starts_with("CHECKPOINT_SHUTDOWN")) return {};
  return "at " + lsn_words(position.lsn) + " this server's log has " +
         (record.empty() ? std::string{"no record"} : "`" + record.substr(0, 40) + "`") +
         ", not the old primary's shutdown checkpoint";
}

/// Up to where the log counts as here: received but not replayed does while it can still be applied, not behind a
/// record that cannot be read.
Lsn Postgres::usable(Connection& connection, const Server& server) {
  const bool ended = !server.receiver && server.replayed < server.received && waits_for_more(connection);
  return ended ? server.replayed : std::max(server.received, server.replayed);
}

void Postgres::refuse_by_position(const Call& call, Connection& connection, const Server& server,
                                  std::vector<std::string>& reasons) const {
  const std::optional<Position> position = parse_position(call.position());
  if (!call.position().empty() && !position) {
    reasons.push_back("the position `" + call.position() + "` cannot be read");
    return;
  }
  if (settings_.strict && !call.planned()) {
    if (!position) {
      reasons.emplace_back("durability = strict, and no position of the old primary is known");
    } else if (!position->final() && !position->synchronous(settings_.host_name)) {
      reasons.push_back("durability = strict, but " + settings_.host_name +
                        " was not the synchronous standby when the old primary was last heard (" + position->how + ")");
    }
  }
  if (!position) return;
  if (position->system != server.system || position->timeline != timeline_of(server)) {
    if (std::string why = unreached(call, server, *position); !why.empty()) {
      reasons.push_back(std::move(why));
      return;
    }
  }
  const Lsn have = usable(connection, server);
  const auto missing = position->lsn > have ? static_cast<std::int64_t>(position->lsn - have) : 0;
  if (missing > settings_.max_lag && !call.forced()) {
    reasons.push_back(bytes_words(position->lsn - have) + " of the old primary's log are missing here (max_lag is " +
                      std::to_string(settings_.max_lag) + ")");
  }
}

/// True: the other one answers, as a standby. What it has more than this server and is sending comes first.
bool Postgres::old_one_is_standby(const Call& call, const Server& server, std::vector<std::string>& reasons) {
  try {
    const Member& other = settings_.other(call.target());
    Connection connection = drive_remote(call, other);
    const Server theirs = read_server(connection);
    if (!theirs.in_recovery) {
      reasons.push_back(connection.words() + " answers and is a primary that takes writes");
      return false;
    }
    const bool sends = server.receiver && server.receiver->status == "streaming" && follows(server, other.endpoint);
    if (sends && theirs.end() > server.received) {
      reasons.push_back(connection.words() + " is a standby that sends this server what it has more: " +
                        bytes_words(theirs.end() - server.received));
    }
    return true;
  } catch (const Trouble& trouble) {
    // What does not answer is what a crash failover is for. One that refuses our password lives.
    if (trouble.cause() == "auth" || trouble.cause() == "connections" || trouble.cause() == "privilege" ||
        trouble.cause() == "database") {
      reasons.push_back(std::string{"the old primary lives: "} + trouble.what());
    }
    return false;
  }
}

/// Rule of all pairs: a live replication stream from the "dead" one, or the one itself, vetoes.
void Postgres::refuse_live_upstream(const Call& call, const Server& server, std::vector<std::string>& reasons) {
  if (old_one_is_standby(call, server, reasons)) return;  // it lives, but gave the role up
  const std::int64_t fresh = settings_.link_fresh.count() / 1'000'000;
  if (server.receiver && server.receiver->status == "streaming" && server.receiver->last_message_ms >= 0 &&
      server.receiver->last_message_ms < fresh) {
    reasons.push_back("its upstream " + upstream_words(server) + " was heard " +
                      std::to_string(server.receiver->last_message_ms) + " ms ago: it lives (link_fresh is " +
                      std::to_string(fresh) + " ms)");
  }
}

void Postgres::refuse_by_host(const Call& call, Connection& connection, const Server& server,
                              std::vector<std::string>& reasons) const {
  if (!server.manager.empty()) {
    reasons.push_back("another cluster manager is connected to this server: " + server.manager);
  } else if (data_.exists("patroni.dynamic.json")) {
    reasons.push_back("Patroni leads this server (" + data_.path() + "/patroni.dynamic.json)");
  } else if (pacemaker_runs()) {
    reasons.emplace_back(
        "Pacemaker runs on this host (its executor listens on the socket lrmd) and may lead this server");
  }
  if (data_.exists("backup_label")) {
    reasons.push_back(data_.path() + "/backup_label: a base backup that is not complete");
  }
  if (const std::int64_t free = data_.free_bytes(); call.planned() && free < settings_.min_free) {
    reasons.push_back("only " + bytes_words(static_cast<std::uint64_t>(free)) + " are free for the log (min_free is " +
                      std::to_string(settings_.min_free) + ")");
  }
  const std::optional<Stamp> stamp = read_stamp(connection);
  if (!stamp) {
    reasons.push_back("the table public.baton_generation is missing in the database " + settings_.database);
  } else if (call.generation() != 0 && stamp->generation >= call.generation()) {
    reasons.push_back("the data bears generation " + std::to_string(stamp->generation) + " of " + stamp->node +
                      ", which is not before " + std::to_string(call.generation()));
  }
  if (settings_.strict && server.synchronous_names.empty()) {
    reasons.emplace_back("durability = strict, but synchronous_standby_names is empty here");
  }
}

std::vector<std::string> Postgres::refusals(const Call& call, Connection& connection, const Server& server) {
  std::vector<std::string> reasons;
  if (server.replay_paused) reasons.emplace_back("replay is paused (SELECT pg_wal_replay_resume())");
  if (server.apply_delay != "0") {
    reasons.push_back("recovery_min_apply_delay is " + server.apply_delay +
                      ": what it holds back would be applied late");
  }
  refuse_by_position(call, connection, server, reasons);
  if (!call.planned()) refuse_live_upstream(call, server, reasons);
  const std::optional<Position> position = parse_position(call.position());
  if (call.planned() && !(position && position->final())) {
    // Before the old one has stopped: the preflight.
    const bool streams = server.receiver && server.receiver->status == "streaming";
    if (!streams) reasons.emplace_back("nothing streams to this standby");
    if (streams && !follows(server, settings_.other(call.target()).endpoint)) {
      reasons.push_back("it follows " + upstream_words(server) + ", not " +
                        settings_.other(call.target()).endpoint.words());
    }
    if (server.behind() > settings_.max_lag) {
      reasons.push_back("it is " + std::to_string(server.behind()) + " bytes behind (max_lag is " +
                        std::to_string(settings_.max_lag) + ")");
    }
  }
  refuse_by_host(call, connection, server, reasons);
  return reasons;
}

Result Postgres::can_promote(const Call& call) {
  return typed([&] {
    Connection connection = drive(call);
    const Server server = read_server(connection);
    if (!server.in_recovery) {
      Result result = plugin::done(connection.words() + " is the primary already");
      result.role = Role::kPrimary;
      return result;
    }
    const std::vector<std::string> reasons = refusals(call, connection, server);
    if (reasons.empty()) return plugin::done(connection.words() + " can be promoted");
    Result result = plugin::failed(Status::kRefused, connection.words() + " must not be promoted: " + reasons.front());
    result.refusals = reasons;
    return result;
  });
}

Result Postgres::drain(const Call& call) {
  return typed([&] {
    Connection connection = drive(call);
    const std::optional<Position> position = parse_position(call.position());
    if (!call.position().empty() && !position) {
      throw Trouble(Status::kRefused, "position", "the position `" + call.position() + "` cannot be read");
    }
    const auto until = std::min(patience_end(call), Clock::now() + settings_.drain_timeout);
    for (;;) {
      const Server server = read_server(connection);
      if (!server.in_recovery) return plugin::done(connection.words() + " is the primary already");
      std::string why;
      if (position) {
        why = unreached(call, server, *position);
      } else if (server.replayed < server.received && !waits_for_more(connection)) {
        why = "replay stands at " + lsn_words(server.replayed) + ", received is up to " + lsn_words(server.received);
      }
      if (why.empty()) {
        Result result =
            plugin::done(connection.words() + " has applied everything up to " + lsn_words(server.replayed));
        result.position = position_of(server, {}).text();
        return result;
      }
      const bool never = position && (position->system != server.system || server.replayed > position->lsn);
      if (never) throw Trouble(Status::kRefused, "position", why);
      if (!pause(until)) throw Trouble(Status::kTransient, "lag", "not drained in time: " + why);
    }
  });
}

Result Postgres::promoted_already(const Call& call, Connection& connection, const Server& server) {
  const Stamp stamp = read_stamp(connection).value_or(Stamp{});
  if (stamp.generation != call.generation() && data_.read(kIntent) == std::to_string(call.generation()) &&
      stamp.generation < call.generation()) {
    return finish_promotion(call, connection, server);  // ended between the promotion and the stamp
  }
  Result result;
  result.role = Role::kPrimary;
  result.generation = stamp.generation;
  if (stamp.generation != call.generation()) {
    result.status = Status::kConflict;
    result.sentence = connection.words() + " is a primary already, of generation " + std::to_string(stamp.generation) +
                      ", not " + std::to_string(call.generation());
    return result;
  }
  data_.guard_boot();
  result.sentence =
      connection.words() + " is the primary of generation " + std::to_string(stamp.generation) + " already";
  return result;
}

/// Nothing more comes from the old primary, whether it lives or not.
void Postgres::cut_upstream(const Call& call, Connection& connection) {
  connection.query("ALTER SYSTEM SET primary_conninfo = ''");
  connection.query("SELECT pg_reload_conf()");
  const auto until = patience_end(call);
  while (read_server(connection).receiver) {
    if (!pause(until)) {
      throw Trouble(Status::kTransient, "timeout",
                    connection.words() + " does not end its stream from the old primary");
    }
  }
}

/// The log may end within a record: then there is nothing more to apply though `received` is beyond.
void Postgres::wait_for_received(const Call& call, Connection& connection) {
  const auto until = std::min(patience_end(call), Clock::now() + settings_.drain_timeout);
  for (;;) {
    const Server server = read_server(connection);
    if (server.replayed >= server.received || waits_for_more(connection)) return;
    if (!pause(until)) {
      throw Trouble(Status::kTransient, "lag",
                    connection.words() + " has not applied what it received: replay stands at " +
                        lsn_words(server.replayed) + ", received is up to " + lsn_words(server.received));
    }
  }
}

Result Postgres::lost(const Call& call, const Server& before, Result result) const {
  const std::optional<Position> position = parse_position(call.position());
  if (call.planned()) return std::move(result).fact("lost_at_most", "0");
  if (!position || position->timeline != before.timeline) {
    result.sentence += "; what may be lost is not known: the old primary's position was not heard";
    return std::move(result).fact("lost_at_most", "unknown");
  }
  const Lsn missing = position->lsn > before.replayed ? position->lsn - before.replayed : 0;
  result.sentence += "; at most " + bytes_words(missing) + " of log are lost up to " + lsn_words(position->lsn) +
                     ", where the old primary was last heard";
  return std::move(result).fact("lost_at_most", std::to_string(missing) + " bytes");
}

void Postgres::stamp(const Call& call, Connection& connection) {
  // A synchronous standby is not there yet: its absence must not hold up the stamp.
  connection.query("SET synchronous_commit = local; SET default_transaction_read_only = off");
  connection.query(
      "INSERT INTO public.baton_generation (one, generation, node, at) VALUES (true, $1::bigint, $2, "
      "clock_timestamp()) "
      "ON CONFLICT (one) DO UPDATE SET generation = excluded.generation, node = excluded.node, at = excluded.at",
      {std::to_string(call.generation()), settings_.host_name});
  const Stamp read = read_stamp(connection).value_or(Stamp{});
  if (read.generation != call.generation() || read.node != settings_.host_name) {
    throw Trouble(
        Status::kFatal, "statement",
        "the generation was written, but reads back as " + std::to_string(read.generation) + " of " + read.node);
  }
}

Result Postgres::finish_promotion(const Call& call, Connection& connection, const Server& before) {
  // From here on a start of the host is one as a standby, of nobody, until Baton says more.
  data_.guard_boot();
  connection.query("ALTER SYSTEM SET primary_conninfo = ''");
  connection.query("SELECT pg_reload_conf()");
  if (call.generation() != 0) stamp(call, connection);
  data_.remove(kIntent);
  const Server after = read_server(connection);
  Result result = plugin::done(connection.words() + " is the primary, timeline " + std::to_string(after.timeline) +
                               ", generation " + std::to_string(call.generation()));
  result.role = Role::kPrimary;
  result.generation = call.generation();
  result.position = position_of(after, {}).text();
  return lost(call, before, std::move(result));
}

Result Postgres::promote(const Call& call) {
  return typed([&] {
    Connection connection = drive(call);
    Server server = read_server(connection);
    if (!server.in_recovery) return promoted_already(call, connection, server);
    std::vector<std::string> reasons = refusals(call, connection, server);
    if (call.planned()) {
      const std::optional<Position> position = parse_position(call.position());
      if (!position || !position->final()) {
        reasons.emplace_back("a planned promotion needs the old primary's final position");
      } else if (std::string why = unreached(call, server, *position); !why.empty()) {
        reasons.push_back(std::move(why));
      }
    }
    if (reasons.empty() && !call.planned()) {
      if (server.receiver) cut_upstream(call, connection);
      wait_for_received(call, connection);
      server = read_server(connection);
      refuse_by_position(call, connection, server, reasons);  // all that can be applied is
    }
    if (!reasons.empty()) {
      Result result = plugin::failed(Status::kRefused, connection.words() + " was not promoted: " + reasons.front());
      result.refusals = reasons;
      return result;
    }
    server.timeline = timeline_of(server);  // now: its files are of another one afterwards
    data_.write(kIntent, std::to_string(call.generation()));
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(end_of(call) - Clock::now()).count();
    const Table table = connection.query_within(
        call.remaining(), "SELECT pg_promote(true, " + std::to_string(std::max<std::int64_t>(left, 1)) + ")");
    if (!table.flag(0, 0)) {
      throw Trouble(Status::kTransient, "timeout",
                    connection.words() + " has not become the primary within " + std::to_string(left) + " s");
    }
    if (read_server(connection).in_recovery) {
      throw Trouble(Status::kFatal, "statement", connection.words() + " says that it was promoted, but is a standby");
    }
    return finish_promotion(call, connection, server);
  });
}

}  // namespace baton_postgres
