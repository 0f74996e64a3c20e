// What the configuration says of servers and how to reach them, for the modules `redis` and `redis-sentinel`: member
// entries `HOST ADDRESS[:PORT]`, credentials, TLS. check_access complains about what cannot work together.
#pragma once

#include <optional>
#include <plugin.hpp>
#include <string>
#include <vector>

#include "redis/client.h"

namespace baton::redis {

/// "ADDRESS[:PORT]", an IPv6 address with a port in brackets. Nothing: `error` says why.
std::optional<Server> parse_endpoint(const std::string& text, std::uint16_t default_port, std::string& error);

/// The members in the order of the file; entries that cannot be parsed are left out, `complaints` says why.
struct Members {
  std::vector<Server> all;
  std::vector<std::string> complaints;

  static Members parse(const std::vector<std::string>& entries);
  const Server* find(const std::string& host) const;
};

/// Connection settings of a section: timeouts, TLS and the login in the keys `username_key` and `password_key`.
Access access_of(const plugin::Host& host, const char* username_key, const char* password_key);

/// Complains about members, TLS and logins that cannot be meant.
void check_members(const plugin::Host& host, std::size_t at_least);
void check_tls(const plugin::Host& host);
void check_login(const plugin::Host& host, const char* username_key, const char* password_key);

/// The end of what a call may do: its deadline, less the time to say what happened.
Clock::time_point end_of(const plugin::Call& call);

/// Whether two names or addresses mean the same host.
bool same_address(plugin::Resolver& resolver, const std::string& one, const std::string& other,
                  std::chrono::nanoseconds timeout);

/// "1.5 s", "340 ms"
std::string seconds_words(std::chrono::nanoseconds duration);
/// "1 byte", "17 bytes"
std::string bytes_words(std::int64_t bytes);

/// Waits for `duration`, or until `until` if that is sooner. False: `until` is over.
bool pause_until(Clock::time_point until, std::chrono::milliseconds duration);

}  // namespace baton::redis
