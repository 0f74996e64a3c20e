// SPDX-License-Identifier: GPL-2.0-or-later
#include "mysql/cluster.h"

#include <mysqld_error.h>

#include <algorithm>

#include "mysql/gtid.h"
#include "mysql/pair.h"

namespace baton::mysql {
namespace {

constexpr std::size_t kLongestPosition = 1023;
// wsrep_local_state
constexpr const char* kDonor = "2";
constexpr const char* kSynced = "4";

std::uint64_t number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }
bool on(const std::string& value) { return value == "ON" || value == "1"; }

void add_standing(const Standing& standing, Result& result) {
  result.fact("version", standing.version);
  result.fact("cluster", standing.galera ? "galera" : "group_replication");
  result.fact("member_state", standing.state);
  result.fact("quorum", standing.quorum ? "yes" : "no");
  result.fact("members", std::to_string(standing.members));
  result.fact("writable", standing.writable ? "yes" : "no");
  result.fact("queue", std::to_string(standing.queue));
  if (!standing.primary_place.empty()) result.fact("primary", standing.primary_place);
  result.role = standing.holds_role()               ? Role::kPrimary
                : standing.quorum && !standing.left ? Role::kReplica
                                                    : Role::kNone;
  if (standing.position.size() <= kLongestPosition) result.position = standing.position;
}

}  // namespace

Connection Cluster::local(const Call& call) const {
  return Connection{settings_, settings_.own(), settings_.socket, end_of(call)};
}

Standing Cluster::galera_standing(Connection& connection) const {
  const Table status = connection.query(
      "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready','wsrep_connected','wsrep_cluster_status',"
      "'wsrep_local_state','wsrep_local_state_comment','wsrep_cluster_size','wsrep_last_committed',"
      "'wsrep_local_recv_queue','wsrep_cluster_state_uuid')");
  Standing standing;
  standing.galera = true;
  standing.state = status.value_of("wsrep_local_state_comment");
  const std::string view = status.value_of("wsrep_cluster_status");
  standing.view = "component " + view;
  standing.members = number(status.value_of("wsrep_cluster_size"));
  standing.quorum = view == "Primary";
  const std::string local_state = status.value_of("wsrep_local_state");
  standing.donor = local_state == kDonor;
  // read_only says nothing of a component without quorum: it stays 0.
  standing.healthy =
      on(status.value_of("wsrep_ready")) && (local_state == kSynced || (standing.donor && settings_.donor_passes));
  standing.primary = standing.healthy;
  standing.left = !on(status.value_of("wsrep_connected"));
  standing.queue = number(status.value_of("wsrep_local_recv_queue"));
  standing.position = status.value_of("wsrep_cluster_state_uuid") + ":" + status.value_of("wsrep_last_committed");
  return standing;
}

Standing Cluster::group_standing(Connection& connection) const {
  const Table rows = connection.query(
      "SELECT m.MEMBER_ID AS id, m.MEMBER_HOST AS host, m.MEMBER_PORT AS port, m.MEMBER_STATE AS state, m.MEMBER_ROLE "
      "AS role, m.MEMBER_ID=@@server_uuid AS own, s.COUNT_TRANSACTIONS_IN_QUEUE + "
      "s.COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE AS queue, @@global.gtid_executed AS position FROM "
      "performance_schema.replication_group_members m LEFT JOIN performance_schema.replication_group_member_stats s "
      "USING (MEMBER_ID)");
  Standing standing;
  standing.left = true;
  std::uint64_t reachable = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::string state = rows.text("state", row);
    if (rows.text("id", row).empty()) continue;
    ++standing.members;
    // A member that recovers votes, too.
    if (state == "ONLINE" || state == "RECOVERING") ++reachable;
    const bool primary = rows.text("role", row) == "PRIMARY";
    if (primary) standing.primary_place = rows.text("host", row) + ":" + rows.text("port", row);
    if (rows.text("own", row) != "1") continue;
    standing.uuid = rows.text("id", row);
    standing.state = state;
    standing.healthy = state == "ONLINE";
    standing.left = state == "OFFLINE" || state == "ERROR";
    standing.primary = primary;
    standing.queue = number(rows.text("queue", row));
    standing.position = compact(rows.text("position", row));
  }
  if (standing.state.empty()) standing.state = "OFFLINE";
  // A minority goes on to call itself ONLINE, and the others UNREACHABLE.
  standing.quorum = !standing.left && reachable * 2 > standing.members;
  standing.view = std::to_string(reachable) + " of " + std::to_string(standing.members) + " members reachable";
  return standing;
}

