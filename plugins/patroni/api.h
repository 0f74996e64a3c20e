// SPDX-License-Identifier: GPL-2.0-or-later
//
// api.h: Patroni's REST API, one member at a time: what it says of itself and of the cluster, and the order to switch
// over. Every wait ends at a deadline; what fails is a Trouble with a cause.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/http_request.h"
#include "common/trouble.h"
#include "plugin.hpp"

namespace baton_patroni {

using baton::plugin::Status;
/// Causes: those of http_request, and auth, status, answer.
using baton::plugin::Trouble;

/// One host and where its Patroni answers.
struct Member {
  std::string host;
  std::string address;  ///< as in a url: IPv6 in brackets
  std::uint16_t port = 8008;
  std::string name;  ///< as Patroni calls it

  std::string words() const { return host + " (" + address + ":" + std::to_string(port) + ")"; }
};
struct ParsedMember {
  Member member;
  std::string error;
};
/// `HOST ADDRESS[:PORT] [NAME]`
ParsedMember parse_member(const std::string& text);

/// What a member says of itself (GET /patroni).
struct Node {
  std::string state;  ///< running, starting, stopped, ...
  std::string role;   ///< master or primary, replica, standby_leader, ...
  std::string system{};
  std::int64_t timeline = 0;
  std::uint64_t location = 0;  ///< of its log; of a replica what it has received
  std::uint64_t replayed = 0;
  bool replay_paused = false;
  bool maintenance = false;      ///< `patronictl pause`
  bool unlocked = false;         ///< nobody holds the leader's lock
  std::int64_t quorum_seen = 0;  ///< when the store last answered, seconds since 1970
  std::string version{};
  std::string server_version{};

  bool leads() const { return role == "master" || role == "primary"; }
};

/// One line of GET /cluster.
struct ClusterMember {
  std::string name;
  std::string role;  ///< leader, replica, sync_standby, ...
  std::string state;
  std::int64_t timeline = 0;
  std::int64_t lag = -1;  ///< bytes; -1: not known
  bool barred = false;    ///< nofailover
};
struct Cluster {
  std::vector<ClusterMember> members;
  bool maintenance = false;
  const ClusterMember* find(const std::string& name) const;
  const ClusterMember* leader() const;
};

class Api {
 public:
  explicit Api(const baton::plugin::Host& host);

  Node node(const Member& member, std::chrono::nanoseconds within);
  Cluster cluster(const Member& member, std::chrono::nanoseconds within);
  /// Whether it says that it is the leader and holds the lock (GET /primary is 200).
  bool holds_lock(const Member& member, std::chrono::nanoseconds within);
  /// Orders a switchover; "" when Patroni says that it is done, else what it said instead.
  std::string switch_over(const Member& member, const std::string& leader, const std::string& candidate,
                          std::chrono::nanoseconds within);

 private:
  baton::plugin::http::Outcome ask(const Member& member, const std::string& method, const std::string& path,
                                   const std::optional<std::string>& body, std::chrono::nanoseconds within);

  baton::plugin::http::Client client_;
  baton::plugin::http::Request request_;
  std::string scheme_;
  std::string user_;
  std::string password_;
  std::chrono::nanoseconds request_timeout_;
};

}  // namespace baton_patroni
