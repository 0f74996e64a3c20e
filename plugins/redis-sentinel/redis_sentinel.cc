// Keys, probe and can_promote of the module `redis-sentinel`: see redis_sentinel.h.
#include "redis-sentinel/redis_sentinel.h"

#include <algorithm>
#include <csignal>

namespace baton::redis {
namespace {

using plugin::key;
using plugin::Role;
using plugin::State;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86400 * kSecond;
constexpr std::uint16_t kSentinelPort = 26379;

constexpr baton_key kKeys[] = {
    key("master_name", BATON_KEY_TEXT, "What Sentinel calls the primary and its replicas.", "mymaster"),
    key("member", BATON_KEY_TEXT, "HOST ADDRESS[:PORT] of a server; one entry for each host, this one among them.",
        nullptr, BATON_KEY_REQUIRED | BATON_KEY_LIST),
    key("sentinel", BATON_KEY_TEXT, "ADDRESS[:PORT] of a Sentinel; all of them, at least three.", nullptr,
        BATON_KEY_REQUIRED | BATON_KEY_LIST),
    key("socket", BATON_KEY_PATH, "Unix socket of this host's own server, used instead of its address."),
    key("username", BATON_KEY_TEXT,
        "User of the servers for checks; without it the password is that of the default user."),
    key("password_file", BATON_KEY_SECRET, "File with its password."),
    key("drive_username", BATON_KEY_TEXT, "User of the servers for acts, if not `username`."),
    key("drive_password_file", BATON_KEY_SECRET, "File with its password. Only acts get it.", nullptr, BATON_KEY_ACTS),
    key("sentinel_username", BATON_KEY_TEXT, "User of the Sentinels for checks."),
    key("sentinel_password_file", BATON_KEY_SECRET, "File with its password."),
    key("sentinel_drive_username", BATON_KEY_TEXT, "User of the Sentinels for acts, if not `sentinel_username`."),
    key("sentinel_drive_password_file", BATON_KEY_SECRET, "File with its password. Only acts get it.", nullptr,
        BATON_KEY_ACTS),
    key("tls", BATON_KEY_WORD, "yes: TLS with a verified certificate; unverified: any certificate is accepted.", "no",
        0, "no|yes|unverified"),
    key("sentinel_tls", BATON_KEY_WORD, "The same for the Sentinels, if not as `tls`.", nullptr, 0,
        "no|yes|unverified"),
    key("tls_ca", BATON_KEY_PATH, "Authorities (PEM) to trust instead of the system's."),
    key("tls_cert", BATON_KEY_SECRET, "File with our certificate (PEM) and its chain."),
    key("tls_key", BATON_KEY_SECRET, "File with its key (PEM, not encrypted), if it is not in tls_cert."),
    key("tls_server_name", BATON_KEY_TEXT, "Name that the certificates have to have, if not the address."),
    key("connect_timeout", BATON_KEY_DURATION, "The longest that a connection may take, TLS included.", "1s", 0,
        nullptr, 10'000'000, 60 * kSecond),
    key("query_timeout", BATON_KEY_DURATION, "The longest that an answer may take.", "2s", 0, nullptr, 10'000'000,
        60 * kSecond),
    key("resolve_every", BATON_KEY_DURATION, "How long the addresses of a name are good.", "60s", 0, nullptr, kSecond,
        kDay),
    key("max_lag", BATON_KEY_INTEGER, "Bytes that the target of a planned move may be behind when it begins.",
        "1048576", 0, nullptr, 0, std::int64_t{1} << 40),
    key("drain_timeout", BATON_KEY_DURATION, "How long a planned move waits for the target to have everything.", "30s",
        0, nullptr, kSecond / 10, kDay),
    key("failover_timeout", BATON_KEY_DURATION, "How long a planned move waits for the Sentinels.", "30s", 0, nullptr,
        kSecond, kDay),
    key("pause_limit", BATON_KEY_DURATION,
        "How long writes stay paused on the old primary, should nobody make it a replica; Sentinel takes more than 20 "
        "s.",
        "60s", 0, nullptr, 30 * kSecond, kDay),
};

constexpr const char* kManual =
    "A Redis or Valkey primary with replicas under Sentinel. The Sentinels elect; this module only tells which host is "
    "the "
    "primary: the one that says so itself, and that a majority of the configured Sentinels names, in no older epoch "
    "than "
    "has been seen.\n\n"
    "step_down makes a planned move without loss: writes are paused, the replica catches up, then Sentinel fails "
    "over.\n\n"
    "Facts: cause, version, sentinels, named, epoch, failover, upstream, link, writable, replicas, replica_lag_bytes, "
    "keys.";

std::vector<Server> sentinels_of(const Host& host) {
  std::vector<Server> servers;
  for (const std::string& entry : host.list("sentinel")) {
    std::string error;
    if (const auto server = parse_endpoint(entry, kSentinelPort, error)) servers.push_back(*server);
  }
  return servers;
}

Access sentinel_access(const Host& host) {
  const bool drives = host.acts() && (host.has("sentinel_drive_username") || host.has("sentinel_drive_password_file"));
  Access access = drives ? access_of(host, "sentinel_drive_username", "sentinel_drive_password_file")
                         : access_of(host, "sentinel_username", "sentinel_password_file");
  if (!host.has("sentinel_tls")) return access;
  access.tls = host.text("sentinel_tls") != "no";
  access.tls_settings.verify = host.text("sentinel_tls") == "yes";
  return access;
}

Access server_access(const Host& host) {
  const bool drives = host.acts() && (host.has("drive_username") || host.has("drive_password_file"));
  return drives ? access_of(host, "drive_username", "drive_password_file")
                : access_of(host, "username", "password_file");
}

Result explain(const Trouble& trouble) {
  const std::string& cause = trouble.cause();
  Result result = plugin::fail(trouble.what());
  if (cause == "timeout" || cause == "hung" || cause == "dns") result.status = Status::kTransient;
  if (cause == "dns") result.state = State::kUnknown;
  if (trouble.status() == Status::kConfig) {
    result.status = Status::kConfig;
    result.state = State::kUnknown;
  }
  return std::move(result).fact("cause", cause);
}

}  // namespace

RedisSentinel::RedisSentinel(const Host& host)
    : host_(host),
      members_(Members::parse(host.list("member"))),
      access_(server_access(host)),
      name_(host.text("master_name")),
      sentinels_(sentinels_of(host), sentinel_access(host), name_),
      resolver_(host.duration("resolve_every")) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that a peer may have closed
  const Server* own = members_.find(host.host_name());
  if (own == nullptr) throw plugin::Failure(Status::kConfig, "no member entry is for this host, " + host.host_name());
  own_ = *own;
}

