// SPDX-License-Identifier: GPL-2.0-or-later
#include "mysql/connection.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace baton::mysql {
namespace {

// Numbers that mysqld_error.h of one of the two servers lacks, or names otherwise.
constexpr unsigned kAccountLockedMariadb = 4151;
constexpr unsigned kAccountLockedMysql = 3118;
constexpr unsigned kPasswordExpiredLogin = 1862;
constexpr unsigned kMaxStatementTimeMariadb = 1969;
constexpr unsigned kMaxExecutionTimeMysql = 3024;
constexpr unsigned kReadOnlyMode = 1836;
constexpr unsigned kReadOnlyTransaction = 1792;
constexpr unsigned kAccessDeniedNoPassword = 1698;
constexpr unsigned kSecureTransport = 3159;
constexpr unsigned kWsrepNotReady = 1047;

struct Kind {
  Status status;
  const char* cause;
  const char* advice;  ///< after the server's words; "" if they are enough
};

Kind kind_of_login(unsigned number) {
  switch (number) {
    case ER_ACCESS_DENIED_ERROR:
    case kAccessDeniedNoPassword:
      return {Status::kConfig, "auth", "check the user, its host part and the password file"};
    case kPasswordExpiredLogin:
    case ER_MUST_CHANGE_PASSWORD: return {Status::kConfig, "auth", "its password has expired"};
    case kAccountLockedMariadb:
    case kAccountLockedMysql: return {Status::kConfig, "auth", "the account is locked"};
    case ER_HOST_NOT_PRIVILEGED: return {Status::kConfig, "auth", "the server has no account for this address"};
    case ER_HOST_IS_BLOCKED:
      return {Status::kConfig, "auth", "the server blocks this address after too many errors: FLUSH HOSTS"};
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
    case CR_AUTH_PLUGIN_ERR:
    case ER_NOT_SUPPORTED_AUTH_MODE:
      return {Status::kConfig, "auth", "how the account authenticates is not supported here"};
    case kSecureTransport: return {Status::kConfig, "tls", "the server demands TLS: set `tls`"};
    default: return {Status::kTransient, "error", ""};
  }
}

Kind kind_of(unsigned number) {
  switch (number) {
    case CR_SSL_CONNECTION_ERROR: return {Status::kConfig, "tls", ""};
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_PROCACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
      return {Status::kConfig, "privilege", "see the manual of this module for the GRANT statements"};
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_USER_LIMIT_REACHED: return {Status::kTransient, "too_many_connections", ""};
    case ER_SERVER_SHUTDOWN: return {Status::kTransient, "stopping", ""};
    case ER_OPTION_PREVENTS_STATEMENT:
    case kReadOnlyMode:
    case kReadOnlyTransaction:
    case ER_OPEN_AS_READONLY:
    case ER_CANT_LOCK: return {Status::kTransient, "read_only", ""};
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
    case ER_ERROR_ON_WRITE:
    case ER_CANT_CREATE_FILE: return {Status::kTransient, "disk", ""};
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_QUERY_INTERRUPTED:
    case kMaxStatementTimeMariadb:
    case kMaxExecutionTimeMysql: return {Status::kTransient, "timeout", ""};
    case kWsrepNotReady: return {Status::kTransient, "no_quorum", ""};
    case ER_PARSE_ERROR:
    case ER_UNKNOWN_SYSTEM_VARIABLE: return {Status::kConfig, "version", "the server's version is not supported"};
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST: return {Status::kTransient, "reset", "the connection was cut"};
    default: return kind_of_login(number);
  }
}

Kind kind_of_errno(int error) {
  switch (error) {
    case ECONNREFUSED: return {Status::kTransient, "refused", "nobody listens"};
    case ENOENT: return {Status::kTransient, "refused", "there is no such socket"};
    case EACCES: return {Status::kConfig, "auth", "no right to use the socket"};
    case ETIMEDOUT: return {Status::kTransient, "timeout", "no answer"};
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN: return {Status::kTransient, "unreachable", "there is no way to it"};
    case ECONNRESET:
    case EPIPE: return {Status::kTransient, "reset", "the connection was cut"};
    default: return {Status::kTransient, "error", ""};
  }
}

/// libmariadb keeps the errno of a failed connect only in its sentence: "... (111)" or "... (111 "Connection
/// refused")".
int errno_in(const std::string& sentence) {
  for (std::size_t open = sentence.rfind('('); open != std::string::npos && open > 0;
       open = sentence.rfind('(', open - 1)) {
    const int number = std::atoi(sentence.c_str() + open + 1);
    if (number > 0) return number;
  }
  return 0;
}

}  // namespace

std::string words(std::chrono::nanoseconds duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

std::optional<std::string> Table::get(const std::string& column, std::size_t row) const {
  if (row >= rows_.size()) return std::nullopt;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (::strcasecmp(columns_[i].c_str(), column.c_str()) == 0) return rows_[row][i];
  }
  return std::nullopt;
}

std::string Table::text(const std::string& one, const std::string& other, std::size_t row) const {
  const auto found = get(one, row);
  return found ? *found : text(other, row);
}

