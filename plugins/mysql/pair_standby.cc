// SPDX-License-Identifier: GPL-2.0-or-later
//
// Becoming a standby: writes end first, then it is proven that all that is here is part of the source's history, then
// the source is followed. What the source does not have is never given up: CONFLICT, and the server stays read-only.
#include <poll.h>

#include <algorithm>

#include "mysql/pair.h"

namespace baton::mysql {

using namespace std::chrono_literals;

namespace {

constexpr auto kAttach = std::chrono::seconds{5};  // to wait for the first connection to the source
constexpr auto kLook = 50ms;
constexpr unsigned kRetry = 1;  // seconds, as Server::follow() sets it
constexpr double kBeat = 0.5;   // the same
constexpr unsigned kAccessDenied = 1045;
constexpr unsigned kSourceLacksOurs = 1236;  // ER_MASTER_FATAL_ERROR_READING_BINLOG

}  // namespace

std::optional<Result> Pair::refuse_source(Server& server, const State& own, const State& there, const Member& source,
                                          const Call& call, bool rejoin) {
  const std::string who = source.host + " (" + source.place() + ")";
  if (own.mariadb != there.mariadb) {
    return plugin::failed(Status::kConfig,
                          "MariaDB and MySQL cannot follow each other: " + who + " runs " + there.version);
  }
  if (own.server_id == there.server_id) {
    return plugin::failed(Status::kConfig,
                          who + " has the same server_id as this server, " + std::to_string(own.server_id));
  }
  if (rejoin && !there.primary()) {
    return plugin::failed(Status::kTransient, "the database of " + who + " is not writable (yet): nothing to join");
  }
  if (rejoin && call.generation() != 0 && there.generation < call.generation()) {
    return plugin::failed(Status::kTransient, "the data of " + who + " bears generation " +
                                                  std::to_string(there.generation) + ", not " +
                                                  std::to_string(call.generation()));
  }
  const Missing alone = server.missing(own.position, there.history);
  if (alone.none()) return std::nullopt;
  const std::string logs = server.binary_logs();
  Result conflict =
      plugin::failed(Status::kConflict, "this server holds " + (alone.forked ? "at least " : std::string{}) +
                                            std::to_string(alone.count) + " transactions that " + who +
                                            " has not: " + alone.what.substr(0, 80) +
                                            "; it stays read-only, and they stay in its binary logs " + logs);
  return std::move(conflict)
      .fact("cause", "diverged")
      .fact("alone", alone.what.substr(0, 95))
      .fact("alone_count", std::to_string(alone.count))
      .fact("kept", logs.substr(0, 95));
}

Result Pair::wait_connected(Server& server, const Member& source, Result result) {
  const auto end = Clock::now() + std::min<std::chrono::nanoseconds>(kAttach, server.connection().left() / 2);
  for (;;) {
    const State now = server.state();
    const Replication& replication = now.replication;
    result.role = role_of(now);
    result.position = now.position.size() <= 1023 ? now.position : "";
    if (replication.receiving() && replication.applying()) return std::move(result).fact("link", "up");
    const bool diverged = replication.receiver_errno == kSourceLacksOurs && !replication.receiving();
    if (diverged || !replication.applying()) {
      result.status = diverged ? Status::kConflict : Status::kTransient;
      result.sentence +=
          "; but " + (diverged ? replication.receiver_error : "the applier has stopped: " + replication.applier_error);
      return std::move(result).fact("link", "broken").fact("cause", diverged ? "diverged" : "broken_link");
    }
    if (Clock::now() >= end) {
      result.sentence += "; " + source.host + " is not connected yet" +
                         (replication.receiver_error.empty() ? "" : ": " + replication.receiver_error);
      return std::move(result).fact("link", "down").fact("cause", "broken_link");
    }
    ::poll(nullptr, 0, static_cast<int>(kLook.count()));
  }
}

void Pair::require_acknowledgements(const Member& source, Result& result, Clock::time_point until) {
  try {
    Server there = remote(source, until);
    const State state = there.state();
    if (!state.primary()) return;
    there.semi_sync_as_primary(true);
    if (state.stamped) there.mark_strict(state.generation);
    result.sentence += "; " + source.host + " waits for its acknowledgements";
  } catch (const plugin::Trouble& trouble) {
    result.sentence +=
        std::string{"; but "} + source.host + " could not be told to wait for its acknowledgements: " + trouble.what();
    result.fact("cause", "not_synchronous");
  }
}

Result Pair::point_at(Server& server, const State& state, const Member& source, const Call& call, bool rejoin) {
  Other other = look_at(source, server.connection().until());
  State own = state;
  if (other.state && state.replication.configured) {
    // What was received from the former source would be thrown away.
    server.stop_receiver();
    if (state.replication.applying()) server.wait_applied(server.state().replication.received, settings_.drain_timeout);
    own = server.state();
    // Again: what has come since the first look was not in the source's history then.
    other = look_at(source, server.connection().until());
    if (!other.state && state.replication.receiver != "No") server.start_replication();
  }
  if (!other.state) {
    const std::string words = "the database at " + server.place() + " is read-only, but follows nobody new: whether " +
                              source.host + " has all that is here cannot be asked: " + other.words;
    return rejoin ? plugin::failed(Status::kTransient, words).fact("cause", "unreachable")
                  : plugin::done(words).fact("link", "down").fact("cause", "unreachable");
  }
  if (auto refused = refuse_source(server, own, *other.state, source, call, rejoin)) return *refused;
  const Missing waiting = server.missing(own.replication.received, own.history);
  if (!waiting.none() && !server.missing(own.replication.received, other.state->history).none()) {
    return plugin::failed(Status::kTransient, std::to_string(waiting.count) +
                                                  " received transactions are not applied, and " + source.host +
                                                  " does not have them: " + waiting.what.substr(0, 100));
  }
  if (rejoin && settings_.manual_rejoin) {
    return plugin::failed(Status::kRefused, "all that is here is part of the history of " + source.host +
                                                "; rejoin = manual: a person has to make it follow")
        .fact("cause", "manual");
  }
  if (settings_.strict) server.semi_sync_as_standby();
  server.follow(source, !own.replication.configured, own.replication.configured);
  return plugin::done("the database at " + server.place() + " is read-only and follows " + source.host + " (" +
                      source.place() + ")");
}

Result Pair::stand_by(const Call& call, bool rejoin) {
  const Member& source = target(call);
  Server server = local(call);
  const State before = server.state();
  if (before.galera || before.group) {
    return plugin::failed(Status::kConfig,
                          "the database at " + server.place() + " belongs to a cluster: mode = follow");
  }
  // MySQL: also when it is read-only already, so that it stays so over a restart.
  if (before.writable() || !before.mariadb) close_for_writes(server);
  if (before.writable()) server.end_clients();
  const State state = server.state();
  const Replication& replication = state.replication;
  const bool right = replication.configured && replication.host == source.address && replication.port == source.port &&
                     replication.user == settings_.replication.user && replication.receiver_errno != kAccessDenied;
  // One that was set up by hand reconnects after a minute, and its heartbeats are too rare to tell life from death.
  const bool lazy = replication.connect_retry > kRetry || replication.heartbeat_period > kBeat;
  Result result;
  if (right && !(lazy && look_at(source, server.connection().until()).state)) {
    const bool ran = replication.receiver != "No" && replication.applying();
    if (settings_.strict && !state.semi_sync.replica_enabled) {
      server.semi_sync_as_standby();
      server.stop_receiver();
      server.start_replication();
    } else if (!ran) {
      server.start_replication();
    }
    result = plugin::done("the database at " + server.place() + " is read-only and follows " + source.host + " (" +
                          source.place() + ")" + (ran ? " already" : " again"));
  } else {
    result = point_at(server, state, source, call, rejoin);
    if (result.status != Status::kOk || !server.state().replication.configured) return result;
  }
  result = wait_connected(server, source, std::move(result));
  if (settings_.strict && result.status == Status::kOk) {
    require_acknowledgements(source, result, server.connection().until());
  }
  return result;
}

}  // namespace baton::mysql
