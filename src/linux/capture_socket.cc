#include "linux/capture_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "vrrp/packet.h"

namespace baton::linux {
namespace {

constexpr int kBufferSize = 2 << 20;  ///< about 2500 small frames in the kernel's accounts
constexpr std::size_t kBatch = 32;
/// It is cut when it is read: a filter that cuts would hide how long the frame was.
constexpr std::uint32_t kWholeFrame = 0x40000;

constexpr std::uint16_t kLoadByte = BPF_LD | BPF_B | BPF_ABS;
constexpr std::uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint16_t kLoadHalf = BPF_LD | BPF_H | BPF_ABS;
constexpr std::uint16_t kJump = BPF_JMP | BPF_JA;
constexpr std::uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr std::uint16_t kReturn = BPF_RET | BPF_K;
constexpr std::uint32_t kVlanPresent = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT);
constexpr std::uint32_t kPacketType = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);

/// A jump counts the instructions that it leaves out. Loads behind the end of the frame reject it. All numbers are
/// checked by tests/linux/capture_test.cc against a real interface.
constexpr sock_filter kFilter[] = {
    /* 0 */ {kLoadWord, 0, 0, kVlanPresent},
    /* 1 */ {kIfEqual, 0, 18, 0},
    /* 2 */ {kLoadWord, 0, 0, kPacketType},
    /* 3 */ {kIfEqual, 16, 0, PACKET_OTHERHOST},
    /* 4 */ {kLoadHalf, 0, 0, 12},  // EtherType
    /* 5 */ {kIfEqual, 15, 0, ETH_P_ARP},
    /* 6 */ {kIfEqual, 7, 0, ETH_P_IP},
    /* 7 */ {kIfEqual, 0, 12, ETH_P_IPV6},
    /* 8 */ {kLoadByte, 0, 0, 14 + 6},  // next header
    /* 9 */ {kIfEqual, 11, 0, vrrp::kIpProtocol},
    /* 10 */ {kIfEqual, 5, 0, IPPROTO_ICMPV6},
    /* 11 */ {kIfEqual, 0, 8, IPPROTO_FRAGMENT},
    /* 12 */ {kLoadByte, 0, 0, 14 + 40},  // what is in the fragments
    /* 13 */ {kJump, 0, 0, 1},
    /* 14 */ {kLoadByte, 0, 0, 14 + 9},  // protocol
    /* 15 */ {kIfEqual, 5, 4, vrrp::kIpProtocol},
    /* 16 */ {kLoadByte, 0, 0, 14 + 40},  // ICMPv6 type
    /* 17 */ {kIfEqual, 3, 0, ND_ROUTER_ADVERT},
    /* 18 */ {kIfEqual, 2, 0, ND_NEIGHBOR_SOLICIT},
    /* 19 */ {kIfEqual, 1, 0, ND_NEIGHBOR_ADVERT},
    /* 20 */ {kReturn, 0, 0, 0},
    /* 21 */ {kReturn, 0, 0, kWholeFrame},
};

std::int64_t time_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec time{};
    std::copy_n(CMSG_DATA(part), sizeof time, reinterpret_cast<unsigned char*>(&time));
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }
  return 0;
}

}  // namespace

Result<posix::Fd> open_capture_socket() {
  posix::Fd socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return fail("open capture socket", errno);
  const sock_fprog program{std::size(kFilter), const_cast<sock_filter*>(kFilter)};
  const int on = 1;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0 ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) != 0) {
    return fail("attach capture filter", errno);
  }
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) {
    return fail("time stamps of the capture socket", errno);
  }
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferSize, sizeof kBufferSize) != 0) {
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &kBufferSize, sizeof kBufferSize);
  }
  return socket;
}

/// For one recvmmsg. Pages that nothing was read into cost nothing.
struct CaptureSocket::Buffers {
  std::array<std::array<std::uint8_t, ports::kSnapLength>, kBatch> bytes;
  alignas(cmsghdr) std::array<std::array<char, CMSG_SPACE(sizeof(timespec))>, kBatch> control;
  std::array<sockaddr_ll, kBatch> from;
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> headers;

  void prepare() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts[i] = {bytes[i].data(), bytes[i].size()};
      headers[i] = {};
      msghdr& header = headers[i].msg_hdr;
      header.msg_name = &from[i];
      header.msg_namelen = sizeof from[i];
      header.msg_iov = &parts[i];
      header.msg_iovlen = 1;
      header.msg_control = control[i].data();
      header.msg_controllen = control[i].size();
    }
  }
};

CaptureSocket::CaptureSocket(posix::Fd socket, std::string interface)
    : socket_(std::move(socket)),
      interface_(std::move(interface)),
      buffers_(std::make_unique_for_overwrite<Buffers>()) {}

CaptureSocket::~CaptureSocket() = default;

bool CaptureSocket::attach() {
  const auto wanted = static_cast<int>(::if_nametoindex(interface_.c_str()));
  if (wanted == 0) return false;
  sockaddr_ll bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return false;
  if (bound.sll_ifindex == wanted && bound.sll_protocol == htons(ETH_P_ALL)) return true;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = wanted;
  return ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::size_t CaptureSocket::read(std::size_t limit, const std::function<void(const ports::CapturedFrame&)>& take) {
  std::size_t total = 0;
  while (total < limit) {
    buffers_->prepare();
    const auto wanted = static_cast<unsigned>(std::min(kBatch, limit - total));
    // MSG_TRUNC: the length that a frame had on the wire, not what of it was kept.
    const int count = ::recvmmsg(socket_.get(), buffers_->headers.data(), wanted, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    if (count < 0 && (errno == EINTR || errno == ENETDOWN)) continue;  // ENETDOWN is told once
    if (count <= 0) return total;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      mmsghdr& header = buffers_->headers[i];
      const std::size_t kept = std::min<std::size_t>(header.msg_len, buffers_->bytes[i].size());
      take({.wall_clock_ns = time_of(header.msg_hdr),
            .length = header.msg_len,
            .outgoing = buffers_->from[i].sll_pkttype == PACKET_OUTGOING,
            .bytes = ConstBytes{buffers_->bytes[i]}.first(kept)});
    }
    total += static_cast<std::size_t>(count);
    if (static_cast<unsigned>(count) < wanted) break;
  }
  return total;
}

std::uint64_t CaptureSocket::lost() {
  tpacket_stats counted{};
  socklen_t size = sizeof counted;
  if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &counted, &size) != 0) return 0;
  return counted.tp_drops;  // since it was asked last
}

}  // namespace baton::linux
