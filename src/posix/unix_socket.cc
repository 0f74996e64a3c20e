#include "posix/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace baton::posix {
namespace {

Result<sockaddr_un> path_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return fail("use a socket path", ENAMETOOLONG, path);
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

Result<Fd> stream_socket() {
  Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return fail("open unix socket", errno);
  return socket;
}

}  // namespace

Result<std::pair<Fd, Fd>> seqpacket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return fail("open socket pair", errno);
  }
  return std::pair{Fd{ends[0]}, Fd{ends[1]}};
}

Result<IoStatus> send_message(int socket, ConstBytes bytes, std::span<const int> fds) {
  CHECK(fds.size() <= kMaxPassedFds);
  iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPassedFds)] = {};
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) return IoStatus::kWouldBlock;
    if (errno == EPIPE || errno == ECONNRESET) return IoStatus::kClosed;
    return fail("send message", errno);
  }
  return IoStatus::kDone;
}

Result<Received> receive_message(int socket, MutableBytes buffer) {
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPassedFds)];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = -1;
  while ((size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0) {
    if (errno == EINTR) continue;
    Received nothing;
    nothing.status = IoStatus::kWouldBlock;
    if (errno == EAGAIN) return nothing;
    nothing.status = IoStatus::kClosed;
    if (errno == ECONNRESET) return nothing;
    return fail("receive message", errno);
  }
  Received received;
  received.message.size = static_cast<std::size_t>(size);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      received.message.fds.emplace_back(fd);
    }
  }
  received.message.truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  // Our messages are never empty, so an empty one is the end of the connection.
  if (size == 0) received.status = IoStatus::kClosed;
  return received;
}

Result<Fd> bind_abstract(std::string_view name) {
  auto socket = stream_socket();
  if (!socket) return socket;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK(name.size() + 1 < sizeof address.sun_path);
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (::bind(socket->get(), generic(address), length) != 0) {
    return fail("bind abstract socket", errno, "@" + std::string(name));
  }
  return socket;
}

Result<Fd> listen_stream(const std::string& path, mode_t mode, gid_t group) {
  const auto address = path_address(path);
  if (!address) return Unexpected<Error>{address.error()};
  struct stat old {};
  if (::lstat(path.c_str(), &old) == 0) {
    if (!S_ISSOCK(old.st_mode)) return fail("replace what is no socket", EEXIST, path);
    if (::unlink(path.c_str()) != 0) return fail("remove old socket", errno, path);
  }
  auto socket = stream_socket();
  if (!socket) return socket;
  // The directory is ours alone to write in, so nobody can connect between bind and chmod who could not afterwards:
  // 0600 first.
  const mode_t mask = ::umask(0177);
  const int bound = ::bind(socket->get(), generic(*address), sizeof *address);
  const int bind_errno = errno;
  ::umask(mask);
  if (bound != 0) return fail("bind control socket", bind_errno, path);
  // Its owner may give it to a group that it is in: that needs no right to give files away.
  const gid_t own_group = ::getegid();
  if (::setegid(group) != 0) return fail("become group", errno, std::to_string(group));
  const int given = ::lchown(path.c_str(), static_cast<uid_t>(-1), group);
  const int given_errno = errno;
  if (::setegid(own_group) != 0) return fail("become group", errno, std::to_string(own_group));
  if (given != 0) return fail("set group of", given_errno, path);
  if (::chmod(path.c_str(), mode) != 0) return fail("set mode of", errno, path);
  if (::listen(socket->get(), 32) != 0) return fail("listen on", errno, path);
  return socket;
}

Result<Fd> connect_stream(const std::string& path) {
  const auto address = path_address(path);
  if (!address) return Unexpected<Error>{address.error()};
  auto socket = stream_socket();
  if (!socket) return socket;
  if (::connect(socket->get(), generic(*address), sizeof *address) != 0) return fail("connect to", errno, path);
  return socket;
}

Result<std::optional<Fd>> accept_stream(int listener) {
  Fd socket{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (socket.valid()) return std::optional<Fd>{std::move(socket)};
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return std::optional<Fd>{};
  return fail("accept connection", errno);
}

Result<PeerCredentials> peer_credentials(int socket) {
  ucred who{};
  socklen_t length = sizeof who;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0) return fail("ask who connected", errno);
  PeerCredentials credentials;
  credentials.pid = who.pid;
  credentials.uid = who.uid;
  credentials.gid = who.gid;
  length = 0;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &length) != 0 && errno != ERANGE) {
    return fail("ask groups of who connected", errno);
  }
  credentials.groups.resize(length / sizeof(gid_t));
  if (length != 0 && ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, credentials.groups.data(), &length) != 0) {
    return fail("ask groups of who connected", errno);
  }
  return credentials;
}

}  // namespace baton::posix
