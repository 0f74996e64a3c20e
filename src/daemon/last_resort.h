// When no engine can be kept alive: take our addresses off the links and tell the neighbours at once (priority 0), from
// what the dead engine left on the board. Runs in a process of its own, with the engine's rights.
#pragma once

#include <vector>

#include "base/error.h"
#include "config/config.h"
#include "ipc/state_board.h"
#include "vrrp/frame.h"

namespace baton::daemon {

struct Resignation {
  std::string interface;
  vrrp::Bytes frame;  ///< from the Ethernet header on
};

/// One priority 0 advert for each multicast router that the board shows Active. Pure but for `mac_of`.
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
