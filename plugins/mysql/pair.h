// SPDX-License-Identifier: GPL-2.0-or-later
//
// Two servers with asynchronous or semi-synchronous GTID replication, driven by Baton: who may be promoted, how the
// role moves without losing a transaction, when a former primary may follow. Deletes nothing, forces nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mysql/server.h"

namespace baton::mysql {

using plugin::Call;
using plugin::Result;
using plugin::Role;

class Pair {
 public:
  explicit Pair(const Settings& settings) : settings_(settings) {}

  Result probe(const Call& call);
  Result position(const Call& call);
  Result can_promote(const Call& call);
  Result block_writes(const Call& call);
  Result unblock_writes(const Call& call);
  Result drain(const Call& call);
  Result promote(const Call& call);
  Result demote(const Call& call) { return stand_by(call, false); }
  Result rejoin(const Call& call) { return stand_by(call, true); }
  Result verify(const Call& call);
  Result step_down(const Call& call);  ///< not in a pair, where nobody elects
  Result fence(const Call& call);

 private:
  /// What can be learnt of the other database, directly.
  struct Other {
    enum class Life { kSilent, kReadOnly, kWritable, kUnknown } life = Life::kSilent;
    std::string words;
    std::optional<State> state;
  };

  Server local(const Call& call) const;
  Server remote(const Member& member, Clock::time_point until) const;
  const Member& target(const Call& call) const;
  Other look_at(const Member& member, Clock::time_point until) const;

  // pair_refusals.cc
  std::vector<std::string> refusals(Server& server, const State& state, const Call& call) const;
  void refuse_setup(const State& state, std::vector<std::string>& reasons) const;
  void refuse_disk(const State& state, const Call& call, std::vector<std::string>& reasons) const;
  void refuse_replica(Server& server, const State& state, const Call& call, std::vector<std::string>& reasons) const;
  void refuse_unacknowledged(Server& server, const State& state, const Other& other,
                             std::vector<std::string>& reasons) const;
  void refuse_crash(Server& server, const State& state, const Call& call, std::vector<std::string>& reasons) const;
  void refuse_planned(Server& server, const State& state, const Call& call, std::vector<std::string>& reasons) const;
  bool stream_lives(Server& server, const Replication& before, Clock::time_point since) const;

  // pair_promote.cc
  Result promote_again(Server& server, const State& state, const Call& call);
  void receive_rest(Server& server, const Call& call) const;
  Missing take_over(Server& server, State& state, const Call& call);
  Result become_primary(Server& server, const Call& call, const Missing* lost);
  void close_for_writes(Server& server) const;

  // pair_standby.cc
  Result stand_by(const Call& call, bool rejoin);
  Result point_at(Server& server, const State& state, const Member& source, const Call& call, bool rejoin);
  Result wait_connected(Server& server, const Member& source, Result result);
  std::optional<Result> refuse_source(Server& server, const State& own, const State& there, const Member& source,
                                      const Call& call, bool rejoin);
  void require_acknowledgements(const Member& source, Result& result, Clock::time_point until);

  const Settings& settings_;
};

Role role_of(const State& state);
/// What holds of a state for people and for JSON.
void add_facts(const State& state, Result& result);
/// Percent of the file system that is free, and whether it can be written; nullopt: not to be seen from here.
struct Disk {
  int free_percent = 100;
  bool read_only = false;
};
std::optional<Disk> disk_of(const State& state);
/// When a verb has to be done with its last statement, to have time for the answer.
Clock::time_point end_of(const Call& call);

}  // namespace baton::mysql
