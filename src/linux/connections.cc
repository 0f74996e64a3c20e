#include "linux/connections.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "posix/fd.h"

namespace baton::linux {
namespace {

constexpr std::size_t kBuffer = 32768;
constexpr timeval kPatience{.tv_sec = 2, .tv_usec = 0};
/// All but those that listen, wait for their end, or are closed.
constexpr std::uint32_t kStates = 1u << TCP_ESTABLISHED | 1u << TCP_SYN_SENT | 1u << TCP_SYN_RECV |
                                  1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT |
                                  1u << TCP_LAST_ACK | 1u << TCP_CLOSING;

/// A dump with a filter, "the local address is this one", so that the kernel sends no others.
struct HostCondition {  ///< inet_diag_hostcond, whose address follows
  std::uint8_t family = 0;
  std::uint8_t prefix_len = 0;
  std::uint16_t padding = 0;
  std::int32_t port = -1;
};
struct ListRequest {
  nlmsghdr header{};
  inet_diag_req_v2 body{};
  nlattr attribute{};
  inet_diag_bc_op operation{};
  HostCondition condition;
  std::array<std::uint8_t, 16> address{};
};
struct EndRequest {
  nlmsghdr header{};
  inet_diag_req_v2 body{};
};
static_assert(sizeof(HostCondition) == sizeof(inet_diag_hostcond));
static_assert(sizeof(ListRequest) == 16 + 56 + 4 + 4 + 8 + 16 && sizeof(EndRequest) == 16 + 56, "no padding");

ListRequest list_request(int family, const IpAddress& local) {
  const ConstBytes address = local.bytes();
  ListRequest request;
  const std::size_t filter = sizeof request.operation + sizeof request.condition + address.size();
  request.header.nlmsg_len = static_cast<std::uint32_t>(sizeof request - request.address.size() + address.size());
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = static_cast<std::uint8_t>(family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = kStates;
  request.attribute.nla_len = static_cast<std::uint16_t>(sizeof request.attribute + filter);
  request.attribute.nla_type = INET_DIAG_REQ_BYTECODE;
  request.operation.code = INET_DIAG_BC_S_COND;
  request.operation.yes = static_cast<std::uint8_t>(filter);
  request.operation.no = static_cast<std::uint16_t>(filter + 4);  // beyond the end: not accepted
  request.condition.family = local.is_ipv6() ? AF_INET6 : AF_INET;
  request.condition.prefix_len = static_cast<std::uint8_t>(8 * address.size());
  std::copy(address.begin(), address.end(), request.address.begin());
  return request;
}

class DiagSocket {
 public:
  static Result<DiagSocket> open() {
    posix::Fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)};
    if (!socket.valid()) return fail("open socket diagnosis", errno);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    return DiagSocket{std::move(socket)};
  }

  Result<std::vector<inet_diag_msg>> list(int family, const IpAddress& local) {
    const ListRequest request = list_request(family, local);
    if (::send(socket_.get(), &request, request.header.nlmsg_len, 0) < 0) return fail("list connections", errno);
    std::vector<inet_diag_msg> found;
    while (true) {
      const ssize_t size = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
      if (size < 0) return fail("list connections", errno);
      const ConstBytes answer = ConstBytes{buffer_}.first(static_cast<std::size_t>(size));
      for (std::size_t at = 0; at + sizeof(nlmsghdr) <= answer.size();) {
        const auto header = taken<nlmsghdr>(answer, at);
        if (header.nlmsg_type == NLMSG_DONE) return found;
        if (header.nlmsg_type == NLMSG_ERROR) return fail("list connections", error_of(answer, at));
        if (header.nlmsg_len < sizeof header + sizeof(inet_diag_msg)) return fail("list connections", EPROTO);
        found.push_back(taken<inet_diag_msg>(answer, at + sizeof header));
        at += (header.nlmsg_len + 3) & ~std::size_t{3};
      }
    }
  }

  int end(const inet_diag_msg& connection) {
    EndRequest request;
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DESTROY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.body.sdiag_family = connection.idiag_family;
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = 1u << connection.idiag_state;
    request.body.id = connection.id;
    if (::send(socket_.get(), &request, sizeof request, 0) < 0) return errno;
    const ssize_t size = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
    return size < 0 ? errno : error_of(ConstBytes{buffer_}.first(static_cast<std::size_t>(size)), 0);
  }

 private:
  explicit DiagSocket(posix::Fd socket) : socket_(std::move(socket)) {}
  template <class T>
  static T taken(ConstBytes bytes, std::size_t at) {
    T value{};
    if (at + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  }
  static int error_of(ConstBytes bytes, std::size_t at) { return -taken<nlmsgerr>(bytes, at + sizeof(nlmsghdr)).error; }

  posix::Fd socket_;
  std::array<std::uint8_t, kBuffer> buffer_{};
};

}  // namespace

Result<std::size_t> end_connections(const IpAddress& local) {
  auto socket = DiagSocket::open();
  if (!socket) return Unexpected<Error>{socket.error()};
  std::size_t ended = 0;
  for (const int family : {AF_INET, AF_INET6}) {
    if (local.is_ipv6() && family == AF_INET) continue;
    const auto connections = socket->list(family, local);
    if (!connections) return Unexpected<Error>{connections.error()};
    for (const inet_diag_msg& connection : *connections) {
      const int sys_errno = socket->end(connection);
      if (sys_errno == EOPNOTSUPP) return fail("end connections", sys_errno);
      ended += sys_errno == 0 ? 1 : 0;  // one that has ended meanwhile is none
    }
  }
  return ended;
}

}  // namespace baton::linux
