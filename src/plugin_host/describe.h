// The single questions that are asked of a plugin without the daemon: who asks, and how the answers are printed.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "config/module.h"

namespace baton::plugin_host {

/// Started by root: becomes `user` ("" = baton-check) before any plugin code is loaded; "root" only if an order says
/// so. Started by somebody else: stays who it is.
Result<void> become_asker(const std::string& user);
bool print_module(const config::Module& module, int out, bool for_people);
bool print_complaints(const std::vector<config::ModuleComplaint>& complaints, int out);

}  // namespace baton::plugin_host
