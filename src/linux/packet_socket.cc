// AF_PACKET sockets with classic BPF filters.
#include "linux/packet_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>

#include <array>
#include <cerrno>
#include <span>

#include "vrrp/packet.h"

namespace baton::linux {
namespace {

constexpr int kBufferSize =
    4 << 20;  ///< bursts of a thousand routers on one link, at up to 4 KiB a frame in the kernel's accounts
constexpr int kControlPriority = 7;  ///< TC_PRIO_CONTROL
constexpr std::uint32_t kWholeFrame = 0x40000;
/// On each frame of ours, so that Tap::kOutgoing can tell it from another program's: "VRRP".
constexpr std::uint32_t kSendMark = 0x56525250;

constexpr std::uint16_t kLoadByte = BPF_LD | BPF_B | BPF_ABS;
constexpr std::uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint16_t kLoadHalf = BPF_LD | BPF_H | BPF_ABS;
constexpr std::uint16_t kJump = BPF_JMP | BPF_JA;
constexpr std::uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr std::uint16_t kIfGreater = BPF_JMP | BPF_JGT | BPF_K;
constexpr std::uint16_t kReturn = BPF_RET | BPF_K;
constexpr std::uint32_t kVlanPresent = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT);
constexpr std::uint32_t kMarkOfFrame = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_MARK);
constexpr std::uint32_t kPacketType = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);

// Each program ends with the same tail: no VLAN tag, and addressed to this host (PACKET_HOST, BROADCAST, MULTICAST are
// 0 to 2). A jump counts the instructions that it leaves out. Loads behind the end of the frame reject it.
constexpr sock_filter kArpFilter[] = {
    {kLoadWord, 0, 0, kVlanPresent}, {kIfEqual, 0, 3, 0},          {kLoadWord, 0, 0, kPacketType},
    {kIfGreater, 1, 0, 2},           {kReturn, 0, 0, kWholeFrame}, {kReturn, 0, 0, 0},
};
constexpr sock_filter kIpv4Filter[] = {
    {kLoadByte, 0, 0, 14 + 9},  // protocol
    {kIfEqual, 0, 5, vrrp::kIpProtocol},
    {kLoadWord, 0, 0, kVlanPresent},
    {kIfEqual, 0, 3, 0},
    {kLoadWord, 0, 0, kPacketType},
    {kIfGreater, 1, 0, 2},
    {kReturn, 0, 0, kWholeFrame},
    {kReturn, 0, 0, 0},
};
constexpr sock_filter kIpv6Filter[] = {
    /* 0 */ {kLoadByte, 0, 0, 14 + 6},  // next header
    /* 1 */ {kIfEqual, 12, 0, vrrp::kIpProtocol},
    /* 2 */ {kIfEqual, 0, 16, IPPROTO_ICMPV6},
    /* 3 */ {kLoadByte, 0, 0, 14 + 40},  // ICMPv6 type
    /* 4 */ {kIfEqual, 9, 0, ND_NEIGHBOR_ADVERT},
    /* 5 */ {kIfEqual, 0, 13, ND_NEIGHBOR_SOLICIT},
    /* 6 */ {kLoadWord, 0, 0, 14 + 8},  // the source must be ::
    /* 7 */ {kIfEqual, 0, 11, 0},
    /* 8 */ {kLoadWord, 0, 0, 14 + 12},
    /* 9 */ {kIfEqual, 0, 9, 0},
    /* 10 */ {kLoadWord, 0, 0, 14 + 16},
    /* 11 */ {kIfEqual, 0, 7, 0},
    /* 12 */ {kLoadWord, 0, 0, 14 + 20},
    /* 13 */ {kIfEqual, 0, 5, 0},
    /* 14 */ {kLoadWord, 0, 0, kVlanPresent},
    /* 15 */ {kIfEqual, 0, 3, 0},
    /* 16 */ {kLoadWord, 0, 0, kPacketType},
    /* 17 */ {kIfGreater, 1, 0, 2},
    /* 18 */ {kReturn, 0, 0, kWholeFrame},
    /* 19 */ {kReturn, 0, 0, 0},
};

constexpr sock_filter kOutgoingFilter[] = {
    /* 0 */ {kLoadWord, 0, 0, kPacketType},
    /* 1 */ {kIfEqual, 0, 15, PACKET_OUTGOING},
    /* 2 */ {kLoadWord, 0, 0, kMarkOfFrame},
    /* 3 */ {kIfEqual, 13, 0, kSendMark},  // ours
    /* 4 */ {kLoadWord, 0, 0, kVlanPresent},
    /* 5 */ {kIfEqual, 0, 11, 0},
    /* 6 */ {kLoadHalf, 0, 0, 12},  // EtherType
    /* 7 */ {kIfEqual, 0, 4, ETH_P_IP},
    /* 8 */ {kLoadWord, 0, 0, 14 + 16},  // destination: 224.0.0.18
    /* 9 */ {kIfEqual, 0, 7, 0xE0000012},
    /* 10 */ {kLoadByte, 0, 0, 14 + 9},  // protocol
    /* 11 */ {kJump, 0, 0, 4},
    /* 12 */ {kIfEqual, 0, 4, ETH_P_IPV6},
    /* 13 */ {kLoadWord, 0, 0, 14 + 24},  // destination: ff02::/32, so not unicast
    /* 14 */ {kIfEqual, 0, 2, 0xFF020000},
    /* 15 */ {kLoadByte, 0, 0, 14 + 6},  // next header
    /* 16 */ {kIfEqual, 1, 0, vrrp::kIpProtocol},
    /* 17 */ {kReturn, 0, 0, 0},
    /* 18 */ {kReturn, 0, 0, kWholeFrame},
};

