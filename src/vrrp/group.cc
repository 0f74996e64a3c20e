// The rule, in full. Members are resources of one holder, so the group is a conjunction:
//  - Up: only when every member is Backup, none is held and each one's Active_Down_Timer has expired. A member that
//  hears a
//    better Active re-arms its timer and so holds all of them back.
//  - Down: one member that leaves Active, whatever the reason, takes the others with it. If it yielded to a better
//    router, the others go silently: that router is about to take them, too, or never hears us there. If it stepped
//    down or became unusable (Initialize), the others say goodbye with priority 0, so that the peers' timers on the
//    links that still work are short.
//  - Exact ties: the addresses of two hosts may sort one way on one link and the other way on the next. So only the
//  lead
//    (member 0) compares addresses; at equal priority the others neither yield nor answer.
//  - Unusable: a member in Initialize keeps the group in Initialize; its fellows stay Backup, listen and time, so that
//    the group can move as soon as that member has listened for its own Active_Down_Interval.
#include "vrrp/group.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/defect.h"

namespace baton::vrrp {
namespace {

template <class T>
bool is(const Action& action) {
  return std::holds_alternative<T>(action);
}

/// Brings the actions of kind T, from `first` on, before the others, and keeps the order otherwise.
template <class T>
void bring_forward(std::vector<GroupAction>& actions, std::size_t first) {
  std::stable_partition(actions.begin() + static_cast<std::ptrdiff_t>(first), actions.end(),
                        [](const GroupAction& item) { return is<T>(item.action); });
}

/// Which of several members' reasons tells an operator most.
int weight(Reason reason) {
  switch (reason) {
    case Reason::kOwnerStartup: return 4;
    case Reason::kPreemptDelayOver: return 3;
    case Reason::kPreemptLower: return 2;
    case Reason::kActiveResigned: return 1;
    default: return 0;
  }
}

}  // namespace

Group::Group(std::vector<RouterParameters> routers) {
  CHECK(!routers.empty());
  routers_.reserve(routers.size());
  for (std::size_t i = 0; i < routers.size(); ++i) {
    routers[i].member = routers.size() > 1;
    routers[i].lead = i == 0 || BATON_DEFECT(20);
    routers_.emplace_back(std::move(routers[i]));
  }
}

State Group::state() const { return state_; }
std::size_t Group::size() const { return routers_.size(); }
const VirtualRouter& Group::router(std::size_t index) const { return routers_[index]; }

GroupStep Group::handle(Instant now, std::size_t router, const Event& event) {
  CHECK(router < routers_.size());
  GroupStep step;
  apply(now, router, event, step);
  settle(now, step);
  return step;
}

GroupStep Group::handle_all(Instant now, const Event& event) {
  GroupStep step;
  if (const auto* take_over = std::get_if<TakeOver>(&event)) {
    // All or none: a member that cannot come along (Initialize, held) keeps the others back.
    const bool possible = every(State::kBackup) && std::none_of(routers_.begin(), routers_.end(),
                                                                [](const VirtualRouter& each) { return each.held(); });
    if (possible) take_over_together(now, take_over->reason, step);
    return step;
  }
  for (std::size_t i = 0; i < routers_.size(); ++i) apply(now, i, event, step);
  bring_forward<RemoveVips>(step.actions, 0);
  settle(now, step);
  return step;
}

GroupStep Group::on_deadline(Instant now) {
  GroupStep step;
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    const auto deadline = routers_[i].next_deadline();
    if (deadline && *deadline <= now) apply(now, i, DeadlineReached{}, step);
  }
  settle(now, step);
  return step;
}

std::optional<Instant> Group::next_deadline() const {
  std::optional<Instant> next;
  for (const VirtualRouter& each : routers_) {
    const auto deadline = each.next_deadline();
    if (deadline && (!next || *deadline < *next)) next = deadline;
  }
  return next;
}

