// One virtual router: one VRID on one interface in one address family. RFC 9568 §6.4 as a pure state machine:
// events in, ordered actions out. No I/O, no clock, no log, no allocation besides the returned list.
//
// A router that belongs to a group (`member = true`) does not become Active by itself: when its Active_Down_Timer
// fires it reports DownExpired and waits for TakeOver, so that vrrp/group.h can move all members as one.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/priority.h"
#include "base/reason.h"
#include "base/time.h"
#include "vrrp/packet.h"

namespace baton::vrrp {

enum class State : std::uint8_t { kInitialize = 0, kBackup = 1, kActive = 2 };
std::string_view state_token(State state);  ///< "initialize", "backup", "active"

struct RouterParameters {
  Version version = Version::kV3;
  Priority priority = kDefaultPriority;  ///< effective, 1..254; 255 = owner
  Nanos advertisement_interval = std::chrono::seconds{1};
  bool preempt = true;
  /// No RFC basis: an Active is preempted only by a priority that is greater by at least this; 1 as in the RFC.
  int preempt_gap = 1;
  Nanos preempt_delay{0};
  IpAddress primary{};  ///< source address of our adverts; decides ties
  bool member = false;  ///< see above
  bool lead =
      true;  ///< false: an exact tie is left to the group's lead router (design: one family must not win each way)

  /// Where in the interval our adverts gather, 0 to less than the interval after a whole multiple of it, so that those
  /// of a thousand routers do not leave as one burst: each advert moves there by at most 1/128 of the interval, to the
  /// earlier. nullopt: they stay where they fall.
  std::optional<Nanos> advert_phase{};

  bool operator==(const RouterParameters&) const = default;
};

// ---- Events -------------------------------------------------------------------------------------------------------
struct Startup {};  ///< interface and addresses are usable
/// The interface or the daemon goes away. `farewell`: send priority 0 if Active (RFC §6.4.3); false when it cannot
/// leave.
struct Shutdown {
  Reason reason = Reason::kShutdown;
  bool farewell = true;
};
struct DeadlineReached {};  ///< next_deadline() may have passed; checked against `now`, stale ones are harmless
struct AdvertReceived {     ///< decoded, matched to this router, not our own frame
  IpAddress source;
  Priority priority = kDefaultPriority;
  Nanos max_advertise_interval{0};
};
/// Ineligible: an Active gives up (StepDown does that), a Backup listens and times but does not take over.
/// While held, every advert re-arms the timer, so that "expired" means that nobody is there.
struct SetHold {
  bool held = false;
};
/// Active -> Backup on our own decision; no effect in other states.
struct StepDown {
  Reason reason = Reason::kNone;
  bool farewell = true;
};
struct TakeOver {  ///< Backup -> Active at once, by the group or by an operator
  Reason reason = Reason::kNone;
};
struct ParametersChanged {  ///< S-13, S-14: never restarts the machine
  RouterParameters parameters;
};
using Event =
    std::variant<Startup, Shutdown, DeadlineReached, AdvertReceived, SetHold, StepDown, TakeOver, ParametersChanged>;

// ---- Actions, to be performed in order ----------------------------------------------------------------------------
struct SendAdvert {
  Priority priority = kDefaultPriority;
  bool operator==(const SendAdvert&) const = default;
};
struct InstallVips {
  bool operator==(const InstallVips&) const = default;
};
struct AnnounceVips {
  bool operator==(const AnnounceVips&) const = default;
};
struct RemoveVips {
  bool operator==(const RemoveVips&) const = default;
};
struct DownExpired {  ///< member only
  bool operator==(const DownExpired&) const = default;
};
struct ReportTransition {
  State from;
  State to;
  Reason reason = Reason::kNone;
  bool operator==(const ReportTransition&) const = default;
};
/// Something worth a counter, an alarm or a rate-limited log line; no state changed because of it alone.
enum class Remark : std::uint8_t {
  kSameSource,        ///< S-08: an advert with our own source address
  kEqualPriority,     ///< L-02
  kForeignOwner,      ///< an advert with priority 255 and we are no owner
  kSecondOwner,       ///< L-01, R-12
  kIntervalMismatch,  ///< R-13
  kLowerAnswered,     ///< S-07 sent
  kAnswerSuppressed,  ///< S-08 storm guard held an immediate advert back
  kResignRepeated,    ///< T-04: priority 0 again while the timer is already shortened
};
struct Note {
  Remark remark;
  bool operator==(const Note&) const = default;
};
using Action = std::variant<SendAdvert, InstallVips, AnnounceVips, RemoveVips, DownExpired, ReportTransition, Note>;
using Actions = std::vector<Action>;

/// All that a successor process needs to continue (adoption, re-exec). Plain values, stored in the state board.
struct RouterSnapshot {
  State state = State::kInitialize;
  bool held = false;
  bool down_expired = false;
  bool resigned = false;                 ///< the running Active_Down_Timer was shortened by priority 0
  std::int64_t adver_deadline_ns = 0;    ///< Active; since the clock's epoch; 0 = none
  std::int64_t down_deadline_ns = 0;     ///< Backup
  std::int64_t preempt_deadline_ns = 0;  ///< end of preempt_delay; 0 = none
  std::int64_t active_adver_interval_ns = 0;
  std::int64_t last_answer_ns = 0;     ///< storm guard
  bool learned = false;                ///< active_adver_interval was learned, not our own
  Reason down_reason = Reason::kNone;  ///< why the Active_Down_Timer was allowed to expire
  /// Backup: the last advert of a router of lower priority; 0 = none. It decides about preempt_delay and the reason.
  Priority lower_priority{0};
  std::int64_t lower_heard_ns = 0;
  std::int64_t lower_interval_ns = 0;

