// rtnetlink parsing and building with libmnl. Every length is checked before it is used; nothing is allocated but the
// name.
#include "linux/route_message.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace baton::linux {
namespace {

/// Calls `take` for each attribute in `bytes`; stops at one that claims more than is there.
template <class Take>
void for_each_attribute(ConstBytes bytes, Take take) {
  while (bytes.size() >= sizeof(nlattr)) {
    const auto* attribute = reinterpret_cast<const nlattr*>(bytes.data());
    if (attribute->nla_len < sizeof(nlattr) || attribute->nla_len > bytes.size()) return;
    take(std::uint16_t{mnl_attr_get_type(attribute)},
         bytes.subspan(sizeof(nlattr), attribute->nla_len - sizeof(nlattr)));
    bytes = bytes.subspan(std::min<std::size_t>(MNL_ALIGN(attribute->nla_len), bytes.size()));
  }
}

std::optional<std::uint32_t> read_u32(ConstBytes value) {
  if (value.size() < sizeof(std::uint32_t)) return std::nullopt;
  std::uint32_t number = 0;
  std::memcpy(&number, value.data(), sizeof number);
  return number;
}

template <class Header>
const Header* payload_header(ConstBytes message) {
  if (message.size() < NLMSG_HDRLEN + sizeof(Header)) return nullptr;
  return reinterpret_cast<const Header*>(message.data() + NLMSG_HDRLEN);
}

template <class Header>
ConstBytes attributes(ConstBytes message) {
  const std::size_t offset = NLMSG_HDRLEN + MNL_ALIGN(sizeof(Header));
  return message.subspan(std::min(offset, message.size()));
}

/// IFLA_AF_SPEC / AF_INET6 / IFLA_INET6_CONF is an array of u32 whose index is a DEVCONF_ number.
std::optional<bool> forwarding_of(ConstBytes af_spec) {
  std::optional<bool> forwarding;
  for_each_attribute(af_spec, [&](std::uint16_t family, ConstBytes nested) {
    if (family != AF_INET6) return;
    for_each_attribute(nested, [&](std::uint16_t type, ConstBytes values) {
      if (type != IFLA_INET6_CONF || values.size() < sizeof(std::uint32_t) * (DEVCONF_FORWARDING + 1)) return;
      forwarding = read_u32(values.subspan(sizeof(std::uint32_t) * DEVCONF_FORWARDING)) != 0u;
    });
  });
  return forwarding;
}

RouteMessage parse_link(ConstBytes message, bool removed) {
  const auto* header = payload_header<ifinfomsg>(message);
  // A bridge tells about its ports with the same message types and family AF_BRIDGE: "removed" there means from the
  // bridge.
  if (header == nullptr || header->ifi_family != AF_UNSPEC || header->ifi_index <= 0) return UnknownMessage{};
  LinkMessage link;
  bool whole = removed;  // wireless drivers send notes of the same type that carry nothing but the name
  link.removed = removed;
  link.ifindex = header->ifi_index;
  link.flags = header->ifi_flags;
  for_each_attribute(attributes<ifinfomsg>(message), [&](std::uint16_t type, ConstBytes value) {
    if (type == IFLA_IFNAME) {
      const std::size_t length = std::min<std::size_t>(value.size(), IFNAMSIZ - 1);
      const auto* text = reinterpret_cast<const char*>(value.data());
      link.name.assign(text, strnlen(text, length));
    } else if (type == IFLA_MTU) {
      link.mtu = read_u32(value).value_or(0);
      whole = true;
    } else if (type == IFLA_ADDRESS && value.size() == link.mac.bytes.size()) {
      std::copy(value.begin(), value.end(), link.mac.bytes.begin());
    } else if (type == IFLA_AF_SPEC) {
      link.forwarding_v6 = forwarding_of(value);
    }
  });
  if (link.name.empty() || !whole) return UnknownMessage{};
  return link;
}

RouteMessage parse_address(ConstBytes message, bool removed) {
  const auto* header = payload_header<ifaddrmsg>(message);
  if (header == nullptr || (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)) return UnknownMessage{};
  const std::size_t size = header->ifa_family == AF_INET6 ? 16 : 4;
  AddressMessage address;
  address.removed = removed;
  address.ifindex = static_cast<int>(header->ifa_index);
  address.flags = header->ifa_flags;
  address.prefix.length = header->ifa_prefixlen;
  bool have_local = false;
  bool have_any = false;
  for_each_attribute(attributes<ifaddrmsg>(message), [&](std::uint16_t type, ConstBytes value) {
    // IFA_LOCAL is the host's own address; IFA_ADDRESS is the same, or the other end of a point-to-point link.
    if ((type == IFA_LOCAL || (type == IFA_ADDRESS && !have_local)) && value.size() == size) {
      address.prefix.address = IpAddress::from_bytes(value);
      have_any = true;
      have_local = have_local || type == IFA_LOCAL;
    } else if (type == IFA_FLAGS) {
      address.flags = read_u32(value).value_or(address.flags);
    } else if (type == IFA_PROTO && !value.empty()) {
      address.proto = value[0];
    }
  });
  if (!have_any || address.ifindex <= 0 || address.prefix.length > address.prefix.address.max_prefix()) {
    return UnknownMessage{};
  }
  return address;
}

RouteMessage parse_netconf(ConstBytes message) {
  const auto* header = payload_header<netconfmsg>(message);
  if (header == nullptr || header->ncm_family != AF_INET6) return UnknownMessage{};
  std::optional<std::uint32_t> ifindex;
  std::optional<std::uint32_t> forwarding;
  for_each_attribute(attributes<netconfmsg>(message), [&](std::uint16_t type, ConstBytes value) {
    if (type == NETCONFA_IFINDEX) ifindex = read_u32(value);
    if (type == NETCONFA_FORWARDING) forwarding = read_u32(value);
  });
  if (!ifindex || !forwarding || *ifindex > INT32_MAX) return UnknownMessage{};
  return ForwardingMessage{static_cast<int>(*ifindex), *forwarding != 0};
}

RouteMessage parse_answer(ConstBytes message, const nlmsghdr& header) {
  const auto code = read_u32(message.subspan(NLMSG_HDRLEN));
  // A kernel may end a dump with an empty NLMSG_DONE; an NLMSG_ERROR without a code is none.
  if (!code && header.nlmsg_type == NLMSG_ERROR) return UnknownMessage{};
  const auto negative = static_cast<std::int32_t>(code.value_or(0));
  return AnswerMessage{header.nlmsg_seq, negative < 0 && negative > -4096 ? -negative : 0};
}

}  // namespace

