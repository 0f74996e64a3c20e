// Reads this network namespace's packet filter (nftables) from the kernel.
#pragma once

#include "base/error.h"
#include "linux/filter_trace.h"

namespace baton::linux {

/// Chains, rules and sets of all families. REQUIRES CAP_NET_ADMIN (else EPERM). A kernel without nftables: no rules.
Result<Ruleset> read_ruleset();

}  // namespace baton::linux
