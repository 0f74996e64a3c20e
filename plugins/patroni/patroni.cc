// SPDX-License-Identifier: GPL-2.0-or-later
//
// patroni.cc: follows a cluster that Patroni leads. Primary is only who holds the leader's lock by its own Patroni's
// word, with a store that has answered lately; anything less is no primary. Never promotes; step_down asks Patroni to
// move the role, and only to a member that lacks nothing to speak of.
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include "patroni/api.h"

namespace baton_patroni {
namespace {

using baton::plugin::Call;
using baton::plugin::Host;
using baton::plugin::Result;
using baton::plugin::Role;
using baton::plugin::State;
namespace plugin = baton::plugin;

constexpr std::int64_t kSecond = 1'000'000'000;

constexpr baton_key kKeys[] = {
    plugin::key("member", BATON_KEY_TEXT, "One host and where its Patroni answers; one line for each.", nullptr,
                BATON_KEY_LIST | BATON_KEY_REQUIRED, "HOST ADDRESS[:PORT] [NAME]"),
    plugin::key("tls", BATON_KEY_WORD, "no; yes: https with any certificate; verify: https.", "no", 0, "no|yes|verify"),
    plugin::key("tls_ca", BATON_KEY_PATH, "Authorities (PEM) instead of the system's."),
    plugin::key("tls_cert", BATON_KEY_SECRET, "File with our certificate (PEM)."),
    plugin::key("tls_key", BATON_KEY_SECRET, "File with its key (PEM)."),
    plugin::key("api_user", BATON_KEY_TEXT, "restapi.authentication.username: for switchovers."),
    plugin::key("api_password_file", BATON_KEY_SECRET, "File with its password."),
    plugin::key("request_timeout", BATON_KEY_DURATION, "The longest that a question may take.", "2s", 0, nullptr,
                kSecond / 20, 60 * kSecond),
    plugin::key("max_lag", BATON_KEY_INTEGER, "The most bytes of log that a replica may be behind.", "1048576", 0,
                "bytes", 0, std::int64_t{1} << 50),
    plugin::key("stale_after", BATON_KEY_DURATION,
                "Patroni's ttl: a leader whose store has not answered for so long is none.", "30s", 0, nullptr, kSecond,
                3600 * kSecond),
};

constexpr const char* kManual =
    "Follows the leader of a PostgreSQL cluster under Patroni by the REST API. A host is the primary only while its "
    "own "
    "Patroni holds the lock in a store that answers. Never promotes: Patroni does. step_down orders a switchover.";

std::string lsn_words(std::uint64_t lsn) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%X/%X", static_cast<unsigned>(lsn >> 32),
                static_cast<unsigned>(lsn & 0xFFFFFFFFu));
  return text.data();
}

std::int64_t wall_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec;
}

Result result_of(const Trouble& trouble) {
  return plugin::failed(trouble.status(), trouble.what()).fact("cause", trouble.cause());
}

class Patroni {
 public:
  explicit Patroni(const Host& host)
      : api_(host),
        host_name_(host.host_name()),
        max_lag_(host.number("max_lag")),
        stale_after_(host.duration("stale_after").count() / kSecond) {
    for (const std::string& text : host.list("member")) members_.push_back(parse_member(text).member);
    if (find(host_name_) == nullptr) {
      throw Trouble(Status::kConfig, "settings", "this host, " + host_name_ + ", is not among the members");
    }
  }

  static void check_settings(const Host& host);
  Result probe(const Call& call);
  Result position(const Call& call);
  Result verify(const Call& call);
  Result step_down(const Call& call);

 private:
  const Member* find(const std::string& host) const {
    const auto found =
        std::find_if(members_.begin(), members_.end(), [&](const Member& one) { return one.host == host; });
    return found == members_.end() ? nullptr : &*found;
  }
  const Member& own() const { return *find(host_name_); }
  Result look(const Call& call);
  Result judge_leader(const Call& call, const Node& node, Result result);
  Result judge_replica(const Call& call, const Node& node, Result result);
  std::vector<std::string> obstacles(const Cluster& cluster, const ClusterMember* candidate) const;
  Result wait_for_leader(const Call& call, const Member& target, const std::string& said);

  Api api_;
  std::vector<Member> members_;
  std::string host_name_;
  std::int64_t max_lag_;
  std::int64_t stale_after_;
};