RouteMessage parse_route_message(ConstBytes message) {
  if (message.size() < NLMSG_HDRLEN) return UnknownMessage{};
  const auto& header = *reinterpret_cast<const nlmsghdr*>(message.data());
  switch (header.nlmsg_type) {
    case RTM_NEWLINK: return parse_link(message, false);
    case RTM_DELLINK: return parse_link(message, true);
    case RTM_NEWADDR: return parse_address(message, false);
    case RTM_DELADDR: return parse_address(message, true);
    case RTM_NEWNETCONF: return parse_netconf(message);
    case NLMSG_ERROR:
    case NLMSG_DONE: return parse_answer(message, header);
    case NLMSG_OVERRUN: return OverrunMessage{};
    default: return UnknownMessage{};
  }
}

std::optional<ConstBytes> RouteMessageReader::next() {
  if (rest_.size() < NLMSG_HDRLEN) return std::nullopt;
  const auto& header = *reinterpret_cast<const nlmsghdr*>(rest_.data());
  if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  interrupted_ = interrupted_ || (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
  const ConstBytes message = rest_.first(header.nlmsg_len);
  rest_ = rest_.subspan(std::min<std::size_t>(MNL_ALIGN(header.nlmsg_len), rest_.size()));
  return message;
}

nlmsghdr* RouteRequests::begin(std::uint16_t type, std::uint16_t flags) {
  CHECK(count_ < kCapacity);
  nlmsghdr* header = mnl_nlmsg_put_header(buffer_.data() + size_);
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  header->nlmsg_seq = first_sequence_ + static_cast<std::uint32_t>(count_);
  return header;
}

void RouteRequests::end(const nlmsghdr* message) {
  CHECK(message->nlmsg_len <= kMessageLimit);
  size_ += MNL_ALIGN(message->nlmsg_len);
  ++count_;
}

namespace {

void put_address(nlmsghdr* message, int ifindex, const Prefix& prefix) {
  auto* header = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg)));
  header->ifa_family = prefix.address.is_ipv6() ? AF_INET6 : AF_INET;
  header->ifa_prefixlen = prefix.length;
  header->ifa_index = static_cast<std::uint32_t>(ifindex);
  const ConstBytes bytes = prefix.address.bytes();
  mnl_attr_put(message, IFA_LOCAL, bytes.size(), bytes.data());
  mnl_attr_put(message, IFA_ADDRESS, bytes.size(), bytes.data());
}

