#include "linux/host_facts.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <map>

#include "linux/ownership.h"
#include "posix/fd.h"

namespace baton::linux {
namespace {

using Facts = std::map<int, config::InterfaceFact>;
using MessageHandler = std::function<void(const nlmsghdr& header, ConstBytes body)>;

/// One attribute at a time, bounded by `bytes`.
void for_each_attribute(ConstBytes bytes, const std::function<void(unsigned short type, ConstBytes value)>& handler) {
  while (bytes.size() >= sizeof(rtattr)) {
    rtattr attribute{};
    std::memcpy(&attribute, bytes.data(), sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > bytes.size()) return;
    handler(attribute.rta_type, bytes.subspan(sizeof attribute, attribute.rta_len - sizeof attribute));
    bytes = bytes.subspan(std::min<std::size_t>(RTA_ALIGN(attribute.rta_len), bytes.size()));
  }
}

/// False: the dump is not over yet.
Result<bool> take_messages(ConstBytes bytes, const MessageHandler& handler) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size())
      return fail("netlink message of a wrong length");
    if (header.nlmsg_type == NLMSG_DONE) return true;
    const ConstBytes body = bytes.subspan(sizeof header, header.nlmsg_len - sizeof header);
    if (header.nlmsg_type == NLMSG_ERROR) {
      int error = 0;
      if (body.size() >= sizeof error) std::memcpy(&error, body.data(), sizeof error);
      return fail("netlink dump", -error);
    }
    handler(header, body);
    bytes = bytes.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), bytes.size()));
  }
  return false;
}

Result<void> dump(int socket, std::uint16_t type, const MessageHandler& handler) {
  struct {
    nlmsghdr header;
    rtgenmsg family;
  } request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.family);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.family.rtgen_family = AF_UNSPEC;
  if (::send(socket, &request, request.header.nlmsg_len, 0) < 0) return fail("ask for a netlink dump", errno);
  std::vector<std::uint8_t> buffer(64 * 1024);
  for (;;) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const ssize_t size =
        ::recvfrom(socket, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail("read a netlink dump", errno);
    if (from.nl_pid != 0) continue;  // not the kernel's word (F45)
    const auto done = take_messages(ConstBytes{buffer}.first(static_cast<std::size_t>(size)), handler);
    if (!done) return Unexpected<Error>{done.error()};
    if (*done) return {};
  }
}

void take_link(Facts& facts, const nlmsghdr& header, ConstBytes body) {
  if (header.nlmsg_type != RTM_NEWLINK || body.size() < sizeof(ifinfomsg)) return;
  ifinfomsg info{};
  std::memcpy(&info, body.data(), sizeof info);
  config::InterfaceFact fact;
  for_each_attribute(body.subspan(NLMSG_ALIGN(sizeof info)), [&](unsigned short type, ConstBytes value) {
    if (type == IFLA_IFNAME && !value.empty()) fact.name.assign(value.begin(), value.end() - 1);
    if (type == IFLA_MTU && value.size() == sizeof fact.mtu) std::memcpy(&fact.mtu, value.data(), sizeof fact.mtu);
  });
  facts[info.ifi_index] = std::move(fact);
}

void take_address(Facts& facts, const nlmsghdr& header, ConstBytes body) {
  if (header.nlmsg_type != RTM_NEWADDR || body.size() < sizeof(ifaddrmsg)) return;
  constexpr unsigned short kIfaProto = 11;  // IFA_PROTO, since Linux 5.18
  ifaddrmsg info{};
  std::memcpy(&info, body.data(), sizeof info);
  ConstBytes address;
  ConstBytes local;
  bool ours = false;
  for_each_attribute(body.subspan(NLMSG_ALIGN(sizeof info)), [&](unsigned short type, ConstBytes value) {
    if (type == IFA_ADDRESS) address = value;
    if (type == IFA_LOCAL) local = value;
    if (type == kIfaProto && value.size() == 1) ours = value[0] == linux::kMark;
  });
  if (!local.empty()) address = local;  // of a point-to-point link IFA_ADDRESS is the other end
  const auto interface = facts.find(static_cast<int>(info.ifa_index));
  if (ours || interface == facts.end() || (address.size() != 4 && address.size() != 16)) return;
  interface->second.prefixes.push_back({IpAddress::from_bytes(address), info.ifa_prefixlen});
}

}  // namespace

Result<std::vector<config::InterfaceFact>> interface_facts() {
  const posix::Fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (!socket.valid()) return fail("open netlink socket", errno);
  Facts facts;
  const auto links =
      dump(socket.get(), RTM_GETLINK, [&](const nlmsghdr& header, ConstBytes body) { take_link(facts, header, body); });
  if (!links) return Unexpected<Error>{links.error()};
  const auto addresses = dump(socket.get(), RTM_GETADDR,
                              [&](const nlmsghdr& header, ConstBytes body) { take_address(facts, header, body); });
  if (!addresses) return Unexpected<Error>{addresses.error()};
  std::vector<config::InterfaceFact> list;
  for (auto& [index, fact] : facts) list.push_back(std::move(fact));
  return list;
}

}  // namespace baton::linux
