// Settings that both modules have: see settings.h.
#include "redis/settings.h"

#include <poll.h>

#include <algorithm>
#include <charconv>

#include "common/words.h"

namespace baton::redis {
namespace {

using std::chrono::milliseconds;

bool same_server(const Server& a, const Server& b) { return a.address == b.address && a.port == b.port; }

std::optional<std::uint16_t> parse_port(const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

std::optional<Server> parse_endpoint(const std::string& text, std::uint16_t default_port, std::string& error) {
  Server server;
  server.port = default_port;
  std::string port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string::npos || (close + 1 < text.size() && text[close + 1] != ':')) {
      error = "\"" + text + "\" is no [ADDRESS]:PORT";
      return std::nullopt;
    }
    server.address = text.substr(1, close - 1);
    if (close + 1 < text.size()) port = text.substr(close + 2);
    if (close + 1 == text.size()) port = std::to_string(default_port);
  } else if (plugin::is_address(text) || text.find(':') == std::string::npos) {
    server.address = text;
    port = std::to_string(default_port);
  } else {
    server.address = text.substr(0, text.rfind(':'));
    port = text.substr(text.rfind(':') + 1);
    if (server.address.find(':') != std::string::npos) {
      error = "\"" + text + "\": an IPv6 address with a port is written [ADDRESS]:PORT";
      return std::nullopt;
    }
  }
  const auto number = parse_port(port);
  if (server.address.empty() || !number) {
    error = "\"" + text + "\" is no ADDRESS[:PORT]";
    return std::nullopt;
  }
  server.port = *number;
  return server;
}

Members Members::parse(const std::vector<std::string>& entries) {
  Members members;
  for (const std::string& entry : entries) {
    const plugin::Words split = plugin::split_words(entry);
    if (!split.error.empty() || split.words.size() != 2) {
      members.complaints.push_back("\"" + entry + "\" is no HOST ADDRESS[:PORT]");
      continue;
    }
    std::string error;
    std::optional<Server> server = parse_endpoint(split.words[1], 6379, error);
    if (!server) {
      members.complaints.push_back(error);
      continue;
    }
    server->host = split.words[0];
    for (const Server& other : members.all) {
      if (other.host == server->host) members.complaints.push_back(server->host + " has two entries");
      if (same_server(other, *server)) {
        members.complaints.push_back(other.host + " and " + server->host + " are the same server " +
                                     server->endpoint());
      }
    }
    members.all.push_back(std::move(*server));
  }
  return members;
}

const Server* Members::find(const std::string& host) const {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Server& one) { return one.host == host; });
  return found == all.end() ? nullptr : &*found;
}

Access access_of(const plugin::Host& host, const char* username_key, const char* password_key) {
  Access access;
  access.username = host.text(username_key);
  access.password = host.text(password_key);
  const std::string tls = host.text("tls");
  access.tls = tls != "no";
  access.tls_settings = {.ca_file = host.text("tls_ca"),
                         .client_certificate = host.text("tls_cert"),
                         .client_key = host.text("tls_key"),
                         .server_name = host.text("tls_server_name"),
                         .verify = tls == "yes"};
  access.connect_timeout = host.duration("connect_timeout");
  access.query_timeout = host.duration("query_timeout");
  return access;
}

void check_members(const plugin::Host& host, std::size_t at_least) {
  const Members members = Members::parse(host.list("member"));
  for (const std::string& complaint : members.complaints) host.complain("member", complaint);
  if (!members.complaints.empty()) return;
  if (members.find(host.host_name()) == nullptr) {
    host.complain("member", "none of them is this host, " + host.host_name());
  }
  if (members.all.size() < at_least) {
    host.complain("member", "every host is needed, this one among them: at least " + std::to_string(at_least));
  }
}

void check_tls(const plugin::Host& host) {
  const std::string tls = host.text("tls");
  for (const char* name : {"tls_ca", "tls_cert", "tls_key", "tls_server_name"}) {
    if (tls == "no" && host.has(name)) host.complain(name, "is of no use with `tls = no`");
  }
  if (host.has("tls_key") && !host.has("tls_cert")) host.complain("tls_key", "there is no tls_cert for it");
  if (tls == "unverified" && host.has("tls_ca")) host.complain("tls_ca", "is of no use with `tls = unverified`");
}

void check_login(const plugin::Host& host, const char* username_key, const char* password_key) {
  if (host.has(username_key) && !host.has(password_key)) {
    host.complain(username_key, std::string{"a password is needed with it ("} + password_key + ")");
  }
}

Clock::time_point end_of(const plugin::Call& call) {
  const auto left = call.remaining();
  return Clock::now() + left - std::clamp<std::chrono::nanoseconds>(left / 20, milliseconds{1}, milliseconds{200});
}

bool same_address(plugin::Resolver& resolver, const std::string& one, const std::string& other,
                  std::chrono::nanoseconds timeout) {
  if (one == other) return true;
  const auto until = Clock::now() + timeout;
  const std::vector<std::string> wanted = resolver.resolve(one, timeout).addresses;
  for (const std::string& address : resolver.resolve(other, until - Clock::now()).addresses) {
    if (std::find(wanted.begin(), wanted.end(), address) != wanted.end()) return true;
  }
  return false;
}

std::string seconds_words(std::chrono::nanoseconds duration) {
  const auto ms = std::chrono::round<milliseconds>(duration).count();
  if (ms < 10'000) return std::to_string(ms) + " ms";
  return std::to_string(ms / 1000) + " s";
}

std::string bytes_words(std::int64_t bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes"); }

bool pause_until(Clock::time_point until, milliseconds duration) {
  const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
  if (left.count() <= 0) return false;
  ::poll(nullptr, 0, static_cast<int>(std::min(left, duration).count()));
  return Clock::now() < until;
}

}  // namespace baton::redis
