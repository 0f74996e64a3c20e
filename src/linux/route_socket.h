// One rtnetlink socket for requests and dumps. Blocking: the kernel works inside sendmsg under the rtnl lock, so this
// is for the worker thread and for cleanup, never for the protocol thread. Believes nobody but the kernel (nl_pid 0).
#pragma once

#include <vector>

#include "base/error.h"
#include "linux/route_message.h"
#include "posix/fd.h"

namespace baton::linux {

/// Everything the kernel has. With `interrupted` something changed while it was read: entries may be missing, none is
/// invented.
struct Dump {
  std::vector<LinkMessage> links;
  std::vector<AddressMessage> addresses;
  bool interrupted = false;
};

class RouteSocket {
 public:
  static Result<RouteSocket> open();

  /// A batch that the next transact() sends.
  RouteRequests requests() { return RouteRequests{take_sequences(RouteRequests::kCapacity)}; }
  /// Sends all and waits for the answers: one errno a request, 0 = done. An answer that got lost counts as EIO.
  std::vector<int> transact(const RouteRequests& requests);

  Result<Dump> dump_all();
  /// Addresses only; of one interface where the kernel can filter (4.20), else of all.
  Result<Dump> dump_addresses(int ifindex);

 private:
  explicit RouteSocket(posix::Fd socket) : socket_(std::move(socket)), buffer_(32768) {}
  std::uint32_t take_sequences(std::size_t count);
  Result<void> dump(ConstBytes request, std::uint32_t sequence, Dump& dump);
  /// The next datagram of the kernel; others are dropped. Waits at most five seconds.
  Result<ConstBytes> receive();

  posix::Fd socket_;
  std::vector<std::uint8_t> buffer_;
  std::uint32_t next_sequence_ = 1;
};

/// Opens a NETLINK_ROUTE socket with `groups` (RTNLGRP_ numbers) joined. `receive_buffer` in bytes, 0 = the kernel's
/// default.
Result<posix::Fd> open_route_socket(const std::vector<int>& groups, int receive_buffer, bool non_blocking);

}  // namespace baton::linux
