// Source address and interface go with each message (IP_PKTINFO), so one socket a family serves all links.
#include "linux/unicast_socket.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "vrrp/packet.h"

namespace baton::linux {
namespace {

constexpr int kInternetworkControl = 0xC0;

int set(int fd, int level, int option, int value) { return ::setsockopt(fd, level, option, &value, sizeof value); }

/// Rejects everything, and keeps multicast from being copied to the socket at all.
int receive_nothing(int fd) {
  sock_filter reject{BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog program{1, &reject};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/// Room for one pktinfo, aligned as the kernel wants it.
struct ControlBuffer {
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> bytes{};
};

template <class Info>
void put_control(msghdr& header, ControlBuffer& control, int level, int type, const Info& info) {
  header.msg_control = control.bytes.data();
  header.msg_controllen = CMSG_SPACE(sizeof info);
  cmsghdr* message = CMSG_FIRSTHDR(&header);
  message->cmsg_level = level;
  message->cmsg_type = type;
  message->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(message), &info, sizeof info);
}

int send_to(int fd, msghdr& header, ConstBytes message) {
  iovec part{const_cast<std::uint8_t*>(message.data()), message.size()};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  while (::sendmsg(fd, &header, MSG_DONTWAIT) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace

Result<UnicastSender> UnicastSender::open() {
  UnicastSender sender;
  sender.ipv4_.reset(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, vrrp::kIpProtocol));
  const int ipv4 = sender.ipv4_.get();
  if (ipv4 < 0) return fail("open raw IPv4 socket", errno);
  if (receive_nothing(ipv4) != 0 || set(ipv4, IPPROTO_IP, IP_TTL, vrrp::kHopLimit) != 0 ||
      set(ipv4, IPPROTO_IP, IP_TOS, kInternetworkControl) != 0 ||
      set(ipv4, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO) != 0 || set(ipv4, IPPROTO_IP, IP_MULTICAST_ALL, 0) != 0) {
    return fail("prepare raw IPv4 socket", errno);
  }
  sender.ipv6_.reset(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, vrrp::kIpProtocol));
  const int ipv6 = sender.ipv6_.get();
  if (ipv6 < 0) {
    if (errno == EAFNOSUPPORT) return sender;
    return fail("open raw IPv6 socket", errno);
  }
  // The message carries its checksum already (IPV6_CHECKSUM stays off, as it is for every protocol but ICMPv6).
  if (receive_nothing(ipv6) != 0 || set(ipv6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, vrrp::kHopLimit) != 0 ||
      set(ipv6, IPPROTO_IPV6, IPV6_TCLASS, kInternetworkControl) != 0 ||
      set(ipv6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO) != 0 ||
      set(ipv6, IPPROTO_IPV6, IPV6_DONTFRAG, 1) != 0) {
    return fail("prepare raw IPv6 socket", errno);
  }
  set(ipv6, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);  // kernel 4.20; before it copies are made and rejected
  return sender;
}

std::vector<ino_t> UnicastSender::inodes() const {
  std::vector<ino_t> found;
  for (const posix::Fd* socket : {&ipv4_, &ipv6_}) {
    struct stat status {};
    if (socket->valid() && ::fstat(socket->get(), &status) == 0) found.push_back(status.st_ino);
  }
  return found;
}

int UnicastSender::send(int ifindex, const IpAddress& source, const IpAddress& destination, ConstBytes message) {
  if (source.family() != destination.family()) return EINVAL;
  msghdr header{};
  ControlBuffer control;
  if (!destination.is_ipv6()) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, destination.bytes().data(), 4);
    in_pktinfo info{};
    info.ipi_ifindex = ifindex;
    std::memcpy(&info.ipi_spec_dst, source.bytes().data(), 4);
    header.msg_name = &to;
    header.msg_namelen = sizeof to;
    put_control(header, control, IPPROTO_IP, IP_PKTINFO, info);
    return send_to(ipv4_.get(), header, message);
  }
  if (!ipv6_.valid()) return EAFNOSUPPORT;
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  std::memcpy(&to.sin6_addr, destination.bytes().data(), 16);
  to.sin6_scope_id = destination.is_link_local() ? static_cast<std::uint32_t>(ifindex) : 0;
  in6_pktinfo info{};
  info.ipi6_ifindex = static_cast<unsigned>(ifindex);
  std::memcpy(&info.ipi6_addr, source.bytes().data(), 16);
  header.msg_name = &to;
  header.msg_namelen = sizeof to;
  put_control(header, control, IPPROTO_IPV6, IPV6_PKTINFO, info);
  return send_to(ipv6_.get(), header, message);
}

}  // namespace baton::linux
