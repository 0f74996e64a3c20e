// Whether something is half done that a re-exec should not fall into. Decided from the state board alone. Pure.
#pragma once

#include <string>

#include "ipc/state_board.h"

namespace baton::daemon {

/// "" = nothing; else which instance is at what: "instance pg: a promotion is under way".
std::string under_way(const ipc::BoardReader& board);

}  // namespace baton::daemon
