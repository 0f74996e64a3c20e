// SPDX-License-Identifier: GPL-2.0-or-later
//
// Builds the questions and knows the answers: an answer counts only if it is to our question, so that a target that we
// hear but that does not hear us gives none.
#include "asker.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace baton_ping {
namespace {

constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kArpRequest = 1;
constexpr std::uint16_t kArpReply = 2;

struct [[gnu::packed]] ArpPacket {
  std::uint16_t hardware_type;
  std::uint16_t protocol;
  std::uint8_t hardware_size;
  std::uint8_t protocol_size;
  std::uint16_t operation;
  std::array<std::uint8_t, 6> sender_hardware;
  std::array<std::uint8_t, 4> sender;
  std::array<std::uint8_t, 6> target_hardware;
  std::array<std::uint8_t, 4> target;
};
static_assert(sizeof(ArpPacket) == 28);

struct EchoPacket {
  std::uint8_t type;
  std::uint8_t code;
  std::uint16_t checksum;
  std::uint16_t id;
  std::uint16_t sequence;
  std::uint64_t cookie;
};
static_assert(sizeof(EchoPacket) == 16);

struct NeighbourPacket {
  nd_neighbor_solicit head;
  std::uint8_t option;
  std::uint8_t option_size;
  std::array<std::uint8_t, 6> hardware;
};
static_assert(sizeof(NeighbourPacket) == 32);

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_ll link;
};

socklen_t fill(const Ip& ip, int scope, SocketAddress* address) {
  std::memset(address, 0, sizeof *address);
  if (ip.family == AF_INET) {
    address->v4.sin_family = AF_INET;
    std::memcpy(&address->v4.sin_addr, ip.bytes.data(), 4);
    return sizeof address->v4;
  }
  address->v6.sin6_family = AF_INET6;
  std::memcpy(&address->v6.sin6_addr, ip.bytes.data(), 16);
  if (ip.is_link_local() || ip.bytes[0] == 0xff) address->v6.sin6_scope_id = static_cast<std::uint32_t>(scope);
  return sizeof address->v6;
}

