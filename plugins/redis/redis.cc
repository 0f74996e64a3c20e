// The module's keys, and what all verbs share: which server is meant, who follows whom, the stamp in the data.
#include "redis/redis.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <string_view>

namespace baton::redis {
namespace {

using plugin::key;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86400 * kSecond;

constexpr baton_key kKeys[] = {
    key("member", BATON_KEY_TEXT, "HOST ADDRESS[:PORT] of a server; one entry for each host, this one among them.",
        nullptr, BATON_KEY_REQUIRED | BATON_KEY_LIST),
    key("socket", BATON_KEY_PATH, "Unix socket of this host's own server, used instead of its address."),
    key("username", BATON_KEY_TEXT, "User for checks; without it the password is that of the default user."),
    key("password_file", BATON_KEY_SECRET, "File with its password."),
    key("drive_username", BATON_KEY_TEXT, "User for acts, if not `username`."),
    key("drive_password_file", BATON_KEY_SECRET, "File with its password. Only acts get it.", nullptr, BATON_KEY_ACTS),
    key("replication_username", BATON_KEY_TEXT,
        "User of replicas at their upstream: set as masteruser when one is given."),
    key("replication_password_file", BATON_KEY_SECRET, "File with its password: set as masterauth. Only acts get it.",
        nullptr, BATON_KEY_ACTS),
    key("replication_port", BATON_KEY_INTEGER, "Port for replicas at their upstream, if not the one in `member`.",
        nullptr, 0, nullptr, 1, 65535),
    key("tls", BATON_KEY_WORD, "yes: TLS with a verified certificate; unverified: any certificate is accepted.", "no",
        0, "no|yes|unverified"),
    key("tls_ca", BATON_KEY_PATH, "Authorities (PEM) to trust instead of the system's."),
    key("tls_cert", BATON_KEY_SECRET, "File with our certificate (PEM) and its chain."),
    key("tls_key", BATON_KEY_SECRET, "File with its key (PEM, not encrypted), if it is not in tls_cert."),
    key("tls_server_name", BATON_KEY_TEXT, "Name that the certificates have to have, if not the member's address."),
    key("connect_timeout", BATON_KEY_DURATION, "The longest that a connection may take, TLS included.", "1s", 0,
        nullptr, 10'000'000, 60 * kSecond),
    key("query_timeout", BATON_KEY_DURATION, "The longest that an answer may take.", "2s", 0, nullptr, 10'000'000,
        60 * kSecond),
    key("resolve_every", BATON_KEY_DURATION, "How long the addresses of a name are good.", "60s", 0, nullptr, kSecond,
        kDay),
    key("max_lag", BATON_KEY_INTEGER, "Bytes of writes that a promotion after a crash may lose, as far as is known.",
        "1048576", 0, nullptr, 0, std::int64_t{1} << 40),
    key("max_link_down", BATON_KEY_DURATION, "How long the link may have been down at a promotion after a crash.",
        "60s", 0, nullptr, kSecond, 30 * kDay),
    key("link_silence", BATON_KEY_DURATION,
        "A link that is up but silent for so long is dead; longer than repl-ping-replica-period.", "11s", 0, nullptr,
        kSecond, kDay),
    key("drain_timeout", BATON_KEY_DURATION, "How long to wait until the replica has a position.", "30s", 0, nullptr,
        kSecond / 10, kDay),
    key("link_timeout", BATON_KEY_DURATION, "How long demote and rejoin wait for the new link.", "30s", 0, nullptr, 0,
        kDay),
    key("pause_limit", BATON_KEY_DURATION, "When the block of a planned move ends by itself, should Baton vanish.",
        "1h", 0, nullptr, 10 * kSecond, kDay),
    key("snapshot_failure", BATON_KEY_WORD, "What a primary whose last snapshot failed is.", "fail", 0, "fail|warn"),
    key("rejoin", BATON_KEY_WORD,
        "Ex-primary: manual: only a person lets it follow; safe: if its data is part of the new primary's; rebuild: "
        "else its "
        "files are kept and all is copied.",
        "safe", 0, "manual|safe|rebuild"),
    key("allow_volatile", BATON_KEY_BOOLEAN, "Promote a server that saves nothing to disk.", "no"),
    key("allow_empty", BATON_KEY_BOOLEAN, "Promote a server without any key where there have been some.", "no"),
    key("resume_alone", BATON_KEY_BOOLEAN, "Promote a detached server although the other one cannot be asked.", "no"),
};

constexpr const char* kManual =
    "A Redis (6.2 or newer) or Valkey primary with its replica, steered by Baton alone: no Sentinel, no Cluster.\n\n"
    "Checks log in as `username` (+info +get on baton:gen), acts as `drive_username`. A primary's configuration file "
    "says "
    "that it follows nobody (replicaof 127.0.0.1 1): so it boots read-only with its data intact, and only Baton makes "
    "it "
    "writable.\n\n"
    "Facts: cause, version, upstream, link, last_io_s, link_down_s, writable, read_only, replicas, replica_lag_bytes, "
    "keys, "
    "stamped_by, lost_at_most, kept.";

void check_other(const Host& host) {
  check_login(host, "username", "password_file");
  check_login(host, "drive_username", "drive_password_file");
  check_login(host, "replication_username", "replication_password_file");
}

}  // namespace

Redis::Redis(const Host& host)
    : host_(host), members_(Members::parse(host.list("member"))), resolver_(host.duration("resolve_every")) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that a peer may have closed
  const Server* own = members_.find(host.host_name());
  if (own == nullptr) throw plugin::Failure(Status::kConfig, "no member entry is for this host, " + host.host_name());
  own_ = *own;
  const bool drives = host.acts() && (host.has("drive_username") || host.has("drive_password_file"));
  access_ =
      drives ? access_of(host, "drive_username", "drive_password_file") : access_of(host, "username", "password_file");
}

