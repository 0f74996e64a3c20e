// Raw IP sockets for unicast adverts: the kernel adds the IP header and resolves the neighbour. They receive nothing
// (the packet sockets do), but their presence keeps the kernel from answering VRRP to this host with "protocol
// unreachable".
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/error.h"
#include "posix/fd.h"

namespace baton::linux {

class UnicastSender {
 public:
  /// IPv6 may be missing on the host; then sending to an IPv6 peer gives EAFNOSUPPORT.
  static Result<UnicastSender> open();

  /// Of the raw sockets, as the kernel lists them.
  std::vector<ino_t> inodes() const;
  /// TTL / Hop Limit 255, TOS / Traffic Class 0xC0, never fragmented, out of `ifindex` with `source`. 0 or the errno.
  int send(int ifindex, const IpAddress& source, const IpAddress& destination, ConstBytes message);

 private:
  posix::Fd ipv4_;
  posix::Fd ipv6_;
};

}  // namespace baton::linux
