// SPDX-License-Identifier: GPL-2.0-or-later
//
// The role moves: writes are blocked on the one that gives, drained and opened on the one that takes. Until the source
// is forgotten everything can be undone; nothing received is ever thrown away.
#include <poll.h>

#include <algorithm>

#include "mysql/pair.h"

namespace baton::mysql {

using namespace std::chrono_literals;

namespace {

constexpr int kRounds = 5;    // of ending clients that come back
constexpr int kReadings = 3;  // of a position that must not move
constexpr std::size_t kLongestPosition = 1023;
constexpr auto kLook = 20ms;
constexpr auto kSilence = 1s;  // after which nothing more is expected of a source

}  // namespace

void Pair::close_for_writes(Server& server) const {
  for (int round = 1;; ++round) {
    try {
      server.make_read_only();
      return;
    } catch (const SqlTrouble& trouble) {
      // It waits for statements that are running, and whoever waits for an acknowledgement of the standby.
      if (trouble.cause() != "timeout" || round == kRounds || !settings_.kill_writers) throw;
    }
    server.end_clients();
  }
}

Result Pair::block_writes(const Call& call) {
  Server server = local(call);
  const State before = server.state();
  if (before.replication.configured) {
    return plugin::failed(Status::kRefused, "the database at " + server.place() + " is a standby of " +
                                                before.replication.host + ": it has no writes to block");
  }
  const auto undo = [&](std::string words) {
    if (!before.writable()) return words + "; it was read-only before and stays so";
    try {
      local(call).make_writable();
      return words + "; it is writable again";
    } catch (const plugin::Failure& failure) {
      return words + "; and it could not be made writable again: " + failure.what();
    }
  };
  try {
    close_for_writes(server);
    std::size_t ended = settings_.kill_writers ? server.end_clients() : 0;
    // A new log file for which there is no room makes MariaDB turn its binary log off until it is started anew.
    const auto disk = disk_of(before);
    if (!disk || disk->free_percent >= std::max<std::int64_t>(1, settings_.min_free_disk)) server.flush_logs();
    if (call.planned() && before.log_bin && !server.writes_binary_log()) {
      return plugin::failed(
          Status::kRefused,
          undo("the database at " + server.place() +
               " has turned its binary log off: what was written since reaches no standby; restart it"));
    }
    std::string position = server.position();
    int same = 1;
    for (int reading = 1; same < kReadings; ++reading) {
      ::poll(nullptr, 0,
             static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(settings_.settle).count()) /
                 (kReadings - 1));
      if (settings_.kill_writers) ended += server.end_clients();
      const std::string now = server.position();
      same = now == position ? same + 1 : 1;
      if (now != position && reading >= kRounds * kReadings) {
        return plugin::failed(Status::kTransient, undo("the position of the database at " + server.place() +
                                                       " still moves although it is read-only: a client with the right "
                                                       "to write all the same, " +
                                                       now.substr(0, 60)));
      }
      position = now;
    }
    if (position.size() > kLongestPosition) {
      return plugin::failed(Status::kConfig, undo("the position of the database at " + server.place() + " has " +
                                                  std::to_string(position.size()) + " bytes, more than 1023"));
    }
    Result result = plugin::done("the database at " + server.place() + " takes no writes; " + std::to_string(ended) +
                                 " connections ended");
    result.position = position;
    return std::move(result).fact("ended", std::to_string(ended));
  } catch (const plugin::Trouble& trouble) {
    throw plugin::Trouble(trouble.status(), trouble.cause(), undo(trouble.what()));
  }
}

Result Pair::unblock_writes(const Call& call) {
  Server server = local(call);
  const State state = server.state();
  if (state.replication.configured) {
    return plugin::failed(Status::kRefused, "the database at " + server.place() + " follows " + state.replication.host +
                                                ": it must not be writable");
  }
  if (!state.writable()) server.make_writable();
  if (!server.state().writable()) {
    return plugin::failed(Status::kFatal, "the database at " + server.place() + " is still read-only");
  }
  return plugin::done("the database at " + server.place() + " is writable" +
                      (state.writable() ? " already" : " again"));
}

Result Pair::drain(const Call& call) {
  Server server = local(call);
  const State state = server.state();
  const std::string position = call.position().empty() ? state.replication.received : call.position();
  if (!state.replication.configured) {
    if (server.missing(position, state.history).none()) return plugin::done("the position is reached already");
    return plugin::failed(Status::kRefused, "the database at " + server.place() +
                                                " follows nobody, so what is missing does not come: " +
                                                server.missing(position, state.history).what.substr(0, 120));
  }
  const auto begin = Clock::now();
  const bool reached = server.wait_applied(position, settings_.drain_timeout);
  const Missing missing = server.missing(position, server.state().history);
  if (!reached || !missing.none()) {
    return plugin::failed(Status::kTransient, "after " + words(Clock::now() - begin) + " " +
                                                  std::to_string(missing.count) + " transactions are not applied at " +
                                                  server.place() + ": " + missing.what.substr(0, 120));
  }
  Result result = plugin::done("the database at " + server.place() + " has applied the position");
  result.position = server.position();
  return result;
}

