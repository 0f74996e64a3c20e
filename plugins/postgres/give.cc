// SPDX-License-Identifier: GPL-2.0-or-later
//
// give.cc: giving the role. No SQL makes a primary stop being one: it is stopped, fast, and its last record is the
// proof that the taker asks for. In a planned move it undoes itself when that proof cannot be had; otherwise this host
// has to stop being the primary, whatever happens, and nothing here makes it one again.
#include <algorithm>

#include "postgres/postgres.h"

namespace baton_postgres {
namespace {

namespace plugin = baton::plugin;
using std::chrono::milliseconds;

/// Of the time of block_writes: for the stop; the rest is for undoing it.
constexpr int kStopShare = 60;

}  // namespace

/// Repeated: the server was stopped cleanly before, and says where.
Result Postgres::blocked_already(const Call& call) {
  const ControlData control = data_.control(call);
  if (control.state != "shut down") {
    throw Trouble(Status::kRefused, "state",
                  "the server of " + settings_.host_name +
                      " does not run and was not shut down cleanly as a primary (" + control.state +
                      "): it has no final position");
  }
  data_.guard_boot();
  const Position position{
      .system = control.system, .timeline = control.timeline, .lsn = control.checkpoint, .how = "shutdown"};
  Result result = plugin::done("the server of " + settings_.host_name + " is stopped; its last record is at " +
                               lsn_words(position.lsn));
  result.position = position.text();
  return result;
}

/// What a planned move wants before there is no way back. Who has to give the role up, because its grant ends, has no
/// time for any of it.
void Postgres::prepare_handover(const Call& call, Connection& connection) {
  const std::vector<Standby> standbys = read_standbys(connection);
  const Standby* best = nullptr;
  for (const Standby& standby : standbys) {
    if (standby.state == "streaming" && (best == nullptr || standby.behind < best->behind)) best = &standby;
  }
  if (best == nullptr) {
    throw Trouble(Status::kRefused, "broken_link",
                  "no standby streams from " + connection.words() + ": nobody would have its last record");
  }
  if (best->behind > settings_.max_lag) {
    throw Trouble(Status::kRefused, "lag",
                  "the standby " + best->name + " is " + std::to_string(best->behind) + " bytes behind (max_lag is " +
                      std::to_string(settings_.max_lag) + ")");
  }
  data_.control(call);  // that pg_controldata works
  // So that the one of the stop has little to write.
  connection.query_within(call.remaining() / 2, "CHECKPOINT");
}

Position Postgres::stop_for_handover(const Call& call) {
  const auto time = call.remaining() * kStopShare / 100;
  if (!control_.stop(call, time)) {
    throw Trouble(Status::kTransient, "timeout",
                  "the server has not stopped within " +
                      std::to_string(std::chrono::duration_cast<milliseconds>(time).count()) +
                      " ms: it waits for a standby that does not take the rest of the log, or for its disk");
  }
  const ControlData control = data_.control(call);
  if (control.state != "shut down") {
    throw Trouble(Status::kTransient, "state", "the server has ended, but not cleanly (" + control.state + ")");
  }
  return {.system = control.system, .timeline = control.timeline, .lsn = control.checkpoint, .how = "shutdown"};
}

void Postgres::start_as_primary(const Call& call) {
  data_.remove_boot_guard();
  control_.start(call);
  const auto until = patience_end(call);
  for (;;) {
    Connection connection = drive_when_ready(call, until);
    if (!read_server(connection).in_recovery) {
      data_.guard_boot();
      return;
    }
    if (!pause(until)) {
      throw Trouble(Status::kFatal, "timeout", connection.words() + " was started as the primary, but is a standby");
    }
  }
}

/// Whether it still serves: the order to stop has not even reached it.
bool Postgres::still_primary(const Call& call) {
  if (!data_.postmaster()) return false;
  try {
    Connection connection = drive(call);
    return !read_server(connection).in_recovery;
  } catch (const Trouble&) {
    return false;  // shutting down
  }
}

void Postgres::undo_block(const Call& call, const std::string& why) {
  if (still_primary(call)) return;
  try {
    if (data_.postmaster()) control_.stop_at_once(call, call.remaining() / 2);
    start_as_primary(call);
  } catch (const plugin::Failure& failure) {
    throw Trouble(Status::kFatal, "undo",
                  why + "; and it could not be made the primary again: " + std::string{failure.what()});
  }
}

Result Postgres::block_writes(const Call& call) {
  return typed([&] {
    if (!data_.postmaster()) return blocked_already(call);
    {
      Connection connection = drive(call);
      const Server server = read_server(connection);
      if (server.in_recovery) {
        throw Trouble(Status::kRefused, "role", connection.words() + " is a standby: it has no role to give");
      }
      if (call.planned()) prepare_handover(call, connection);
    }
    // First the guard, so that a crash of the host from here on does not start a primary beside the new one.
    data_.guard_boot();
    try {
      const Position position = stop_for_handover(call);
      Result result = plugin::done("the server of " + settings_.host_name + " is stopped; its last record is at " +
                                   lsn_words(position.lsn) + " on timeline " + std::to_string(position.timeline));
      result.position = position.text();
      return result;
    } catch (const plugin::Failure& failure) {
      std::string why = failure.what();
      if (call.planned()) {
        undo_block(call, why);
        why += "; it is the primary as before";
      }
      const auto* trouble = dynamic_cast<const Trouble*>(&failure);
      throw Trouble(failure.status(), trouble == nullptr ? "control" : trouble->cause(), why);
    }
  });
}

Result Postgres::unblock_writes(const Call& call) {
  return typed([&] {
    if (data_.postmaster()) {
      Connection connection = drive_when_ready(call, patience_end(call));
      if (!read_server(connection).in_recovery) {
        data_.guard_boot();
        return plugin::done(connection.words() + " takes writes");
      }
      throw Trouble(Status::kRefused, "role",
                    connection.words() +
                        " runs as a standby: it was not only blocked, and only a promotion makes it "
                        "the primary");
    }
    start_as_primary(call);
    return plugin::done("the server of " + settings_.host_name + " runs as the primary again");
  });
}

Result Postgres::demote(const Call& call) {
  return typed([&] { return settle(call, Purpose::kDemote); });
}

Result Postgres::rejoin(const Call& call) {
  return typed([&] { return settle(call, Purpose::kRejoin); });
}

}  // namespace baton_postgres
