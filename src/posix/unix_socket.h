// Unix sockets: message pairs between processes, descriptors in messages, listening sockets, and who the other side is.
// Every socket made here is non-blocking and close-on-exec.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "posix/fd.h"

namespace baton::posix {

inline constexpr std::size_t kMaxPassedFds = 4;

Result<std::pair<Fd, Fd>> seqpacket_pair();

enum class IoStatus { kDone, kWouldBlock, kClosed };

/// One message with at most kMaxPassedFds descriptors, which stay the caller's.
Result<IoStatus> send_message(int socket, ConstBytes bytes, std::span<const int> fds = {});

struct ReceivedMessage {
  std::size_t size = 0;
  bool truncated =
      false;  ///< longer than the buffer, or more descriptors than kMaxPassedFds: the message is not to be used
  std::vector<Fd> fds;
};
/// nullopt value: nothing there. A closed peer is size 0 and `closed`.
struct Received {
  IoStatus status = IoStatus::kDone;
  ReceivedMessage message;
};
Result<Received> receive_message(int socket, MutableBytes buffer);

/// Abstract SOCK_STREAM socket `@name` in this network namespace: a lock that dies with its last holder. EADDRINUSE:
/// held.
Result<Fd> bind_abstract(std::string_view name);
/// A listening SOCK_STREAM socket at `path` (an old socket there is replaced; any other file is an error), with this
/// mode and group.
Result<Fd> listen_stream(const std::string& path, mode_t mode, gid_t group);
/// Connects to a SOCK_STREAM socket at `path`.
Result<Fd> connect_stream(const std::string& path);
/// nullopt: nobody waits.
Result<std::optional<Fd>> accept_stream(int listener);

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< supplementary
};
/// Of the process that connected (SO_PEERCRED, SO_PEERGROUPS).
Result<PeerCredentials> peer_credentials(int socket);

}  // namespace baton::posix
