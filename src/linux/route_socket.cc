// Requests and dumps over one rtnetlink socket.
#include "linux/route_socket.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace baton::linux {
namespace {

constexpr int kAnswerTimeoutMs = 5000;

void set_option(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

}  // namespace

Result<posix::Fd> open_route_socket(const std::vector<int>& groups, int receive_buffer, bool non_blocking) {
  posix::Fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0), NETLINK_ROUTE)};
  if (!socket.valid()) return fail("open netlink socket", errno);
  // Answers without a copy of the request, and dumps that may be narrowed: both are refused by old kernels, both can be
  // done without.
  set_option(socket.get(), SOL_NETLINK, NETLINK_CAP_ACK, 1);
  set_option(socket.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
  if (receive_buffer != 0 &&
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof receive_buffer) != 0) {
    set_option(socket.get(), SOL_SOCKET, SO_RCVBUF, receive_buffer);
  }
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0) {
    return fail("bind netlink socket", errno);
  }
  for (const int group : groups) {
    if (::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
      return fail("join netlink group", errno, std::to_string(group));
    }
  }
  return socket;
}

Result<RouteSocket> RouteSocket::open() {
  auto socket = open_route_socket({}, 1 << 20, false);
  if (!socket) return Unexpected<Error>{socket.error()};
  return RouteSocket{std::move(*socket)};
}

std::uint32_t RouteSocket::take_sequences(std::size_t count) {
  const std::uint32_t first = next_sequence_;
  next_sequence_ += static_cast<std::uint32_t>(count);
  return first;
}

Result<ConstBytes> RouteSocket::receive() {
  while (true) {
    sockaddr_nl sender{};
    iovec part{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
    msghdr header{};
    header.msg_name = &sender;
    header.msg_namelen = sizeof sender;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    const ssize_t size = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) {  // rare: the kernel answers a change before send() returns
      pollfd readable{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      const int ready = ::poll(&readable, 1, kAnswerTimeoutMs);
      if (ready == 0) return fail("wait for netlink answer", ETIMEDOUT);
      if (ready < 0 && errno != EINTR) return fail("wait for netlink answer", errno);
      continue;
    }
    if (size < 0) {
      if (errno == EINTR) continue;
      return fail("read netlink answer", errno);
    }
    if (sender.nl_pid != 0) continue;  // F45: only the kernel is believed
    if ((header.msg_flags & MSG_TRUNC) != 0) return fail("read netlink answer", EMSGSIZE);
    return ConstBytes{buffer_}.first(static_cast<std::size_t>(size));
  }
}

std::vector<int> RouteSocket::transact(const RouteRequests& requests) {
  std::vector<int> results(requests.count(), EIO);
  if (requests.count() == 0) return results;
  const ConstBytes bytes = requests.bytes();
  if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) {
    results.assign(results.size(), errno);
    return results;
  }
  std::size_t missing = results.size();
  while (missing > 0) {
    const auto datagram = receive();
    if (!datagram) {
      // Lost answers (ENOBUFS) or none at all: what was not answered stays EIO and the caller looks for itself.
      return results;
    }
    RouteMessageReader reader{*datagram};
    while (const auto message = reader.next()) {
      const RouteMessage parsed = parse_route_message(*message);
      const auto* answer = std::get_if<AnswerMessage>(&parsed);
      if (answer == nullptr) continue;
      const std::uint32_t index = answer->sequence - requests.first_sequence();
      if (index >= results.size()) continue;  // of an earlier batch that was given up
      results[index] = answer->sys_errno;
      --missing;
      if (missing == 0) break;
    }
  }
  return results;
}

Result<void> RouteSocket::dump(ConstBytes request, std::uint32_t sequence, Dump& dump) {
  if (::send(socket_.get(), request.data(), request.size(), 0) < 0) return fail("ask for netlink dump", errno);
  while (true) {
    const auto datagram = receive();
    if (!datagram) return Unexpected<Error>{datagram.error()};
    RouteMessageReader reader{*datagram};
    while (const auto message = reader.next()) {
      dump.interrupted = dump.interrupted || reader.interrupted();
      if (reinterpret_cast<const nlmsghdr*>(message->data())->nlmsg_seq != sequence) continue;
      RouteMessage parsed = parse_route_message(*message);
      if (auto* link = std::get_if<LinkMessage>(&parsed)) dump.links.push_back(std::move(*link));
      if (const auto* address = std::get_if<AddressMessage>(&parsed)) dump.addresses.push_back(*address);
      if (const auto* answer = std::get_if<AnswerMessage>(&parsed)) {
        if (answer->sys_errno != 0) return fail("read netlink dump", answer->sys_errno);
        return {};
      }
    }
  }
}

Result<Dump> RouteSocket::dump_all() {
  Dump all;
  std::uint32_t sequence = take_sequences(1);
  if (auto links = dump(link_dump_request(sequence), sequence, all); !links) return Unexpected<Error>{links.error()};
  sequence = take_sequences(1);
  if (auto addresses = dump(address_dump_request(sequence, 0), sequence, all); !addresses) {
    return Unexpected<Error>{addresses.error()};
  }
  return all;
}

Result<Dump> RouteSocket::dump_addresses(int ifindex) {
  Dump some;
  const std::uint32_t sequence = take_sequences(1);
  if (auto done = dump(address_dump_request(sequence, ifindex), sequence, some); !done) {
    return Unexpected<Error>{done.error()};
  }
  return some;
}

}  // namespace baton::linux
