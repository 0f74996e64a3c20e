// The planned move under Sentinel. A bare SENTINEL FAILOVER lets the old primary take writes for seconds that are lost
// afterwards; so writes are paused first, the target has to have all of them, and the old primary is made a replica
// here rather than when Sentinel comes to it, more than 20 s later.
#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "redis-sentinel/redis_sentinel.h"

namespace baton::redis {
namespace {

using plugin::Role;
using std::chrono::milliseconds;

constexpr milliseconds kPoll{10};

template <class Body>
Result typed(Body body) {
  try {
    return body();
  } catch (const Trouble& trouble) {
    return plugin::failed(trouble.status(), trouble.what()).fact("cause", trouble.cause());
  }
}

std::string field(const Reply& reply, const std::string& name) {
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    if (reply.elements[i].text == name) return reply.elements[i + 1].text;
  }
  return {};
}

void unpause(Client& client) {
  try {
    client.ask({"CLIENT", "UNPAUSE"});
  } catch (const Trouble&) {  // NOLINT(bugprone-empty-catch): it ends by itself, and another trouble is told
  }
}

}  // namespace

const Server& RedisSentinel::target_of(const Call& call) const {
  const std::string target = call.target();
  if (target.empty() && members_.all.size() == 2) {
    return members_.all.front().host == own_.host ? members_.all.back() : members_.all.front();
  }
  const Server* server = target.empty() ? nullptr : members_.find(target);
  if (server == nullptr || server->host == own_.host) {
    throw Trouble(Status::kRefused, "target",
                  target.empty() ? "there are several other members: the call has to say which one shall take over"
                                 : "no other member is " + target);
  }
  return *server;
}

/// Sentinel takes the replica with the lowest replica-priority: it must be the one that is meant.
void RedisSentinel::refuse_other_candidates(const Server& target, Clock::time_point until,
                                            std::vector<std::string>& reasons) {
  const Reply replicas = sentinels_.ask_one({"SENTINEL", "REPLICAS", name_}, resolver_, until);
  std::int64_t own = -1;
  std::int64_t best_other = -1;
  std::string other;
  for (const Reply& one : replicas.elements) {
    const std::int64_t priority = std::atoll(field(one, "slave-priority").c_str());
    const std::string flags = field(one, "flags");
    const bool down = flags.find("down") != std::string::npos || flags.find("disconnected") != std::string::npos;
    const bool is_target = field(one, "port") == std::to_string(target.port) &&
                           same_address(resolver_, target.address, field(one, "ip"), access_.connect_timeout);
    if (is_target) {
      own = priority;
      if (down) reasons.push_back("the Sentinels hold " + target.host + " for unwell: " + flags);
    } else if (!down && priority > 0 && (best_other < 0 || priority < best_other)) {
      best_other = priority;
      other = field(one, "ip") + ":" + field(one, "port");
    }
  }
  if (own < 0) reasons.push_back("the Sentinels know no replica " + target.endpoint() + " (" + target.host + ")");
  if (own == 0) reasons.push_back(target.host + " has replica-priority 0: the Sentinels never take it");
  if (own > 0 && best_other > 0 && best_other <= own) {
    reasons.push_back("the Sentinels may take " + other + " (replica-priority " + std::to_string(best_other) +
                      ") instead of " + target.host + " (" + std::to_string(own) + "): give that the lower one");
  }
}

std::vector<std::string> RedisSentinel::refusals(const Quorum& quorum, const Info& own, const Info& theirs,
                                                 const Server& target, Clock::time_point until) {
  std::vector<std::string> reasons;
  if (!own.at_least(6, 2)) reasons.push_back("writes can be paused from Redis 6.2 on, this is " + own.version());
  if (!quorum.agreed->can_fail_over) reasons.push_back("the Sentinels could not fail over: " + quorum.agreed->trouble);
  if (quorum.agreed->flags.find("failover_in_progress") != std::string::npos) {
    reasons.push_back("a failover is running already");
  }
  if (!follows(theirs, own_)) {
    reasons.push_back(target.host + " is no replica of this server: it is " +
                      (theirs.primary() ? "a primary" : "one of " + theirs.upstream_host()));
  } else if (!theirs.link_up()) {
    reasons.push_back("the link of " + target.host + " is down");
  }
  const std::optional<std::int64_t> behind = theirs.lacks(own.position());
  if (!behind || *behind > host_.number("max_lag")) {
    reasons.push_back(target.host + " is " + (behind ? bytes_words(*behind) + " behind" : "of another history") +
                      ", at most " + bytes_words(host_.number("max_lag")) + " are allowed (max_lag)");
  }
  refuse_other_candidates(target, until, reasons);
  return reasons;
}

