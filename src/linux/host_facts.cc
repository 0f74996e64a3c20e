// Two dumps, put together by interface.
#include "linux/host_facts.h"

#include <map>
#include <utility>

#include "linux/ownership.h"
#include "linux/route_socket.h"

namespace baton::linux {

Result<std::vector<config::InterfaceFact>> interface_facts() {
  auto socket = RouteSocket::open();
  if (!socket) return Unexpected<Error>{socket.error()};
  auto dump = socket->dump_all();
  if (!dump) return Unexpected<Error>{dump.error()};
  std::map<int, config::InterfaceFact> facts;
  for (LinkMessage& link : dump->links) {
    config::InterfaceFact& fact = facts[link.ifindex];
    fact.name = std::move(link.name);
    fact.mtu = link.mtu;
    fact.mac = link.mac;
  }
  for (const AddressMessage& address : dump->addresses) {
    const auto interface = facts.find(address.ifindex);
    if (interface == facts.end() || address.proto == kMark) continue;
    interface->second.prefixes.push_back(address.prefix);
  }
  std::vector<config::InterfaceFact> list;
  for (auto& [ifindex, fact] : facts) list.push_back(std::move(fact));
  return list;
}

}  // namespace baton::linux
