// SPDX-License-Identifier: GPL-2.0-or-later
//
// postgres.h: one member of a streaming pair: what it is (postgres.cc), how it takes the role (take.cc), how it gives
// it (give.cc), how it follows again (rejoin.cc). Every verb reads the state first and can be repeated after a crash at
// any line.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "plugin.hpp"
#include "postgres/connection.h"
#include "postgres/control.h"
#include "postgres/data_directory.h"
#include "postgres/server.h"
#include "postgres/settings.h"

namespace baton_postgres {

using baton::plugin::Call;
using baton::plugin::Result;

/// Time left of a call, with something kept for the answer.
Clock::time_point end_of(const Call& call);
/// Until when to wait for something within a call: a little before its end, so that what is missing can be said.
Clock::time_point patience_end(const Call& call);
/// A typed result of what went wrong, with its cause as a fact.
Result result_of(const Trouble& trouble);
/// Waits a moment, but not beyond `until`; false: it is over.
bool pause(Clock::time_point until);

/// Demote is done when no write is taken; rejoin only when the target is followed, and it alone may rewind.
enum class Purpose { kDemote, kRejoin };

class Postgres {
 public:
  explicit Postgres(const baton::plugin::Host& host);
  static void check_settings(const baton::plugin::Host& host) { baton_postgres::check_settings(host); }

  Result probe(const Call& call);
  Result position(const Call& call);
  Result verify(const Call& call);

  Result can_promote(const Call& call);
  Result drain(const Call& call);
  Result promote(const Call& call);

  Result block_writes(const Call& call);
  Result unblock_writes(const Call& call);
  Result demote(const Call& call);
  Result rejoin(const Call& call);

 private:
  /// Runs a verb; what it throws becomes a result with its cause.
  template <class Body>
  Result typed(Body body) {
    try {
      return body();
    } catch (const Trouble& trouble) {
      return result_of(trouble);
    }
  }

  Patience patience(const Call& call) const;
  Connection ask_local(const Call& call);
  Connection drive(const Call& call);
  Connection drive_remote(const Call& call, const Member& member);
  Connection replicate_from(const Call& call, const Member& member);
  /// As `drive`, but waits until a server that is starting takes connections.
  Connection drive_when_ready(const Call& call, Clock::time_point until);

  // postgres.cc
  Result judge_primary(Connection& connection, const Server& server, Result result);
  Result judge_standby(const Server& server, Result result) const;
  void add_standbys(const std::vector<Standby>& standbys, Result& result) const;

  // take.cc
  std::vector<std::string> refusals(const Call& call, Connection& connection, const Server& server);
  static Lsn usable(Connection& connection, const Server& server);
  void refuse_by_position(const Call& call, Connection& connection, const Server& server,
                          std::vector<std::string>& reasons) const;
  bool old_one_is_standby(const Call& call, const Server& server, std::vector<std::string>& reasons);
  void refuse_live_upstream(const Call& call, const Server& server, std::vector<std::string>& reasons);
  void refuse_by_host(const Call& call, Connection& connection, const Server& server,
                      std::vector<std::string>& reasons) const;
  std::uint32_t timeline_of(const Server& server) const;
  /// Why `position` is not reached; "" if it is.
  std::string unreached(const Call& call, const Server& server, const Position& position) const;
  Result promoted_already(const Call& call, Connection& connection, const Server& server);
  void cut_upstream(const Call& call, Connection& connection);
  void wait_for_received(const Call& call, Connection& connection);
  void stamp(const Call& call, Connection& connection);
  Result lost(const Call& call, const Server& before, Result result) const;
  Result finish_promotion(const Call& call, Connection& connection, const Server& before);

  // give.cc
  Result blocked_already(const Call& call);
  void prepare_handover(const Call& call, Connection& connection);
  Position stop_for_handover(const Call& call);
  bool still_primary(const Call& call);
  void undo_block(const Call& call, const std::string& why);
  void start_as_primary(const Call& call);

  // rejoin.cc
  Result settle(const Call& call, Purpose purpose);
  bool needs_upstream() const;
  void become_standby(const Call& call, const Member& target);
  Connection drive_standby(const Call& call);
  Server settled_standby(const Call& call, Connection& connection);
  History own_history(const Server& server) const;
  Result attach(const Call& call, Connection& connection, const Server& server, const Member& target, Purpose purpose);
  void require_primary(const Call& call, const Member& target, Connection& replication);
  std::string same_timeline_trouble(const Call& call, Connection& connection, const Member& target, const History& own,
                                    const History& theirs);
  Result follow(const Call& call, Connection& connection, const Member& target, Result result);
  Result rewind(const Call& call, const Member& target, const History& own, const Inclusion& inclusion);

  Settings settings_;
  DataDirectory data_;
  Control control_;
  baton::plugin::Resolver resolver_;
};

}  // namespace baton_postgres
