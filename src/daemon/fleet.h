// Which plugin hosts a configuration needs: one for the probes of a section that a `check` refers to, one for its acts
// if anything else does. Pure. Made where secrets are known, in the reader of the configuration; the configuration that
// the other processes get is stripped of them.
#pragma once

#include <vector>

#include "config/config.h"
#include "ipc/host_order.h"

namespace baton::daemon {

/// In the order of the sections, probes first. Secrets included: call before strip_secrets.
std::vector<ipc::HostOrder> host_orders(const config::Config& config);

/// The contents go, their digests stay: a reload sees that one changed.
void strip_secrets(config::Config& config);

/// The keys of the peer channel go, too: only the steward needs them.
void strip_peer_keys(config::Config& config);

}  // namespace baton::daemon
