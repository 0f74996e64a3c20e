// Addresses and links of this host, as far as asking a neighbour needs them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton_ping {

struct Ip {
  int family = 0;
  std::array<std::uint8_t, 16> bytes{};
  bool operator==(const Ip&) const = default;
  bool is_link_local() const { return family == 10 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }
};
std::optional<Ip> ip_of(const std::string& text);
std::size_t size_of(const Ip& ip);

struct LocalAddress {
  Ip ip;
  unsigned prefix = 0;
};
struct LocalLink {
  std::string name;
  int index = 0;
  bool has_neighbours = false;  ///< Ethernet, up, with ARP
  std::array<std::uint8_t, 6> hardware{};
  std::vector<LocalAddress> addresses;
};
std::vector<LocalLink> local_links();

/// The link whose prefix holds `target`, the longest one; of `interface` alone if it is not "".
struct Way {
  LocalLink link;
  Ip source;
};
std::optional<Way> way_to(const Ip& target, const std::string& interface, const std::optional<Ip>& source);

}  // namespace baton_ping
