// Listening for VRRP for some seconds: who speaks on a link, by libpcap, and what other programs of this host send.
// Joins the VRRP groups meanwhile, so that a network card or a switch that filters by membership lets them through.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/time.h"
#include "vrrp/packet.h"

namespace baton::linux {

/// What one sender said about one virtual router. Priority, version and interval are of its last valid advert.
struct HeardRouter {
  std::string interface;
  Family family = Family::kIpv4;
  std::uint8_t vrid = 0;
  IpAddress source;
  MacAddress mac;
  bool from_this_host = false;  ///< of another program than batond
  bool to_group = true;         ///< false: unicast
  std::uint32_t count = 0;      ///< valid adverts
  std::uint32_t bad = 0;        ///< that could not be decoded
  std::uint8_t priority = 0;
  int version = 0;
  Nanos interval{0};  ///< as the advert says
  bool operator==(const HeardRouter&) const = default;
};

/// Adds a frame, from the Ethernet header on, to what was heard. What is no VRRP is passed over. `heard` is kept to a
/// thousand senders: a flood with forged ones adds no more. Pure.
void note_frame(std::vector<HeardRouter>& heard, const std::string& interface, bool from_this_host, ConstBytes frame);

struct WireScan {
  std::vector<HeardRouter> heard;  ///< in the order of their first advert
  std::vector<std::string> deaf;   ///< "eth0: why it could not be listened on"
  Nanos listened{0};
};

/// Blocks for `duration`. REQUIRES CAP_NET_RAW; without it every interface is among the deaf.
WireScan scan_wire(const std::vector<std::string>& interfaces, Nanos duration);

}  // namespace baton::linux