std::string Table::value_of(const std::string& name) const {
  for (const auto& row : rows_) {
    if (row.size() >= 2 && row[0] && ::strcasecmp(row[0]->c_str(), name.c_str()) == 0) return row[1].value_or("");
  }
  return {};
}

Connection::Connection(const Settings& settings, const Member& member, const std::string& socket,
                       Clock::time_point until)
    : mysql_(mysql_init(nullptr)),
      place_(socket.empty() ? member.place() : socket),
      query_timeout_(settings.query_timeout),
      until_(until) {
  if (mysql_ == nullptr) throw plugin::Trouble(Status::kTransient, "local", "no memory for a connection");
  configure(settings, !socket.empty());
  const auto end = std::min(until, Clock::now() + settings.connect_timeout);
  MYSQL* connected = nullptr;
  int status = mysql_real_connect_start(&connected, mysql_.get(), socket.empty() ? member.address.c_str() : "localhost",
                                        settings.login.user.c_str(), settings.login.password.c_str(), nullptr,
                                        member.port, socket.empty() ? nullptr : socket.c_str(), 0);
  while (status != 0) {
    const int ready = wait(status, end);
    if (ready == 0) fail_connect(settings.login.user, true);
    // The server speaks first: its kernel takes connections while it hangs.
    if ((ready & MYSQL_WAIT_READ) != 0) greeted_ = true;
    status = mysql_real_connect_cont(&connected, mysql_.get(), ready);
  }
  if (connected == nullptr) fail_connect(settings.login.user, false);
  if (settings.tls.tls != Tls::kNo && socket.empty() && mysql_get_ssl_cipher(mysql_.get()) == nullptr) {
    // libmariadb goes on in clear text when the server has no TLS and nothing is to be verified.
    throw plugin::Trouble(Status::kConfig, "tls", "the database at " + place_ + " has no TLS, and `tls` demands it");
  }
  // A statement that waits for a lock ends by itself before we lose patience and the connection. MariaDB counts in
  // fractions of a second, MySQL's lock_wait_timeout in seconds.
  const auto seconds = std::max(std::chrono::seconds{1}, std::chrono::ceil<std::chrono::seconds>(query_timeout_));
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(query_timeout_).count();
  const bool mariadb = server_version().find("MariaDB") != std::string::npos;
  if (!mariadb) query_timeout_ = seconds;
  query("SET SESSION autocommit=1, lock_wait_timeout=" + std::to_string(seconds.count()) +
        (mariadb ? ", max_statement_time=" + std::to_string(ms) + "/1000"
                 : ", max_execution_time=" + std::to_string(ms)));
}

void Connection::configure(const Settings& settings, bool local) {
  MYSQL* mysql = mysql_.get();
  mysql_options(mysql, MYSQL_OPT_NONBLOCK, nullptr);
  const unsigned no = 0;
  mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
  // A server must not be able to ask for the password as it is.
  mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH,
                "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,unix_socket,auth_socket");
  const unsigned seconds = static_cast<unsigned>(
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(settings.connect_timeout).count()));
  mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);  // for libmariadb's own waits within TLS
  const unsigned protocol = local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "baton");
  if (local || settings.tls.tls == Tls::kNo) return;
  const my_bool yes = 1;
  const my_bool verify = settings.tls.tls == Tls::kVerify ? 1 : 0;
  mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
  mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
  mysql_options(mysql, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
  if (!settings.tls.ca.empty()) mysql_options(mysql, MYSQL_OPT_SSL_CA, settings.tls.ca.c_str());
  if (!settings.tls.certificate.empty()) mysql_options(mysql, MYSQL_OPT_SSL_CERT, settings.tls.certificate.c_str());
  if (!settings.tls.key.empty()) mysql_options(mysql, MYSQL_OPT_SSL_KEY, settings.tls.key.c_str());
}

std::chrono::nanoseconds Connection::left() const {
  return std::max<std::chrono::nanoseconds>(until_ - Clock::now(), std::chrono::nanoseconds{0});
}

int Connection::wait(int wanted, Clock::time_point end) const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  if (left <= 0) return 0;
  std::int64_t timeout = left;
  if ((wanted & MYSQL_WAIT_TIMEOUT) != 0) {
    timeout = std::min<std::int64_t>(timeout, mysql_get_timeout_value_ms(mysql_.get()));
  }
  pollfd one{.fd = mysql_get_socket(mysql_.get()), .events = 0, .revents = 0};
  if ((wanted & MYSQL_WAIT_READ) != 0) one.events |= POLLIN;
  if ((wanted & MYSQL_WAIT_WRITE) != 0) one.events |= POLLOUT;
  if ((wanted & MYSQL_WAIT_EXCEPT) != 0) one.events |= POLLPRI;
  const int count = ::poll(&one, 1, static_cast<int>(timeout));
  if (count < 0) return errno == EINTR ? wait(wanted, end) : 0;
  if (count == 0) return timeout < left ? MYSQL_WAIT_TIMEOUT : 0;
  int ready = 0;
  if ((one.revents & (POLLIN | POLLHUP | POLLERR)) != 0) ready |= wanted & MYSQL_WAIT_READ;
  if ((one.revents & (POLLOUT | POLLHUP | POLLERR)) != 0) ready |= wanted & MYSQL_WAIT_WRITE;
  if ((one.revents & POLLPRI) != 0) ready |= MYSQL_WAIT_EXCEPT;
  return ready;
}

