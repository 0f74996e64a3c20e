// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reads this host's links and addresses by getifaddrs.
#include "local.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace baton_ping {
namespace {

struct ListFree {
  void operator()(ifaddrs* list) const { ::freeifaddrs(list); }
};

Ip ip_from(const sockaddr* address) {
  Ip ip{.family = address->sa_family};
  if (ip.family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::memcpy(ip.bytes.data(), &in.sin_addr, 4);
  } else {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    std::memcpy(ip.bytes.data(), &in.sin6_addr, 16);
  }
  return ip;
}

unsigned ones(const Ip& mask) {
  unsigned count = 0;
  for (std::uint8_t byte : mask.bytes) {
    for (; byte != 0; byte = static_cast<std::uint8_t>(byte << 1)) ++count;
  }
  return count;
}

bool share(const Ip& left, const Ip& right, unsigned prefix) {
  if (left.family != right.family) return false;
  for (unsigned bit = 0; bit < prefix; ++bit) {
    if (((left.bytes[bit / 8] ^ right.bytes[bit / 8]) & (0x80U >> bit % 8)) != 0) return false;
  }
  return true;
}

}  // namespace

std::optional<Ip> ip_of(const std::string& text) {
  Ip ip{.family = text.find(':') == std::string::npos ? AF_INET : AF_INET6};
  if (::inet_pton(ip.family, text.c_str(), ip.bytes.data()) != 1) return std::nullopt;
  return ip;
}

std::size_t size_of(const Ip& ip) { return ip.family == AF_INET ? 4 : 16; }

std::vector<LocalLink> local_links() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, ListFree> list{first};
  std::vector<LocalLink> links;
  const auto link_of = [&](const char* name) -> LocalLink& {
    const auto found =
        std::find_if(links.begin(), links.end(), [&](const LocalLink& link) { return link.name == name; });
    if (found != links.end()) return *found;
    links.emplace_back().name = name;
    return links.back();
  };
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    LocalLink& link = link_of(entry->ifa_name);
    const int family = entry->ifa_addr->sa_family;
    if (family == AF_PACKET) {
      sockaddr_ll hardware{};
      std::memcpy(&hardware, entry->ifa_addr, sizeof hardware);
      link.index = hardware.sll_ifindex;
      constexpr unsigned kNoNeighbours = IFF_LOOPBACK | IFF_POINTOPOINT | IFF_NOARP;
      link.has_neighbours = hardware.sll_hatype == ARPHRD_ETHER && hardware.sll_halen == link.hardware.size() &&
                            (entry->ifa_flags & kNoNeighbours) == 0 && (entry->ifa_flags & IFF_UP) != 0;
      std::copy_n(std::begin(hardware.sll_addr), link.hardware.size(), link.hardware.begin());
    } else if ((family == AF_INET || family == AF_INET6) && entry->ifa_netmask != nullptr) {
      link.addresses.push_back({ip_from(entry->ifa_addr), ones(ip_from(entry->ifa_netmask))});
    }
  }
  return links;
}

std::optional<Way> way_to(const Ip& target, const std::string& interface, const std::optional<Ip>& source) {
  std::optional<Way> best;
  unsigned best_prefix = 0;
  for (const LocalLink& link : local_links()) {
    if (!link.has_neighbours || (!interface.empty() && link.name != interface)) continue;
    for (const LocalAddress& address : link.addresses) {
      if (address.prefix == 0 || !share(address.ip, target, address.prefix)) continue;
      if (best && address.prefix <= best_prefix) continue;
      best = Way{link, source && source->family == target.family ? *source : address.ip};
      best_prefix = address.prefix;
    }
  }
  return best;
}

}  // namespace baton_ping