Result Pair::promote_again(Server& server, const State& state, const Call& call) {
  const std::string asked = std::to_string(call.generation());
  if (state.stamped && (state.generation != call.generation() || state.generation_host != settings_.host_name)) {
    return plugin::failed(Status::kConflict, "the database at " + server.place() + " is writable with generation " +
                                                 std::to_string(state.generation) + " of " + state.generation_host +
                                                 ", not with " + asked);
  }
  if (!state.stamped) {
    // Writable from before Baton's time: taken as it is, unless the other one is, too.
    const Member* member = settings_.peer(call.target());
    const Other other = member != nullptr ? look_at(*member, server.connection().until()) : Other{};
    if (other.life == Other::Life::kWritable) {
      return plugin::failed(Status::kConflict,
                            "both databases are writable: this one at " + server.place() + ", and " + other.words);
    }
    server.stamp(call.generation());
  }
  server.mark_verified(call.generation());
  Result result = plugin::done("the database at " + server.place() + " is writable with generation " + asked +
                               (state.stamped ? " already" : " now"));
  result.role = Role::kPrimary;
  result.generation = call.generation();
  result.position = server.position();
  return result;
}

/// A source that was fenced by its own database still sends: what it had is taken along, as long as it comes.
void Pair::receive_rest(Server& server, const Call& call) const {
  if (call.position().empty()) return;
  const auto end =
      Clock::now() + std::min<std::chrono::nanoseconds>(settings_.drain_timeout, server.connection().left() / 2);
  std::string received;
  for (auto moved = Clock::now(); Clock::now() < end && Clock::now() - moved < kSilence;) {
    const State now = server.state();
    if (now.replication.receiver == "No") return;  // told to stop; one that connects may get there
    if (server.missing_after(call.position(), now.history, now.replication.received).none()) return;
    if (now.replication.received != received) moved = Clock::now();
    received = now.replication.received;
    ::poll(nullptr, 0, static_cast<int>(kLook.count()));
  }
}

Missing Pair::take_over(Server& server, State& state, const Call& call) {
  receive_rest(server, call);
  server.stop_receiver();
  try {
    state = server.state();
    if (!server.wait_applied(state.replication.received, settings_.drain_timeout)) {
      throw plugin::Trouble(Status::kRefused, "lag",
                            "what the database at " + server.place() + " has received is not applied within " +
                                words(settings_.drain_timeout) + " (drain_timeout)");
    }
    state = server.state();
    const Missing lost = call.position().empty() ? Missing{} : server.missing(call.position(), state.history);
    if (call.planned() && !lost.none()) {
      throw plugin::Trouble(Status::kRefused, "lag",
                            "the database at " + server.place() + " lacks " + std::to_string(lost.count) +
                                " transactions of the final position: " + lost.what.substr(0, 120));
    }
    server.stop_replication();
    return lost;
  } catch (const plugin::Trouble&) {
    try {
      server.start_replication();
    } catch (const plugin::Trouble&) {  // what was first in the way is what is told; demote starts it, too
    }
    throw;
  }
}

Result Pair::become_primary(Server& server, const Call& call, const Missing* lost) {
  server.stamp(call.generation());
  server.forget_source();
  // The other side must be attached before anybody waits for it; its demote or rejoin switches that on.
  if (settings_.strict) server.semi_sync_as_primary(false);
  server.make_writable();
  server.mark_verified(call.generation());
  const State after = server.state();
  if (!after.primary() || after.generation != call.generation() || after.generation_host != settings_.host_name) {
    return plugin::failed(Status::kFatal, "the database at " + server.place() + " was promoted, but reads back " +
                                              (after.writable() ? "writable" : "read-only") + ", generation " +
                                              std::to_string(after.generation) + " of " + after.generation_host);
  }
  Result result = plugin::done("the database at " + server.place() + " is writable with generation " +
                               std::to_string(call.generation()));
  result.role = Role::kPrimary;
  result.generation = after.generation;
  result.position = after.position.size() <= kLongestPosition ? after.position : "";
  if (call.planned()) return std::move(result).fact("lost_at_most", "0");
  if (lost == nullptr && settings_.strict) {
    result.sentence += "; durability = strict: what was acknowledged is here";
    return std::move(result).fact("lost_at_most", "0");
  }
  if (lost == nullptr) {
    result.sentence += "; what may be lost is not known, because no position of the old one was";
    return std::move(result).fact("lost_at_most", "unknown");
  }
  result.sentence +=
      lost->none() ? "; nothing is missing of the last position that was heard of the old one"
                   : "; missing of the last position that was heard of the old one: " + std::to_string(lost->count) +
                         " transactions, " + lost->what.substr(0, 60);
  return std::move(result).fact("lost_at_most", std::to_string(lost->count));
}

Result Pair::promote(const Call& call) {
  if (call.generation() == 0) return plugin::failed(Status::kRefused, "there is no generation to promote with");
  if (call.planned() && call.position().empty()) {
    return plugin::failed(Status::kRefused, "a planned promotion needs the final position of the other one");
  }
  Server server = local(call);
  State state = server.state();
  if (state.primary()) return promote_again(server, state, call);
  const bool ours = state.generation == call.generation() && state.generation_host == settings_.host_name;
  if (state.stamped && state.generation >= call.generation() && !ours) {
    return plugin::failed(Status::kConflict, "the data at " + server.place() + " bears generation " +
                                                 std::to_string(state.generation) + " of " + state.generation_host +
                                                 ", and " + std::to_string(call.generation()) + " was asked for");
  }
  Result refused;
  // Half-way there: the stamp is ours and the source forgotten; what was checked then holds.
  if (!ours || state.replication.configured) refused.refusals = refusals(server, state, call);
  if (!refused.refusals.empty()) {
    refused.status = Status::kRefused;
    refused.sentence = "the database at " + server.place() + " is not promoted: " + refused.refusals.front();
    return refused;
  }
  Missing lost;
  if (state.replication.configured) {
    lost = take_over(server, state, call);
  } else if (!call.position().empty()) {
    lost = server.missing(call.position(), state.history);
  }
  return become_primary(server, call, call.position().empty() ? nullptr : &lost);
}

}  // namespace baton::mysql
