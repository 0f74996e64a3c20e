// One connection: TCP or unix socket, TLS on it if asked for, with one deadline for what is going on. Tells
// apart why it did not come to be or broke. Every call returns the trouble, or nothing if all is well.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/certificate.h"

namespace baton::plugin::net {

using Clock = std::chrono::steady_clock;

struct Target {
  std::string name;  ///< of the host, for people
  std::uint16_t port = 0;
  std::vector<std::string> addresses;  ///< tried in this order, the time shared
  std::string source_address;          ///< "": the kernel's choice
  std::string unix_socket;             ///< "": TCP
};

struct TlsSettings {
  std::string ca_file;             ///< "": the system's authorities
  std::string client_certificate;  ///< PEM text
  std::string client_key;          ///< PEM text; "": in client_certificate
  std::string server_name;
  bool verify = true;
};

struct Trouble {
  std::string cause;     ///< refused, unreachable, connect_timeout, timeout, reset, closed, tls, missing, local
  std::string sentence;  ///< for people
  std::string tls_error = {};
  bool late = false;   ///< the deadline passed
  bool local = false;  ///< the trouble is on this host: nothing has been learnt about the peer
};

using Outcome = std::optional<Trouble>;

class Connection {
 public:
  Connection(Target target, Clock::time_point until);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// For what follows; waited() counts from now.
  void set_deadline(Clock::time_point until);

  Outcome connect();
  Outcome start_tls(const TlsSettings& settings);
  Outcome send(const std::string& text);
  /// Appends what has come, at least one byte and at most `limit`; nothing when the peer has closed.
  Outcome receive(std::string& text, std::size_t limit);

  /// "db.example:5432 (10.0.0.5)"
  std::string place() const;
  const std::string& address() const { return address_; }
  const tls::Evidence& evidence() const { return evidence_; }
  std::string waited() const;

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  Outcome connect_unix();
  Outcome connect_address(const std::string& address, Clock::time_point until);
  Outcome open_socket(int family, const void* to, unsigned size, Clock::time_point until);
  Outcome bind_source();
  Outcome prepare_tls(const TlsSettings& settings);
  Outcome load_certificate(const TlsSettings& settings);
  Outcome explain_connect(int error) const;
  Outcome explain_handshake(int error, const TlsSettings& settings);
  Outcome explain_break(int error, const std::string& doing) const;
  Outcome wait(short events, const std::string& late_words);
  /// After an SSL_* call that did not succeed: waits, or says what broke.
  Outcome continue_tls(int result, const std::string& doing, const std::string& late_words);

  Target target_;
  Clock::time_point begin_;
  Clock::time_point until_;
  int socket_ = -1;
  std::string address_;
  tls::Evidence evidence_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

}  // namespace baton::plugin::net