void Patroni::check_settings(const Host& host) {
  std::set<std::string> hosts;
  std::set<std::string> names;
  for (const std::string& text : host.list("member")) {
    const ParsedMember parsed = parse_member(text);
    if (!parsed.error.empty()) {
      host.complain("member", "`" + text + "`: " + parsed.error);
      continue;
    }
    if (!hosts.insert(parsed.member.host).second)
      host.complain("member", "the host " + parsed.member.host + " appears twice");
    if (!names.insert(parsed.member.name).second)
      host.complain("member", "Patroni's name " + parsed.member.name + " appears twice");
  }
  if (!hosts.empty() && !hosts.contains(host.host_name())) {
    host.complain("member", "this host, " + host.host_name() + ", is not among the members");
  }
  if (host.has("tls_key") && !host.has("tls_cert")) host.complain("tls_key", "there is no tls_cert for it");
  if (host.has("tls_ca") && host.text("tls") != "verify")
    host.complain("tls_ca", "is of no use without `tls = verify`");
  if (host.has("api_password_file") && !host.has("api_user"))
    host.complain("api_password_file", "there is no api_user for it");
}

Result Patroni::judge_leader(const Call& call, const Node& node, Result result) {
  const std::string who = own().words() + " is the leader on timeline " + std::to_string(node.timeline);
  const auto none = [&](const std::string& words) {
    // Not even `replica`: it may still take writes, but nobody vouches for it.
    result.role = Role::kNone;
    result.state = State::kFail;
    result.sentence = own().words() + " says that it leads, but " + words;
    return std::move(result).fact("cause", "no_quorum");
  };
  if (!api_.holds_lock(own(), call.remaining())) return none("does not hold the leader's lock");
  if (node.unlocked) return none("nobody holds the leader's lock");
  const std::int64_t age = wall_seconds() - node.quorum_seen;
  if (node.quorum_seen != 0 && age > stale_after_) {
    return none("its store has not answered for " + std::to_string(age) + " s (stale_after is " +
                std::to_string(stale_after_) + " s)");
  }
  result.role = Role::kPrimary;
  result.state = State::kPass;
  result.sentence = who + " and holds the lock";
  return std::move(result).fact("writable", "yes");
}

Result Patroni::judge_replica(const Call& call, const Node& node, Result result) {
  result.role = Role::kReplica;
  result.state = State::kPass;
  result.sentence = own().words() + " is a replica on timeline " + std::to_string(node.timeline);
  result.fact("writable", "no");
  try {
    const Cluster cluster = api_.cluster(own(), call.remaining());
    const ClusterMember* line = cluster.find(own().name);
    const ClusterMember* leader = cluster.leader();
    result.fact("leader", leader == nullptr ? "none" : leader->name);
    if (line != nullptr) result.lag_bytes = line->lag;
    if (leader == nullptr) {
      result.warning = true;
      result.sentence += "; the cluster has no leader";
    }
  } catch (const Trouble& trouble) {
    result.warning = true;
    result.sentence += std::string{"; "} + trouble.what();
    return std::move(result).fact("cause", trouble.cause());
  }
  if (result.lag_bytes >= 0) {
    result.fact("lag_bytes", std::to_string(result.lag_bytes));
    result.sentence += ", " + std::to_string(result.lag_bytes) + " bytes behind";
  }
  if (node.replay_paused || result.lag_bytes > max_lag_) {
    result.state = State::kFail;
    result.sentence += node.replay_paused ? "; its replay is paused" : " (max_lag is " + std::to_string(max_lag_) + ")";
    result.fact("cause", node.replay_paused ? "paused" : "lag");
  }
  return result;
}

Result Patroni::look(const Call& call) {
  const Node node = api_.node(own(), call.remaining());
  Result result;
  result.fact("patroni", node.version).fact("version", node.server_version).fact("state", node.state);
  result.fact("timeline", std::to_string(node.timeline));
  if (node.quorum_seen != 0) result.fact("quorum_age_s", std::to_string(wall_seconds() - node.quorum_seen));
  if (node.location != 0) {
    result.position = node.system + ":" + std::to_string(node.timeline) + ":" + lsn_words(node.location) + ":patroni";
  }
  if (node.state != "running") {
    result.state = State::kFail;
    result.sentence = own().words() + ": PostgreSQL is not running under Patroni, but " + node.state;
    return std::move(result).fact("cause", node.state == "starting" ? "loading" : "down");
  }
  result = node.leads() ? judge_leader(call, node, std::move(result)) : judge_replica(call, node, std::move(result));
  if (node.maintenance) {
    result.warning = result.state == State::kPass;
    result.sentence += "; Patroni is paused: it would not fail over";
    result.fact("maintenance", "yes");
  }
  return result;
}

