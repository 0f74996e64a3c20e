// Connection: see connection.h. Sockets and their errors; TLS is tls_connection.cc.
#include "common/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/resolver.h"

namespace baton::plugin::net {
namespace {

using std::chrono::milliseconds;

std::int64_t left_ms(Clock::time_point until) {
  const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
  return std::max<std::int64_t>(left, 0);
}

/// An address with a port; size 0: `text` is no address.
struct Endpoint {
  sockaddr_storage storage{};
  unsigned size = 0;
};

Endpoint endpoint_of(const std::string& text, std::uint16_t port) {
  Endpoint endpoint;
  sockaddr_in four{};
  sockaddr_in6 six{};
  if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    std::memcpy(&endpoint.storage, &four, sizeof four);
    endpoint.size = sizeof four;
  } else if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    std::memcpy(&endpoint.storage, &six, sizeof six);
    endpoint.size = sizeof six;
  }
  return endpoint;
}

}  // namespace

Connection::Connection(Target target, Clock::time_point until)
    : target_(std::move(target)), begin_(Clock::now()), until_(until) {}

Connection::~Connection() {
  if (ssl_ && SSL_is_init_finished(ssl_.get()) == 1) SSL_shutdown(ssl_.get());  // a polite close; waits for nothing
  if (socket_ >= 0) ::close(socket_);
}

std::string Connection::place() const {
  if (!target_.unix_socket.empty()) return target_.unix_socket;
  const bool six = target_.name.find(':') != std::string::npos;
  const std::string named = (six ? "[" + target_.name + "]" : target_.name) + ":" + std::to_string(target_.port);
  return address_.empty() || address_ == target_.name ? named : named + " (" + address_ + ")";
}

std::string Connection::waited() const {
  return std::to_string(std::chrono::duration_cast<milliseconds>(Clock::now() - begin_).count()) + " ms";
}

void Connection::set_deadline(Clock::time_point until) {
  begin_ = Clock::now();
  until_ = until;
}

Outcome Connection::connect() {
  if (!target_.unix_socket.empty()) return connect_unix();
  Outcome trouble;
  std::vector<std::string> usable;
  const bool any = target_.source_address.empty();
  const unsigned family = any ? AF_UNSPEC : endpoint_of(target_.source_address, 0).storage.ss_family;
  for (const std::string& address : target_.addresses) {
    if (any || endpoint_of(address, 0).storage.ss_family == family) usable.push_back(address);
  }
  if (usable.empty()) {
    return Trouble{
        .cause = "local",
        .sentence = target_.name + " has no address of the family of source_address " + target_.source_address,
        .local = true};
  }
  for (std::size_t i = 0; i < usable.size(); ++i) {
    // Each address gets an equal part of the time that is left.
    const auto part = (until_ - Clock::now()) / static_cast<std::int64_t>(usable.size() - i);
    trouble = connect_address(usable[i], Clock::now() + part);
    if (!trouble || trouble->local) return trouble;
  }
  return trouble;
}

Outcome Connection::connect_unix() {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (target_.unix_socket.size() >= sizeof to.sun_path) {
    return Trouble{
        .cause = "local", .sentence = target_.unix_socket + " is too long for a socket's path", .local = true};
  }
  std::memcpy(to.sun_path, target_.unix_socket.data(), target_.unix_socket.size());
  return open_socket(AF_UNIX, &to, sizeof to, until_);
}

Outcome Connection::connect_address(const std::string& address, Clock::time_point until) {
  const Endpoint endpoint = endpoint_of(address, target_.port);
  address_ = address;
  return open_socket(endpoint.storage.ss_family, &endpoint.storage, endpoint.size, until);
}

Outcome Connection::bind_source() {
  const Endpoint source = endpoint_of(target_.source_address, 0);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (::bind(socket_, reinterpret_cast<const sockaddr*>(&source.storage), source.size) == 0) return std::nullopt;
  const std::string words = errno == EADDRNOTAVAIL ? "this host does not have it" : std::strerror(errno);
  return Trouble{.cause = "local",
                 .sentence = "source_address " + target_.source_address + " cannot be used: " + words,
                 .local = true};
}

Outcome Connection::open_socket(int family, const void* to, unsigned size, Clock::time_point until) {
  if (socket_ >= 0) ::close(socket_);
  socket_ = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) {
    const bool absent = errno == EAFNOSUPPORT;
    return Trouble{.cause = absent ? "unreachable" : "local",
                   .sentence = "no socket for " + place() + ": " + std::strerror(errno),
                   .local = !absent};
  }
  if (family != AF_UNIX) {
    // A peer that vanishes in mid-stream must not keep data waiting in the kernel for longer than we wait.
    const auto timeout = static_cast<unsigned>(std::max<std::int64_t>(left_ms(until_), 1));
    ::setsockopt(socket_, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!target_.source_address.empty()) {
      if (Outcome trouble = bind_source()) return trouble;
    }
  }
  if (::connect(socket_, static_cast<const sockaddr*>(to), size) == 0) return std::nullopt;
  if (errno != EINPROGRESS) return explain_connect(errno);
  pollfd waiting{.fd = socket_, .events = POLLOUT, .revents = 0};
  for (;;) {
    const auto left = left_ms(until);
    const int ready = left == 0 ? 0 : ::poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return explain_connect(ETIMEDOUT);
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &length);
    return error == 0 ? std::nullopt : explain_connect(error);
  }
}

