// The processes that plugin code has started: none of them stays when the host goes, also those that have left its
// process group. The host is their subreaper, so all of them are below it.
#pragma once

namespace baton::plugin_host {

/// REQUIRES nothing; from now on orphans below this process become its children.
void adopt_orphans();
/// SIGKILL to everything below this process, and waits for it, at most 100 ms.
void end_descendants();
/// Collects those that have ended, and says whether any goes on. Between calls only: a plugin waits for its own during
/// a call.
bool reap_ended();

}  // namespace baton::plugin_host