  bool operator==(const RouterSnapshot&) const = default;
};

class VirtualRouter {
 public:
  static constexpr int kPhaseSteps = 128;

  explicit VirtualRouter(RouterParameters parameters);

  /// Applies one event at `now`. The caller performs the returned actions in order. No I/O, no clock, no log.
  /// REQUIRES `now` never earlier than in the previous call.
  Actions handle(Instant now, const Event& event);
  /// When DeadlineReached is due; nullopt in Initialize, and in Backup once the timer has expired and is being held.
  std::optional<Instant> next_deadline() const;

  State state() const;
  const RouterParameters& parameters() const;
  bool held() const;
  /// Backup: the Active_Down_Timer has fired and nobody better has been heard since.
  bool down_expired() const;
  /// With down_expired(): kActiveDownExpired, kActiveResigned, kPreemptLower, kPreemptDelayOver or kOwnerStartup.
  Reason down_reason() const;
  /// Learned from the Active while Backup (v3), else our own.
  Nanos active_adver_interval() const;
  Nanos skew() const;
  Nanos down_interval() const;
  /// The last accepted Active: source, priority and when. nullopt when none since Startup or since it was lost.
  struct HeardActive {
    IpAddress source;
    Priority priority;
    Instant at;
  };
  const std::optional<HeardActive>& heard_active() const;

  RouterSnapshot snapshot() const;
  /// Continues where `snapshot` stopped; no action is due because of it. Times in the past are due at once.
  void restore(const RouterSnapshot& snapshot);

 private:
  /// A router of lower priority heard while Backup: it may be Active and about to be preempted.
  struct LowerHeard {
    Priority priority;
    Nanos interval;
    Instant at;
  };

  void on(Instant now, const Startup&, Actions& out);
  void on(Instant now, const Shutdown& shutdown, Actions& out);
  void on(Instant now, const DeadlineReached&, Actions& out);
  void on(Instant now, const AdvertReceived& advert, Actions& out);
  void on(Instant now, const SetHold& hold, Actions& out);
  void on(Instant now, const StepDown& step_down, Actions& out);
  void on(Instant now, const TakeOver& take_over, Actions& out);
  void on(Instant now, const ParametersChanged& change, Actions& out);

  void remark_on(const AdvertReceived& advert, Actions& out) const;
  void advert_while_backup(Instant now, const AdvertReceived& advert, Actions& out);
  void advert_while_active(Instant now, const AdvertReceived& advert, Actions& out);
  void active_resigned(Instant now, Actions& out);
  bool must_yield_to(const AdvertReceived& advert) const;
  bool answer(Instant now, Actions& out);

  void become_active(Instant now, Reason reason, Actions& out);
  void become_backup(Instant now);
  void leave_active(Actions& out) const;
  void obey(Instant now, const AdvertReceived& advert);
  void obey_lower();
  void down_timer_fired(Instant now, Actions& out);
  Nanos beyond_phase(Instant deadline) const;
  void down_expires(Instant now, Reason reason, Actions& out);
  void backup_parameters_changed(Instant now, const RouterParameters& old, Actions& out);

  bool is_owner() const { return parameters_.priority == kOwnerPriority; }
  bool preempts() const;
  bool preempts(Priority active) const;
  bool lower_is_alive(Instant now) const;
  void learn(Nanos interval);

  RouterParameters parameters_;
  State state_ = State::kInitialize;
  bool held_ = false;
  bool down_expired_ = false;
  bool resigned_ = false;
  bool learned_ = false;
  Reason down_reason_ = Reason::kNone;
  std::optional<Instant> adver_deadline_;
  std::optional<Instant> down_deadline_;
  std::optional<Instant> preempt_deadline_;
  std::optional<Instant> last_answer_;
  Nanos active_adver_interval_;
  std::optional<HeardActive> heard_active_;
  std::optional<LowerHeard> lower_heard_;
};

}  // namespace baton::vrrp
