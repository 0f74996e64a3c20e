// What of the configuration decides which adverts are ours and which are heard. The engine and `batonctl tap` both ask
// here, so that tap's verdict is the engine's. Pure.
#pragma once

#include "config/config.h"
#include "vrrp/receive_rules.h"

namespace baton::config {

/// Whether adverts may leave from this address of the interface: E-04, IPv4 from any that is no virtual one; E-05, IPv6
/// from the link-local one; a configured source alone if there is one. Which of several: the first in the kernel's
/// order.
bool may_be_source(const Instance& instance, const IpAddress& address);

/// What the instance accepts in one family, but for what the host has: `own` and `on_link` are left empty.
vrrp::ReceiveParameters receive_parameters(const Instance& instance, Family family);
/// Whether senders are held against the prefixes of the interface (`on_link`).
bool wants_on_link(const Instance& instance, Family family);

}  // namespace baton::config