std::uint16_t internet_checksum(const void* start, std::size_t size) {
  std::uint32_t sum = 0;
  const auto* bytes = static_cast<const std::uint8_t*>(start);
  for (std::size_t i = 0; i + 1 < size; i += 2) sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

bool set(int descriptor, int level, int option, int value) {
  return ::setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

}  // namespace

Asker::Asker(const Question& question, const std::optional<Way>& way, std::uint16_t id)
    : question_(question), way_(way), method_(Method::kIcmp), id_(id) {
  if (::getrandom(&cookie_, sizeof cookie_, GRND_NONBLOCK) != sizeof cookie_) cookie_ = id;
  if (way_) method_ = question.ip.family == AF_INET ? Method::kArp : Method::kNeighbour;
  bool opened = false;
  if (method_ == Method::kArp) opened = open_arp();
  if (method_ == Method::kNeighbour) opened = open_neighbour();
  if (method_ == Method::kIcmp) opened = open_icmp();
  if (opened) return;
  error_ = errno;
  lacks_rights_ = error_ == EPERM || error_ == EACCES;
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

Asker::~Asker() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Asker::Asker(Asker&& other) noexcept
    : question_(std::move(other.question_)),
      way_(std::move(other.way_)),
      method_(other.method_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      raw_(other.raw_),
      lacks_rights_(other.lacks_rights_),
      error_(other.error_),
      id_(other.id_),
      cookie_(other.cookie_),
      sent_(other.sent_),
      sent_at_(other.sent_at_),
      round_trip_(other.round_trip_) {}

const char* Asker::method_name() const {
  return method_ == Method::kIcmp ? "ICMP" : method_ == Method::kArp ? "ARP" : "NDP";
}

bool Asker::open_icmp() {
  const int family = question_.ip.family;
  const int protocol = family == AF_INET ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6);
  constexpr int kFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  descriptor_ = ::socket(family, SOCK_DGRAM | kFlags, protocol);
  if (descriptor_ < 0) {
    raw_ = true;
    descriptor_ = ::socket(family, SOCK_RAW | kFlags, protocol);
  }
  if (descriptor_ < 0) return false;
  int scope = 0;
  if (!question_.interface.empty()) {
    scope = static_cast<int>(::if_nametoindex(question_.interface.c_str()));
    if (scope == 0) return false;
    const auto size = static_cast<socklen_t>(question_.interface.size());
    if (::setsockopt(descriptor_, SOL_SOCKET, SO_BINDTODEVICE, question_.interface.c_str(), size) != 0) return false;
  }
  set(descriptor_, family == AF_INET ? SOL_IP : SOL_IPV6, family == AF_INET ? IP_RECVERR : IPV6_RECVERR, 1);
  SocketAddress address{};
  if (question_.source && question_.source->family == family) {
    const socklen_t size = fill(*question_.source, scope, &address);
    if (::bind(descriptor_, &address.any, size) != 0) return false;
  }
  const socklen_t size = fill(question_.ip, scope, &address);
  return ::connect(descriptor_, &address.any, size) == 0;
}

bool Asker::open_arp() {
  descriptor_ = ::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(kEtherTypeArp));
  if (descriptor_ < 0) return false;
  SocketAddress address{};
  address.link.sll_family = AF_PACKET;
  address.link.sll_protocol = htons(kEtherTypeArp);
  address.link.sll_ifindex = way_->link.index;
  return ::bind(descriptor_, &address.any, sizeof address.link) == 0;
}

bool Asker::open_neighbour() {
  raw_ = true;
  descriptor_ = ::socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
  if (descriptor_ < 0) return false;
  icmp6_filter filter{};
  ICMP6_FILTER_SETBLOCKALL(&filter);
  ICMP6_FILTER_SETPASS(ND_NEIGHBOR_ADVERT, &filter);
  SocketAddress address{};
  const socklen_t size = fill(way_->source, way_->link.index, &address);
  const auto name_size = static_cast<socklen_t>(way_->link.name.size());
  // RFC 4861 §7.1.1: a solicitation with another hop limit than 255 is not answered.
  return ::setsockopt(descriptor_, SOL_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) == 0 &&
         ::setsockopt(descriptor_, SOL_SOCKET, SO_BINDTODEVICE, way_->link.name.c_str(), name_size) == 0 &&
         set(descriptor_, SOL_IPV6, IPV6_MULTICAST_HOPS, 255) && set(descriptor_, SOL_IPV6, IPV6_UNICAST_HOPS, 255) &&
         set(descriptor_, SOL_IPV6, IPV6_RECVHOPLIMIT, 1) && ::bind(descriptor_, &address.any, size) == 0;
}

void Asker::send(nanoseconds now) {
  if (descriptor_ < 0 || sent_ == kMostSent) return;
  sent_at_[sent_++] = now;
  const bool sent = method_ == Method::kIcmp ? ask_icmp() : method_ == Method::kArp ? ask_arp() : ask_neighbour();
  if (!sent && errno != ENOBUFS && errno != EAGAIN) error_ = errno;
}

bool Asker::ask_icmp() {
  const bool v4 = question_.ip.family == AF_INET;
  EchoPacket packet{.type = static_cast<std::uint8_t>(v4 ? int{ICMP_ECHO} : int{ICMP6_ECHO_REQUEST}),
                    .code = 0,
                    .checksum = 0,
                    .id = htons(id_),
                    .sequence = htons(sent_),
                    .cookie = cookie_};
  if (v4) packet.checksum = internet_checksum(&packet, sizeof packet);  // of ICMPv6 the kernel makes it
  return ::send(descriptor_, &packet, sizeof packet, MSG_NOSIGNAL) == sizeof packet;
}

bool Asker::ask_arp() {
  ArpPacket packet{.hardware_type = htons(ARPHRD_ETHER),
                   .protocol = htons(kEtherTypeIpv4),
                   .hardware_size = 6,
                   .protocol_size = 4,
                   .operation = htons(kArpRequest),
                   .sender_hardware = way_->link.hardware,
                   .sender = {},
                   .target_hardware = {},
                   .target = {}};
  std::copy_n(way_->source.bytes.begin(), 4, packet.sender.begin());
  std::copy_n(question_.ip.bytes.begin(), 4, packet.target.begin());
  SocketAddress everybody{};
  everybody.link.sll_family = AF_PACKET;
  everybody.link.sll_protocol = htons(kEtherTypeArp);
  everybody.link.sll_ifindex = way_->link.index;
  everybody.link.sll_halen = 6;
  std::fill_n(everybody.link.sll_addr, 6, static_cast<unsigned char>(0xff));
  return ::sendto(descriptor_, &packet, sizeof packet, 0, &everybody.any, sizeof everybody.link) == sizeof packet;
}

bool Asker::ask_neighbour() {
  NeighbourPacket packet{};
  packet.head.nd_ns_type = ND_NEIGHBOR_SOLICIT;
  std::memcpy(&packet.head.nd_ns_target, question_.ip.bytes.data(), 16);
  packet.option = ND_OPT_SOURCE_LINKADDR;
  packet.option_size = 1;
  packet.hardware = way_->link.hardware;
  // RFC 4291 §2.7.1: the solicited-node address, ff02::1:ff00:0/104 and the last 24 bits.
  Ip group{.family = AF_INET6, .bytes = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}};
  std::copy_n(question_.ip.bytes.begin() + 13, 3, group.bytes.begin() + 13);
  SocketAddress address{};
  const socklen_t size = fill(group, way_->link.index, &address);
  return ::sendto(descriptor_, &packet, sizeof packet, MSG_NOSIGNAL, &address.any, size) == sizeof packet;
}