Outcome Connection::explain_connect(int error) const {
  const std::string words = std::strerror(error);
  switch (error) {
    case ECONNREFUSED:
      return Trouble{.cause = "refused", .sentence = place() + " refused the connection: nobody listens there"};
    case ECONNRESET: return Trouble{.cause = "reset", .sentence = place() + " reset the connection attempt"};
    case ETIMEDOUT:
      return Trouble{.cause = "connect_timeout",
                     .sentence = place() + " has not answered the connection attempt within " + waited(),
                     .late = true};
    case EAGAIN:  // unix sockets only
      return Trouble{
          .cause = "connect_timeout", .sentence = place() + " takes no connection: its queue is full", .late = true};
    case ENOENT:
      return Trouble{.cause = "missing", .sentence = "there is no socket " + place() + ": its program does not run"};
    case EACCES:
    case EPERM: {
      const char* advice =
          target_.unix_socket.empty() ? "" : " (the plugin's user needs the right to write to the socket)";
      return Trouble{
          .cause = "local", .sentence = "cannot connect to " + place() + ": " + words + advice, .local = true};
    }
    case EADDRNOTAVAIL:
    case ENOBUFS:
    case ENOMEM:
      return Trouble{.cause = "local", .sentence = "cannot connect to " + place() + ": " + words, .local = true};
    default: return Trouble{.cause = "unreachable", .sentence = place() + " cannot be reached: " + words};
  }
}

Outcome Connection::explain_break(int error, const std::string& doing) const {
  if (error == ETIMEDOUT) {
    return Trouble{.cause = "timeout", .sentence = place() + " has stopped to acknowledge data " + doing, .late = true};
  }
  if (error == ECONNRESET || error == EPIPE) {
    return Trouble{.cause = "reset", .sentence = place() + " reset the connection " + doing};
  }
  return Trouble{.cause = "closed",
                 .sentence = place() + ": the connection broke " + doing + ": " + std::strerror(error)};
}

Outcome Connection::wait(short events, const std::string& late_words) {
  pollfd waiting{.fd = socket_, .events = events, .revents = 0};
  for (;;) {
    const auto left = left_ms(until_);
    const int ready = left == 0 ? 0 : ::poll(&waiting, 1, static_cast<int>(left));
    if (ready > 0) return std::nullopt;
    if (ready < 0 && errno == EINTR) continue;
    return Trouble{.cause = "timeout", .sentence = place() + " " + late_words + " within " + waited(), .late = true};
  }
}

Outcome Connection::send(const std::string& text) {
  static constexpr const char* kLate = "accepted the connection but does not take what is sent";
  for (std::size_t sent = 0; sent < text.size();) {
    if (ssl_) {
      const int count = SSL_write(ssl_.get(), text.data() + sent, static_cast<int>(text.size() - sent));
      if (count > 0) {
        sent += static_cast<std::size_t>(count);
      } else if (Outcome trouble = continue_tls(count, "while we sent", kLate)) {
        return trouble;
      }
      continue;
    }
    const ssize_t count = ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      if (Outcome trouble = wait(POLLOUT, kLate)) return trouble;
    } else if (errno != EINTR) {
      return explain_break(errno, "while we sent");
    }
  }
  return std::nullopt;
}

Outcome Connection::receive(std::string& text, std::size_t limit) {
  const std::string late =
      text.empty() ? "accepted the connection but has not answered" : "has not sent what is expected";
  const char* doing = text.empty() ? "before it answered" : "in the midst of the answer";
  const std::size_t had = text.size();
  text.resize(had + limit);
  Outcome trouble;
  std::size_t got = 0;
  for (;;) {
    if (ssl_) {
      const int count = SSL_read(ssl_.get(), text.data() + had, static_cast<int>(limit));
      if (count > 0) got = static_cast<std::size_t>(count);
      if (count > 0 || SSL_get_error(ssl_.get(), count) == SSL_ERROR_ZERO_RETURN) break;
      if ((trouble = continue_tls(count, doing, late))) break;
      continue;
    }
    const ssize_t count = ::recv(socket_, text.data() + had, limit, 0);
    if (count >= 0) {
      got = static_cast<std::size_t>(count);
      break;
    }
    if (errno == EINTR) continue;
    trouble = errno == EAGAIN ? wait(POLLIN, late) : explain_break(errno, doing);
    if (trouble) break;
  }
  text.resize(had + got);
  return trouble;
}

}  // namespace baton::plugin::net