void Redis::check_settings(const Host& host) {
  check_members(host, 2);
  check_tls(host);
  check_other(host);
}

const Server& Redis::target_of(const Call& call) const {
  const std::string target = call.target();
  if (target.empty() && members_.all.size() == 2) {
    return members_.all.front().host == own_.host ? members_.all.back() : members_.all.front();
  }
  const Server* server = target.empty() ? nullptr : members_.find(target);
  if (server == nullptr) {
    throw Trouble(Status::kRefused, "target",
                  target.empty() ? "there are several other members: the call has to say which one is meant"
                                 : "no member entry is for " + target);
  }
  if (server->host == own_.host) {
    throw Trouble(Status::kRefused, "target", "this is " + own_.host + " itself: a server cannot follow itself");
  }
  return *server;
}

Client Redis::connect(const Server& server, Clock::time_point until) {
  if (server.host != own_.host || !host_.has("socket")) return Client{server, access_, resolver_, until};
  Server local = server;
  local.unix_socket = host_.text("socket");
  Access access = access_;
  if (access.tls) access.tls = false;  // Redis speaks plain text on its unix socket
  return Client{local, access, resolver_, until};
}

Sight Redis::look_at(const Server& server, Clock::time_point until) {
  Sight sight;
  try {
    Client client = connect(server, until);
    const std::vector<Reply> replies = client.ask_all({{"INFO"}, {"GET", kStampKey}});
    if (replies[0].failed()) client.raise(replies[0], "INFO");
    sight.info.emplace(replies[0].text);
    sight.stamp = parse_stamp(replies[1]);
  } catch (const Trouble& trouble) {
    sight.trouble = trouble.what();
    sight.answers = trouble.status() == Status::kConfig && trouble.cause() != "local" && trouble.cause() != "tls";
    sight.answers = sight.answers || trouble.cause() == "loading" || trouble.cause() == "busy";
  }
  return sight;
}

std::int64_t Redis::replication_port(const Server& server) const {
  return host_.has("replication_port") ? host_.number("replication_port") : server.port;
}

bool Redis::detached(const Info& info) {
  return info.replica() && info.upstream_host() == kNobodyHost && info.upstream_port() == kNobodyPort;
}

bool Redis::follows(const Info& info, const Server& server, Clock::time_point until) {
  if (!info.replica() || info.upstream_port() != replication_port(server)) return false;
  const auto timeout = std::min<std::chrono::nanoseconds>(until - Clock::now(), access_.connect_timeout);
  return same_address(resolver_, server.address, info.upstream_host(), timeout);
}

Stamp Redis::parse_stamp(const Reply& reply) {
  Stamp stamp;
  if (reply.type != Reply::Type::kText) return stamp;
  const std::string_view text{reply.text};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), stamp.generation);
  if (error != std::errc{}) return {};
  std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  stamp.host = std::string{rest.substr(0, rest.find(' '))};
  return stamp;
}

Stamp Redis::read_stamp(Client& client) {
  const Reply reply = client.ask({"GET", kStampKey});
  // A replica whose link is down may be set up to answer nothing about its data (replica-serve-stale-data no).
  // A Cluster sends us elsewhere; it is refused for what it is.
  const bool without = reply.code() == "MASTERDOWN" || reply.code() == "MOVED" || reply.code() == "CLUSTERDOWN";
  if (reply.failed() && !without) client.raise(reply, "GET of " + std::string{kStampKey});
  return parse_stamp(reply);
}

std::string Redis::setting(Client& client, const std::string& name) {
  const Reply reply = client.command({"CONFIG", "GET", name});
  return reply.elements.size() < 2 ? std::string{} : reply.elements[1].text;
}

Result Redis::position(const Call& call) {
  return typed([&] {
    Client client = connect(own_, end_of(call));
    const Info info = read_info(client);
    Result result = plugin::done(client.place() + " stands at " + info.position().text());
    result.role = info.primary() ? plugin::Role::kPrimary : plugin::Role::kReplica;
    result.position = info.position().text();
    return result;
  });
}

}  // namespace baton::redis

BATON_PLUGIN(baton::redis::Redis, baton::plugin::About{.name = "redis",
                                                       .version = "1",
                                                       .summary = "Drives a Redis or Valkey primary and its replica",
                                                       .manual = baton::redis::kManual,
                                                       .keys = baton::redis::kKeys})
