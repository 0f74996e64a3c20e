// SPDX-License-Identifier: GPL-2.0-or-later
//
// One connection to a MariaDB or MySQL server by libmariadb's non-blocking calls, so that a frozen server costs no more
// than the milliseconds granted. What goes wrong is a Trouble with a token for the fact `cause`. Never sends a password
// in clear text over a network, never offers local files.
#pragma once

#include <mysql.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/trouble.h"
#include "mysql/settings.h"

namespace baton::mysql {

using Clock = std::chrono::steady_clock;
using plugin::Status;

/// A server's refusal, with its number (errmsg.h, mysqld_error.h).
class SqlTrouble : public plugin::Trouble {
 public:
  SqlTrouble(unsigned number, Status status, std::string cause, const std::string& sentence)
      : Trouble(status, std::move(cause), sentence), number_(number) {}
  unsigned number() const { return number_; }

 private:
  unsigned number_;
};

/// The answer of a statement; texts as the server sends them.
class Table {
 public:
  std::size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  /// The value in that row; nullopt: NULL or no such column.
  std::optional<std::string> get(const std::string& column, std::size_t row = 0) const;
  /// The same of the first of two names that there is (the servers differ), "" for NULL.
  std::string text(const std::string& column, std::size_t row = 0) const { return get(column, row).value_or(""); }
  std::string text(const std::string& one, const std::string& other, std::size_t row) const;
  /// SHOW VARIABLES, SHOW STATUS: the value beside a name in the first column, without regard to case.
  std::string value_of(const std::string& name) const;

 private:
  friend class Connection;
  std::vector<std::string> columns_;
  std::vector<std::vector<std::optional<std::string>>> rows_;
};

class Connection {
 public:
  /// Connects within settings.connect_timeout, and before `until`. By `socket` if that is not "".
  Connection(const Settings& settings, const Member& member, const std::string& socket, Clock::time_point until);

  /// Within `timeout` and before `until`. Errors of the server are SqlTrouble. A statement that is late may yet happen.
  Table query(const std::string& statement, std::chrono::nanoseconds timeout);
  /// The server ends it at query_timeout; we wait a little longer for it to say so.
  Table query(const std::string& statement) {
    return query(statement, query_timeout_ + std::chrono::milliseconds{300});
  }

  std::string quoted(const std::string& text) const;  ///< as a literal of SQL
  const std::string& place() const { return place_; }
  std::string server_version() const { return mysql_get_server_info(mysql_.get()); }
  unsigned long id() const { return mysql_thread_id(mysql_.get()); }
  Clock::time_point until() const { return until_; }
  std::chrono::nanoseconds left() const;

 private:
  struct Close {
    void operator()(MYSQL* mysql) const { mysql_close(mysql); }
  };
  void configure(const Settings& settings, bool local);
  /// Waits for what libmariadb asks for; 0: the time is over.
  int wait(int wanted, Clock::time_point end) const;
  [[noreturn]] void fail_connect(const std::string& user, bool late) const;
  [[noreturn]] void fail_query(const std::string& statement, bool late);
  void check_usable() const;
  Table store(Clock::time_point end, const std::string& statement);

  std::unique_ptr<MYSQL, Close> mysql_;
  std::string place_;
  std::chrono::nanoseconds query_timeout_;
  Clock::time_point until_;
  bool greeted_ = false;
  bool broken_ = false;  ///< a call was left half-way
};

/// "900 ms", "2 s"
std::string words(std::chrono::nanoseconds duration);

}  // namespace baton::mysql