Result RedisSentinel::step_down(const Call& call) {
  return typed([&] {
    const auto until = end_of(call);
    const Server& target = target_of(call);
    Client client = connect(own_, until);
    const Info own = read_info(client);
    const Quorum quorum = sentinels_.poll(resolver_, until);
    if (!quorum.agreed) {
      return plugin::failed(quorum.configuration ? Status::kConfig : Status::kRefused,
                            "no majority of the Sentinels agrees on a primary" +
                                (quorum.troubles.empty() ? std::string{} : ": " + quorum.troubles.back()))
          .fact("cause", quorum.configuration ? quorum.cause : "no_quorum");
    }
    Client other = connect(target, until);
    const Info theirs = read_info(other);
    if (named(quorum, target) && theirs.primary() && own.replica()) {
      Result result = plugin::done(target.host + " is the primary already");
      result.role = Role::kReplica;
      return result;
    }
    Result result;
    if (!own.primary() || !named(quorum, own_)) {
      result.refusals.push_back(client.place() + " is not the primary: the Sentinels name " + quorum.names());
    } else {
      result.refusals = refusals(quorum, own, theirs, target, until);
    }
    if (result.refusals.empty()) return move(call, client, target, until);
    result.status = Status::kRefused;
    result.sentence = "the role does not move to " + target.host + ": " + result.refusals.front();
    return result;
  });
}

Result RedisSentinel::move(const Call&, Client& client, const Server& target, Clock::time_point until) {
  const auto begin = Clock::now();
  const auto pause = std::chrono::duration_cast<milliseconds>(host_.duration("pause_limit"));
  client.command({"CLIENT", "PAUSE", std::to_string(pause.count()), "WRITE"});
  Position final;
  try {
    // Writers wait, others keep their sessions until the role has moved.
    final = read_info(client).position();
    Client other = connect(target, until);
    const auto drained_by = std::min(until, begin + host_.duration("drain_timeout"));
    Info theirs = read_info(other);
    while (!theirs.contains(final)) {
      if (!pause_until(drained_by, kPoll)) {
        throw Trouble(Status::kTransient, "lag",
                      target.host + " still lacks " + bytes_words(theirs.lacks(final).value_or(0)) + " after " +
                          seconds_words(Clock::now() - begin) + " (drain_timeout); " + client.place() +
                          " takes writes again");
      }
      theirs = read_info(other);
    }
    const Reply reply = sentinels_.ask_one({"SENTINEL", "FAILOVER", name_}, resolver_, until);
    if (reply.failed()) {
      throw Trouble(Status::kRefused, "failover",
                    "the Sentinels refuse the failover: " + reply.text + "; " + client.place() + " takes writes again");
    }
  } catch (const Trouble&) {
    unpause(client);
    throw;
  }
  return hand_over(client, target, final, begin, until);
}

/// The failover runs and cannot be called back: writes stay paused until it is known how it ended.
Result RedisSentinel::hand_over(Client& client, const Server& target, const Position& final, Clock::time_point begin,
                                Clock::time_point until) {
  const auto named_by = std::min(until, Clock::now() + host_.duration("failover_timeout"));
  Quorum quorum = sentinels_.poll(resolver_, named_by);
  std::optional<Info> theirs;
  while (!(named(quorum, target) && theirs && theirs->primary())) {
    if (!pause_until(named_by, kPoll)) break;
    quorum = sentinels_.poll(resolver_, named_by);
    Client other = connect(target, until);
    theirs.emplace(read_info(other));
  }
  const bool moved = named(quorum, target) && theirs && theirs->primary();
  const bool given_up = named(quorum, own_) && quorum.agreed->flags.find("failover_in_progress") == std::string::npos &&
                        theirs && follows(*theirs, own_);
  if (!moved && given_up) {
    unpause(client);
    return plugin::failed(Status::kTransient, "the Sentinels have not failed over within " +
                                                  seconds_words(Clock::now() - begin) + "; " + client.place() +
                                                  " is the primary still and takes writes again")
        .fact("cause", "failover");
  }
  if (!moved) {
    return plugin::failed(Status::kFatal, "whether the Sentinels fail over to " + target.host + " is not known after " +
                                              seconds_words(Clock::now() - begin) + "; writes stay paused on " +
                                              client.place() + " for " + seconds_words(host_.duration("pause_limit")) +
                                              " (pause_limit)")
        .fact("cause", "failover");
  }
  const auto took = seconds_words(Clock::now() - begin);
  const Info own = read_info(client);
  if (own.primary() && !theirs->contains(final)) {
    return plugin::failed(Status::kConflict, target.host + " has been promoted without all writes of " +
                                                 client.place() + " (" + final.text() +
                                                 "): they stay there, paused (pause_limit)")
        .fact("cause", "diverged");
  }
  if (own.primary()) client.command({"REPLICAOF", target.address, std::to_string(target.port)});
  client.command({"CLIENT", "KILL", "TYPE", "normal"});
  client.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  client.command({"CLIENT", "UNPAUSE"});  // as a replica it takes no writes
  Result result =
      plugin::done(target.host + " is the primary after " + took + ", with everything up to " + final.text());
  result.role = Role::kReplica;
  result.position = final.text();
  return std::move(result).fact("took", took).fact("named", quorum.names());
}

Result RedisSentinel::unblock_writes(const Call& call) {
  return typed([&] {
    Client client = connect(own_, end_of(call));
    client.command({"CLIENT", "UNPAUSE"});
    return plugin::done(client.place() + " does not hold writes back");
  });
}

}  // namespace baton::redis