Result Patroni::probe(const Call& call) {
  try {
    return look(call);
  } catch (const Trouble& trouble) {
    Result result = result_of(trouble);
    // Without its Patroni nobody vouches for a server.
    const bool unknown = trouble.status() == Status::kConfig || trouble.cause() == "dns";
    result.state = unknown ? State::kUnknown : State::kFail;
    const bool late = trouble.cause() == "timeout" || trouble.cause() == "hung";
    if (result.state == State::kFail && !late) result.status = Status::kOk;
    return result;
  }
}

Result Patroni::position(const Call& call) {
  Result result = probe(call);
  if (result.status == Status::kOk && result.position.empty()) result.status = Status::kTransient;
  return result;
}

Result Patroni::verify(const Call& call) {
  Result result = probe(call);
  result.sentence += result.role == Role::kPrimary ? " (verified)" : "";
  return result;
}

std::vector<std::string> Patroni::obstacles(const Cluster& cluster, const ClusterMember* candidate) const {
  std::vector<std::string> reasons;
  const ClusterMember* leader = cluster.leader();
  if (cluster.maintenance) reasons.emplace_back("Patroni is paused (patronictl resume)");
  if (leader == nullptr) reasons.emplace_back("the cluster has no leader to switch over from");
  if (candidate == nullptr) {
    reasons.emplace_back("the target is no member of the cluster now");
    return reasons;
  }
  const std::string name = "the member " + candidate->name;
  if (candidate->state != "running" && candidate->state != "streaming")
    reasons.push_back(name + " is " + candidate->state);
  if (candidate->barred) reasons.push_back(name + " is tagged nofailover");
  if (leader != nullptr && candidate->timeline != leader->timeline) {
    reasons.push_back(name + " is on timeline " + std::to_string(candidate->timeline) + ", the leader on " +
                      std::to_string(leader->timeline));
  }
  if (candidate->lag < 0) reasons.push_back("how far behind " + name + " is, is not known");
  if (candidate->lag > max_lag_) {
    reasons.push_back(name + " is " + std::to_string(candidate->lag) + " bytes behind (max_lag is " +
                      std::to_string(max_lag_) + ")");
  }
  return reasons;
}

/// Whatever the order was answered: what counts is who leads. An order whose answer did not come may have been obeyed.
Result Patroni::wait_for_leader(const Call& call, const Member& target, const std::string& said) {
  constexpr int kLook = 100;
  const auto kept = std::min<std::chrono::nanoseconds>(call.remaining() / 10, std::chrono::milliseconds{300});
  std::string last = said;
  while (call.remaining() > kept) {
    try {
      if (api_.holds_lock(target, call.remaining() - kept)) {
        return plugin::done(target.words() + " is the leader").fact("leader", target.name);
      }
    } catch (const Trouble& trouble) {
      last = trouble.what();
    }
    ::poll(nullptr, 0, kLook);
  }
  throw Trouble(Status::kTransient, "timeout",
                target.words() + " has not become the leader in time" + (last.empty() ? "" : ": " + last));
}

Result Patroni::step_down(const Call& call) {
  try {
    const Member* target = find(call.target());
    if (target == nullptr) {
      throw Trouble(Status::kConfig, "settings", "the target " + call.target() + " is not among the members");
    }
    const Cluster cluster = api_.cluster(own(), call.remaining());
    const ClusterMember* leader = cluster.leader();
    if (leader != nullptr && leader->name == target->name) return wait_for_leader(call, *target, {});
    const std::vector<std::string> reasons = obstacles(cluster, cluster.find(target->name));
    if (!reasons.empty()) {
      Result result = plugin::failed(Status::kRefused, "no switchover to " + target->words() + ": " + reasons.front());
      result.refusals = reasons;
      return result;
    }
    std::string said;
    try {
      said = api_.switch_over(own(), leader->name, target->name, call.remaining() * 8 / 10);
    } catch (const Trouble& trouble) {
      if (trouble.status() != Status::kTransient) throw;
      said = trouble.what();
    }
    return wait_for_leader(call, *target, said);
  } catch (const Trouble& trouble) {
    return result_of(trouble);
  }
}

}  // namespace
}  // namespace baton_patroni

BATON_PLUGIN(baton_patroni::Patroni,
             baton::plugin::About{.name = "patroni",
                                  .version = "1",
                                  .summary = "Follows the PostgreSQL leader of a Patroni cluster",
                                  .manual = baton_patroni::kManual,
                                  .keys = baton_patroni::kKeys})
