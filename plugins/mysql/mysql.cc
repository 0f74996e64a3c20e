// SPDX-License-Identifier: GPL-2.0-or-later
//
// The `mysql` module: MariaDB and MySQL. mode = drive moves the role in a pair (pair.h); mode = follow reports what
// Galera or Group Replication has decided (cluster.h). Here: keys, and troubles as typed results.
#include <csignal>
#include <memory>
#include <plugin.hpp>

#include "mysql/cluster.h"
#include "mysql/pair.h"
#include "mysql/settings.h"

namespace baton::mysql {
namespace {

using plugin::Host;

constexpr std::int64_t kSecond = 1'000'000'000;

constexpr baton_key kKeys[] = {
    plugin::key("mode", BATON_KEY_WORD, "drive: Baton moves the role in a pair; follow: the servers elect.", "drive", 0,
                "drive|follow"),
    plugin::key("cluster", BATON_KEY_WORD, "follow: what elects; auto: found out.", "auto", 0,
                "auto|galera|group_replication"),
    plugin::key("member", BATON_KEY_TEXT, "HOST ADDRESS[:PORT] of each server; the same list on all hosts.", nullptr,
                BATON_KEY_REQUIRED | BATON_KEY_LIST),
    plugin::key("socket", BATON_KEY_PATH, "Reach this host's own server by this socket."),
    plugin::key("check_user", BATON_KEY_TEXT, "User of the probes."),
    plugin::key("check_password_file", BATON_KEY_SECRET, "File with its password."),
    plugin::key("drive_user", BATON_KEY_TEXT, "User of the acts."),
    plugin::key("drive_password_file", BATON_KEY_SECRET, "File with its password. Only acts get it.", nullptr,
                BATON_KEY_ACTS),
    plugin::key("replication_user", BATON_KEY_TEXT, "drive: as whom a standby follows."),
    plugin::key("replication_password_file", BATON_KEY_SECRET, "File with its password. Only acts get it.", nullptr,
                BATON_KEY_ACTS),
    plugin::key("tls", BATON_KEY_WORD, "Encrypt connections over the network; verify: and know the server.", "no", 0,
                "no|yes|verify"),
    plugin::key("tls_ca", BATON_KEY_PATH, "Authorities (PEM) of the servers' certificates."),
    plugin::key("tls_cert", BATON_KEY_PATH, "Our certificate (PEM)."),
    plugin::key("tls_key", BATON_KEY_SECRET, "File with its key (PEM, not encrypted)."),
    plugin::key("replication_tls", BATON_KEY_WORD, "The same for replication; as `tls` if not set.", nullptr, 0,
                "no|yes|verify"),
    plugin::key("replication_tls_ca", BATON_KEY_PATH, "For replication, read by the server; as tls_ca if not set."),
    plugin::key("replication_tls_cert", BATON_KEY_PATH, "For replication, read by the server."),
    plugin::key("replication_tls_key", BATON_KEY_PATH, "For replication, read by the server."),
    plugin::key("connect_timeout", BATON_KEY_DURATION, "To connect and log in.", "1s", 0, nullptr, 10'000'000,
                60 * kSecond),
    plugin::key("query_timeout", BATON_KEY_DURATION, "For one statement.", "2s", 0, nullptr, 10'000'000, 60 * kSecond),
    plugin::key("drain_timeout", BATON_KEY_DURATION, "To apply what was received.", "30s", 0, nullptr, 0,
                3600 * kSecond),
    plugin::key("settle", BATON_KEY_DURATION, "How long the final position must not move.", "1s", 0, nullptr, 0,
                60 * kSecond),
    plugin::key("max_lag", BATON_KEY_INTEGER,
                "Refuse a crash promotion when more transactions of the last known position are missing.", "1000", 0,
                nullptr, 0, 1'000'000'000),
    plugin::key("max_position_age", BATON_KEY_DURATION,
                "Refuse a crash promotion when the last known position was older when its host was last heard.", "30s",
                0, nullptr, 0, 86400 * kSecond),
    plugin::key("lag_warning", BATON_KEY_DURATION, "A standby that is further behind passes with a warning.", "30s", 0,
                nullptr, 0, 86400 * kSecond),
    plugin::key("min_free_disk", BATON_KEY_INTEGER, "Percent; warn below, and refuse a planned move to here.", "5", 0,
                nullptr, 0, 100),
    plugin::key("min_members", BATON_KEY_INTEGER, "follow: warn when fewer members are in the cluster.", "3", 0,
                nullptr, 1, 64),
    plugin::key("donor", BATON_KEY_WORD, "follow: whether a Galera donor may have the role.", "pass", 0, "pass|fail"),
    plugin::key("durability", BATON_KEY_WORD, "strict: semi-synchronous, no acknowledged write without the standby.",
                "async", 0, "async|strict"),
    plugin::key("kill_writers", BATON_KEY_BOOLEAN, "End the clients' connections when writes are blocked.", "yes"),
    plugin::key("rejoin", BATON_KEY_WORD, "A former primary: safe: follows when nothing would be lost; manual: never.",
                "safe", 0, "manual|safe"),
    plugin::key("schema", BATON_KEY_TEXT, "Database with the table baton_generation.", "baton"),
};

constexpr const char* kManual =
    "mode = drive: two MariaDB (10.5 or newer) or MySQL (8.0 or newer) servers with GTID replication. Baton alone "
    "makes "
    "a server writable: the configuration of both has read_only=1.\n\n"
    "mode = follow: Galera and Group Replication elect for themselves; the role is what this server and its quorum "
    "agree on.\n\n"
    "Facts: cause, version, writable, read_only, upstream, link, applier, semi_sync, generation_host, disk_free, "
    "boot_guard; of promote lost_at_most; of rejoin alone, alone_count, kept.";

/// What a trouble means for a check: nobody listening is a dead database; a wrong password says nothing about it.
Result probe_trouble(const plugin::Trouble& trouble) {
  const std::string& cause = trouble.cause();
  const bool dead = cause == "refused" || cause == "reset" || cause == "unreachable" || cause == "no_quorum";
  const bool late = cause == "hung" || cause == "timeout";
  Result result = dead || late ? plugin::fail(trouble.what()) : plugin::unknown(trouble.what());
  if (!dead) result.status = late ? Status::kTransient : trouble.status();
  return std::move(result).fact("cause", cause);
}

class Database {
 public:
  explicit Database(const Host& host)
      : settings_(std::make_unique<Settings>(host)), pair_(*settings_), cluster_(*settings_) {
    std::signal(SIGPIPE, SIG_IGN);
    settings_->own();
  }
  static void check_settings(const Host& host) { Settings::check(host); }

  Result probe(const Call& call) {
    try {
      return settings_->follow ? cluster_.probe(call) : pair_.probe(call);
    } catch (const plugin::Trouble& trouble) {
      return probe_trouble(trouble);
    }
  }
  Result position(const Call& call) { return act(call, &Pair::position, &Cluster::position); }
  Result can_promote(const Call& call) { return act(call, &Pair::can_promote, &Cluster::can_promote); }
  Result block_writes(const Call& call) { return act(call, &Pair::block_writes, &Cluster::not_ours); }
  Result unblock_writes(const Call& call) { return act(call, &Pair::unblock_writes, &Cluster::not_ours); }
  Result drain(const Call& call) { return act(call, &Pair::drain, &Cluster::drain); }
  Result promote(const Call& call) { return act(call, &Pair::promote, &Cluster::promote); }
  Result demote(const Call& call) { return act(call, &Pair::demote, &Cluster::demote); }
  Result step_down(const Call& call) { return act(call, &Pair::step_down, &Cluster::step_down); }
  Result rejoin(const Call& call) { return act(call, &Pair::rejoin, &Cluster::rejoin); }
  Result verify(const Call& call) { return act(call, &Pair::verify, &Cluster::verify); }
  Result fence(const Call& call) { return act(call, &Pair::fence, &Cluster::not_ours); }

 private:
  using PairVerb = Result (Pair::*)(const Call&);
  using ClusterVerb = Result (Cluster::*)(const Call&);

  Result act(const Call& call, PairVerb drive, ClusterVerb follow) {
    try {
      return settings_->follow ? (cluster_.*follow)(call) : (pair_.*drive)(call);
    } catch (const plugin::Trouble& trouble) {
      return plugin::failed(trouble.status(), trouble.what()).fact("cause", trouble.cause());
    }
  }

  std::unique_ptr<Settings> settings_;
  Pair pair_;
  Cluster cluster_;
};

}  // namespace
}  // namespace baton::mysql

BATON_PLUGIN(baton::mysql::Database,
             baton::plugin::About{.name = "mysql",
                                  .version = "1",
                                  .summary = "MariaDB and MySQL: moves the role in a pair, follows a cluster",
                                  .manual = baton::mysql::kManual,
                                  .keys = baton::mysql::kKeys})
