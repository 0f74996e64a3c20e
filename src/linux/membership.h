// Multicast membership: a socket a link and family, opened only to hold it. Joining and closing take the rtnl lock:
// worker thread only.
#pragma once

#include "base/address.h"
#include "base/error.h"
#include "posix/fd.h"

namespace baton::linux {

/// Joins 224.0.0.18 or ff02::12 on the interface.
Result<posix::Fd> join_vrrp_group(int ifindex, Family family);

/// The interface that a socket of join_vrrp_group() was made for; 0 if it is none.
int membership_ifindex(int fd, Family family);

}  // namespace baton::linux