Standing Cluster::standing(Connection& connection) const {
  const Table variables = connection.query(
      "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on','group_replication_group_name','read_only',"
      "'super_read_only')");
  const bool galera = on(variables.value_of("wsrep_on"));
  const bool group = !variables.value_of("group_replication_group_name").empty();
  const bool wanted = settings_.cluster == "auto" ? galera || group : settings_.cluster == "galera" ? galera : group;
  if (!wanted) {
    const std::string what = settings_.cluster == "auto"     ? "neither a Galera node nor in a replication group"
                             : settings_.cluster == "galera" ? "no Galera node (wsrep_on is not ON)"
                                                             : "in no replication group";
    throw plugin::Trouble(Status::kConfig, "no_cluster", "the database at " + connection.place() + " is " + what);
  }
  Standing standing = galera ? galera_standing(connection) : group_standing(connection);
  standing.writable = !on(variables.value_of("read_only")) && !on(variables.value_of("super_read_only"));
  const std::string version = connection.server_version();
  standing.version = (galera ? "MariaDB " : "MySQL ") + version.substr(0, version.find('-'));
  return standing;
}

void Cluster::judge(const Standing& standing, Result& result) const {
  result.state = plugin::State::kPass;
  const std::string size = std::to_string(standing.members) + " members";
  if (standing.left) {
    result.state = plugin::State::kFail;
    result.sentence = "is no member of the cluster any more (" + standing.state + ")";
    result.fact("cause", "left_cluster");
  } else if (!standing.quorum) {
    result.state = plugin::State::kFail;
    result.sentence = "is without a quorum (" + standing.view + "): " + standing.state;
    result.fact("cause", "no_quorum");
  } else if (!standing.healthy) {
    result.state = plugin::State::kFail;
    result.sentence = "does not take part: " + standing.state;
    result.fact("cause", standing.donor ? "donor" : "recovering");
  } else if (standing.holds_role()) {
    result.sentence = "is writable, and the quorum agrees (" + standing.state + ", " + size + ")";
  } else if (standing.primary) {
    result.warning = true;
    result.sentence = "has the role, but is read-only";
    result.fact("cause", "read_only");
  } else {
    result.sentence = "is a standby (" + standing.state + ", " + size + "); the primary is " +
                      (standing.primary_place.empty() ? "not known" : standing.primary_place);
  }
  if (result.state != plugin::State::kPass) return;
  if (standing.donor) {
    result.warning = true;
    result.sentence += "; it gives its data to a newcomer";
  }
  if (static_cast<std::int64_t>(standing.members) < settings_.min_members) {
    result.warning = true;
    result.sentence += "; " + std::to_string(settings_.min_members) + " members are wanted (min_members)";
  }
}

Result Cluster::probe(const Call& call) {
  Connection connection = local(call);
  const Standing now = standing(connection);
  Result result;
  judge(now, result);
  result.sentence = "the database at " + connection.place() + " " + result.sentence;
  add_standing(now, result);
  return result;
}

Result Cluster::position(const Call& call) {
  Connection connection = local(call);
  Result result = plugin::done();
  result.position = standing(connection).position;
  return result;
}

Result Cluster::verify(const Call& call) {
  Result result = probe(call);
  result.state = plugin::State::kUnknown;
  return result;
}

Result Cluster::can_promote(const Call& call) {
  Connection connection = local(call);
  const Standing now = standing(connection);
  Result result;
  add_standing(now, result);
  Result judged;
  judge(now, judged);
  // Planned: step_down has not happened yet; a healthy standby may be given the role.
  const bool may = now.holds_role() || (call.planned() && now.quorum && now.healthy);
  if (may) {
    result.sentence = "the database at " + connection.place() + " " + judged.sentence;
    return result;
  }
  result.status = Status::kRefused;
  result.refusals.push_back("the database at " + connection.place() + " " + judged.sentence);
  result.sentence = result.refusals.front();
  return result;
}

Result Cluster::drain(const Call& call) {
  Connection connection = local(call);
  const Standing now = standing(connection);
  const std::string position = call.position().empty() ? now.position : call.position();
  if (now.galera) {
    const std::size_t colon = position.rfind(':');
    const bool same = position.substr(0, colon) == now.position.substr(0, now.position.rfind(':'));
    if (same && number(now.position.substr(now.position.rfind(':') + 1)) >= number(position.substr(colon + 1))) {
      return plugin::done("the position is reached");
    }
    return plugin::failed(Status::kTransient, "the database at " + connection.place() + " is at " + now.position +
                                                  ", not yet at " + position);
  }
  const auto wait = std::min({settings_.drain_timeout, connection.left() * 9 / 10});
  connection.query("SET SESSION max_execution_time=0");
  const std::string seconds = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(wait).count());
  const Table answer =
      connection.query("SELECT WAIT_FOR_EXECUTED_GTID_SET(" + connection.quoted(position) + "," + seconds + ") AS late",
                       connection.left());
  if (answer.text("late") == "0") return plugin::done("the position is reached");
  return plugin::failed(Status::kTransient,
                        "the position is not applied at " + connection.place() + " within " + seconds + " s");
}

