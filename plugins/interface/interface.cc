// SPDX-License-Identifier: GPL-2.0-or-later
//
// interface: a check of links that Baton's instance does not run on: up with carrier, fast enough, with addresses and
// routes in place. Asks the kernel each time; what the kernel does not answer is unknown.
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "netlink.h"
#include "plugin.hpp"

namespace {

using baton::plugin::Call;
using baton::plugin::Host;
using baton::plugin::Result;
using baton_interface::Address;
using baton_interface::Link;
using baton_interface::Route;

constexpr std::size_t kMostLinkFacts = 10;

constexpr baton_key kKeys[] = {
    baton::plugin::key("interface", BATON_KEY_TEXT, "A link that has to be up, with carrier.", nullptr, BATON_KEY_LIST,
                       "eth1"),
    baton::plugin::key("minimum", BATON_KEY_INTEGER, "So many of the interfaces are enough. Without: all.", nullptr, 0,
                       nullptr, 1, 256),
    baton::plugin::key("carrier", BATON_KEY_BOOLEAN, "no: it is enough that the administrator has set the link up.",
                       "yes"),
    baton::plugin::key("minimum_speed", BATON_KEY_INTEGER, "Each link has at least so many Mbit/s.", nullptr, 0,
                       "Mbit/s", 1, 10'000'000),
    baton::plugin::key(
        "address", BATON_KEY_TEXT,
        "An address that this host has to have (on one of the interfaces, if any is named), perhaps with "
        "its prefix length.",
        nullptr, BATON_KEY_LIST, "10.1.0.5/24"),
    baton::plugin::key(
        "route", BATON_KEY_TEXT,
        "A route of the main table that there has to be (out of one of the interfaces, if any is named): a "
        "prefix, default or default6, perhaps via a gateway.",
        nullptr, BATON_KEY_LIST, "default via 10.1.0.1"),
};

struct WantedRoute {
  std::string text;
  std::string destination;
  std::string gateway;
};

/// nullopt: it is not `PREFIX` or `PREFIX via ADDRESS`.
std::optional<WantedRoute> wanted_route(const std::string& text) {
  const std::size_t blank = text.find(' ');
  const auto destination = baton_interface::normal_prefix(text.substr(0, blank));
  if (!destination) return std::nullopt;
  if (blank == std::string::npos) return WantedRoute{text, *destination, {}};
  constexpr std::string_view kVia = "via ";
  const std::string rest = text.substr(text.find_first_not_of(' ', blank));
  if (!rest.starts_with(kVia)) return std::nullopt;
  const auto gateway = baton_interface::normal_address(rest.substr(rest.find_first_not_of(' ', kVia.size())));
  if (!gateway) return std::nullopt;
  return WantedRoute{text, *destination, *gateway};
}

/// "10.1.0.5" or "10.1.0.5/24", as the kernel's rows are written; nullopt: no address.
std::optional<std::string> wanted_address(const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto address = baton_interface::normal_address(text.substr(0, slash));
  if (!address || (slash != std::string::npos && !baton_interface::normal_prefix(text))) return std::nullopt;
  return *address + (slash == std::string::npos ? "" : text.substr(slash));
}

struct Trouble {
  std::string words;
  std::string cause;
};

class InterfaceCheck {
 public:
  explicit InterfaceCheck(const Host& host)
      : interfaces_(host.list("interface")),
        minimum_(host.has("minimum") ? static_cast<std::size_t>(host.number("minimum")) : interfaces_.size()),
        carrier_(host.flag("carrier")),
        minimum_speed_(host.number("minimum_speed")) {
    for (const std::string& text : host.list("address")) addresses_.push_back(wanted_address(text).value_or(text));
    for (const std::string& text : host.list("route")) routes_.push_back(wanted_route(text).value_or(WantedRoute{}));
  }

  static void check_settings(const Host& host);
  Result probe(const Call& call);

