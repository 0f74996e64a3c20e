// SPDX-License-Identifier: GPL-2.0-or-later
//
// settings.h: the section's keys as values, and what check_settings refuses. Reads no file and asks no server.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugin.hpp"
#include "postgres/connection.h"

namespace baton_postgres {

/// One host of the pair.
struct Member {
  std::string host;
  Endpoint endpoint;
};

/// `HOST ADDRESS[:PORT]`; `error` says why it is none.
struct ParsedMember {
  Member member;
  std::string error;
};
ParsedMember parse_member(const std::string& text);

struct Settings {
  explicit Settings(const baton::plugin::Host& host);

  std::string host_name;
  std::vector<Member> members;
  std::string socket;  ///< directory of the local server's socket; "": its address is used
  std::string database;
  std::string user;
  std::string password;
  std::string drive_user;
  std::string drive_password;
  std::string replication_user;
  std::string replication_password;
  Tls tls;
  std::chrono::nanoseconds connect_timeout;
  std::chrono::nanoseconds query_timeout;
  std::chrono::nanoseconds drain_timeout;
  std::chrono::nanoseconds link_fresh;
  std::int64_t max_lag;
  std::int64_t min_free;
  bool strict;
  bool write_test;
  std::string rejoin;
  std::string control;
  std::string control_socket;
  std::string unit;
  std::string start_command;
  std::string stop_command;
  std::string data_directory;
  std::string bin_directory;
  std::string keep_directory;

  const Member& own() const;
  const Member* find(const std::string& host) const;
  /// The member that `target` names; of a pair the other one if it is "". Throws if there is none.
  const Member& other(const std::string& target) const;
  /// How the local server is reached.
  Endpoint local() const;
};

void check_settings(const baton::plugin::Host& host);

}  // namespace baton_postgres
