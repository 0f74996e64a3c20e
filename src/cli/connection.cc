#include "cli/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "posix/clock.h"
#include "posix/unix_socket.h"

namespace baton::cli {
namespace {

using steward::ExitCode;

constexpr std::size_t kMaxLine = 256u << 20;
constexpr Nanos kSendPatience = std::chrono::seconds{10};

Unexpected<Trouble> trouble(ExitCode exit, std::string text) {
  return Unexpected<Trouble>{Trouble{exit, std::move(text)}};
}

/// False when the time is over.
bool wait_for(int socket, short events, std::optional<Instant> deadline) {
  pollfd waiting{socket, events, 0};
  for (;;) {
    int timeout = -1;
    if (deadline) {
      const Nanos left = *deadline - posix::now();
      if (left <= Nanos{0}) return false;
      timeout = static_cast<int>(left / std::chrono::milliseconds{1}) + 1;
    }
    const int ready = ::poll(&waiting, 1, timeout);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the next call says what is wrong
  }
}

}  // namespace

Expected<Connection, Trouble> Connection::open(const std::string& runtime_dir) {
  const std::string path = runtime_dir + "/control.sock";
  auto socket = posix::connect_stream(path);
  if (socket) return Connection{std::move(*socket)};
  const int error = socket.error().sys_errno;
  if (error == EACCES || error == EPERM) {
    return trouble(ExitCode::kNotPermitted,
                   path + ": " + std::strerror(error) +
                       "; be root or a member of group baton-view (read) or baton-admin (change)");
  }
  return trouble(ExitCode::kNoDaemon, "no daemon at " + path + ": " + std::strerror(error) +
                                          "; is batond running? (`systemctl status baton`, or --runtime-dir DIR)");
}

Expected<void, Trouble> Connection::send(const Json& request) {
  const std::string line = request.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const Instant deadline = posix::now() + kSendPatience;
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t size = ::send(socket_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size >= 0) {
      sent += static_cast<std::size_t>(size);
    } else if (errno == EAGAIN) {
      if (!wait_for(socket_.get(), POLLOUT, deadline))
        return trouble(ExitCode::kTimedOut, "the daemon does not read the request");
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return {};  // it turned us away before it read: what it said is still there to be read
    } else if (errno != EINTR) {
      return trouble(ExitCode::kFailed, std::string{"send request: "} + std::strerror(errno));
    }
  }
  return {};
}

Expected<Json, Trouble> Connection::receive(Nanos patience) {
  std::optional<Instant> deadline;
  if (patience > Nanos{0}) deadline = posix::now() + patience;
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      Json line = Json::parse(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
      buffer_.erase(0, end + 1);
      if (!line.is_object()) return trouble(ExitCode::kFailed, "the daemon's answer is not JSON");
      return line;
    }
    searched = buffer_.size();
    if (searched > kMaxLine) return trouble(ExitCode::kFailed, "the daemon's answer is too long");
    if (!wait_for(socket_.get(), POLLIN, deadline)) return trouble(ExitCode::kTimedOut, "the daemon does not answer");
    std::array<char, 64 * 1024> bytes;
    const ssize_t size = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size == 0) return trouble(ExitCode::kFailed, "the daemon closed the connection");
    if (size < 0 && errno != EAGAIN && errno != EINTR) {
      return trouble(ExitCode::kFailed, std::string{"the daemon closed the connection: "} + std::strerror(errno));
    }
    if (size > 0) buffer_.append(bytes.data(), static_cast<std::size_t>(size));
  }
}

Expected<Json, Trouble> Connection::ask(const Json& request, Nanos patience) {
  if (auto sent = send(request); !sent) return Unexpected<Trouble>{sent.error()};
  return receive(patience);
}

}  // namespace baton::cli