 private:
  std::optional<Trouble> judge_link(const std::string& name, const std::vector<Link>& links) const;
  std::optional<Trouble> judge_address(const std::string& wanted, const std::vector<Address>& all,
                                       const std::vector<Link>& links) const;
  std::optional<Trouble> judge_route(const WantedRoute& wanted, const std::vector<Route>& all,
                                     const std::vector<Link>& links) const;
  bool is_ours(int index, const std::vector<Link>& links) const;
  std::string where() const;

  std::vector<std::string> interfaces_;
  std::size_t minimum_;
  bool carrier_;
  std::int64_t minimum_speed_;
  std::vector<std::string> addresses_;
  std::vector<WantedRoute> routes_;
};

void InterfaceCheck::check_settings(const Host& host) {
  const std::vector<std::string> interfaces = host.list("interface");
  if (interfaces.empty() && !host.has("address") && !host.has("route")) {
    host.complain(nullptr, "asks nothing: write interface, address or route");
  }
  for (const std::string& name : interfaces) {
    if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/ \t:") != std::string::npos) {
      host.complain("interface", "'" + name + "' is no name of an interface");
    }
    if (std::count(interfaces.begin(), interfaces.end(), name) > 1) {
      host.complain("interface", name + " stands here twice");
      break;
    }
  }
  if (host.has("minimum") && host.number("minimum") > static_cast<std::int64_t>(interfaces.size())) {
    host.complain("minimum", "is more than there are interfaces here (" + std::to_string(interfaces.size()) + ")");
  }
  if (host.has("minimum_speed") && interfaces.empty()) host.complain("minimum_speed", "goes with interface");
  for (const std::string& text : host.list("address")) {
    if (!wanted_address(text)) host.complain("address", "'" + text + "' is no address");
  }
  for (const std::string& text : host.list("route")) {
    if (!wanted_route(text)) host.complain("route", "'" + text + "' is not PREFIX or PREFIX via ADDRESS");
  }
}

bool InterfaceCheck::is_ours(int index, const std::vector<Link>& links) const {
  if (interfaces_.empty()) return true;
  return std::any_of(links.begin(), links.end(), [&](const Link& link) {
    return link.index == index && std::find(interfaces_.begin(), interfaces_.end(), link.name) != interfaces_.end();
  });
}

/// " on eth1 or eth2".
std::string InterfaceCheck::where() const {
  std::string words;
  for (const std::string& name : interfaces_) words += (words.empty() ? " on " : " or ") + name;
  return words;
}

std::optional<Trouble> InterfaceCheck::judge_link(const std::string& name, const std::vector<Link>& links) const {
  const auto found = std::find_if(links.begin(), links.end(), [&](const Link& link) { return link.name == name; });
  if (found == links.end()) return Trouble{name + " does not exist", "missing"};
  if (!found->up) return Trouble{name + " is set down", "down"};
  if (!carrier_) return std::nullopt;
  if (!found->carrier) return Trouble{name + " has no carrier", "carrier"};
  // Dormant (802.1X), or below a link that is down. Unknown is what links say that do not keep a state.
  if (found->operational_state != IF_OPER_UP && found->operational_state != IF_OPER_UNKNOWN) {
    return Trouble{name + " has carrier, but is not ready for traffic", "state"};
  }
  if (minimum_speed_ == 0) return std::nullopt;
  const std::optional<std::int64_t> speed = baton_interface::speed_of(name);
  if (!speed) return Trouble{name + " does not say how fast it is", "speed"};
  if (*speed >= minimum_speed_) return std::nullopt;
  return Trouble{name + " runs at " + std::to_string(*speed) + " Mbit/s, at least " + std::to_string(minimum_speed_) +
                     " are wanted",
                 "speed"};
}

