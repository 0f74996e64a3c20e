// SPDX-License-Identifier: GPL-2.0-or-later
//
// Dumps of rtnetlink by libmnl, each with the call's deadline. A dump that the kernel calls inconsistent is made again.
#include "netlink.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>

#include "common/text_file.h"

namespace baton_interface {
namespace {

using baton::plugin::Call;
using baton::plugin::Failure;
using baton::plugin::Status;

struct SocketCloser {
  void operator()(mnl_socket* socket) const { ::mnl_socket_close(socket); }
};
using Visit = std::function<void(const nlmsghdr*)>;

[[noreturn]] void fail(const std::string& what) {
  throw Failure(Status::kTransient, what + " from the kernel (rtnetlink): " + std::strerror(errno));
}

int visit(const nlmsghdr* header, void* context) {
  (*static_cast<const Visit*>(context))(header);
  return MNL_CB_OK;
}

/// One dump; false: it was inconsistent.
bool dump_once(std::uint16_t type, const char* what, const Call& call, const Visit& each) {
  const std::unique_ptr<mnl_socket, SocketCloser> socket{
      ::mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (socket == nullptr || ::mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) fail(what);
  std::array<char, 32768> buffer;
  nlmsghdr* request = ::mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = type;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = 1;
  auto* body = static_cast<rtgenmsg*>(::mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
  body->rtgen_family = AF_UNSPEC;
  if (::mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0) fail(what);
  Visit copy = each;
  for (;;) {
    pollfd watched{::mnl_socket_get_fd(socket.get()), POLLIN, 0};
    if (::poll(&watched, 1, call.remaining_ms()) == 0) errno = ETIMEDOUT;
    if ((watched.revents & POLLIN) == 0) fail(what);
    const ssize_t size = ::mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size < 0) fail(what);
    const int code = ::mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), 1,
                                  ::mnl_socket_get_portid(socket.get()), &visit, &copy);
    if (code < 0 && errno == EINTR) return false;
    if (code < 0) fail(what);
    if (code == MNL_CB_STOP) return true;
  }
}

template <class Row>
std::vector<Row> dump(std::uint16_t type, const char* what, const Call& call,
                      const std::function<void(const nlmsghdr*, std::vector<Row>*)>& read) {
  std::vector<Row> rows;
  while (call.remaining().count() > 0) {
    rows.clear();
    if (dump_once(type, what, call, [&](const nlmsghdr* header) { read(header, &rows); })) return rows;
  }
  errno = ETIMEDOUT;
  fail(what);
}

std::string address_text(int family, const void* bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(family, bytes, text.data(), text.size()) == nullptr ? std::string{} : text.data();
}

std::vector<const nlattr*> attributes_of(const nlmsghdr* header, std::size_t body) {
  std::vector<const nlattr*> all;
  const auto* next = static_cast<const nlattr*>(::mnl_nlmsg_get_payload_offset(header, body));
  const auto* tail = static_cast<const char*>(::mnl_nlmsg_get_payload_tail(header));
  while (::mnl_attr_ok(next, static_cast<int>(tail - reinterpret_cast<const char*>(next)))) {
    all.push_back(next);
    next = ::mnl_attr_next(next);
  }
  return all;
}

bool is_address_size(const nlattr* attribute, int family) {
  return ::mnl_attr_get_payload_len(attribute) >= (family == AF_INET ? 4 : 16);
}

void read_link(const nlmsghdr* header, std::vector<Link>* rows) {
  const auto* body = static_cast<const ifinfomsg*>(::mnl_nlmsg_get_payload(header));
  Link link{.index = body->ifi_index,
            .name = {},
            .up = (body->ifi_flags & IFF_UP) != 0,
            .carrier = (body->ifi_flags & IFF_LOWER_UP) != 0};
  for (const nlattr* attribute : attributes_of(header, sizeof(ifinfomsg))) {
    if (::mnl_attr_get_type(attribute) == IFLA_IFNAME) link.name = ::mnl_attr_get_str(attribute);
    if (::mnl_attr_get_type(attribute) == IFLA_OPERSTATE) link.operational_state = ::mnl_attr_get_u8(attribute);
  }
  rows->push_back(link);
}

void read_address(const nlmsghdr* header, std::vector<Address>* rows) {
  const auto* body = static_cast<const ifaddrmsg*>(::mnl_nlmsg_get_payload(header));
  Address address{
      .link = static_cast<int>(body->ifa_index), .text = {}, .prefix = body->ifa_prefixlen, .flags = body->ifa_flags};
  bool local = false;
  for (const nlattr* attribute : attributes_of(header, sizeof(ifaddrmsg))) {
    const int type = ::mnl_attr_get_type(attribute);
    if (type == IFA_FLAGS) address.flags = ::mnl_attr_get_u32(attribute);
    const bool named = type == IFA_LOCAL || (type == IFA_ADDRESS && !local);
    if (!named || !is_address_size(attribute, body->ifa_family)) continue;
    local = local || type == IFA_LOCAL;  // of a point-to-point link IFA_ADDRESS is the other end
    address.text = address_text(body->ifa_family, ::mnl_attr_get_payload(attribute));
  }
  rows->push_back(address);
}

/// The hops of a multipath route.
void read_hops(const nlattr* multipath, int family, Route* route) {
  const auto* next = static_cast<const rtnexthop*>(::mnl_attr_get_payload(multipath));
  int left = ::mnl_attr_get_payload_len(multipath);
  while (RTNH_OK(next, left)) {
    Route::Hop hop{
        .link = next->rtnh_ifindex, .gateway = {}, .dead = (next->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0};
    const auto* attribute = reinterpret_cast<const nlattr*>(RTNH_DATA(next));
    int size = next->rtnh_len - static_cast<int>(sizeof(rtnexthop));
    while (::mnl_attr_ok(attribute, size)) {
      if (::mnl_attr_get_type(attribute) == RTA_GATEWAY && is_address_size(attribute, family)) {
        hop.gateway = address_text(family, ::mnl_attr_get_payload(attribute));
      }
      size -= MNL_ALIGN(attribute->nla_len);
      attribute = ::mnl_attr_next(attribute);
    }
    route->hops.push_back(hop);
    left -= RTNH_ALIGN(next->rtnh_len);
    next = RTNH_NEXT(next);
  }
}

void read_route(const nlmsghdr* header, std::vector<Route>* rows) {
  const auto* body = static_cast<const rtmsg*>(::mnl_nlmsg_get_payload(header));
  if (body->rtm_family != AF_INET && body->rtm_family != AF_INET6) return;
  std::uint32_t table = body->rtm_table;
  const std::array<char, 16> nothing{};
  std::string destination = address_text(body->rtm_family, nothing.data());
  Route route{.destination = {}, .type = body->rtm_type, .hops = {}};
  Route::Hop hop{.link = 0, .gateway = {}, .dead = (body->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0};
  for (const nlattr* attribute : attributes_of(header, sizeof(rtmsg))) {
    const int type = ::mnl_attr_get_type(attribute);
    const void* payload = ::mnl_attr_get_payload(attribute);
    const bool address = is_address_size(attribute, body->rtm_family);
    if (type == RTA_TABLE) table = ::mnl_attr_get_u32(attribute);
    if (type == RTA_DST && address) destination = address_text(body->rtm_family, payload);
    if (type == RTA_OIF) hop.link = static_cast<int>(::mnl_attr_get_u32(attribute));
    if (type == RTA_GATEWAY && address) hop.gateway = address_text(body->rtm_family, payload);
    constexpr std::size_t kViaHead = 2;  // a family, then the address: an IPv4 route by an IPv6 gateway
    if (type == RTA_VIA && ::mnl_attr_get_payload_len(attribute) == kViaHead + 16) {
      hop.gateway = address_text(AF_INET6, static_cast<const char*>(payload) + kViaHead);
    }
    if (type == RTA_MULTIPATH) read_hops(attribute, body->rtm_family, &route);
  }
  if (table != RT_TABLE_MAIN) return;
  if (hop.link != 0) route.hops.push_back(hop);
  route.destination = destination + "/" + std::to_string(body->rtm_dst_len);
  rows->push_back(route);
}

}  // namespace

std::vector<Link> links(const Call& call) { return dump<Link>(RTM_GETLINK, "the links", call, &read_link); }
std::vector<Address> addresses(const Call& call) {
  return dump<Address>(RTM_GETADDR, "the addresses", call, &read_address);
}
std::vector<Route> routes(const Call& call) { return dump<Route>(RTM_GETROUTE, "the routes", call, &read_route); }

std::optional<std::int64_t> speed_of(const std::string& interface) {
  // Ethtool's number; -1, or an error of reading, where there is none.
  const std::string text = baton::plugin::read_text_file("/sys/class/net/" + interface + "/speed", 64).text;
  std::int64_t speed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), speed);
  if (error != std::errc{} || speed <= 0 || end == text.data()) return std::nullopt;
  return speed;
}

std::optional<std::string> normal_address(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  const int family = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (::inet_pton(family, text.c_str(), bytes.data()) != 1) return std::nullopt;
  return address_text(family, bytes.data());
}

std::optional<std::string> normal_prefix(const std::string& text) {
  if (text == "default") return "0.0.0.0/0";
  if (text == "default6") return "::/0";
  const std::size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  std::array<unsigned char, 16> bytes{};
  const int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const unsigned most = family == AF_INET ? 32 : 128;
  if (::inet_pton(family, address.c_str(), bytes.data()) != 1) return std::nullopt;
  unsigned length = most;
  if (slash != std::string::npos) {
    const char* begin = text.data() + slash + 1;
    const char* stop = text.data() + text.size();
    const auto [end, error] = std::from_chars(begin, stop, length);
    if (error != std::errc{} || end != stop || length > most) return std::nullopt;
  }
  for (unsigned bit = length; bit < most; ++bit) bytes[bit / 8] &= static_cast<unsigned char>(~(0x80U >> bit % 8));
  return address_text(family, bytes.data()) + "/" + std::to_string(length);
}

}  // namespace baton_interface