Result Cluster::promote(const Call& call) {
  Connection connection = local(call);
  const Standing now = standing(connection);
  Result result;
  judge(now, result);
  result.sentence = "the database at " + connection.place() + " " + result.sentence;
  add_standing(now, result);
  if (now.holds_role()) return result;
  const bool elects = now.quorum && !now.galera && now.primary_place.empty();
  result.status = elects ? Status::kTransient : Status::kRefused;
  result.sentence += "; the cluster elects, and Baton follows";
  result.refusals.push_back(result.sentence);
  return result;
}

Result Cluster::demote(const Call& call) {
  Connection connection = local(call);
  const Standing now = standing(connection);
  Result result;
  add_standing(now, result);
  if (now.galera) {
    result.sentence = "all Galera nodes stay writable; only the address moves";
  } else if (now.holds_role()) {
    result.status = Status::kRefused;
    result.sentence = "the database at " + connection.place() + " is the group's primary: step_down moves that";
    result.refusals.push_back(result.sentence);
  } else {
    result.sentence = "the database at " + connection.place() + " is no primary";
  }
  return result;
}

Result Cluster::rejoin(const Call& call) {
  Connection connection = local(call);
  const Standing now = standing(connection);
  Result result;
  judge(now, result);
  result.status = result.state == plugin::State::kPass ? Status::kOk : Status::kTransient;
  result.sentence = "the database at " + connection.place() + " " + result.sentence;
  add_standing(now, result);
  return result;
}

Result Cluster::move_primary(Connection& connection, const Member& target, const std::string& uuid, const Call&) {
  connection.query("SET SESSION max_execution_time=0");
  // Transactions that still run after these seconds are ended; those that have committed are the new primary's, too.
  const auto grace = std::chrono::duration_cast<std::chrono::seconds>(connection.left() / 2).count();
  try {
    connection.query("SELECT group_replication_set_as_primary(" + connection.quoted(uuid) + "," +
                         std::to_string(std::clamp<std::int64_t>(grace, 0, 3600)) + ")",
                     connection.left());
  } catch (const SqlTrouble& trouble) {
    if (trouble.number() != ER_CANT_INITIALIZE_UDF) throw;
    // The group's own conditions, and the privilege, have this one number.
    const std::string said = trouble.what();
    const bool privilege = said.find("privilege") != std::string::npos;
    throw plugin::Trouble(privilege ? Status::kConfig : Status::kRefused, privilege ? "privilege" : "group", said);
  }
  const Standing after = group_standing(connection);
  Result result = plugin::done("the group's primary is " + after.primary_place);
  result.position = after.position.size() <= kLongestPosition ? after.position : "";
  if (!after.primary) return result;
  return plugin::failed(Status::kFatal, "the group was asked to make " + target.host +
                                            " its primary, and it is still " + after.primary_place);
}

Result Cluster::step_down(const Call& call) {
  const Member* target = settings_.peer(call.target());
  if (target == nullptr || call.target() == settings_.host_name) {
    return plugin::failed(Status::kConfig, "a target is needed, another `member` than this host");
  }
  Connection connection = local(call);
  const Standing now = standing(connection);
  Connection there{settings_, *target, "", connection.until()};
  const Standing theirs = standing(there);
  if (theirs.holds_role() && !now.galera) {
    return plugin::done("the group's primary is " + target->host + " already");
  }
  if (!theirs.quorum || !theirs.healthy) {
    Result judged;
    judge(theirs, judged);
    Result result = plugin::failed(Status::kRefused, "the database of " + target->host + " " + judged.sentence);
    result.refusals.push_back(result.sentence);
    return result;
  }
  if (now.galera) {
    Result result =
        plugin::done("all Galera nodes are writable, " + target->host + " among them; only the address moves");
    result.position = now.position;
    return result;
  }
  return move_primary(connection, *target, theirs.uuid, call);
}

Result Cluster::not_ours(const Call& call) {
  return plugin::failed(
      Status::kRefused,
      "mode = follow: " + call.verb() + " is for driven pairs; a cluster elects, and its role moves by step_down");
}

}  // namespace baton::mysql
