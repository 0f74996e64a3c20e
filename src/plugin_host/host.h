// The life of one host process: probes at their interval, or acts as they are asked for, each under the watchdog.
#pragma once

#include "base/error.h"
#include "ipc/host_order.h"
#include "plugin_host/library.h"
#include "posix/fd.h"

namespace baton::plugin_host {

/// Never returns but with an exit status: kHostRecycled, or kHostRefused after an error.
int run_probes(const Library& library, const ipc::HostOrder& order, posix::Fd page, posix::Fd bell);
/// 0 when the other end of `channel` is closed.
int run_acts(const Library& library, const ipc::HostOrder& order, posix::Fd channel);
/// A plugin that cannot be loaded: the reason becomes the section's outcome.
void report_unloaded(const ipc::HostOrder& order, const posix::Fd& page, posix::Fd bell, const Error& why);
/// One verb, its outcome (probe: a whole page; others: an encoded ActAnswer) written to `out`. 0, or
/// kHostRefused if it cannot even be tried.
int run_once(const Library& library, const ipc::HostOrder& order, PluginVerb verb, posix::Fd out);

}  // namespace baton::plugin_host
