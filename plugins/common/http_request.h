// One HTTP request with a deadline, over TCP, TLS or a unix socket, on a connection of its own: libcurl with the causes
// of failure told apart, for checks and actions. Blocks until the answer or the deadline. Never uses a proxy, a cookie
// or a saved credential of the environment, never speaks less than TLS 1.2, never sends credentials to another host.
//
//   http::Client client;                       // one for each thread; the first on the main thread
//   http::Request request;
//   request.unix_socket = "/run/docker.sock";  // with "http://localhost/..." as url
//   request.url = "http://localhost/v1.41/containers/web/json";
//   const http::Outcome answer = client.perform(request, call.remaining());
//   if (answer.cause != http::Cause::kNone) return fail(answer.sentence).fact("cause", http::token(answer.cause));
//   if (answer.status == 404) ...
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/resolver.h"

namespace baton::plugin::http {

struct Request {
  std::string method = "GET";
  std::string url;                   ///< http:// or https://
  std::string unix_socket;           ///< "": TCP to the host of the url
  std::vector<std::string> headers;  ///< "Name: value"
  std::optional<std::string> body;
  std::string user;  ///< with `password`: basic authentication; "": none
  std::string password;

  std::string ca_file;             ///< "": the system's authorities
  std::string client_certificate;  ///< PEM text, not a path
  std::string client_key;          ///< PEM text, not a path
  bool verify = true;
  std::string server_name;  ///< name for TLS and the Host header, if not the url's

  int follow_redirects = 0;              ///< how many
  std::size_t maximum_body = 64 * 1024;  ///< of the answer; more is Cause::kTooBig
  /// Set by another thread: give up within a second. May be nullptr.
  const std::atomic<bool>* stop = nullptr;
};

/// Why there is no (whole) answer.
enum class Cause {
  kNone,            ///< there is one
  kUrl,             ///< the url or a setting cannot be used
  kLocal,           ///< this host: unreadable file, no memory, no rights
  kMissing,         ///< there is no such unix socket
  kDns,             ///< the name has no address, or the name servers do not answer
  kRefused,         ///< nobody listens
  kUnreachable,     ///< no route, or a router says so
  kConnectTimeout,  ///< no answer to the connection attempt
  kTimeout,         ///< connected, but no (whole) answer in time
  kReset,           ///< the peer cut the connection
  kClosed,          ///< the peer closed the connection before the answer was whole
  kTls,             ///< handshake or certificate: see tls_error
  kProtocol,        ///< not HTTP
  kTooBig,          ///< more than maximum_body
  kStopped,         ///< Request::stop was set
  kRedirect,        ///< too many redirects, or one from https to http
};
/// Why the url cannot be used; "" if it can. `instead`: the keys for what must not stand in it, a name and a password.
/// Connects to nothing.
std::string unusable_url(const std::string& url, const std::string& instead = {});
/// For the fact `cause`: "url", "local", "dns", "refused", "unreachable", "connect_timeout", "timeout", ...
const char* token(Cause cause);
/// Nothing has been learnt about the peer: the trouble is on this host or in its name servers.
bool is_local(Cause cause);

struct Outcome {
  Cause cause = Cause::kNone;
  std::string sentence;   ///< if there is a cause: what happened, with host and port, for people
  std::string tls_error;  ///< with kTls: expired, wrong_name, self_signed, untrusted, old_version, stalled, ...

  int status = 0;  ///< HTTP status; also when the body failed
  std::string body;
  std::string location;  ///< absolute target of a redirect that was not followed
  std::string url;       ///< whose answer this is: the last redirect's target

  std::string address;  ///< of the peer, "" before a connection
  std::string dns;      ///< trouble with name servers that the remembered addresses have hidden; "" if none
  std::chrono::milliseconds total{0};
  std::optional<std::chrono::milliseconds> connect;  ///< until TCP stood
  std::string tls_version;
  std::optional<std::int64_t> certificate_expires;  ///< earliest end in the chain, seconds since 1970
  std::string certificate_subject;                  ///< whose that is
};

class Client {
 public:
  /// How long an address of a name is good without asking again.
  explicit Client(std::chrono::nanoseconds resolve_every = std::chrono::seconds{60});

  /// Back within `timeout`; what is left of it after a failure is a few milliseconds.
  Outcome perform(const Request& request, std::chrono::nanoseconds timeout);

 private:
  Resolver resolver_;
};

}  // namespace baton::plugin::http