/// The last address of an IPv4 subnet; a /31 and a /32 have none.
void put_broadcast(nlmsghdr* message, const Prefix& prefix) {
  if (prefix.address.is_ipv6() || prefix.length >= 31) return;
  std::array<std::uint8_t, 4> broadcast{};
  for (unsigned bit = 0; bit < 32; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80u >> (bit % 8));
    const bool host_part = bit >= prefix.length;
    if (host_part || (prefix.address.bytes()[bit / 8] & mask) != 0) broadcast[bit / 8] |= mask;
  }
  mnl_attr_put(message, IFA_BROADCAST, broadcast.size(), broadcast.data());
}

}  // namespace

void RouteRequests::add_address(const AddressRequest& request) {
  const auto create = static_cast<std::uint16_t>(NLM_F_CREATE | (request.replace ? NLM_F_REPLACE : NLM_F_EXCL));
  nlmsghdr* message = begin(RTM_NEWADDR, create);
  put_address(message, request.ifindex, request.prefix);
  put_broadcast(message, request.prefix);
  if (request.prefix.address.is_ipv6()) mnl_attr_put_u32(message, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
  if (request.lifetime_seconds != 0) {
    const ifa_cacheinfo lifetime{
        .ifa_prefered = request.lifetime_seconds, .ifa_valid = request.lifetime_seconds, .cstamp = 0, .tstamp = 0};
    mnl_attr_put(message, IFA_CACHEINFO, sizeof lifetime, &lifetime);
  }
  if (request.mark != 0) mnl_attr_put_u8(message, IFA_PROTO, request.mark);
  end(message);
}

void RouteRequests::delete_address(int ifindex, const Prefix& prefix) {
  nlmsghdr* message = begin(RTM_DELADDR, 0);
  put_address(message, ifindex, prefix);
  end(message);
}

void RouteRequests::keep_secondaries(int ifindex) {
  nlmsghdr* message = begin(RTM_SETLINK, 0);
  auto* header = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
  header->ifi_family = AF_UNSPEC;
  header->ifi_index = ifindex;
  nlattr* af_spec = mnl_attr_nest_start(message, IFLA_AF_SPEC);
  nlattr* inet = mnl_attr_nest_start(message, AF_INET);
  nlattr* conf = mnl_attr_nest_start(message, IFLA_INET_CONF);
  mnl_attr_put_u32(message, IPV4_DEVCONF_PROMOTE_SECONDARIES, 1);
  mnl_attr_nest_end(message, conf);
  mnl_attr_nest_end(message, inet);
  mnl_attr_nest_end(message, af_spec);
  end(message);
}

namespace {

template <class Header>
std::vector<std::uint8_t> dump_request(std::uint16_t type, std::uint32_t sequence, Header** extra) {
  std::vector<std::uint8_t> buffer(128);
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message->nlmsg_seq = sequence;
  *extra = static_cast<Header*>(mnl_nlmsg_put_extra_header(message, sizeof(Header)));
  return buffer;
}

}  // namespace

std::vector<std::uint8_t> link_dump_request(std::uint32_t sequence) {
  ifinfomsg* header = nullptr;
  std::vector<std::uint8_t> buffer = dump_request(RTM_GETLINK, sequence, &header);
  auto* message = reinterpret_cast<nlmsghdr*>(buffer.data());
  mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  buffer.resize(message->nlmsg_len);
  return buffer;
}

std::vector<std::uint8_t> address_dump_request(std::uint32_t sequence, int ifindex) {
  ifaddrmsg* header = nullptr;
  std::vector<std::uint8_t> buffer = dump_request(RTM_GETADDR, sequence, &header);
  header->ifa_index = static_cast<std::uint32_t>(ifindex);
  buffer.resize(reinterpret_cast<nlmsghdr*>(buffer.data())->nlmsg_len);
  return buffer;
}

}  // namespace baton::linux
