// Ends TCP connections that lead to an address which is about to leave this host, with a reset that the other end sees:
// once the address is gone nothing can be said to it any more, and a client without a timeout would wait for ever.
#pragma once

#include "base/address.h"
#include "base/error.h"

namespace baton::linux {

/// Of all processes of this network namespace, IPv4 also where it came in over an IPv6 socket. REQUIRES CAP_NET_ADMIN.
/// Waits for no other host. Error: the kernel cannot (built without INET_DIAG_DESTROY), or the dump failed. Returns how
/// many it ended.
Result<std::size_t> end_connections(const IpAddress& local);

}  // namespace baton::linux
