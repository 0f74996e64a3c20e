// Whether this host may be Active, from facts alone: nothing is counted up and down, so nothing can be forgotten
// (design section 4). Pure functions. Decides neither when a fact begins nor when it ends.
#pragma once

#include "base/priority.h"
#include "base/reason.h"
#include "config/config.h"

namespace baton::engine {

/// What is known about one instance besides its links.
struct Facts {
  bool drained = false;
  bool switched_over = false;  ///< yielded on request, until another router is lost
  bool frozen = false;
  bool startup_delay = false;
  bool address_fight = false;
  bool address_foreign = false;
  bool install_failed = false;
  bool send_failed = false;
  bool duplicate_host = false;
  bool no_addresses = false;
};

/// What speaks against being Active. A frozen instance takes nothing.
ReasonSet against(const Facts& facts);

/// Whether an Active has to give up because of `against`. A frozen instance gives nothing by itself, except what it
/// cannot serve.
bool must_release(ReasonSet against);

/// Configured priority plus `preference` of the checks, recomputed from scratch; 1..254, the owner's is 255 (F-05).
Priority effective_priority(Priority configured, bool owner, int preference);

}  // namespace baton::engine