void RedisSentinel::check_settings(const Host& host) {
  check_members(host, 2);
  check_tls(host);
  check_login(host, "username", "password_file");
  check_login(host, "drive_username", "drive_password_file");
  check_login(host, "sentinel_username", "sentinel_password_file");
  check_login(host, "sentinel_drive_username", "sentinel_drive_password_file");
  std::vector<std::string> seen;
  for (const std::string& entry : host.list("sentinel")) {
    std::string error;
    const auto server = parse_endpoint(entry, kSentinelPort, error);
    if (!server) {
      host.complain("sentinel", error);
      continue;
    }
    if (std::find(seen.begin(), seen.end(), server->endpoint()) != seen.end()) {
      host.complain("sentinel", server->endpoint() + " is there twice");
    }
    seen.push_back(server->endpoint());
  }
  if (seen.size() < 3) {
    host.complain("sentinel", "of " + std::to_string(seen.size()) +
                                  " no majority is left when one fails: at least three are needed, on three hosts");
  }
}

Client RedisSentinel::connect(const Server& server, Clock::time_point until) {
  if (server.host != own_.host || !host_.has("socket")) return Client{server, access_, resolver_, until};
  Server local = server;
  local.unix_socket = host_.text("socket");
  Access access = access_;
  access.tls = false;  // Redis speaks plain text on its unix socket
  return Client{local, access, resolver_, until};
}