/// The number of the question (from 1) that this answers; nullopt: it answers none of ours.
std::optional<std::uint16_t> Asker::reply_of(const std::uint8_t* bytes, std::size_t size, int hop_limit) const {
  if (method_ == Method::kArp) {
    ArpPacket packet{};
    if (size < sizeof packet) return std::nullopt;
    std::memcpy(&packet, bytes, sizeof packet);
    const bool ours = packet.operation == htons(kArpReply) && packet.protocol == htons(kEtherTypeIpv4) &&
                      packet.target_hardware == way_->link.hardware &&
                      std::equal(packet.sender.begin(), packet.sender.end(), question_.ip.bytes.begin()) &&
                      std::equal(packet.target.begin(), packet.target.end(), way_->source.bytes.begin());
    return ours ? std::optional{sent_} : std::nullopt;
  }
  if (method_ == Method::kNeighbour) {
    nd_neighbor_advert advert{};
    if (size < sizeof advert) return std::nullopt;
    std::memcpy(&advert, bytes, sizeof advert);
    // Not solicited: it says that the target can be heard, not that it hears us.
    const bool ours = advert.nd_na_type == ND_NEIGHBOR_ADVERT && hop_limit == 255 &&
                      (advert.nd_na_flags_reserved & ND_NA_FLAG_SOLICITED) != 0 &&
                      std::memcmp(&advert.nd_na_target, question_.ip.bytes.data(), 16) == 0;
    return ours ? std::optional{sent_} : std::nullopt;
  }
  const bool v4 = question_.ip.family == AF_INET;
  const std::size_t head = raw_ && v4 && size > 0 ? std::size_t{bytes[0] & 0xfU} * 4 : 0;
  EchoPacket packet{};
  if (size < head + sizeof packet) return std::nullopt;
  std::memcpy(&packet, bytes + head, sizeof packet);
  const int reply = v4 ? int{ICMP_ECHOREPLY} : int{ICMP6_ECHO_REPLY};
  const std::uint16_t number = ntohs(packet.sequence);
  const bool ours = packet.type == reply && (!raw_ || packet.id == htons(id_)) && packet.cookie == cookie_ &&
                    number >= 1 && number <= sent_;
  return ours ? std::optional{number} : std::nullopt;
}

bool Asker::receive(nanoseconds now) {
  constexpr int kMostAtOnce = 64;  // a flood keeps nobody else waiting
  for (int i = 0; i < kMostAtOnce; ++i) {
    std::array<std::uint8_t, 2048> bytes;
    alignas(cmsghdr) std::array<char, 256> control;
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(descriptor_, &message, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return false;
    if (size < 0) {
      error_ = errno;
      if (::recv(descriptor_, bytes.data(), bytes.size(), MSG_ERRQUEUE) < 0 && errno == EAGAIN) return false;
      continue;
    }
    int hop_limit = -1;
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_level == SOL_IPV6 && one->cmsg_type == IPV6_HOPLIMIT)
        std::memcpy(&hop_limit, CMSG_DATA(one), sizeof hop_limit);
    }
    const auto number = reply_of(bytes.data(), static_cast<std::size_t>(size), hop_limit);
    if (!number || *number == 0) continue;
    round_trip_ = now - sent_at_[*number - 1U];
    error_ = 0;
    return true;
  }
  return false;
}

}  // namespace baton_ping