std::optional<Trouble> InterfaceCheck::judge_address(const std::string& wanted, const std::vector<Address>& all,
                                                     const std::vector<Link>& links) const {
  for (const Address& address : all) {
    const bool same = wanted == address.text || wanted == address.text + "/" + std::to_string(address.prefix);
    if (!same || !is_ours(address.link, links)) continue;
    if ((address.flags & IFA_F_DADFAILED) != 0)
      return Trouble{"address " + wanted + " is used by another host, too (duplicate address detection)", "duplicate"};
    if ((address.flags & IFA_F_TENTATIVE) != 0 && (address.flags & IFA_F_OPTIMISTIC) == 0) {
      return Trouble{"address " + wanted + " is still tentative", "tentative"};
    }
    return std::nullopt;
  }
  return Trouble{"there is no address " + wanted + where(), "address"};
}

std::optional<Trouble> InterfaceCheck::judge_route(const WantedRoute& wanted, const std::vector<Route>& all,
                                                   const std::vector<Link>& links) const {
  bool dead = false;
  for (const Route& route : all) {
    if (route.destination != wanted.destination || route.type != RTN_UNICAST) continue;
    for (const Route::Hop& hop : route.hops) {
      if (!is_ours(hop.link, links) || (!wanted.gateway.empty() && hop.gateway != wanted.gateway)) continue;
      if (!hop.dead) return std::nullopt;
      dead = true;
    }
  }
  if (dead) return Trouble{"the route " + wanted.text + where() + " leads to a dead link", "route"};
  return Trouble{"there is no route " + wanted.text + where(), "route"};
}

Result InterfaceCheck::probe(const Call& call) {
  const std::vector<Link> links = baton_interface::links(call);
  std::vector<Trouble> troubles;
  std::vector<std::pair<std::string, std::string>> facts;
  std::size_t good = 0;
  for (const std::string& name : interfaces_) {
    const std::optional<Trouble> trouble = judge_link(name, links);
    if (facts.size() < kMostLinkFacts)
      facts.emplace_back(name, trouble ? trouble->words.substr(name.size() + 1) : "up");
    if (trouble) {
      troubles.push_back(*trouble);
    } else {
      ++good;
    }
  }
  std::vector<Trouble> bad;
  if (good < minimum_) bad = troubles;
  if (!addresses_.empty()) {
    const std::vector<Address> all = baton_interface::addresses(call);
    for (const std::string& wanted : addresses_) {
      if (auto trouble = judge_address(wanted, all, links)) bad.push_back(*trouble);
    }
  }
  if (!routes_.empty()) {
    const std::vector<Route> all = baton_interface::routes(call);
    for (const WantedRoute& wanted : routes_) {
      if (auto trouble = judge_route(wanted, all, links)) bad.push_back(*trouble);
    }
  }
  const std::string count = std::to_string(good) + " of " + std::to_string(interfaces_.size()) + " links are up";
  std::string words;
  for (const Trouble& trouble : bad.empty() ? troubles : bad) words += (words.empty() ? "" : "; ") + trouble.words;
  Result result;
  if (bad.empty()) {
    std::string sentence = interfaces_.empty() ? "all addresses and routes are in place" : count;
    if (interfaces_.size() == 1) sentence = interfaces_.front() + " is up";
    result = baton::plugin::pass(sentence + (words.empty() ? "" : "; " + words));
  } else {
    if (good < minimum_ && interfaces_.size() > 1)
      words = count + ", " + std::to_string(minimum_) + " wanted; " + words;
    result = baton::plugin::fail(words).fact("cause", bad.front().cause);
  }
  if (!interfaces_.empty()) result.fact("up", std::to_string(good));
  for (auto& [name, value] : facts) result.fact(name, value);
  return result;
}

constexpr const char* kManual =
    "Passes if at least `minimum` of the interfaces (all, without it) are up with carrier, and all addresses and "
    "routes are "
    "there. Anybody may ask the kernel this.";

}  // namespace

BATON_PLUGIN(InterfaceCheck, baton::plugin::About{.name = "interface",
                                                  .version = "1",
                                                  .summary = "Checks links, addresses and routes of this host",
                                                  .manual = kManual,
                                                  .keys = kKeys})