bool RedisSentinel::named(const Quorum& quorum, const Server& server) {
  return quorum.agreed && quorum.agreed->port == server.port &&
         same_address(resolver_, server.address, quorum.agreed->address, access_.connect_timeout);
}

bool RedisSentinel::follows(const Info& info, const Server& server) {
  return info.replica() && info.upstream_port() == server.port &&
         same_address(resolver_, server.address, info.upstream_host(), access_.connect_timeout);
}

/// It says itself that it is the primary. Alone that means nothing: a former one says so for seconds after its return,
/// and what it takes then is lost.
Result RedisSentinel::judge_primary(const Client& client, const Quorum& quorum) {
  if (!quorum.agreed) {
    const std::string why = quorum.troubles.empty() ? "they disagree" : quorum.troubles.back();
    Result result = plugin::unknown(client.place() + " says it is the primary, but no majority of the Sentinels (" +
                                    std::to_string(quorum.needed) + " of " + std::to_string(sentinels_.count()) +
                                    ") can confirm it: " + why);
    result.status = quorum.configuration ? Status::kConfig : Status::kTransient;
    return std::move(result)
        .fact("cause", quorum.configuration ? quorum.cause : "no_quorum")
        .fact("writable", "unknown");
  }
  if (!named(quorum, own_)) {
    return plugin::fail(client.place() + " says it is the primary, but the Sentinels name " + quorum.names() +
                        ": what it takes now will be lost")
        .fact("cause", "deposed")
        .fact("writable", "yes");
  }
  if (quorum.agreed->epoch < highest_epoch_) {
    Result result =
        plugin::unknown("the Sentinels name " + client.place() + " in epoch " + std::to_string(quorum.agreed->epoch) +
                        ", but epoch " + std::to_string(highest_epoch_) + " has been seen");
    result.status = Status::kTransient;
    return std::move(result).fact("cause", "old_epoch");
  }
  Result result = plugin::pass(client.place() + " is the primary, and the Sentinels say so");
  result.role = Role::kPrimary;
  result.lag_bytes = 0;
  result.lag_ms = 0;
  if (!quorum.agreed->can_fail_over) {
    result.warning = true;
    result.sentence += "; but they could not fail over: " + quorum.agreed->trouble;
    result.fact("cause", "no_failover");
  }
  return std::move(result).fact("writable", "yes");
}

Result RedisSentinel::judge_replica(const Client& client, const Info& info, const Quorum& quorum) {
  const std::string upstream = info.upstream_host() + ":" + std::to_string(info.upstream_port());
  Result result = plugin::pass(client.place() + " is a replica of " + upstream);
  result.role = Role::kReplica;
  result.fact("writable", "no").fact("upstream", upstream);
  result.fact("link", info.syncing() ? "syncing" : info.link_up() ? "up" : "down");
  const auto worsen = [&](State state, const char* cause, const std::string& words) {
    if (state == State::kFail)
      result.state = state;
    else
      result.warning = true;
    result.sentence += "; " + words;
    result.fact("cause", cause);
  };
  if (info.syncing()) {
    worsen(State::kFail, "syncing", "it is copying all data and holds only a part of it");
  } else if (named(quorum, own_)) {
    worsen(State::kPass, "promotion", "the Sentinels name it: it is about to be promoted");
  } else if (!info.link_up()) {
    worsen(State::kPass, "broken_link", "its link is down");
  } else if (quorum.agreed &&
             !(quorum.agreed->port == info.upstream_port() &&
               same_address(resolver_, quorum.agreed->address, info.upstream_host(), access_.connect_timeout))) {
    worsen(State::kPass, "wrong_upstream", "but the Sentinels name " + quorum.names());
  }
  if (!quorum.agreed) {
    worsen(State::kPass, quorum.configuration ? quorum.cause.c_str() : "no_quorum",
           "no majority of the Sentinels agrees" +
               (quorum.troubles.empty() ? std::string{} : ": " + quorum.troubles.back()));
    if (quorum.configuration) {
      result.status = Status::kConfig;
      result.state = State::kUnknown;
    }
  }
  return result;
}

