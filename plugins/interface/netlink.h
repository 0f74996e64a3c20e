// Links, addresses and routes of this network namespace as the kernel has them now. Reads by rtnetlink; changes
// nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugin.hpp"

namespace baton_interface {

struct Link {
  int index = 0;
  std::string name;
  bool up = false;       ///< set up by the administrator
  bool carrier = false;  ///< IFF_LOWER_UP
  std::uint8_t operational_state = 0;
};

struct Address {
  int link = 0;
  std::string text;  ///< "10.0.0.1"
  unsigned prefix = 0;
  std::uint32_t flags = 0;  ///< IFA_F_TENTATIVE, ...
};

struct Route {
  std::string destination;  ///< "0.0.0.0/0", "2001:db8::/32"
  std::uint8_t type = 0;    ///< RTN_UNICAST, ...
  struct Hop {
    int link = 0;
    std::string gateway;  ///< "" if directly connected
    bool dead = false;
  };
  std::vector<Hop> hops;
};

/// Each throws baton::plugin::Failure (transient) if the kernel does not answer. Routes are those of the main table.
std::vector<Link> links(const baton::plugin::Call& call);
std::vector<Address> addresses(const baton::plugin::Call& call);
std::vector<Route> routes(const baton::plugin::Call& call);

/// In Mbit/s; nullopt: the driver does not say.
std::optional<std::int64_t> speed_of(const std::string& interface);

/// "10.1.2.3/8" as "10.0.0.0/8", "default" as "0.0.0.0/0" and "default6" as "::/0"; nullopt: no prefix.
std::optional<std::string> normal_prefix(const std::string& text);
/// An address as inet_ntop writes it; nullopt: none.
std::optional<std::string> normal_address(const std::string& text);

}  // namespace baton_interface
