// can_promote, drain and promote. A promotion is refused unless this server is proven to hold what was acknowledged
// (planned), or what it lacks is known and within the bounds (crash). Before it becomes writable its configuration file
// says that it follows nobody, so that it never boots writable, and never as the replica of the dead one.
#include <algorithm>
#include <chrono>

#include "redis/redis.h"

namespace baton::redis {
namespace {

using plugin::Role;
using std::chrono::milliseconds;

constexpr milliseconds kPoll{5};

std::string seconds(std::int64_t number) { return std::to_string(number) + (number == 1 ? " second" : " seconds"); }

/// Whether a Sentinel has a connection: it would undo what Baton does.
bool sentinel_watches(Client& client) {
  const std::string clients = client.command({"CLIENT", "LIST"}).text;
  return clients.find(" name=sentinel-") != std::string::npos;
}

}  // namespace

/// What speaks against this server whoever asks, but for its link.
void Redis::refuse_state(const Call& call, Client& client, const Info& info, const Stamp& stamp, const Sight& sight,
                         std::vector<std::string>& reasons) const {
  const std::string& place = client.place();
  if (info.number("cluster_enabled", 0) != 0)
    reasons.push_back(place + " is part of a Redis Cluster, which elects itself");
  if (sentinel_watches(client)) {
    reasons.push_back("a Sentinel watches " + place + " and would undo a promotion: use the module redis-sentinel");
  }
  if (info.loading()) reasons.push_back(place + " is loading its data from disk");
  if (info.syncing()) reasons.push_back(place + " is copying all data from its upstream and holds only a part of it");
  if (info.number("slave_read_only", 1) == 0) {
    reasons.push_back(place +
                      " takes writes of its own as a replica (replica-read-only no): its data may have diverged");
  }
  if (info.text("aof_last_write_status") == "err") {
    reasons.push_back(place + " cannot write its append-only file: it would refuse writes");
  } else if (info.text("rdb_last_bgsave_status") == "err") {
    reasons.push_back("the last snapshot of " + place + " failed (disk full or read-only?): it would refuse writes");
  }
  if (info.text("config_file").empty()) {
    reasons.push_back(place + " runs without a configuration file: its role would not survive a restart");
  }
  const bool saves = setting(client, "appendonly") == "yes" || !setting(client, "save").empty();
  if (!saves && !host_.flag("allow_volatile")) {
    reasons.push_back(
        place + " saves nothing to disk (no appendonly, no save): a restart would lose everything (allow_volatile)");
  }
  // Where the other one is empty, too, or where nothing was ever promoted, there is nothing to lose.
  const bool had_keys = last_keys_ > 0 || (sight.info ? sight.info->keys() > 0 : call.generation() > 1);
  if (info.keys() == 0 && had_keys && !host_.flag("allow_empty")) {
    reasons.push_back(place + " holds no key at all, not even " + kStampKey + ": its data is gone (allow_empty)");
  }
  // Its own generation once more is no conflict: it restarted, and resumes.
  const bool resumes = stamp.generation == call.generation() && stamp.host == own_.host && detached(info);
  if (call.generation() != 0 && stamp.generation >= call.generation() && !resumes) {
    reasons.push_back("the data of " + place + " is of generation " + std::to_string(stamp.generation) +
                      " already, generation " + std::to_string(call.generation()) + " would be older");
  }
}

void Redis::refuse_planned(const Call& call, const Info& info, const Server& target, const Sight& sight,
                           std::vector<std::string>& reasons) {
  const bool now = call.verb() == "promote";
  const std::optional<Position> wanted = Position::parse(call.position());
  if (!call.position().empty() && !wanted) {
    reasons.push_back("\"" + call.position() + "\" is no position of Redis (REPLICATION-ID:OFFSET)");
    return;
  }
  if (now && !wanted) {
    reasons.push_back("the final position of " + target.host + " is not known");
    return;
  }
  const std::optional<std::int64_t> lacks = wanted ? info.lacks(*wanted) : std::nullopt;
  if (wanted && !lacks) {
    reasons.push_back("its data is of another history (" + info.position().text() + ") than that of " + target.host +
                      " (" + wanted->text() + ")");
    return;
  }
  if (lacks == 0) return;
  if (now) {
    reasons.push_back("it lacks " + bytes_words(*lacks) + " of writes before the final position of " + target.host);
    return;
  }
  if (!info.link_up()) reasons.push_back("its link to " + target.host + " is down, and it does not hold everything");
  if (!sight.info) {
    reasons.push_back(sight.trouble);
    return;
  }
  const auto behind = info.lacks(sight.info->position());
  if (behind && *behind > host_.number("max_lag")) {
    reasons.push_back("it is " + bytes_words(*behind) + " behind " + target.host + ", more than " +
                      bytes_words(host_.number("max_lag")) + " (max_lag)");
  }
}

/// A detached server has no link that could tell: the other one must not hold more.
void Redis::refuse_detached(const Call& call, const Info& info, const Stamp& stamp, const Server& target,
                            const Sight& sight, std::vector<std::string>& reasons) const {
  if (call.forced()) return;
  if (!sight.info) {
    const bool newest = call.resumes() && stamp.host == own_.host && stamp.generation + 1 == call.generation();
    if (newest || host_.flag("resume_alone")) return;
    reasons.push_back("it is detached, and nothing proves that its data is the newest: " + sight.trouble +
                      " (resume_alone)");
    return;
  }
  // What the other one wrote beside a newer generation does not count: it is for its rejoin to keep.
  if (stamp.host == own_.host && stamp.generation > sight.stamp.generation) return;
  const Position theirs = sight.info->position();
  const std::optional<std::int64_t> lacks = info.lacks(theirs);
  if (lacks == 0 || sight.info->keys() == 0) return;
  if (lacks) {
    reasons.push_back(target.host + " holds " + bytes_words(*lacks) + " of writes more");
    return;
  }
  // After a restart from its append-only file a server has forgotten its history. The last primary of the newest
  // generation still holds all that was acknowledged, as far as its disk does.
  const bool was_last = stamp.generation > 0 && stamp.host == own_.host && stamp.generation >= sight.stamp.generation;
  if (was_last && info.number("aof_enabled", 0) != 0) return;
  reasons.push_back("it is detached, and its history (" + info.position().text() +
                    ") cannot be compared with that of " + target.host + " (" + theirs.text() + ")");
}

void Redis::refuse_crash(const Call& call, const Info& info, const Server& target, const Sight& sight,
                         Clock::time_point until, std::vector<std::string>& reasons) {
  if (sight.info && sight.info->primary()) {
    reasons.push_back(target.host + " (" + target.endpoint() +
                      ") answers and is a primary: it has to be demoted or fenced first");
  } else if (sight.answers) {
    reasons.push_back(target.host + " (" + target.endpoint() + ") is alive: " + sight.trouble);
  }
  if (detached(info) || call.forced()) return;
  if (!follows(info, target, until)) {
    reasons.push_back("it follows " + info.upstream_host() + ":" + std::to_string(info.upstream_port()) + ", not " +
                      target.host + " (" + target.address + ":" + std::to_string(replication_port(target)) + ")");
    return;
  }
  const auto silence = std::chrono::seconds{info.number("master_last_io_seconds_ago", 0)};
  const std::int64_t down = info.number("master_link_down_since_seconds", -1);
  // The stream of a server that is a replica itself (fenced, say) brings no new writes.
  const bool fenced = sight.info && !sight.info->primary();
  if (fenced) {
    // What it has, it still sends.
  } else if (info.link_up() && silence < host_.duration("link_silence")) {
    reasons.push_back("its link to " + target.host + " is up, the last byte came " + seconds(silence.count()) +
                      " ago (link_silence " + seconds_words(host_.duration("link_silence")) +
                      "): that server is alive");
  } else if (!info.link_up() && down < 0) {
    reasons.push_back("it has had no link to " + target.host + " since it started: nothing tells how old its data is");
  } else if (!info.link_up() && std::chrono::seconds{down} > host_.duration("max_link_down")) {
    reasons.push_back("its link to " + target.host + " has been down for " + seconds(down) + ", longer than " +
                      seconds_words(host_.duration("max_link_down")) + " (max_link_down)");
  }
  std::optional<Position> last = Position::parse(call.position());
  if (!last && sight.info) last = sight.info->position();
  if (!last) return;
  const std::optional<std::int64_t> lacks = info.lacks(*last);
  if (!lacks) {
    reasons.push_back("its data is of another history (" + info.position().text() + ") than that of " + target.host +
                      " (" + last->text() + ")");
  } else if (*lacks > host_.number("max_lag")) {
    reasons.push_back("it lacks " + bytes_words(*lacks) + " of writes of " + target.host + ", more than " +
                      bytes_words(host_.number("max_lag")) + " (max_lag)");
  }
}

/// A pair that has never been under Baton: its primary is taken as it is, if the other server is its replica.
bool Redis::may_adopt(const Stamp& stamp, const Sight& sight, Clock::time_point until) {
  return stamp.generation == 0 && sight.info && follows(*sight.info, own_, until);
}

/// Tells a missing right before anything has changed: Redis looks at rights first, and then refuses a write to a
/// replica.
void Redis::rehearse_stamp(Client& client) {
  const Reply reply = client.ask({"SET", kStampKey, "0"});
  if (reply.code() == "NOPERM") client.raise(reply, "SET of " + std::string{kStampKey});
}

std::vector<std::string> Redis::refusals(const Call& call, Client& client, const Info& info, const Stamp& stamp,
                                         const Server& target, const Sight& sight, Clock::time_point until) {
  std::vector<std::string> reasons;
  if (call.planned()) {
    if (!detached(info) && !follows(info, target, until)) {
      reasons.push_back("it follows " + info.upstream_host() + ":" + std::to_string(info.upstream_port()) + ", not " +
                        target.host + " (" + target.address + ":" + std::to_string(replication_port(target)) + ")");
    } else {
      refuse_planned(call, info, target, sight, reasons);
    }
  } else {
    refuse_crash(call, info, target, sight, until, reasons);
    if (detached(info)) refuse_detached(call, info, stamp, target, sight, reasons);
  }
  refuse_state(call, client, info, stamp, sight, reasons);
  if (info.number("slave_read_only", 1) != 0) rehearse_stamp(client);
  return reasons;
}

Result Redis::can_promote(const Call& call) {
  return typed([&] {
    const auto until = end_of(call);
    const Server& target = target_of(call);
    Client client = connect(own_, until);
    const Info info = read_info(client);
    const Stamp stamp = read_stamp(client);
    const Sight sight = look_at(target, until);
    Result result;
    result.role = info.primary() ? Role::kPrimary : Role::kReplica;
    result.generation = stamp.generation;
    result.position = info.position().text();
    if (info.primary()) {
      const bool ours = call.generation() != 0 && stamp.generation == call.generation();
      if (ours || info.untouched_since_promotion() || may_adopt(stamp, sight, until)) {
        result.sentence = client.place() + " is the primary already";
        return result;
      }
      result.refusals.push_back(client.place() + " is a primary already, of generation " +
                                std::to_string(stamp.generation));
    } else {
      result.refusals = refusals(call, client, info, stamp, target, sight, until);
    }
    if (result.refusals.empty()) {
      result.sentence = client.place() + " can be promoted";
      return result;
    }
    result.status = Status::kRefused;
    result.sentence = client.place() + " cannot be promoted: " + result.refusals.front();
    return result;
  });
}

Result Redis::drain(const Call& call) {
  return typed([&] {
    const auto begin = Clock::now();
    const auto until = std::min(end_of(call), begin + host_.duration("drain_timeout"));
    const std::optional<Position> wanted = Position::parse(call.position());
    if (!call.position().empty() && !wanted) {
      return plugin::failed(Status::kRefused,
                            "\"" + call.position() + "\" is no position of Redis (REPLICATION-ID:OFFSET)");
    }
    Client client = connect(own_, end_of(call));
    for (;;) {
      const Info info = read_info(client);
      const std::optional<std::int64_t> lacks = wanted ? info.lacks(*wanted) : info.received_not_applied();
      if (!lacks) {
        return plugin::failed(Status::kRefused, client.place() + " holds data of another history (" +
                                                    info.position().text() + ") than " + wanted->text());
      }
      if (*lacks == 0) {
        Result result = plugin::done(client.place() + " has everything up to " +
                                     (wanted ? wanted->text() : std::string{"what it received"}) + " after " +
                                     seconds_words(Clock::now() - begin));
        result.position = info.position().text();
        return result;
      }
      if (pause_until(until, kPoll)) continue;
      return plugin::failed(Status::kTransient, client.place() + " still lacks " + bytes_words(*lacks) + " after " +
                                                    seconds_words(Clock::now() - begin) + " (drain_timeout)")
          .fact("cause", "lag");
    }
  });
}

/// Applies what the link has brought; afterwards nothing more comes, whoever is at the other end.
Info Redis::leave_upstream(Client& client, const Server& target, Clock::time_point until) const {
  client.command({"CONFIG", "SET", "replica-read-only", "yes"});  // it is so already: a rehearsal
  client.command({"CLIENT", "UNPAUSE"});                          // of a move in which this server gave, long ago
  const auto drained_by = std::min(until, Clock::now() + host_.duration("drain_timeout"));
  for (Info info = read_info(client); info.received_not_applied() > 0; info = read_info(client)) {
    if (pause_until(drained_by, kPoll)) continue;
    throw Trouble(Status::kRefused, "lag",
                  client.place() + " has not applied " + bytes_words(info.received_not_applied()) +
                      " that it received (drain_timeout)");
  }
  client.command({"REPLICAOF", kNobodyHost, std::to_string(kNobodyPort)});
  const Reply written = client.ask({"CONFIG", "REWRITE"});
  if (!written.failed()) return read_info(client);
  // Still nothing has happened: as it was.
  client.ask({"REPLICAOF", target.address, std::to_string(replication_port(target))});
  if (written.code() == "NOPERM") client.raise(written, "CONFIG REWRITE");
  throw Trouble(Status::kConfig, "config_file",
                client.place() +
                    " cannot write its configuration file: its role would not survive a restart. Its user needs "
                    "the right to write to the file's directory");
}

/// Sends `role_change` (if any) and the stamp in one piece: Redis runs what it has read of a client without a pause, so
/// nobody writes in between, and a crash of ours cannot leave a primary without its stamp.
void Redis::write_stamp(Client& client, const Call& call, const Words& role_change, Result& result) const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string value = std::to_string(call.generation()) + " " + own_.host + " " +
                            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  // Clients have to wait for a replica where that is wanted; the mark that decides who is newer must not.
  const std::string wanted = setting(client, "min-replicas-to-write");
  const bool waits = !wanted.empty() && wanted != "0";
  if (waits) client.command({"CONFIG", "SET", "min-replicas-to-write", "0"});
  std::vector<Words> commands;
  if (!role_change.empty()) commands.push_back(role_change);
  commands.push_back({"SET", kStampKey, value});
  const std::vector<Reply> replies = client.ask_all(commands);
  if (waits) client.command({"CONFIG", "SET", "min-replicas-to-write", wanted});
  if (replies.back().failed()) {
    if (!role_change.empty()) detach(client);
    client.raise(replies.back(), "SET of " + std::string{kStampKey});
  }
  const Stamp read = read_stamp(client);
  const Info info = read_info(client);
  if (!info.primary() || read.generation != call.generation()) {
    throw Trouble(Status::kFatal, "verify",
                  client.place() + " was promoted, but " + kStampKey + " reads generation " +
                      std::to_string(read.generation) + " and its role is " + info.text("role"));
  }
  if (waits) {
    result.fact("min_replicas", wanted);
    result.sentence += "; it takes writes as soon as " + wanted + " of its replicas follow (min-replicas-to-write)";
  }
  result.role = Role::kPrimary;
  result.generation = read.generation;
  result.position = info.position().text();
}

