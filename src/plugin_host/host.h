// The life of one host process: probes at their interval, or acts as they are asked for, each under the watchdog.
#pragma once

#include "base/error.h"
#include "ipc/host_order.h"
#include "plugin_host/library.h"
#include "posix/fd.h"

namespace baton::plugin_host {

/// It has grown too much and makes room for a fresh one: exit status.
inline constexpr int kRecycled = 75;

/// Never returns but with an exit status: kRecycled, or 1 after an error.
int run_probes(const Library& library, const ipc::HostOrder& order, posix::Fd page, posix::Fd bell);
/// 0 when the other end of `channel` is closed.
int run_acts(const Library& library, const ipc::HostOrder& order, posix::Fd channel);
/// One verb, its outcome (probe: a whole page; others: an encoded ActAnswer) written to `out`. 0, or 1 if it cannot
/// even be tried.
int run_once(const Library& library, const ipc::HostOrder& order, PluginVerb verb, posix::Fd out);

}  // namespace baton::plugin_host
