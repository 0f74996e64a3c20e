// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every reason against promoting this host now. Changes nothing.
#include <poll.h>

#include <algorithm>

#include "mysql/pair.h"

namespace baton::mysql {

using namespace std::chrono_literals;

namespace {

constexpr double kLongestSampledPeriod = 5.0;  // seconds between heartbeats that we can afford to wait for
constexpr auto kLook = 100ms;

}  // namespace

void Pair::refuse_setup(const State& state, std::vector<std::string>& reasons) const {
  const Replication& replication = state.replication;
  if (state.galera) reasons.push_back("this server is a Galera node, which elects for itself: mode = follow");
  if (state.group) reasons.push_back("this server is in a replication group, which elects for itself: mode = follow");
  if (!state.gtid) reasons.push_back("gtid_mode is not ON");
  if (!state.log_bin) reasons.push_back("log_bin is off: nobody could follow this server");
  if (!state.log_replica_updates) {
    reasons.push_back(std::string{state.mariadb ? "log_slave_updates" : "log_replica_updates"} +
                      " is off: what it has received could not be passed on");
  }
  if (replication.channels > 1) {
    reasons.push_back("it follows " + std::to_string(replication.channels) + " sources; a standby has one");
  } else if (!replication.channel.empty()) {
    reasons.push_back("its replication connection is named " + replication.channel +
                      "; only the unnamed one is driven");
  }
  if (!replication.filters.empty()) {
    reasons.push_back("it has replication filters, so it is no copy: " + replication.filters.substr(0, 150));
  }
  if (replication.configured && !replication.uses_gtid) reasons.push_back("its replication does not use GTIDs");
}

void Pair::refuse_disk(const State& state, const Call& call, std::vector<std::string>& reasons) const {
  const auto disk = disk_of(state);
  if (!disk) return;
  if (disk->read_only) reasons.push_back("the file system of " + state.datadir + " is read-only");
  if (call.planned() && disk->free_percent < settings_.min_free_disk) {
    reasons.push_back("only " + std::to_string(disk->free_percent) + "% of " + state.datadir +
                      " is free (min_free_disk " + std::to_string(settings_.min_free_disk) + "%)");
  }
}

bool Pair::stream_lives(Server& server, const Replication& before, Clock::time_point since) const {
  if (before.heartbeat_period <= 0 || before.heartbeat_period > kLongestSampledPeriod) return false;
  const auto periods = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>{before.heartbeat_period * 2 + 0.25});
  for (;;) {
    const Replication now = server.state().replication;
    if (!now.receiving()) return false;
    if (now.heartbeats != before.heartbeats || now.received != before.received) return true;
    if (Clock::now() >= since + periods) return false;
    ::poll(nullptr, 0, static_cast<int>(kLook.count()));
  }
}

void Pair::refuse_unacknowledged(Server& server, const State& state, const Other& other,
                                 std::vector<std::string>& reasons) const {
  // Where the other database is there to be compared with, nothing is missing of which it did not wait for us.
  const bool level = other.life == Other::Life::kReadOnly && other.state &&
                     server.missing(other.state->position, state.history).none();
  if (level) return;
  if (!state.generation_strict) {
    reasons.push_back("durability = strict: generation " + std::to_string(state.generation) +
                      " did not wait for this standby's acknowledgements, so acknowledged writes may be missing");
  }
  if (!state.semi_sync.replica_enabled) {
    reasons.push_back("durability = strict: semi-synchronous replication is off here");
  }
}

void Pair::refuse_crash(Server& server, const State& state, const Call& call, std::vector<std::string>& reasons) const {
  const Replication& replication = state.replication;
  const auto since = Clock::now();
  const Member* member = settings_.peer(call.target());
  Other other;
  if (member != nullptr && call.target() != settings_.host_name) {
    other = look_at(*member, std::min(server.connection().until(), since + settings_.connect_timeout * 2));
  }
  if (other.life == Other::Life::kWritable) {
    reasons.push_back(other.words + ": it is not dead; fence it, or move the role as planned");
  } else if (other.life == Other::Life::kUnknown) {
    reasons.push_back("the other database is not dead, and whether it is writable cannot be seen: " + other.words);
  } else if (other.life == Other::Life::kSilent && replication.receiving() &&
             stream_lives(server, replication, since)) {
    reasons.push_back("replication from " + replication.host + ":" + std::to_string(replication.port) +
                      " is alive (heartbeats or transactions still come): the other database is not dead");
  }
  if (settings_.strict && replication.configured) refuse_unacknowledged(server, state, other, reasons);
  if (call.position().empty()) return;
  if (const auto age = call.position_age(); age && *age > settings_.max_position_age && !call.forced()) {
    reasons.push_back("the last position that was heard of the other one was " + words(*age) +
                      " old when it was last heard, more than max_position_age = " + words(settings_.max_position_age) +
                      ": how much is missing here is not known");
  }
  const Missing missing = server.missing_after(call.position(), state.history, replication.received);
  if (missing.count > settings_.max_lag && !call.forced()) {
    reasons.push_back(std::to_string(missing.count) +
                      " transactions of the last known position are missing here, more "
                      "than max_lag = " +
                      std::to_string(settings_.max_lag) + ": " + missing.what.substr(0, 100));
  }
}

