// When no engine can be kept alive: take our addresses off the links and tell the neighbours at once (priority 0), from
// what the dead engine left on the board. Runs in a process of its own, with the engine's rights.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/config.h"
#include "ipc/state_board.h"
#include "vrrp/frame.h"

namespace baton::daemon {

/// One priority 0 advert: a whole frame for the multicast group, or a message for one unicast peer.
struct Resignation {
  std::string interface;
  std::vector<std::uint8_t> bytes;  ///< from the Ethernet header on; to a peer: the VRRP message
  std::optional<IpAddress> peer;
  IpAddress source;  ///< with `peer`
};

/// For each router that the board shows Active. Pure but for `mac_of`.
std::vector<Resignation> resignations(const ipc::BoardReader& board, const config::Config& config,
                                      MacAddress (*mac_of)(const std::string& interface));

struct LastResortArguments {
  int board = -1;  ///< borrowed
  int configuration = -1;
  int runtime_dir = -1;
};
/// Removes the addresses, then sends. 0: all was removed.
int run_last_resort(const LastResortArguments& arguments);

}  // namespace baton::daemon