/// One member handles the event; its actions join the step, its own transition does not.
void Group::apply(Instant now, std::size_t router, const Event& event, GroupStep& step) {
  Actions actions;
  if (const auto* change = std::get_if<ParametersChanged>(&event)) {
    ParametersChanged mine = *change;
    mine.parameters.member = routers_.size() > 1;
    mine.parameters.lead = router == 0 || BATON_DEFECT(20);
    actions = routers_[router].handle(now, mine);
  } else {
    actions = routers_[router].handle(now, event);
  }
  for (Action& action : actions) {
    if (const auto* transition = std::get_if<ReportTransition>(&action)) {
      const auto* step_down = std::get_if<StepDown>(&event);
      const bool silent = std::holds_alternative<AdvertReceived>(event) || (step_down && !step_down->farewell);
      if (!departure_) departure_ = Departure{transition->reason, !silent};
    } else if (!is<DownExpired>(action)) {
      step.actions.push_back({router, std::move(action)});
    }
  }
}

/// After an event: let the members be together again, and say at most once where the group now is.
void Group::settle(Instant now, GroupStep& step) {
  const Departure departure = std::exchange(departure_, std::nullopt).value_or(Departure{});
  if (BATON_DEFECT(19) && !every(State::kBackup)) return report(routers_[0].state(), departure.reason, step);
  if (every(State::kActive)) return report(State::kActive, departure.reason, step);
  leave_together(now, departure, step);
  if (may_take_over()) return take_over_together(now, down_reason(), step);
  const bool unusable = std::any_of(routers_.begin(), routers_.end(),
                                    [](const VirtualRouter& each) { return each.state() == State::kInitialize; });
  report(unusable ? State::kInitialize : State::kBackup, departure.reason, step);
}

/// Some member is not Active (any more): no other may be.
void Group::leave_together(Instant now, const Departure& departure, GroupStep& step) {
  const std::size_t first = step.actions.size();
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    apply(now, i, StepDown{departure.reason, departure.farewell}, step);
  }
  bring_forward<RemoveVips>(step.actions, first);
  departure_.reset();
}

/// Adverts of all members leave before the first address is installed (design: claim).
void Group::take_over_together(Instant now, Reason reason, GroupStep& step) {
  const std::size_t first = step.actions.size();
  for (std::size_t i = 0; i < routers_.size(); ++i) apply(now, i, TakeOver{reason}, step);
  bring_forward<SendAdvert>(step.actions, first);
  departure_.reset();
  CHECK(every(State::kActive));
  report(State::kActive, reason, step);
}

void Group::report(State next, Reason reason, GroupStep& step) {
  if (next != state_) step.transition = ReportTransition{state_, next, reason};
  state_ = next;
}

bool Group::every(State state) const {
  return std::all_of(routers_.begin(), routers_.end(),
                     [=](const VirtualRouter& each) { return each.state() == state; });
}

bool Group::may_take_over() const {
  return std::all_of(routers_.begin(), routers_.end(), [](const VirtualRouter& each) {
    return each.state() == State::kBackup && each.down_expired() && !each.held();
  });
}

Reason Group::down_reason() const {
  Reason reason = routers_.front().down_reason();
  for (const VirtualRouter& each : routers_) {
    if (weight(each.down_reason()) > weight(reason)) reason = each.down_reason();
  }
  return reason;
}

GroupSnapshot Group::snapshot() const {
  GroupSnapshot snapshot{.state = state_, .routers = {}};
  for (const VirtualRouter& each : routers_) snapshot.routers.push_back(each.snapshot());
  return snapshot;
}

void Group::restore(const GroupSnapshot& snapshot) {
  CHECK(snapshot.routers.size() == routers_.size());
  state_ = snapshot.state;
  for (std::size_t i = 0; i < routers_.size(); ++i) routers_[i].restore(snapshot.routers[i]);
}

}  // namespace baton::vrrp