void Pair::refuse_planned(Server& server, const State& state, const Call& call,
                          std::vector<std::string>& reasons) const {
  const Replication& replication = state.replication;
  const bool reached = !call.position().empty() && server.missing(call.position(), state.history).none();
  if (!reached && replication.configured && !replication.receiving()) {
    reasons.push_back("nothing comes from " + replication.host + ":" + std::to_string(replication.port) +
                      (replication.receiver_error.empty() ? "" : ": " + replication.receiver_error.substr(0, 150)));
  }
  if (!reached && !replication.configured && !call.position().empty()) {
    reasons.push_back("it follows nobody and lacks " +
                      server.missing(call.position(), state.history).what.substr(0, 150));
  }
  const Member* member = settings_.peer(call.target());
  if (member == nullptr) return;
  const Other other = look_at(*member, server.connection().until());
  if (!other.state) {
    reasons.push_back("the other database cannot be asked whether it has all that is here: " + other.words);
    return;
  }
  const Missing errant = server.missing(state.position, other.state->history);
  if (!errant.none()) {
    reasons.push_back(std::to_string(errant.count) +
                      " transactions are here alone (errant): " + errant.what.substr(0, 150));
  }
}

void Pair::refuse_replica(Server& server, const State& state, const Call& call,
                          std::vector<std::string>& reasons) const {
  const Replication& replication = state.replication;
  if (!replication.configured) {
    // A former primary that came back read-only has all that it ever acknowledged; a copy whose source was forgotten
    // has we do not know what.
    if (!state.writable() && state.stamped && state.generation_host != settings_.host_name && !call.planned()) {
      reasons.push_back("it follows nobody, and generation " + std::to_string(state.generation) + " was made by " +
                        state.generation_host + ": what is missing here cannot be known");
    }
    return;
  }
  const Member* source = settings_.peer(call.target());
  if (source != nullptr && (source->address != replication.host || source->port != replication.port)) {
    reasons.push_back("it follows " + replication.host + ":" + std::to_string(replication.port) + ", not " +
                      source->host + " (" + source->place() + ")");
  }
  const bool only_half = replication.gave_up_half() && server.missing(replication.received, state.history).none();
  if (!replication.applying() && !only_half) {
    reasons.push_back("the applier has stopped" + (replication.applier_error.empty()
                                                       ? std::string{}
                                                       : " (error " + std::to_string(replication.applier_errno) +
                                                             "): " + replication.applier_error.substr(0, 150)));
  }
  if (state.mariadb) {
    const auto position = parse_mariadb(state.position);
    const auto applied = parse_mariadb(replication.applied);
    if (position && applied) {
      const Missing errant = mariadb_errant(*position, *applied, state.server_id);
      if (!errant.none()) {
        reasons.push_back(std::to_string(errant.count) +
                          " transactions were made here and did not come by replication "
                          "(errant), up to " +
                          errant.what.substr(0, 100));
      }
    }
  }
}

std::vector<std::string> Pair::refusals(Server& server, const State& state, const Call& call) const {
  std::vector<std::string> reasons;
  refuse_setup(state, reasons);
  if (state.galera || state.group) return reasons;
  refuse_disk(state, call, reasons);
  refuse_replica(server, state, call, reasons);
  if (call.planned()) {
    refuse_planned(server, state, call, reasons);
  } else {
    refuse_crash(server, state, call, reasons);
  }
  return reasons;
}

Result Pair::can_promote(const Call& call) {
  Server server = local(call);
  const State state = server.state();
  Result result;
  result.refusals = refusals(server, state, call);
  result.role = role_of(state);
  result.position = state.position.size() <= 1023 ? state.position : "";
  add_facts(state, result);
  if (result.refusals.empty()) {
    result.sentence = "the database at " + server.place() + " may be promoted";
    return result;
  }
  result.status = Status::kRefused;
  result.sentence = "the database at " + server.place() + " may not be promoted: " + result.refusals.front();
  return result;
}

}  // namespace baton::mysql