Result RedisSentinel::judge(const Client& client, const Info& info, const Quorum& quorum) {
  if (info.loading()) {
    return plugin::fail(client.place() + " is loading its data from disk")
        .fact("cause", "loading")
        .fact("writable", "no");
  }
  highest_epoch_ = std::max(highest_epoch_, quorum.highest_epoch);
  Result result = info.primary() ? judge_primary(client, quorum) : judge_replica(client, info, quorum);
  result.position = info.position().text();
  result.fact("version", info.version()).fact("keys", std::to_string(info.keys()));
  result.fact("sentinels", std::to_string(quorum.answered) + " of " + std::to_string(quorum.asked) + " asked, " +
                               std::to_string(sentinels_.count()) + " in all");
  if (quorum.agreed) {
    result.fact("named", quorum.names()).fact("epoch", std::to_string(quorum.agreed->epoch));
    result.fact("failover", quorum.agreed->flags.find("failover_in_progress") != std::string::npos ? "running"
                            : quorum.agreed->can_fail_over                                         ? "possible"
                                                                                                   : "impossible");
  }
  if (info.text("aof_last_write_status") == "err" || info.text("rdb_last_bgsave_status") == "err") {
    result.warning = true;
    result.sentence += "; it cannot save to its disk";
    result.fact("cause", "disk");
  }
  std::int64_t online = 0;
  std::int64_t best = 0;
  for (const Info::Replica& replica : info.replicas()) {
    if (replica.state != "online") continue;
    ++online;
    best = std::max(best, replica.offset);
  }
  if (info.primary()) result.fact("replicas", std::to_string(online));
  if (info.primary() && best > 0) {
    result.fact("replica_lag_bytes", std::to_string(std::max<std::int64_t>(info.position().offset - best, 0)));
  }
  return result;
}

Result RedisSentinel::probe(const Call& call) {
  try {
    const auto until = end_of(call);
    Client client = connect(own_, until);
    const Info info = read_info(client);
    return judge(client, info, sentinels_.poll(resolver_, until));
  } catch (const Trouble& trouble) {
    return explain(trouble);
  }
}

Result RedisSentinel::verify(const Call& call) {
  Result result = probe(call);
  if (result.status == Status::kOk && result.state != State::kPass) result.status = Status::kTransient;
  return result;
}

Result RedisSentinel::position(const Call& call) {
  try {
    Client client = connect(own_, end_of(call));
    const Info info = read_info(client);
    Result result = plugin::done(client.place() + " stands at " + info.position().text());
    result.position = info.position().text();
    return result;
  } catch (const Trouble& trouble) {
    return plugin::failed(trouble.status(), trouble.what()).fact("cause", trouble.cause());
  }
}

/// Nothing is promoted here: the addresses may come when the Sentinels have decided.
Result RedisSentinel::can_promote(const Call& call) {
  Result result = probe(call);
  if (result.status != Status::kOk || result.role == Role::kPrimary) return result;
  result.status = Status::kRefused;
  result.refusals.push_back(result.sentence);
  if (result.role == Role::kReplica)
    result.refusals.push_back("only the Sentinels promote (SENTINEL FAILOVER, or switchover)");
  return result;
}

}  // namespace baton::redis

BATON_PLUGIN(baton::redis::RedisSentinel,
             baton::plugin::About{.name = "redis-sentinel",
                                  .version = "1",
                                  .summary = "Follows the Redis or Valkey primary that Sentinels elect",
                                  .manual = baton::redis::kManual,
                                  .keys = baton::redis::kKeys})
