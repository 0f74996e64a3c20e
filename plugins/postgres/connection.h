// SPDX-License-Identifier: GPL-2.0-or-later
//
// connection.h: one connection to a PostgreSQL server by libpq, for the length of one call. Never blocks beyond its
// deadlines. Throws Trouble with a typed result, a cause and a sentence that names the server and the user, never a
// password.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/resolver.h"
#include "common/trouble.h"

namespace baton_postgres {

using baton::plugin::Status;
/// Causes: refused, timeout, hung, reset, unreachable, dns, tls, auth, privilege, database, loading, connections, disk,
/// read_only, missing, statement.
using baton::plugin::Trouble;
using Clock = std::chrono::steady_clock;

/// Where one server listens.
struct Endpoint {
  std::string member;   ///< the HOST, for sentences
  std::string address;  ///< name, address, or the directory of a unix socket
  std::uint16_t port = 5432;

  bool local_socket() const { return address.starts_with("/"); }
  /// "db1 (10.0.0.1:5432)"
  std::string words() const;
};

struct Tls {
  std::string mode = "no";  ///< no, yes, verify
  std::string ca;
  std::string certificate;
  std::string key;
};

struct Login {
  std::string user;
  std::string password;
  std::string database = "postgres";
  bool replication = false;  ///< speaks the replication protocol; `database` does not matter
};

struct Patience {
  std::chrono::nanoseconds connect;
  std::chrono::nanoseconds query;
  Clock::time_point until;  ///< whatever the two say
};

/// Rows of texts; NULL is nullopt.
class Table {
 public:
  std::size_t rows() const { return rows_.size(); }
  bool null(std::size_t row, std::size_t column) const { return !rows_.at(row).at(column); }
  std::string text(std::size_t row, std::size_t column) const { return rows_.at(row).at(column).value_or(""); }
  bool flag(std::size_t row, std::size_t column) const { return text(row, column) == "t"; }
  std::int64_t number(std::size_t row, std::size_t column, std::int64_t otherwise = -1) const;

 private:
  friend class Connection;
  std::vector<std::vector<std::optional<std::string>>> rows_;
};

class Connection {
 public:
  Connection(Endpoint endpoint, Login login, const Tls& tls, Patience patience, baton::plugin::Resolver& resolver);

  /// Waits as long as the patience says; `longer` for statements that take their time.
  Table query(const std::string& statement, const std::vector<std::string>& values = {});
  Table query_within(std::chrono::nanoseconds longer, const std::string& statement,
                     const std::vector<std::string>& values = {});
  /// What the server reports of itself without being asked: in_hot_standby, server_version, ...
  std::string parameter(const char* name) const;
  /// A text as a literal of SQL.
  std::string literal(const std::string& text) const;
  std::string words() const { return endpoint_.words(); }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  void start(const Tls& tls, const std::string& host_address);
  void finish_start();
  [[noreturn]] void fail_connect(bool late) const;
  [[noreturn]] void fail_query(const PGresult* result) const;
  bool wait(bool write, Clock::time_point until) const;

  Endpoint endpoint_;
  Login login_;
  Patience patience_;
  std::unique_ptr<PGconn, Finish> connection_;
};

/// The type and the cause of an SQLSTATE.
struct Kind {
  Status status;
  const char* cause;
};
Kind kind_of(const std::string& sqlstate);

}  // namespace baton_postgres
