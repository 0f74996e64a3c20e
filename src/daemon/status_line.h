// The line that `systemctl status` shows: for which instances this host is Active, and where something alarms. Pure.
#pragma once

#include <string>
#include <vector>

#include "ipc/state_board.h"

namespace baton::daemon {

/// "Active for 2 of 3: web, pg; alarms on pg". No more than a few names.
std::string status_line(const std::vector<ipc::BoardReader::Entry>& entries);

}  // namespace baton::daemon
