// The interface is also kept as the socket's unicast interface, because that one can be read back: so a socket that was
// inherited says itself which interface it was made for.
#include "linux/membership.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "vrrp/frame.h"

namespace baton::linux {
namespace {

int join_ipv4(int fd, int ifindex) {
  ip_mreqn request{};
  std::memcpy(&request.imr_multiaddr, vrrp::multicast_group(Family::kIpv4).bytes().data(), 4);
  request.imr_ifindex = ifindex;
  return ::setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
}

int join_ipv6(int fd, int ifindex) {
  ipv6_mreq request{};
  std::memcpy(&request.ipv6mr_multiaddr, vrrp::multicast_group(Family::kIpv6).bytes().data(), 16);
  request.ipv6mr_interface = static_cast<unsigned>(ifindex);
  return ::setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request);
}

}  // namespace

Result<posix::Fd> join_vrrp_group(int ifindex, Family family) {
  const bool ipv6 = family == Family::kIpv6;
  posix::Fd socket{::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return fail("open membership socket", errno);
  const std::uint32_t index = htonl(static_cast<std::uint32_t>(ifindex));
  if (::setsockopt(socket.get(), ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_UNICAST_IF : IP_UNICAST_IF, &index,
                   sizeof index) != 0) {
    return fail("note the interface of a membership", errno);
  }
  if ((ipv6 ? join_ipv6(socket.get(), ifindex) : join_ipv4(socket.get(), ifindex)) != 0) {
    return fail("join the VRRP group", errno);
  }
  return socket;
}

int membership_ifindex(int fd, Family family) {
  const bool ipv6 = family == Family::kIpv6;
  std::uint32_t index = 0;
  socklen_t size = sizeof index;
  if (::getsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_UNICAST_IF : IP_UNICAST_IF, &index, &size) != 0) {
    return 0;
  }
  return static_cast<int>(ntohl(index));
}

}  // namespace baton::linux