Result Redis::promote_primary(const Call& call, Client& client, const Info& info, const Stamp& stamp,
                              const Sight& sight, Clock::time_point until) {
  const std::string generation = std::to_string(call.generation());
  Result result = plugin::done(client.place() + " is the primary of generation " + generation);
  result.role = Role::kPrimary;
  if (stamp.generation == call.generation()) {
    result.generation = stamp.generation;
    result.position = info.position().text();
    return result;
  }
  // A promotion that broke off before its stamp is finished: nothing has been written since.
  if (stamp.generation < call.generation() && (info.untouched_since_promotion() || may_adopt(stamp, sight, until))) {
    write_stamp(client, call, {}, result);
    return result;
  }
  result = plugin::failed(Status::kConflict, client.place() + " is a primary of generation " +
                                                 std::to_string(stamp.generation) + " already, not of " + generation);
  result.role = Role::kPrimary;
  result.generation = stamp.generation;
  result.fact("cause", "conflict");
  return result;
}

Result Redis::promote(const Call& call) {
  return typed([&] {
    const auto until = end_of(call);
    const Server& target = target_of(call);
    if (call.generation() == 0) return plugin::failed(Status::kRefused, "a promotion needs a generation");
    Client client = connect(own_, until);
    const Info before = read_info(client);
    const Stamp stamp = read_stamp(client);
    const Sight sight = look_at(target, until);
    if (before.primary()) return promote_primary(call, client, before, stamp, sight, until);
    Result result;
    result.refusals = refusals(call, client, before, stamp, target, sight, until);
    if (!result.refusals.empty()) {
      result.status = Status::kRefused;
      result.sentence = client.place() + " is not promoted: " + result.refusals.front();
      result.role = Role::kReplica;
      return result;
    }
    const Info info = leave_upstream(client, target, until);
    std::optional<Position> last = Position::parse(call.position());
    if (!last && sight.info) last = sight.info->position();
    const std::int64_t lost = last ? info.lacks(*last).value_or(-1) : -1;  // -1: not known
    result.sentence = client.place() + " is the primary of generation " + std::to_string(call.generation());
    if (!call.planned()) {
      result.fact("lost_at_most", lost < 0 ? "unknown" : bytes_words(lost));
      result.sentence += lost < 0 ? "; how many writes are missing is unknown: nothing was heard of " + target.host
                                  : "; at most " + bytes_words(lost) +
                                        " of writes are missing of the last that was heard of " + target.host;
    }
    write_stamp(client, call, {"REPLICAOF", "NO", "ONE"}, result);
    return result;
  });
}

}  // namespace baton::redis
