// block_writes, unblock_writes, demote and fence: how a server stops to take writes, and whom it follows then. It
// follows a server only if that holds all of its data; otherwise it is detached, which loses nothing.
#include <algorithm>
#include <chrono>

#include "redis/redis.h"

namespace baton::redis {
namespace {

using plugin::Role;
using std::chrono::milliseconds;

constexpr milliseconds kPoll{5};

std::string upstream_of(const Info& info) { return info.upstream_host() + ":" + std::to_string(info.upstream_port()); }

}  // namespace

/// Ends the sessions of clients; ours stays. Those of replicas do, too.
void Redis::end_sessions(Client& client) {
  client.command({"CLIENT", "KILL", "TYPE", "normal"});
  client.command({"CLIENT", "KILL", "TYPE", "pubsub"});
}

/// No write is acknowledged any more; the position is final. Undone if it cannot be completed.
Position Redis::block(Client& client) const {
  const auto ms = std::chrono::duration_cast<milliseconds>(host_.duration("pause_limit")).count();
  client.command({"CLIENT", "PAUSE", std::to_string(ms), "WRITE"});
  try {
    end_sessions(client);
    Position last = read_info(client).position();
    for (Position next = read_info(client).position(); next.offset != last.offset;
         next = read_info(client).position()) {
      last = next;
    }
    return last;
  } catch (const Trouble&) {
    try {
      client.ask({"CLIENT", "UNPAUSE"});
    } catch (const Trouble&) {  // NOLINT(bugprone-empty-catch): the first trouble is the one to tell
    }
    throw;
  }
}

Result Redis::block_writes(const Call& call) {
  return typed([&] {
    Client client = connect(own_, end_of(call));
    const Info info = read_info(client);
    Result result;
    if (info.replica()) {
      result = plugin::done(client.place() + " is a replica and takes no writes");
      result.role = Role::kReplica;
      result.position = info.position().text();
      return result;
    }
    if (!info.at_least(6, 2)) {
      return plugin::failed(Status::kConfig,
                            client.place() + " is " + info.version() + ": writes can be paused from Redis 6.2 on")
          .fact("cause", "version");
    }
    final_ = block(client);
    result =
        plugin::done("no client writes to " + client.place() + " any more, its final position is " + final_->text());
    result.role = Role::kPrimary;
    result.position = final_->text();
    return result;
  });
}

Result Redis::unblock_writes(const Call& call) {
  return typed([&] {
    Client client = connect(own_, end_of(call));
    client.command({"CLIENT", "UNPAUSE"});
    final_.reset();
    const Info info = read_info(client);
    Result result =
        plugin::done(client.place() + (info.primary() ? " takes writes again" : " is a replica: nothing to unblock"));
    result.role = info.primary() ? Role::kPrimary : Role::kReplica;
    result.position = info.position().text();
    return result;
  });
}

/// Where the server stood when it was promoted, if nothing but the stamp of that promotion has been written since: then
/// no client's write is lost with it. A stamp of another host, or one that the other server has, too, is older, and
/// what was written may be a client's.
std::optional<Position> Redis::before_stamp(const Stamp& theirs, const Info& own, Client& client) const {
  const auto stream = [](const Words& words) {
    std::size_t size = 1 + std::to_string(words.size()).size() + 2;
    for (const std::string& word : words) size += 1 + std::to_string(word.size()).size() + 2 + word.size() + 2;
    return static_cast<std::int64_t>(size);
  };
  const Position before{.history = own.text("master_replid2"), .offset = own.number("second_repl_offset", 0) - 1};
  if (before.offset < 0) return std::nullopt;
  const Reply stamp = client.ask({"GET", kStampKey});
  if (stamp.failed()) return std::nullopt;
  const Stamp ours = parse_stamp(stamp);
  if (ours.host != own_.host || ours.generation == theirs.generation) return std::nullopt;
  const std::int64_t stamped = stream({"SELECT", "0"}) + stream({"SET", kStampKey, stamp.text});
  if (own.position().offset - before.offset != stamped) return std::nullopt;
  return before;
}

/// Whether nothing that `own` holds would be lost if it copied `theirs`.
/// REQUIRES theirs.info.
bool Redis::holds_all(const Sight& theirs, const Info& own, Client& client) const {
  if (own.keys() == 0) return true;
  const Position position = own.position();
  if (theirs.info->holds(position)) return true;
  const std::optional<Position> before = before_stamp(theirs.stamp, own, client);
  if (before && theirs.info->holds(*before)) return true;
  // Since the block only PINGs have come: more than one, if the promotion took its time.
  return final_ && final_->history == position.history && (position.offset - final_->offset) % kPing == 0 &&
         theirs.info->contains(*final_);
}

/// A read-only replica of `host`, on disk, too; no session survives.
void Redis::become_standby(Client& client, const std::string& host, std::int64_t port) {
  client.command({"CONFIG", "SET", "replica-read-only", "yes"});
  client.command({"REPLICAOF", host, std::to_string(port)});
  end_sessions(client);
  client.command({"CLIENT", "UNPAUSE"});
  write_configuration(client);
}

void Redis::write_configuration(Client& client) {
  const Reply written = client.ask({"CONFIG", "REWRITE"});
  if (!written.failed()) return;
  if (written.code() == "NOPERM") client.raise(written, "CONFIG REWRITE");
  throw Trouble(Status::kConfig, "config_file",
                client.place() +
                    " takes no writes now, but cannot write its configuration file: a restart would undo that. "
                    "Its user needs the right to write to the file's directory");
}

void Redis::detach(Client& client) { become_standby(client, kNobodyHost, kNobodyPort); }

void Redis::set_replication_login(Client& client) const {
  if (!host_.has("replication_password_file")) return;
  client.secret_command({"CONFIG", "SET", "masteruser", host_.text("replication_username")});
  client.secret_command({"CONFIG", "SET", "masterauth", host_.text("replication_password_file")});
}

bool Redis::has_primary(const Sight& sight) { return sight.info && sight.info->primary(); }

/// Follows `target` and waits for the link, if there is a primary that could give one.
Result Redis::attach(Client& client, const Server& target, const Sight& sight, Clock::time_point until) {
  set_replication_login(client);
  become_standby(client, target.address, replication_port(target));
  final_.reset();
  return report_link(client, target, has_primary(sight) ? until : Clock::now());
}

/// What has become of the link, by `until` or `link_timeout`.
Result Redis::report_link(Client& client, const Server& target, Clock::time_point until) const {
  const auto begin = Clock::now();
  const auto link_by = std::min(until, begin + host_.duration("link_timeout"));
  Info info = read_info(client);
  while (!info.link_up() && pause_until(link_by, kPoll)) info = read_info(client);
  Result result = plugin::done(client.place() + " is a replica of " + target.host);
  result.role = Role::kReplica;
  result.position = info.position().text();
  result.fact("upstream", upstream_of(info));
  result.fact("link", info.link_up() ? "up" : info.syncing() ? "syncing" : "down");
  if (info.link_up()) {
    result.sentence += ", its link is up after " + seconds_words(Clock::now() - begin);
  } else if (info.syncing()) {
    result.sentence +=
        "; it is copying all data, " + bytes_words(info.number("master_sync_left_bytes", 0)) + " are left";
  } else {
    result.warning = true;
    result.fact("cause", "broken_link");
    result.sentence +=
        ", but its link is not up yet: if that stays so, look at its log (replication login, TLS, firewall)";
  }
  return result;
}

/// The other server is our replica: what it lacks is on its way.
Sight Redis::settle(Client& client, const Server& target, Sight sight, Clock::time_point until) {
  const auto settled_by = std::min(until, Clock::now() + host_.duration("drain_timeout"));
  while (sight.info && follows(*sight.info, own_, until) && !holds_all(sight, read_info(client), client) &&
         pause_until(settled_by, kPoll)) {
    sight = look_at(target, until);
  }
  return sight;
}

/// Detached, since the other server does not hold what this one does (or cannot be asked).
Result Redis::stay_detached(Client& client, const Server& target, const Sight& sight) {
  const Info own = read_info(client);
  detach(client);  // and from here on nothing is written: what was final remains so
  Result result;
  result.role = Role::kReplica;
  result.position = own.position().text();
  result.fact("upstream", "none").fact("link", "none");
  result.sentence = client.place() + " takes no writes and keeps its data, but follows nobody: ";
  if (!sight.info) {
    result.sentence += sight.trouble;
    result.fact("cause", "unreachable_target");
    return result;
  }
  const std::optional<std::int64_t> lacks = sight.info->lacks(own.position());
  const std::string what = lacks ? target.host + " lacks " + bytes_words(*lacks) + " of its writes"
                                 : "its data (" + own.position().text() + ") is not part of the history of " +
                                       target.host + " (" + sight.info->position().text() + ")";
  result.sentence += what;
  result.fact("cause", "diverged");
  if (lacks) result.fact("holds_alone", bytes_words(*lacks));
  if (sight.info->primary()) result.status = Status::kConflict;
  return result;
}

Result Redis::demote(const Call& call) {
  return typed([&] {
    const auto until = end_of(call);
    const Server& target = target_of(call);
    // Without a named target nobody is known to be the primary: there is no link to wait for.
    const auto link_by = call.target().empty() ? Clock::now() : until;
    Client client = connect(own_, until);
    const Info before = read_info(client);
    if (!before.at_least(6, 2)) {
      return plugin::failed(Status::kConfig,
                            client.place() + " is " + before.version() + ": Redis 6.2 is the oldest that can be driven")
          .fact("cause", "version");
    }
    if (follows(before, target, until)) {
      // Already so; nobody's session is touched. What a broken-off call may have left is put right.
      client.command({"CONFIG", "SET", "replica-read-only", "yes"});
      client.command({"CLIENT", "UNPAUSE"});
      write_configuration(client);
      const bool waits = !before.link_up() && link_by > Clock::now() && has_primary(look_at(target, until));
      return report_link(client, target, waits ? link_by : Clock::now());
    }
    if (before.primary()) block(client);
    Sight sight = look_at(target, until);
    if (before.primary()) sight = settle(client, target, std::move(sight), until);
    if (!sight.info || !holds_all(sight, read_info(client), client)) return stay_detached(client, target, sight);
    return attach(client, target, sight, link_by);
  });
}

Result Redis::fence(const Call& call) {
  return typed([&] {
    const Server& target = target_of(call);
    Client client = connect(target, end_of(call));
    Info info = read_info(client);
    if (info.primary()) {
      block(client);
      detach(client);
      info = read_info(client);
    }
    if (info.primary() || info.number("slave_read_only", 1) == 0) {
      return plugin::failed(Status::kFatal,
                            client.place() + " could not be made read-only: its role is " + info.text("role"));
    }
    Result result = plugin::done(client.place() + " takes no writes: it " +
                                 (detached(info) ? "is detached" : "follows " + upstream_of(info)));
    result.role = Role::kReplica;
    result.position = info.position().text();
    return result;
  });
}

}  // namespace baton::redis
