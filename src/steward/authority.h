// Who may ask for what (design section 9): root and group baton-admin change, group baton-view reads. Decided from the
// kernel's word about the other end of the socket alone (SO_PEERCRED, SO_PEERGROUPS), never from what the client says.
// Pure.
#pragma once

#include <sys/types.h>

#include "posix/unix_socket.h"

namespace baton::steward {

/// gid 0 means that the group does not exist on this host: then nobody is in it.
struct AuthorityGroups {
  gid_t view = 0;
  gid_t admin = 0;
};

enum class Authority { kNone, kRead, kChange };
Authority authority_of(const posix::PeerCredentials& credentials, const AuthorityGroups& groups);

}  // namespace baton::steward
