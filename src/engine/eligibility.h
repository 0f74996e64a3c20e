// Whether this host may be Active, from facts alone: nothing is counted up and down, so nothing can be forgotten
// (design section 4). Pure functions. Decides neither when a fact begins nor when it ends.
#pragma once

#include <vector>

#include "base/priority.h"
#include "base/reason.h"
#include "config/config.h"
#include "engine/check.h"

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
  // Of the checks (weigh).
  bool check_failed = false;
  bool check_unknown = false;
  bool check_pending = false;  ///< nothing is known yet: takes nothing, gives nothing
  bool gate_closed = false;
  bool isolated = false;         ///< on_isolation = demote: neither another host nor a gateway is reached
  bool not_primary = false;      ///< grant = follow: the data's primary is elsewhere
  ReasonSet promotion = {};      ///< what the transaction has against it
  bool hold_on_unknown = false;  ///< `on_unknown = hold`: an Active keeps its role without an answer
  bool operator==(const Facts&) const = default;
};

/// What the checks of an instance say together, from their settled states alone.
struct Verdict {
  bool failed = false;   ///< a required one fails
  bool unknown = false;  ///< a required one has no fresh answer
  bool pending = false;  ///< a required one or a gate has not answered yet
  bool gate_closed = false;
  int preference = 0;              ///< to be added to the priority
  const Check* culprit = nullptr;  ///< the first required one that fails, has no answer, or is pending
  std::size_t culprit_index = 0;   ///< its place in `references`
  bool operator==(const Verdict&) const = default;
};
/// `checks`: by place in `references`; `nobody_better`: likewise, true where the check is `relative` and no other host
/// says that it passes there: then it counts as passed, because a failure that all share is no reason to move. A
/// positive `prefer` is added while the check passes, a negative one while it does not, so that what is not known never
/// counts in favour.
Verdict weigh(const std::vector<config::CheckReference>& references, const std::vector<const Check*>& checks,
              const std::vector<bool>& nobody_better = {});

/// What speaks against being Active. A frozen instance takes nothing.
ReasonSet against(const Facts& facts);

/// Whether an Active has to give up because of `against`. A frozen instance gives nothing by itself, except what it
/// cannot serve.
bool must_release(const Facts& facts, ReasonSet against);

/// Configured priority plus `preference` of the checks, recomputed from scratch; 1..254, the owner's is 255 (F-05).
Priority effective_priority(Priority configured, bool owner, int preference);

}  // namespace baton::engine
