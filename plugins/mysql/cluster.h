// SPDX-License-Identifier: GPL-2.0-or-later
//
// Galera and Group Replication, which elect for themselves: what this server is, and whether a quorum agrees. Promotes
// nothing and fences nothing; asks a group to move its primary when a person or Baton plans that.
#pragma once

#include <string>
#include <vector>

#include "mysql/connection.h"

namespace baton::mysql {

using plugin::Call;
using plugin::Result;
using plugin::Role;

/// What the cluster says of this server.
struct Standing {
  bool galera = false;
  std::string version;
  std::string state;          ///< "Synced", "ONLINE", as the server calls it
  std::string view;           ///< "Primary", "3 of 3 members reachable"
  bool quorum = false;        ///< a majority of the members is together with this one
  bool healthy = false;       ///< takes part with all its data
  bool donor = false;         ///< Galera: gives its data to a newcomer just now
  bool writable = false;      ///< read_only and super_read_only are off
  bool primary = false;       ///< the role, by the cluster's word alone
  bool left = false;          ///< no member any more
  std::uint64_t members = 0;  ///< in the view
  std::string primary_place;  ///< Group Replication: "db2:3306"
  std::string uuid;           ///< Group Replication: of this server
  std::uint64_t queue = 0;    ///< transactions received and not applied
  std::string position;

  /// Writable here and agreed upon by the quorum.
  bool holds_role() const { return quorum && healthy && primary && writable; }
};

class Cluster {
 public:
  explicit Cluster(const Settings& settings) : settings_(settings) {}

  Result probe(const Call& call);
  Result position(const Call& call);
  Result can_promote(const Call& call);
  Result drain(const Call& call);
  Result promote(const Call& call);
  Result demote(const Call& call);
  Result step_down(const Call& call);
  Result rejoin(const Call& call);
  Result verify(const Call& call);
  Result not_ours(const Call& call);  ///< what only a driven pair needs

 private:
  Standing standing(Connection& connection) const;
  Standing galera_standing(Connection& connection) const;
  Standing group_standing(Connection& connection) const;
  void judge(const Standing& standing, Result& result) const;
  Connection local(const Call& call) const;
  Result move_primary(Connection& connection, const Member& target, const std::string& uuid, const Call& call);

  const Settings& settings_;
};

}  // namespace baton::mysql