void Connection::fail_connect(const std::string& user, bool late) const {
  const std::string who = "the database at " + place_;
  if (late) {
    pollfd one{.fd = mysql_get_socket(mysql_.get()), .events = POLLOUT, .revents = 0};
    const bool connected = greeted_ || (::poll(&one, 1, 0) == 1 && (one.revents & POLLOUT) != 0);
    if (connected) {
      throw plugin::Trouble(Status::kTransient, "hung",
                            who + " takes the connection but does not answer in time: it is frozen or overloaded");
    }
    throw plugin::Trouble(Status::kTransient, "timeout", who + " does not answer the connection attempt in time");
  }
  const unsigned number = mysql_errno(mysql_.get());
  const std::string said = mysql_error(mysql_.get());
  Kind kind = kind_of(number);
  const int error = errno_in(said);
  if (number == CR_CONNECTION_ERROR || number == CR_CONN_HOST_ERROR || number == CR_SERVER_LOST) {
    const Kind by_errno = kind_of_errno(error);
    if (number != CR_SERVER_LOST || std::string{by_errno.cause} != "error") kind = by_errno;
  }
  if (number == CR_CONNECTION_ERROR || number == CR_CONN_HOST_ERROR) {
    throw SqlTrouble(number, kind.status, kind.cause,
                     who + " cannot be reached: " + (*kind.advice != '\0' ? kind.advice : said.c_str()) +
                         (error > 0 ? std::string{" ("} + std::strerror(error) + ")" : ""));
  }
  const std::string as = std::string{kind.cause} == "auth" ? " does not let in the user " + user : " refuses";
  throw SqlTrouble(number, kind.status, kind.cause,
                   who + as + ": " + said + (*kind.advice != '\0' ? std::string{" ("} + kind.advice + ")" : ""));
}

void Connection::fail_query(const std::string& statement, bool late) {
  // The first words name the statement; what follows may be a password.
  const std::string what = statement.substr(0, statement.find_first_of("'=(,", 0)).substr(0, 60);
  if (late) {
    broken_ = true;
    throw SqlTrouble(CR_SERVER_LOST, Status::kTransient, "hung",
                     "the database at " + place_ + " has not answered in time: " + what);
  }
  const unsigned number = mysql_errno(mysql_.get());
  const Kind kind = kind_of(number);
  throw SqlTrouble(number, kind.status, kind.cause,
                   "the database at " + place_ + ": " + what + ": " + mysql_error(mysql_.get()) +
                       (*kind.advice != '\0' ? std::string{" ("} + kind.advice + ")" : ""));
}

Table Connection::store(Clock::time_point end, const std::string& statement) {
  MYSQL_RES* result = nullptr;
  for (int status = mysql_store_result_start(&result, mysql_.get()); status != 0;) {
    const int ready = wait(status, end);
    if (ready == 0) fail_query(statement, true);
    status = mysql_store_result_cont(&result, mysql_.get(), ready);
  }
  Table table;
  if (result == nullptr) {
    if (mysql_field_count(mysql_.get()) != 0) fail_query(statement, false);
    return table;
  }
  const unsigned count = mysql_num_fields(result);
  const MYSQL_FIELD* fields = mysql_fetch_fields(result);
  for (unsigned i = 0; i < count; ++i) table.columns_.emplace_back(fields[i].name);
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    auto& values = table.rows_.emplace_back();
    for (unsigned i = 0; i < count; ++i) {
      values.push_back(row[i] == nullptr ? std::optional<std::string>{} : std::string(row[i], lengths[i]));
    }
  }
  mysql_free_result(result);
  return table;
}

Table Connection::query(const std::string& statement, std::chrono::nanoseconds timeout) {
  const auto end = std::min(until_, Clock::now() + timeout);
  if (broken_)
    throw SqlTrouble(CR_SERVER_LOST, Status::kTransient, "hung", "the database at " + place_ + " was too late");
  int failed = 0;
  int status = mysql_real_query_start(&failed, mysql_.get(), statement.data(), statement.size());
  while (status != 0) {
    const int ready = wait(status, end);
    if (ready == 0) fail_query(statement, true);
    status = mysql_real_query_cont(&failed, mysql_.get(), ready);
  }
  if (failed != 0) fail_query(statement, false);
  return store(end, statement);
}

std::string Connection::quoted(const std::string& text) const {
  std::string escaped(text.size() * 2 + 1, '\0');
  escaped.resize(mysql_real_escape_string(mysql_.get(), escaped.data(), text.data(), text.size()));
  return "'" + escaped + "'";
}

}  // namespace baton::mysql
