// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a member of a pair is: probe, position, verify, and the fence by the other one's database.
#include "mysql/pair.h"

#include <sys/statvfs.h>

#include <algorithm>

namespace baton::mysql {

using namespace std::chrono_literals;

Clock::time_point end_of(const Call& call) {
  const auto left = call.remaining();
  return Clock::now() + left - std::clamp<std::chrono::nanoseconds>(left / 20, 5ms, 100ms);
}

Role role_of(const State& state) {
  if (state.replication.configured) return Role::kReplica;
  return state.writable() ? Role::kPrimary : Role::kNone;
}

std::optional<Disk> disk_of(const State& state) {
  struct statvfs disk {};
  if (state.datadir.empty() || ::statvfs(state.datadir.c_str(), &disk) != 0 || disk.f_blocks == 0) return std::nullopt;
  return Disk{.free_percent = static_cast<int>(disk.f_bavail * 100 / disk.f_blocks),
              .read_only = (disk.f_flag & ST_RDONLY) != 0};
}

void add_facts(const State& state, Result& result) {
  const Replication& replication = state.replication;
  result.fact("version", (state.mariadb ? "MariaDB " : "MySQL ") + state.version.substr(0, state.version.find('-')));
  result.fact("writable", state.writable() ? "yes" : "no");
  result.fact("read_only", state.super_read_only ? "super" : state.read_only ? "yes" : "no");
  if (replication.configured) {
    result.fact("upstream", replication.host + ":" + std::to_string(replication.port));
    result.fact("link", replication.receiving() ? "up" : replication.receiver == "No" ? "stopped" : "down");
    result.fact("applier", replication.applying() ? "running" : "stopped");
  }
  if (state.stamped) result.fact("generation_host", state.generation_host);
  if (state.semi_sync.available) {
    result.fact("semi_sync", state.semi_sync.source_active    ? "source"
                             : state.semi_sync.replica_active ? "replica"
                                                              : "no");
  }
  if (!state.boot_guard) result.fact("boot_guard", "no");
  if (const auto disk = disk_of(state)) result.fact("disk_free", std::to_string(disk->free_percent) + "%");
}

Server Pair::local(const Call& call) const { return Server{settings_, settings_.own(), true, end_of(call)}; }

Server Pair::remote(const Member& member, Clock::time_point until) const {
  return Server{settings_, member, false, until};
}

const Member& Pair::target(const Call& call) const {
  const std::string name = call.target();
  if (name == settings_.host_name) {
    throw plugin::Failure(Status::kRefused, "the target is this host itself, " + name);
  }
  const Member* member = settings_.peer(name);
  if (member == nullptr) {
    throw plugin::Failure(Status::kConfig, name.empty() ? "there is more than one other member: a target is needed"
                                                        : "no `member` entry is for the target " + name);
  }
  return *member;
}

Pair::Other Pair::look_at(const Member& member, Clock::time_point until) const {
  const std::string who = "the database of " + member.host + " (" + member.place() + ")";
  try {
    Server server = remote(member, until);
    Other other{.life = Other::Life::kReadOnly, .words = who + " answers and is read-only", .state = server.state()};
    if (other.state->writable()) {
      other = {.life = Other::Life::kWritable, .words = who + " answers and is writable", .state = other.state};
    }
    return other;
  } catch (const plugin::Trouble& trouble) {
    const std::string& cause = trouble.cause();
    const bool silent = cause == "refused" || cause == "timeout" || cause == "unreachable" || cause == "hung" ||
                        cause == "reset" || cause == "stopping";
    return {.life = silent ? Other::Life::kSilent : Other::Life::kUnknown, .words = trouble.what(), .state = {}};
  }
}

namespace {

void judge_replica(const Settings& settings, const State& state, Result& result) {
  const Replication& replication = state.replication;
  const std::string from = replication.host + ":" + std::to_string(replication.port);
  const auto known = std::any_of(settings.members.begin(), settings.members.end(), [&](const Member& member) {
    return member.host != settings.host_name && member.address == replication.host && member.port == replication.port;
  });
  if (!known) {
    result.state = plugin::State::kFail;
    result.sentence = "follows " + from + ", which is no member";
    result.fact("cause", "wrong_upstream");
  } else if (!replication.applying()) {
    // One that gave up half a transaction lacks nothing that came as a whole, and may be promoted.
    result.warning = replication.gave_up_half();
    if (!result.warning) result.state = plugin::State::kFail;
    result.sentence = "does not apply what comes from " + from + ": the applier has stopped" +
                      (replication.applier_error.empty() ? "" : ": " + replication.applier_error);
    result.fact("cause", "broken_link");
  } else if (!replication.receiving()) {
    result.warning = true;  // the standby of a dead primary is well
    result.sentence = "follows " + from + ", but gets nothing from it" +
                      (replication.receiver_error.empty() ? "" : ": " + replication.receiver_error);
    result.fact("cause", "broken_link");
  } else {
    result.sentence = "follows " + from;
    result.lag_ms = replication.seconds_behind < 0 ? -1 : replication.seconds_behind * 1000;
    if (std::chrono::seconds{replication.seconds_behind} > settings.lag_warning) {
      result.warning = true;
      result.sentence += ", " + std::to_string(replication.seconds_behind) + " s behind";
      result.fact("cause", "lag");
    }
  }
  if (state.writable()) {
    result.warning = true;
    result.sentence += "; but it is writable";
  }
}

void judge_primary(const Settings& settings, const State& state, Result& result) {
  result.sentence = "is writable";
  result.lag_ms = 0;
  if (settings.strict && !(state.semi_sync.source_active && state.semi_sync.clients > 0)) {
    result.warning = true;
    result.sentence += state.semi_sync.source_enabled
                           ? "; no standby is attached: writes wait (durability = strict)"
                           : "; acknowledges writes without the standby, although durability = strict";
    result.fact("cause", "not_synchronous");
  }
}

}  // namespace

Result Pair::probe(const Call& call) {
  Server server = local(call);
  const State state = server.state();
  Result result = plugin::pass("");
  result.role = role_of(state);
  result.generation = state.generation;
  if (state.galera || state.group) {
    result = plugin::unknown("the database at " + server.place() + " belongs to a cluster: use mode = follow");
    result.status = Status::kConfig;
    return result.fact("cause", "cluster");
  }
  if (state.replication.configured) {
    judge_replica(settings_, state, result);
  } else if (state.writable()) {
    judge_primary(settings_, state, result);
  } else {
    result.warning = true;
    result.sentence = "is read-only and follows nobody";
    result.fact("cause", "no_upstream");
  }
  const auto disk = disk_of(state);
  if (disk && disk->read_only) {
    result.state = plugin::State::kFail;
    result.sentence += "; the file system of " + state.datadir + " is read-only";
    result.fact("cause", "disk");
  } else if (disk && disk->free_percent < settings_.min_free_disk) {
    result.warning = true;
    result.sentence += "; only " + std::to_string(disk->free_percent) + "% of " + state.datadir + " is free";
    result.fact("cause", "disk");
  }
  if (!state.boot_guard) {
    result.warning = true;
    result.sentence += "; its configuration lacks read_only=1, so it starts writable";
  }
  result.sentence = "the database at " + server.place() + " " + result.sentence;
  if (state.position.size() <= 1023) result.position = state.position;
  add_facts(state, result);
  return result;
}

Result Pair::position(const Call& call) {
  Server server = local(call);
  Result result = plugin::done();
  result.position = server.position();
  return result;
}

Result Pair::verify(const Call& call) {
  Server server = local(call);
  const State state = server.state();
  Result result = plugin::done("the database at " + server.place() + " is " +
                               (state.primary()                ? "writable"
                                : state.replication.configured ? "a standby of " + state.replication.host
                                                               : "read-only and follows nobody") +
                               ", generation " + std::to_string(state.generation));
  result.role = role_of(state);
  result.generation = state.generation;
  result.position = state.position.size() <= 1023 ? state.position : "";
  add_facts(state, result);
  if (state.primary() && call.generation() != 0 && call.generation() != state.generation) {
    result.status = Status::kConflict;
    result.sentence += ", not " + std::to_string(call.generation());
  }
  return result;
}

Result Pair::step_down(const Call&) {
  return plugin::failed(Status::kRefused, "mode = drive: the role moves by block_writes, drain, promote and demote");
}

Result Pair::fence(const Call& call) {
  const Member& member = target(call);
  Server server = remote(member, end_of(call));
  const State before = server.state();
  if (before.writable()) close_for_writes(server);
  const std::size_t ended = server.end_clients();
  const State after = server.state();
  if (after.writable() || (!after.mariadb && !after.super_read_only)) {
    return plugin::failed(Status::kFatal, "the database of " + member.host + " (" + server.place() +
                                              ") is still writable after it was told not to be");
  }
  Result result =
      plugin::done("the database of " + member.host + " (" + server.place() + ") is read-only" +
                   (before.writable() ? " now" : " already") + "; " + std::to_string(ended) + " connections ended");
  result.position = after.position.size() <= 1023 ? after.position : "";
  return result;
}

}  // namespace baton::mysql