std::span<const sock_filter> filter_of(Tap tap) {
  switch (tap) {
    case Tap::kIpv4: return kIpv4Filter;
    case Tap::kArp: return kArpFilter;
    case Tap::kIpv6: return kIpv6Filter;
    case Tap::kOutgoing: return kOutgoingFilter;
  }
  return kArpFilter;
}

std::uint16_t protocol_of(Tap tap) {
  switch (tap) {
    case Tap::kIpv4: return ETH_P_IP;
    case Tap::kArp: return ETH_P_ARP;
    case Tap::kIpv6: return ETH_P_IPV6;
    case Tap::kOutgoing: return ETH_P_ALL;
  }
  return 0;
}

/// Without a protocol nothing is received until bind() names one: the filter is in place before the first frame.
Result<posix::Fd> open_packet_socket() {
  posix::Fd socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return fail("open packet socket", errno);
  return socket;
}

int bind_packet_socket(int fd, int ifindex, std::uint16_t protocol) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = ifindex;
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// Best effort: the kernel's limit (net.core.*mem_max) applies to those who may not pass it.
void size_buffer(int fd, int forced, int plain) {
  if (::setsockopt(fd, SOL_SOCKET, forced, &kBufferSize, sizeof kBufferSize) != 0) {
    ::setsockopt(fd, SOL_SOCKET, plain, &kBufferSize, sizeof kBufferSize);
  }
}

bool interface_unusable(int sys_errno) { return sys_errno == ENETDOWN || sys_errno == ENXIO || sys_errno == ENODEV; }

}  // namespace

Result<posix::Fd> open_send_socket(int ifindex) {
  auto socket = open_packet_socket();
  if (!socket) return socket;
  size_buffer(socket->get(), SO_SNDBUFFORCE, SO_SNDBUF);
  ::setsockopt(socket->get(), SOL_SOCKET, SO_PRIORITY, &kControlPriority, sizeof kControlPriority);
  if (::setsockopt(socket->get(), SOL_SOCKET, SO_MARK, &kSendMark, sizeof kSendMark) != 0) {
    return fail("mark packet socket", errno);
  }
  if (bind_packet_socket(socket->get(), ifindex, 0) != 0) return fail("bind packet socket", errno);
  return socket;
}

Result<posix::Fd> open_receive_socket(int ifindex, Tap tap) {
  auto socket = open_packet_socket();
  if (!socket) return socket;
  const std::span<const sock_filter> filter = filter_of(tap);
  const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  if (::setsockopt(socket->get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    return fail("attach packet filter", errno);
  }
  size_buffer(socket->get(), SO_RCVBUFFORCE, SO_RCVBUF);
  if (bind_packet_socket(socket->get(), ifindex, protocol_of(tap)) != 0) return fail("bind packet socket", errno);
  return socket;
}

void FrameQueue::add(ConstBytes frame) {
  frames_.push_back({bytes_.size(), frame.size()});
  bytes_.insert(bytes_.end(), frame.begin(), frame.end());
}

int FrameQueue::send(int fd) {
  const std::size_t count = frames_.size();
  headers_.assign(count, mmsghdr{});
  parts_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    parts_[i] = {bytes_.data() + frames_[i].offset, frames_[i].size};
    headers_[i].msg_hdr.msg_iov = &parts_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
  int refused = 0;
  std::size_t done = 0;
  while (done < count) {
    const int sent = ::sendmmsg(fd, headers_.data() + done, static_cast<unsigned>(count - done), MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
    } else if (errno != EINTR) {
      refused = errno;
      if (interface_unusable(refused)) break;
      ++done;
    }
  }
  clear();
  return refused;
}

void FrameQueue::clear() {
  bytes_.clear();
  frames_.clear();
}

FrameReader::FrameReader()
    : bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(kBatch * kFrame)), headers_(kBatch), parts_(kBatch) {
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts_[i] = {bytes_.get() + i * kFrame, kFrame};
    headers_[i].msg_hdr.msg_iov = &parts_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

std::size_t FrameReader::read(int fd, std::size_t limit, const std::function<void(ConstBytes)>& take) {
  std::size_t total = 0;
  while (total < limit) {
    const int count = ::recvmmsg(fd, headers_.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count < 0 && (errno == EINTR || errno == ENETDOWN))
      continue;  // ENETDOWN is told once and cleared by being read
    if (count <= 0) return total;
    for (int i = 0; i < count; ++i) {
      const auto index = static_cast<std::size_t>(i);
      take({bytes_.get() + index * kFrame, headers_[index].msg_len});
    }
    total += static_cast<std::size_t>(count);
    if (static_cast<std::size_t>(count) < kBatch) return total;
  }
  return total;
}

}  // namespace baton::linux
