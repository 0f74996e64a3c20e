// One conversation with a Redis or Sentinel server in RESP2: over TCP, TLS or a unix socket, with a deadline for each
// round trip. hiredis (0.14 in Debian 12, without TLS) formats and parses; the bytes go over the connection that the
// plugins share. Every trouble is thrown as plugin::Trouble with a typed status, a cause and a sentence that names the
// server; what a server answers to a command with a secret in it is never quoted.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/connection.h"
#include "common/resolver.h"
#include "common/trouble.h"

struct redisReader;

namespace baton::redis {

using plugin::Status;
using plugin::Trouble;
using plugin::net::Clock;

using Words = std::vector<std::string>;

struct Reply {
  enum class Type { kText, kInteger, kNil, kArray, kError };
  Type type = Type::kNil;
  std::string text;
  std::int64_t integer = 0;
  std::vector<Reply> elements;

  bool failed() const { return type == Type::kError; }
  /// An error's first word: "NOPERM".
  std::string code() const { return failed() ? text.substr(0, text.find(' ')) : std::string{}; }
};

/// A server as the configuration names it.
struct Server {
  std::string host;  ///< HOST of the configuration; "" for those that are no member
  std::string address;
  std::uint16_t port = 6379;
  std::string unix_socket;  ///< used instead of address and port

  /// "10.0.0.1:6379"
  std::string endpoint() const;
};

struct Access {
  std::string username;  ///< "": only the password is sent
  std::string password;  ///< "": no AUTH at all
  bool tls = false;
  plugin::net::TlsSettings tls_settings;
  std::chrono::nanoseconds connect_timeout{0};
  std::chrono::nanoseconds query_timeout{0};
};

class Client {
 public:
  /// Connects and authenticates. `until` bounds everything that this client will do; `resolver` has to outlive it.
  Client(const Server& server, const Access& access, plugin::Resolver& resolver, Clock::time_point until);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// All in one round trip; errors among the replies are given back.
  std::vector<Reply> ask_all(const std::vector<Words>& commands);
  Reply ask(const Words& command);
  /// An error is thrown.
  Reply command(const Words& command);
  /// The same for what has a secret in it: no text of the server is quoted.
  Reply secret_command(const Words& command);

  /// Throws what an error reply means.
  [[noreturn]] void raise(const Reply& reply, const std::string& verb) const;

  /// "db1 (10.0.0.1:6379)"
  const std::string& place() const { return place_; }

 private:
  struct FreeReader {
    void operator()(redisReader* reader) const;
  };

  void connect(const Server& server, plugin::Resolver& resolver);
  void authenticate();
  void check(const plugin::net::Outcome& outcome) const;
  Reply next_reply();

  Access access_;
  Clock::time_point until_;
  std::string place_;
  std::unique_ptr<plugin::net::Connection> connection_;
  std::unique_ptr<redisReader, FreeReader> reader_;
  bool awaiting_ = false;
};

}  // namespace baton::redis
