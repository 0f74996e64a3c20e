// One call of one plugin by baton-plugin-host, in a process started as the daemon starts it.
#pragma once

#include <string>

#include "base/error.h"
#include "cli/plugin_text.h"
#include "ipc/host_order.h"

namespace baton::cli {

/// Blocks for at most the order's limit and a moment. Error: the program could not be started or made no sense; what
/// the plugin itself did wrong is in the outcome. REQUIRES root.
Result<CallOutcome> call_once(const std::string& host_program, const ipc::HostOrder& order, PluginVerb verb);

}  // namespace baton::cli
