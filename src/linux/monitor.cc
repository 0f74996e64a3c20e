// Reading netlink events in batches.
#include "linux/monitor.h"

#include <linux/rtnetlink.h>

#include <cerrno>
#include <utility>

namespace baton::linux {
namespace {

constexpr std::size_t kReadLimit = 8192;

}  // namespace

Result<std::unique_ptr<Monitor>> Monitor::open(int buffer) {
  auto socket =
      open_route_socket({RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_NETCONF}, buffer, true);
  if (!socket) return Unexpected<Error>{socket.error()};
  return std::unique_ptr<Monitor>{new Monitor{std::move(*socket)}};
}

Monitor::Monitor(posix::Fd socket)
    : socket_(std::move(socket)),
      bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(kBatch * kDatagram)),
      headers_(kBatch),
      parts_(kBatch),
      senders_(kBatch) {
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts_[i] = {bytes_.get() + i * kDatagram, kDatagram};
    headers_[i].msg_hdr.msg_iov = &parts_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &senders_[i];
  }
}

Monitor::Outcome Monitor::read(LinkTable& table) {
  Outcome outcome;
  for (std::size_t total = 0; total < kReadLimit;) {
    for (mmsghdr& header : headers_) header.msg_hdr.msg_namelen = sizeof(sockaddr_nl);
    const int count = ::recvmmsg(socket_.get(), headers_.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != ENOBUFS) return outcome;
      // The socket goes on with what still waits; that is older than the dump to come or as new.
      outcome.overrun = true;
      continue;
    }
    if (count == 0) return outcome;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      if (senders_[i].nl_pid != 0) continue;
      if ((headers_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) outcome.overrun = true;
      RouteMessageReader reader{ConstBytes{bytes_.get() + i * kDatagram, headers_[i].msg_len}};
      while (const auto message = reader.next()) {
        const RouteMessage parsed = parse_route_message(*message);
        if (std::holds_alternative<OverrunMessage>(parsed)) outcome.overrun = true;
        table.apply(parsed);
      }
    }
    total += static_cast<std::size_t>(count);
  }
  outcome.more = true;
  return outcome;
}

}  // namespace baton::linux
