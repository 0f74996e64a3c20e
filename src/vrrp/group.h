// Several virtual routers that move as one: the two families of an instance, or all members of a [group].
// One effective priority, one election (design: "members are resources, not voters"):
//  - the group is Active when every member is, and becomes so when the Active_Down_Timer of every member has fired;
//  - while any member still hears a better Active the group stays Backup;
//  - a member that yields takes all others with it, silently;
//  - an exact tie (equal priority) is decided by the lead router (member 0) alone;
//  - a member in Initialize (its interface is gone) keeps the whole group from being Active.
// A group of one is the plain RFC 9568 router.
#pragma once

#include <optional>
#include <vector>

#include "vrrp/virtual_router.h"

namespace baton::vrrp {

struct GroupAction {
  std::size_t router;  ///< index into the members
  Action action;       ///< never ReportTransition and never DownExpired: see GroupStep
  bool operator==(const GroupAction&) const = default;
};

/// What one event did to the group.
struct GroupStep {
  std::vector<GroupAction> actions;            ///< to be performed in order
  std::optional<ReportTransition> transition;  ///< at most one, of the group as a whole
};

struct GroupSnapshot {
  State state = State::kInitialize;
  std::vector<RouterSnapshot> routers;
};

class Group {
 public:
  /// REQUIRES at least one member. `member` and `lead` of the parameters are set here.
  explicit Group(std::vector<RouterParameters> routers);

  /// An event of one member: Startup, Shutdown, AdvertReceived, ParametersChanged.
  GroupStep handle(Instant now, std::size_t router, const Event& event);
  /// An event of all members: SetHold, StepDown, TakeOver, Shutdown.
  GroupStep handle_all(Instant now, const Event& event);
  /// Fires what is due.
  GroupStep on_deadline(Instant now);
  std::optional<Instant> next_deadline() const;

  State state() const;  ///< Initialize while any member is
  std::size_t size() const;
  const VirtualRouter& router(std::size_t index) const;

  GroupSnapshot snapshot() const;
  /// REQUIRES as many routers as there are members.
  void restore(const GroupSnapshot& snapshot);

 private:
  /// How a member left Active or Backup by itself during the event.
  struct Departure {
    Reason reason = Reason::kNone;
    bool farewell = false;  ///< whether the other members say goodbye, too
  };

  void apply(Instant now, std::size_t router, const Event& event, GroupStep& step);
  void settle(Instant now, GroupStep& step);
  void leave_together(Instant now, const Departure& departure, GroupStep& step);
  void take_over_together(Instant now, Reason reason, GroupStep& step);
  void report(State next, Reason reason, GroupStep& step);
  bool every(State state) const;
  bool may_take_over() const;
  Reason down_reason() const;

  std::vector<VirtualRouter> routers_;
  State state_ = State::kInitialize;
  std::optional<Departure> departure_;  ///< only inside one event
};

}  // namespace baton::vrrp
