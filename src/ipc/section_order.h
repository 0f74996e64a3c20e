// What the host of one [plugin] section is told, made from the configuration: the same for the daemon and for `batonctl
// plugin test`. Pure.
#pragma once

#include "config/config.h"
#include "ipc/host_order.h"

namespace baton::ipc {

/// Secrets as their content if `plugin` still has it, else as where it stands; those that only acts need are left out
/// of a probe's.
HostOrder section_order(const config::Config& config, const config::Plugin& plugin, HostKind kind);

}  // namespace baton::ipc
