#include "daemon/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace baton::daemon {

Notifier::Notifier() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  path_ = path;
  if (path_.size() >= sizeof sockaddr_un{}.sun_path) return;
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const char* microseconds = std::getenv("WATCHDOG_USEC");
  if (microseconds == nullptr) return;
  std::int64_t value = 0;
  std::from_chars(microseconds, microseconds + std::strlen(microseconds), value);
  if (value > 0) watchdog_ = std::chrono::microseconds{value} / 2;
}

void Notifier::send(std::string_view assignments) const {
  if (!socket_.valid()) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  ::sendto(socket_.get(), assignments.data(), assignments.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&address), length);
}

}  // namespace baton::daemon
