// probe and verify: what this host's own server is, from INFO and the stamp in one round trip. A standby whose upstream
// is dead passes with a warning: whether it may be promoted is can_promote's decision, and whoever fails could not even
// be asked to take over.
#include "redis/redis.h"

namespace baton::redis {
namespace {

using plugin::Role;
using plugin::State;

/// A trouble of the way to the server or of its first answer, as the answer of a check.
Result explain(const Trouble& trouble) {
  const std::string& cause = trouble.cause();
  Result result = plugin::fail(trouble.what());
  const bool late = cause == "timeout" || cause == "hung" || cause == "dns";
  if (late) result.status = Status::kTransient;
  if (cause == "dns") result.state = State::kUnknown;
  if (trouble.status() == Status::kConfig) {
    result.status = Status::kConfig;
    result.state = State::kUnknown;
  }
  result.fact("cause", cause);
  if (cause == "loading") result.fact("writable", "no");
  return result;
}

void worsen(Result& result, State state, const std::string& cause, const std::string& words) {
  if (state == State::kPass) {
    result.warning = true;
  } else {
    result.state = state;
  }
  result.sentence += "; " + words;
  result.fact("cause", cause);
}

std::string count(std::int64_t number, const std::string& one) {
  return std::to_string(number) + " " + one + (number == 1 ? "" : "s");
}

}  // namespace

Result Redis::probe(const Call& call) {
  const auto until = end_of(call);
  try {
    Client client = connect(own_, until);
    const std::vector<Reply> replies = client.ask_all({{"INFO"}, {"GET", kStampKey}});
    if (replies[0].failed()) client.raise(replies[0], "INFO");
    const Info info{replies[0].text};
    if (replies[1].code() == "NOPERM") client.raise(replies[1], "GET of " + std::string{kStampKey});
    return observe(client, info, parse_stamp(replies[1]), until);
  } catch (const Trouble& trouble) {
    return explain(trouble);
  }
}

Result Redis::observe(const Client& client, const Info& info, const Stamp& stamp, Clock::time_point until) {
  Result result = info.loading()   ? plugin::fail(client.place() + " is loading its data from disk")
                  : info.primary() ? describe_primary(client, info)
                                   : describe_replica(client, info, until);
  result.role = info.primary() ? Role::kPrimary : Role::kReplica;
  result.position = info.position().text();
  result.generation = stamp.generation;
  if (info.loading()) {
    result.fact("cause", "loading").fact("writable", "no");
    result.role = Role::kNone;
    result.position.clear();
  }
  result.fact("version", info.version());
  result.fact("keys", std::to_string(info.keys()));
  if (!stamp.host.empty()) result.fact("stamped_by", stamp.host);
  if (!info.loading()) note_troubles(info, result);
  return result;
}

Result Redis::describe_primary(const Client& client, const Info& info) {
  const std::vector<Info::Replica> replicas = info.replicas();
  std::int64_t online = 0;
  std::int64_t best = -1;
  for (const Info::Replica& replica : replicas) {
    if (replica.state != "online") continue;
    ++online;
    if (replica.offset > 0) best = std::max(best, replica.offset);  // 0: it has not said yet
  }
  Result result = plugin::pass(client.place() + " is the primary with " + count(online, "replica"));
  result.lag_ms = 0;
  result.lag_bytes = 0;
  result.fact("replicas", std::to_string(online));
  result.fact("read_only", "no");
  if (best >= 0) {
    const std::int64_t behind = std::max<std::int64_t>(info.position().offset - best, 0);
    result.fact("replica_lag_bytes", std::to_string(behind));
    if (behind > 0) result.sentence += ", the best one " + bytes_words(behind) + " behind";
  } else if (online == 0) {
    worsen(result, State::kPass, "no_replica", "no replica follows: nothing could take over");
  }
  return result;
}

Result Redis::describe_replica(const Client& client, const Info& info, Clock::time_point until) {
  const std::string upstream = info.upstream_host() + ":" + std::to_string(info.upstream_port());
  Result result = plugin::pass(client.place() + " is a replica of " + upstream);
  result.fact("writable", "no");
  result.fact("read_only", info.number("slave_read_only", 1) != 0 ? "yes" : "no");
  if (detached(info)) {
    result.sentence = client.place() + " is detached: it takes no writes and follows nobody";
    result.fact("upstream", "none").fact("link", "none");
    worsen(result, State::kPass, "detached", "it waits to be promoted or to follow");
    return result;
  }
  result.fact("upstream", upstream);
  result.fact("link", info.syncing() ? "syncing" : info.link_up() ? "up" : "down");
  const std::int64_t last_io = info.number("master_last_io_seconds_ago", -1);
  if (last_io >= 0) result.fact("last_io_s", std::to_string(last_io));
  bool known = false;
  for (const Server& member : members_.all) known = known || (member.host != own_.host && follows(info, member, until));
  if (!known) {
    worsen(result, State::kFail, "wrong_upstream", "that is none of the other members");
  } else if (info.syncing()) {
    worsen(result, State::kFail, "syncing", "it is copying all data and holds only a part of it");
  } else if (!info.link_up()) {
    const std::int64_t down = info.number("master_link_down_since_seconds", -1);
    if (down >= 0) result.fact("link_down_s", std::to_string(down));
    worsen(result, State::kPass, "broken_link",
           "its link is down" + (down >= 0 ? " for " + count(down, "second") : std::string{" since it started"}));
  } else if (const std::int64_t waiting = info.received_not_applied(); waiting > 0) {
    result.sentence += ", " + bytes_words(waiting) + " received but not applied";
  }
  if (info.number("slave_read_only", 1) == 0) {
    worsen(result, State::kPass, "writable_replica", "it takes writes of its own (replica-read-only no)");
  }
  return result;
}

/// What clients have met since the last probe, as Redis counts it: "" if nothing.
std::string Redis::new_refusals(const Info& info) {
  std::string worst;
  for (const char* code : {"OOM", "NOREPLICAS", "MISCONF"}) {
    const std::string counted = info.text("errorstat_" + std::string{code});
    const std::int64_t number = counted.starts_with("count=") ? std::atoll(counted.c_str() + 6) : 0;
    const auto before = counted_.find(code);
    if (before != counted_.end() && number > before->second) worst = code;
    counted_[code] = number;
  }
  return worst;
}

void Redis::note_troubles(const Info& info, Result& result) {
  const std::string refused = new_refusals(info);
  const bool primary = info.primary();
  bool writable = primary;
  const auto trouble = [&](State state, const char* cause, const std::string& words) {
    worsen(result, state, cause, words);
    writable = false;
  };
  if (info.text("aof_last_write_status") == "err") {
    trouble(State::kFail, "disk",
            "it cannot write its append-only file (aof_last_write_status:err): it refuses writes");
  } else if (info.text("rdb_last_bgsave_status") == "err") {
    const bool fails = primary && host_.text("snapshot_failure") == "fail";
    trouble(
        fails ? State::kFail : State::kPass, "disk",
        "its last snapshot failed (rdb_last_bgsave_status:err): with stop-writes-on-bgsave-error it refuses writes");
  } else if (refused == "MISCONF") {
    trouble(State::kFail, "disk", "it refuses writes because it cannot save them (MISCONF)");
  }
  if (primary && refused == "NOREPLICAS") {
    trouble(State::kPass, "replicas", "it refuses writes because too few replicas follow (min-replicas-to-write)");
  }
  const std::int64_t maximum = info.number("maxmemory", 0);
  const bool full =
      maximum > 0 && info.number("used_memory", 0) >= maximum && info.text("maxmemory_policy") == "noeviction";
  if (primary && (full || refused == "OOM"))
    trouble(State::kPass, "memory", "it has used its maxmemory and refuses writes");
  if (info.number("maxclients", 0) > 0 &&
      info.number("connected_clients", 0) * 10 >= info.number("maxclients", 0) * 9) {
    worsen(result, State::kPass, "connections",
           std::to_string(info.number("connected_clients")) + " of " + info.text("maxclients") +
               " connections are in use");
  }
  if (info.keys() == 0 && last_keys_ > 0) {
    worsen(result, State::kPass, "collapsed", "all of its " + count(last_keys_, "key") + " are gone");
  } else {
    last_keys_ = info.keys();
  }
  if (primary) result.fact("writable", writable ? "yes" : "no");
}

Result Redis::verify(const Call& call) {
  return typed([&] {
    Client client = connect(own_, end_of(call));
    const Info info = read_info(client);
    const Stamp stamp = read_stamp(client);
    Result result = plugin::done(client.place() + " is " + (info.primary() ? "the primary" : "a replica") +
                                 ", generation " + std::to_string(stamp.generation));
    result.role = info.primary() ? Role::kPrimary : Role::kReplica;
    result.generation = stamp.generation;
    result.position = info.position().text();
    return result;
  });
}

}  // namespace baton::redis
