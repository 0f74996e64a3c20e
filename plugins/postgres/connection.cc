// SPDX-License-Identifier: GPL-2.0-or-later
//
// connection.cc: connecting and asking with deadlines, and what each failure means. libpq tells why a connection failed
// in words only; with verbose errors the server's SQLSTATE is among them, in whatever language it speaks.
#include "postgres/connection.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace baton_postgres {
namespace {

using std::chrono::milliseconds;

struct ResultFree {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultHandle = std::unique_ptr<PGresult, ResultFree>;

std::string ms_words(std::chrono::nanoseconds time) {
  return std::to_string(std::chrono::duration_cast<milliseconds>(time).count()) + " ms";
}

/// `FATAL:  28P01: password authentication failed for user "x"\nLOCATION: ...` -> state and the line behind it.
struct ServerWords {
  std::string state;
  std::string text;
};
ServerWords server_words(const std::string& message) {
  constexpr std::size_t kStateLength = 5;
  for (std::size_t at = message.find(":  "); at != std::string::npos; at = message.find(":  ", at + 1)) {
    const std::size_t begin = at + 3;
    if (begin + kStateLength + 2 > message.size()) break;
    const std::string state = message.substr(begin, kStateLength);
    const bool good = std::all_of(state.begin(), state.end(),
                                  [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
    if (!good || message[begin + kStateLength] != ':') continue;
    const std::size_t text = begin + kStateLength + 2;
    return {state, message.substr(text, message.find('\n', text) - text)};
  }
  return {};
}

/// The last line that says something, without libpq's "connection to server at ... failed:".
std::string last_words(const std::string& message) {
  std::string line = message;
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  if (const std::size_t at = line.rfind("failed: "); at != std::string::npos) line = line.substr(at + 8);
  std::replace(line.begin(), line.end(), '\n', ' ');
  line.erase(std::unique(line.begin(), line.end(), [](char a, char b) { return a == ' ' && b == ' '; }), line.end());
  std::replace(line.begin(), line.end(), '\t', ' ');
  return line;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

std::string Endpoint::words() const {
  if (local_socket()) return member + " (" + address + "/.s.PGSQL." + std::to_string(port) + ")";
  const bool brackets = address.find(':') != std::string::npos;
  return member + " (" + (brackets ? "[" + address + "]" : address) + ":" + std::to_string(port) + ")";
}

std::int64_t Table::number(std::size_t row, std::size_t column, std::int64_t otherwise) const {
  if (null(row, column)) return otherwise;
  return std::strtoll(text(row, column).c_str(), nullptr, 10);
}

Kind kind_of(const std::string& sqlstate) {
  if (sqlstate == "28P01" || sqlstate == "28000") return {Status::kConfig, "auth"};
  if (sqlstate == "42501") return {Status::kConfig, "privilege"};
  if (sqlstate == "3D000") return {Status::kConfig, "database"};
  if (sqlstate == "53300") return {Status::kTransient, "connections"};
  if (sqlstate == "57P03") return {Status::kTransient, "loading"};
  if (sqlstate == "57P01" || sqlstate == "57P02") return {Status::kTransient, "reset"};
  if (sqlstate == "57014") return {Status::kTransient, "timeout"};
  if (sqlstate == "25006") return {Status::kTransient, "read_only"};
  if (sqlstate == "53100" || sqlstate == "58030" || sqlstate == "XX001" || sqlstate == "XX002") {
    return {Status::kTransient, "disk"};
  }
  if (sqlstate == "42P01" || sqlstate == "42883" || sqlstate == "3F000") return {Status::kConfig, "missing"};
  return {Status::kTransient, "statement"};
}

Connection::Connection(Endpoint endpoint, Login login, const Tls& tls, Patience patience,
                       baton::plugin::Resolver& resolver)
    : endpoint_(std::move(endpoint)), login_(std::move(login)), patience_(patience) {
  patience_.connect = std::min<std::chrono::nanoseconds>(patience_.connect, patience_.until - Clock::now());
  const Clock::time_point begin = Clock::now();
  std::string host_address;
  if (!endpoint_.local_socket()) {
    const baton::plugin::Resolved found = resolver.resolve(endpoint_.address, patience_.connect);
    if (found.addresses.empty()) {
      throw Trouble(Status::kTransient, "dns", "no address for " + endpoint_.words() + ": " + found.error);
    }
    host_address = found.addresses.front();
  }
  start(tls, host_address);
  patience_.connect -= Clock::now() - begin;
  finish_start();
}

void Connection::start(const Tls& tls, const std::string& host_address) {
  const std::string port = std::to_string(endpoint_.port);
  std::vector<const char*> names;
  std::vector<const char*> values;
  const auto set = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    names.push_back(name);
    values.push_back(value.c_str());
  };
  const std::string mode = tls.mode == "verify" ? "verify-full" : tls.mode == "yes" ? "require" : "disable";
  const std::string fixed_tls = endpoint_.local_socket() ? "disable" : mode;
  const std::string application = "baton";
  const std::string replication = login_.replication ? "true" : "";
  const std::string none = "disable";
  const std::string no_file = "/dev/null";
  const std::string no_file_at_all = "/dev/null/none";
  const std::string encoding = "UTF8";
  const std::string no_keepalive_wait = "5";
  set("host", endpoint_.address);
  set("hostaddr", host_address);
  set("port", port);
  set("user", login_.user);
  set("password", login_.password);
  set("dbname", login_.replication ? "replication" : login_.database);
  set("replication", replication);
  set("application_name", application);
  set("client_encoding", encoding);
  set("gssencmode", none);
  set("passfile", no_file);
  set("keepalives_idle", no_keepalive_wait);
  set("sslmode", fixed_tls);
  if (fixed_tls != "disable") {
    // Never what lies in the home directory of whoever we are.
    set("sslrootcert", tls.ca.empty() ? no_file_at_all : tls.ca);
    set("sslcert", tls.certificate.empty() ? no_file_at_all : tls.certificate);
    set("sslkey", tls.key);
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(names.data(), values.data(), 0));
  if (!connection_) throw Trouble(Status::kTransient, "memory", "no memory for a connection to " + endpoint_.words());
  PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
}

/// False: the time is over.
bool Connection::wait(bool write, Clock::time_point until) const {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    pollfd watched{PQsocket(connection_.get()), static_cast<short>(write ? POLLIN | POLLOUT : POLLIN), 0};
    const int ready = ::poll(&watched, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

void Connection::finish_start() {
  const Clock::time_point until = std::min(Clock::now() + patience_.connect, patience_.until);
  for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK;) {
    if (next == PGRES_POLLING_FAILED || PQstatus(connection_.get()) == CONNECTION_BAD) fail_connect(false);
    pollfd watched{PQsocket(connection_.get()), static_cast<short>(next == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                   0};
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    if (left <= 0) fail_connect(true);
    if (::poll(&watched, 1, static_cast<int>(left)) == 0) fail_connect(true);
    next = PQconnectPoll(connection_.get());
  }
}

void Connection::fail_connect(bool late) const {
  const std::string who = endpoint_.words();
  if (late) {
    const bool connected = PQstatus(connection_.get()) != CONNECTION_STARTED;
    const std::string waited = ms_words(std::max(patience_.connect, std::chrono::nanoseconds{0}));
    if (connected) {
      throw Trouble(Status::kTransient, "hung",
                    who + " took the connection, but the server has not answered within " + waited +
                        ": it is frozen or overloaded");
    }
    throw Trouble(Status::kTransient, "timeout", who + " has not answered the connection attempt within " + waited);
  }
  const std::string message = PQerrorMessage(connection_.get());
  const ServerWords said = server_words(message);
  const std::string as = " as user " + login_.user;
  if (!said.state.empty()) {
    const Kind kind = kind_of(said.state);
    throw Trouble(kind.status, kind.cause, who + as + ": " + said.text + " (" + said.state + ")");
  }
  const std::string words = last_words(message);
  if (has(message, std::strerror(ECONNREFUSED))) {
    throw Trouble(Status::kTransient, "refused", who + " refused the connection: no server listens there");
  }
  if (endpoint_.local_socket() && has(message, std::strerror(ENOENT))) {
    throw Trouble(Status::kTransient, "refused", "there is no socket of " + who + ": no server runs there");
  }
  if (has(message, std::strerror(EHOSTUNREACH)) || has(message, std::strerror(ENETUNREACH))) {
    throw Trouble(Status::kTransient, "unreachable", who + " cannot be reached: " + words);
  }
  if (has(message, "SSL") || has(message, "certificate")) {
    throw Trouble(Status::kConfig, "tls", "TLS with " + who + ": " + words);
  }
  if (has(message, "password") || has(message, "authentication")) {
    throw Trouble(Status::kConfig, "auth", who + as + ": " + words);
  }
  if (has(message, std::strerror(ETIMEDOUT))) {
    throw Trouble(Status::kTransient, "timeout", who + " does not answer: " + words);
  }
  throw Trouble(Status::kTransient, "reset", who + " cut the connection before it was ready: " + words);
}

void Connection::fail_query(const PGresult* result) const {
  const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) {
    throw Trouble(Status::kTransient, "reset",
                  endpoint_.words() + " cut the connection: " + last_words(PQerrorMessage(connection_.get())));
  }
  const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const Kind kind = kind_of(state);
  throw Trouble(
      kind.status, kind.cause,
      endpoint_.words() + " as user " + login_.user + ": " + (text == nullptr ? "" : text) + " (" + state + ")");
}

Table Connection::query(const std::string& statement, const std::vector<std::string>& values) {
  return query_within(patience_.query, statement, values);
}

Table Connection::query_within(std::chrono::nanoseconds longer, const std::string& statement,
                               const std::vector<std::string>& values) {
  const Clock::time_point begin = Clock::now();
  const Clock::time_point until = std::min(begin + longer, patience_.until);
  PGconn* one = connection_.get();
  std::vector<const char*> texts;
  for (const std::string& value : values) texts.push_back(value.c_str());
  const int sent = texts.empty() ? PQsendQuery(one, statement.c_str())
                                 : PQsendQueryParams(one, statement.c_str(), static_cast<int>(texts.size()), nullptr,
                                                     texts.data(), nullptr, nullptr, 0);
  if (sent == 0) fail_query(nullptr);
  Table table;
  for (;;) {
    while (PQisBusy(one) != 0) {
      if (!wait(false, until)) {
        throw Trouble(Status::kTransient, "hung",
                      endpoint_.words() + " has not answered a statement within " + ms_words(Clock::now() - begin));
      }
      if (PQconsumeInput(one) == 0) fail_query(nullptr);
    }
    const ResultHandle result{PQgetResult(one)};
    if (!result) return table;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_SINGLE_TUPLE) {
      fail_query(result.get());
    }
    if (PQntuples(result.get()) != 0) table.rows_.clear();  // of several statements: the last that has rows
    for (int row = 0; row < PQntuples(result.get()); ++row) {
      auto& cells = table.rows_.emplace_back();
      for (int column = 0; column < PQnfields(result.get()); ++column) {
        if (PQgetisnull(result.get(), row, column) != 0) {
          cells.emplace_back(std::nullopt);
        } else {
          cells.emplace_back(PQgetvalue(result.get(), row, column));
        }
      }
    }
  }
}

std::string Connection::parameter(const char* name) const {
  const char* value = PQparameterStatus(connection_.get(), name);
  return value == nullptr ? "" : value;
}

std::string Connection::literal(const std::string& text) const {
  char* escaped = PQescapeLiteral(connection_.get(), text.c_str(), text.size());
  if (escaped == nullptr) throw Trouble(Status::kFatal, "statement", "a text cannot be written as SQL");
  std::string result = escaped;
  PQfreemem(escaped);
  return result;
}

}  // namespace baton_postgres
