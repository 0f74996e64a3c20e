// What the world tells the engine: frames, links, addresses. Plain values that src/linux makes and src/engine takes, so
// that neither room has to know the other. Everything here is delivered on the protocol thread.
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "ports/ports.h"

namespace baton::ports {

struct ReceivedFrame {
  LinkId link = 0;
  ConstBytes frame;                  ///< from the Ethernet header on; valid during the call
  bool from_unicast_socket = false;  ///< then `frame` begins with the IP header
  bool of_this_host = false;         ///< another program here sent it; no part of the election (F90)
};

/// All that is known of a link, as a whole; later ones replace earlier ones.
struct LinkState {
  LinkId link = 0;
  bool present = false;
  bool up = false;  ///< IFF_UP and carrier
  int ifindex = 0;
  std::uint32_t mtu = 0;
  MacAddress mac;
  bool arp = true;             ///< false with IFF_NOARP
  bool forwarding_v6 = false;  ///< decides the R flag of an NA (N-03)
  bool operator==(const LinkState&) const = default;
};

/// One address on a watched link. Sent for every change, and for every address after a full dump (then between
/// on_dump_begin and on_dump_end, after which what was not seen is gone).
struct AddressFact {
  LinkId link = 0;
  Prefix prefix;
  bool present = true;  ///< false: removed
  bool ours = false;    ///< IFA_PROTO mark or journal
  bool tentative = false;
  bool dad_failed = false;
  bool operator==(const AddressFact&) const = default;
};

}  // namespace baton::ports
