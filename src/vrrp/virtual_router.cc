#include "vrrp/virtual_router.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/defect.h"
#include "vrrp/timers.h"

namespace baton::vrrp {
namespace {

/// S-08, no RFC basis: two routers with one address answer each other for ever, each answer provoking the next. At most
/// one immediate advert in a tenth of the interval, and never more than a hundred a second.
constexpr Nanos storm_guard(Nanos advertisement_interval) {
  return std::max(advertisement_interval / 10, Nanos{std::chrono::milliseconds{10}});
}

std::int64_t to_ns(const std::optional<Instant>& instant) { return instant ? instant->time_since_epoch().count() : 0; }

std::optional<Instant> from_ns(std::int64_t ns) { return ns == 0 ? std::nullopt : std::optional{Instant{Nanos{ns}}}; }

}  // namespace

std::string_view state_token(State state) {
  switch (state) {
    case State::kInitialize: return "initialize";
    case State::kBackup: return "backup";
    case State::kActive: return "active";
  }
  return "unknown";
}

VirtualRouter::VirtualRouter(RouterParameters parameters)
    : parameters_(std::move(parameters)), active_adver_interval_(parameters_.advertisement_interval) {}

State VirtualRouter::state() const { return state_; }
const RouterParameters& VirtualRouter::parameters() const { return parameters_; }
bool VirtualRouter::held() const { return held_; }
bool VirtualRouter::down_expired() const { return down_expired_; }
Reason VirtualRouter::down_reason() const { return down_reason_; }
Nanos VirtualRouter::active_adver_interval() const { return active_adver_interval_; }
const std::optional<VirtualRouter::HeardActive>& VirtualRouter::heard_active() const { return heard_active_; }

Nanos VirtualRouter::skew() const {
  if (BATON_DEFECT(1)) return Nanos{0};
  return skew_time(parameters_.version, parameters_.priority, active_adver_interval_);
}

Nanos VirtualRouter::down_interval() const {
  if (BATON_DEFECT(1)) return 3 * active_adver_interval_;
  return active_down_interval(parameters_.version, parameters_.priority, active_adver_interval_);
}

std::optional<Instant> VirtualRouter::next_deadline() const {
  if (state_ == State::kActive) return adver_deadline_;
  if (!down_deadline_ || !preempt_deadline_) return down_deadline_;
  return std::min(*down_deadline_, *preempt_deadline_);
}

Actions VirtualRouter::handle(Instant now, const Event& event) {
  Actions out;
  std::visit([&](const auto& what) { on(now, what, out); }, event);
  return out;
}

// ---- Startup, Shutdown --------------------------------------------------------------------------------------------

void VirtualRouter::on(Instant now, const Startup&, Actions& out) {
  if (state_ != State::kInitialize) return;
  // RFC 9568 §6.4.1: the owner goes straight to Active, every other router listens first (S-01).
  if (is_owner() && !held_ && !parameters_.member) {
    become_active(now, Reason::kOwnerStartup, out);
    return;
  }
  become_backup(now);
  out.push_back(ReportTransition{State::kInitialize, State::kBackup, Reason::kStartup});
  if (is_owner() && !held_) down_expires(now, Reason::kOwnerStartup, out);
}

void VirtualRouter::on(Instant, const Shutdown& shutdown, Actions& out) {
  if (state_ == State::kInitialize) return;
  const State from = state_;
  if (from == State::kActive) {
    leave_active(out);
    // §6.4.3: priority 0 lets a Backup take over after Skew_Time (S-03). §6.4.2: a Backup says nothing (S-02).
    if (shutdown.farewell) out.push_back(SendAdvert{kResignPriority});
    if (shutdown.farewell && BATON_DEFECT(16)) out.push_back(SendAdvert{kResignPriority});
  }
  become_backup(Instant{});  // forgets all that was heard and timed
  state_ = State::kInitialize;
  down_deadline_.reset();
  out.push_back(ReportTransition{from, State::kInitialize, shutdown.reason});
}

// ---- Timers -------------------------------------------------------------------------------------------------------

/// By how much an advert that is due at `deadline` is to leave earlier.
Nanos VirtualRouter::beyond_phase(Instant deadline) const {
  if (!parameters_.advert_phase) return Nanos{0};
  const Nanos interval = parameters_.advertisement_interval;
  const Nanos past = (deadline.time_since_epoch() - *parameters_.advert_phase) % interval;
  return std::clamp<Nanos>(past, Nanos{0}, interval / kPhaseSteps);
}

void VirtualRouter::on(Instant now, const DeadlineReached&, Actions& out) {
  if (state_ == State::kActive && adver_deadline_ && now >= *adver_deadline_) {
    out.push_back(SendAdvert{parameters_.priority});
    // T-05: from the deadline, not from now, so that lateness does not add up; what was missed is skipped.
    const Nanos interval = parameters_.advertisement_interval;
    if (BATON_DEFECT(12)) *adver_deadline_ = now;
    *adver_deadline_ += interval * ((now - *adver_deadline_) / interval + 1);
    *adver_deadline_ -= beyond_phase(*adver_deadline_);
    return;
  }
  if (state_ != State::kBackup) return;
  if (preempt_deadline_ && now >= *preempt_deadline_ && !(down_deadline_ && *down_deadline_ < *preempt_deadline_)) {
    down_expires(now, Reason::kPreemptDelayOver, out);
  } else if (down_deadline_ && now >= *down_deadline_) {
    down_timer_fired(now, out);
  }
}

/// RFC 9568 §6.4.2: the Active_Down_Timer fired. Why it was allowed to becomes the reason.
void VirtualRouter::down_timer_fired(Instant now, Actions& out) {
  // Somebody of lower priority who was faster than we after a resignation is there now: preempt_delay counts for him.
  const bool delayed = lower_is_alive(now) && !held_ && !is_owner() && parameters_.preempt_delay > Nanos{0};
  if (resigned_ && !delayed) return down_expires(now, Reason::kActiveResigned, out);
  if (!lower_is_alive(now)) return down_expires(now, Reason::kActiveDownExpired, out);
  if (held_ || is_owner() || parameters_.preempt_delay == Nanos{0} || BATON_DEFECT(17)) {
    return down_expires(now, Reason::kPreemptLower, out);
  }
  // M-04, no RFC basis: preempt_delay begins. While it runs, lower priorities are obeyed as without Preempt_Mode.
  preempt_deadline_ = now + parameters_.preempt_delay;
  obey_lower();
}

/// The timer has done its work: take over, or wait for the hold or the group.
void VirtualRouter::down_expires(Instant now, Reason reason, Actions& out) {
  down_deadline_.reset();
  preempt_deadline_.reset();
  down_expired_ = true;
  down_reason_ = reason;
  heard_active_.reset();
  if (held_ && !BATON_DEFECT(8)) return;
  if (parameters_.member) {
    out.push_back(DownExpired{});
  } else {
    become_active(now, reason, out);
  }
}

// ---- Adverts ------------------------------------------------------------------------------------------------------

void VirtualRouter::on(Instant now, const AdvertReceived& advert, Actions& out) {
  if (state_ == State::kInitialize) return;
  if (advert.source == parameters_.primary) {
    // S-08, no RFC basis: our own address from elsewhere can decide no election and deserves no answer.
    out.push_back(Note{Remark::kSameSource});
    return;
  }
  remark_on(advert, out);
  if (state_ == State::kActive) {
    advert_while_active(now, advert, out);
  } else {
    advert_while_backup(now, advert, out);
  }
}

void VirtualRouter::remark_on(const AdvertReceived& advert, Actions& out) const {
  // §7.1 SHOULD: v3 goes on with another interval.
  if (advert.max_advertise_interval != parameters_.advertisement_interval) {
    out.push_back(Note{Remark::kIntervalMismatch});
  }
  if (advert.priority == kOwnerPriority) {
    out.push_back(Note{is_owner() ? Remark::kSecondOwner : Remark::kForeignOwner});  // §8.3.2 (L-01)
  } else if (advert.priority == parameters_.priority) {
    out.push_back(Note{Remark::kEqualPriority});  // §8.3.2 (L-02)
  }
}

void VirtualRouter::advert_while_backup(Instant now, const AdvertReceived& advert, Actions& out) {
  if (advert.priority == kResignPriority) return active_resigned(now, out);
  // §6.4.2: an equal or higher priority is obeyed; equal is enough, whatever the address (S-11).
  if (advert.priority >= parameters_.priority) {
    preempt_deadline_.reset();
    lower_heard_.reset();
    return obey(now, advert);
  }
  if (BATON_DEFECT(6)) out.push_back(SendAdvert{parameters_.priority});
  lower_heard_ = LowerHeard{advert.priority, advert.max_advertise_interval, now};
  // M-04: a member whose timer has fired and that only waits for its group finds somebody there after all.
  // Once: whoever has waited for preempt_delay does not wait for it again.
  const bool nobody_was_there = down_expired_ && down_reason_ != Reason::kPreemptDelayOver;
  if (nobody_was_there && preempts(advert.priority) && !is_owner() && !held_ && parameters_.preempt_delay > Nanos{0}) {
    preempt_deadline_ = now + parameters_.preempt_delay;
  }
  // Without Preempt_Mode a lower priority is obeyed, too. No RFC basis: also while held, when we could not take over,
  // and while preempt_delay runs. Otherwise it is discarded and the timer runs on.
  if (!preempts(advert.priority) || held_ || preempt_deadline_) obey(now, advert);
}

/// T-04, deviation from the letter of §6.4.2: priority 0 may only shorten the timer. Set again at every receipt, as the
/// RFC has it, a stream of them would hold a Backup down for ever.
void VirtualRouter::active_resigned(Instant now, Actions& out) {
  if (BATON_DEFECT(4)) return;
  if (resigned_) out.push_back(Note{Remark::kResignRepeated});
  heard_active_.reset();
  lower_heard_.reset();
  if (!down_deadline_) return;  // expired already, and held or waiting for the group
  resigned_ = true;
  down_deadline_ = std::min(*down_deadline_, now + skew());
  if (BATON_DEFECT(11)) down_deadline_ = now + skew();
}

void VirtualRouter::advert_while_active(Instant now, const AdvertReceived& advert, Actions& out) {
  if (parameters_.version == Version::kV2 && is_owner()) return;  // RFC 3768 §7.1: an owner discards (D-08)
  if (advert.priority == kResignPriority) {
    // §6.4.3: send an ADVERTISEMENT, reset the Adver_Timer (S-05).
    if (answer(now, out)) adver_deadline_ = now + parameters_.advertisement_interval;
    return;
  }
  if (must_yield_to(advert) && !(BATON_DEFECT(14) && !preempts())) {
    // §6.4.3; Preempt_Mode is not consulted in Active (S-09), and an owner yields to another (erratum 8298, R-12).
    leave_active(out);
    become_backup(now);
    obey(now, advert);
    const bool tie = advert.priority == parameters_.priority;
    out.push_back(ReportTransition{State::kActive, State::kBackup,
                                   tie ? Reason::kEqualPriorityHigherAddress : Reason::kHigherPriority});
    return;
  }
  // RFC 3768 §6.4.3 discards in silence (D-08); a tie is not ours to answer when the group's lead router decides it.
  if (parameters_.version == Version::kV2) return;
  if (advert.priority == parameters_.priority && !parameters_.lead) return;
  if (BATON_DEFECT(13)) return;
  // §6.4.3, last branch (S-07): assert at once; the Adver_Timer is not touched.
  if (answer(now, out)) out.push_back(Note{Remark::kLowerAnswered});
}

/// §6.4.3: a higher Priority wins; an equal one is decided by the greater primary address, unsigned and in network byte
/// order (S-06). Design: of a group only the lead router may lose a tie.
bool VirtualRouter::must_yield_to(const AdvertReceived& advert) const {
  if (advert.priority != parameters_.priority) return advert.priority > parameters_.priority;
  if (BATON_DEFECT(2)) return parameters_.lead && advert.source < parameters_.primary;
  return parameters_.lead && advert.source > parameters_.primary;
}

/// An immediate advert, unless the storm guard (S-08) holds it back.
bool VirtualRouter::answer(Instant now, Actions& out) {
  if (!BATON_DEFECT(5) && last_answer_ && now - *last_answer_ < storm_guard(parameters_.advertisement_interval)) {
    out.push_back(Note{Remark::kAnswerSuppressed});
    return false;
  }
  last_answer_ = now;
  out.push_back(SendAdvert{parameters_.priority});
  return true;
}

// ---- Our own decisions --------------------------------------------------------------------------------------------

void VirtualRouter::on(Instant now, const SetHold& hold, Actions& out) {
  if (held_ == hold.held) return;
  held_ = hold.held;
  if (state_ != State::kBackup) return;
  if (held_) {
    preempt_deadline_.reset();
    if (!down_expired_ && lower_is_alive(now)) obey_lower();
  } else if (down_expired_) {
    down_expires(now, down_reason_, out);
  }
}

void VirtualRouter::on(Instant now, const StepDown& step_down, Actions& out) {
  if (state_ != State::kActive) return;
  leave_active(out);
  if (step_down.farewell && !BATON_DEFECT(15)) out.push_back(SendAdvert{kResignPriority});
  become_backup(now);
  out.push_back(ReportTransition{State::kActive, State::kBackup, step_down.reason});
}

void VirtualRouter::on(Instant now, const TakeOver& take_over, Actions& out) {
  if (state_ == State::kBackup && !held_) become_active(now, take_over.reason, out);
}

void VirtualRouter::on(Instant now, const ParametersChanged& change, Actions& out) {
  const RouterParameters old = std::exchange(parameters_, change.parameters);
  if (state_ == State::kBackup) return backup_parameters_changed(now, old, out);
  active_adver_interval_ = parameters_.advertisement_interval;
  // S-13, S-14: the next advert carries the change; a shorter interval brings it forward.
  if (adver_deadline_) adver_deadline_ = std::min(*adver_deadline_, now + parameters_.advertisement_interval);
}

/// S-13: recompute and re-arm the Active_Down_Timer from the last advert.
void VirtualRouter::backup_parameters_changed(Instant now, const RouterParameters& old, Actions& out) {
  const Nanos old_down = active_down_interval(old.version, old.priority, active_adver_interval_);
  if (!learned_ || parameters_.version == Version::kV2) {
    active_adver_interval_ = parameters_.advertisement_interval;
  }
  if (preempt_deadline_) *preempt_deadline_ += parameters_.preempt_delay - old.preempt_delay;
  if (down_deadline_ && resigned_) {
    down_deadline_ = std::min(*down_deadline_, now + skew());
  } else if (down_deadline_) {
    *down_deadline_ += down_interval() - old_down;
  }
  // Whom we meant to preempt may be above us now.
  if (lower_heard_ && (lower_heard_->priority >= parameters_.priority || !preempts(lower_heard_->priority))) {
    preempt_deadline_.reset();
    if (!resigned_ && lower_is_alive(now)) obey_lower();
    if (lower_heard_->priority >= parameters_.priority) lower_heard_.reset();
  }
  // §6.1: the owner always preempts (S-10).
  if (is_owner() && old.priority != kOwnerPriority && !held_) down_expires(now, Reason::kOwnerStartup, out);
}

// ---- Entering and leaving -----------------------------------------------------------------------------------------

/// §6.4.1, §6.4.2: advert first (design: claim), then the addresses, then gratuitous ARP or NA.
void VirtualRouter::become_active(Instant now, Reason reason, Actions& out) {
  const State from = state_;
  become_backup(now);  // forgets all that was heard and timed
  state_ = State::kActive;
  down_deadline_.reset();
  adver_deadline_ = now + parameters_.advertisement_interval;
  out.insert(out.end(), {SendAdvert{parameters_.priority}, InstallVips{}, AnnounceVips{}});
  out.push_back(ReportTransition{from, State::kActive, reason});
}

/// §6.4.1: Active_Adver_Interval starts as our own, Active_Down_Timer as Active_Down_Interval.
void VirtualRouter::become_backup(Instant now) {
  state_ = State::kBackup;
  adver_deadline_.reset();
  preempt_deadline_.reset();
  heard_active_.reset();
  lower_heard_.reset();
  learned_ = false;
  resigned_ = false;
  down_expired_ = false;
  down_reason_ = Reason::kNone;
  active_adver_interval_ = parameters_.advertisement_interval;
  down_deadline_ = now + down_interval();
}

/// Whatever we leave Active for, only the Active has addresses to give up. They go before any farewell.
void VirtualRouter::leave_active(Actions& out) const {
  if (!BATON_DEFECT(7)) out.push_back(RemoveVips{});
}

/// §6.4.2: learn Active_Adver_Interval, recompute, set the Active_Down_Timer.
void VirtualRouter::obey(Instant now, const AdvertReceived& advert) {
  learn(advert.max_advertise_interval);
  if (!BATON_DEFECT(3) || !down_deadline_) down_deadline_ = now + down_interval();
  down_expired_ = false;
  down_reason_ = Reason::kNone;
  resigned_ = false;
  heard_active_ = HeardActive{advert.source, advert.priority, now};
}

/// The lower advert that was discarded when it came counts after all.
void VirtualRouter::obey_lower() {
  learn(lower_heard_->interval);
  down_deadline_ = lower_heard_->at + down_interval();
  down_expired_ = false;
  down_reason_ = Reason::kNone;
}

/// T-03; version 2 never learns (D-02).
void VirtualRouter::learn(Nanos interval) {
  if (parameters_.version == Version::kV2 || BATON_DEFECT(9)) return;
  CHECK(interval > Nanos{0});  // decode refuses zero
  active_adver_interval_ = interval;
  learned_ = true;
}

/// §6.1: the owner always preempts, whatever the flag (S-10).
bool VirtualRouter::preempts() const { return parameters_.preempt || is_owner() || BATON_DEFECT(10); }
bool VirtualRouter::preempts(Priority active) const {
  return is_owner() || (preempts() && parameters_.priority.value() - active.value() >= parameters_.preempt_gap);
}

/// Heard within its own down interval.
bool VirtualRouter::lower_is_alive(Instant now) const {
  if (!lower_heard_) return false;
  const bool v2 = parameters_.version == Version::kV2;
  const Nanos interval = v2 ? parameters_.advertisement_interval : lower_heard_->interval;
  return now < lower_heard_->at + active_down_interval(parameters_.version, parameters_.priority, interval);
}

// ---- Adoption -----------------------------------------------------------------------------------------------------

RouterSnapshot VirtualRouter::snapshot() const {
  RouterSnapshot snapshot;
  snapshot.state = state_;
  snapshot.held = held_;
  snapshot.down_expired = down_expired_;
  snapshot.resigned = resigned_;
  snapshot.adver_deadline_ns = to_ns(adver_deadline_);
  snapshot.down_deadline_ns = to_ns(down_deadline_);
  snapshot.preempt_deadline_ns = to_ns(preempt_deadline_);
  snapshot.active_adver_interval_ns = active_adver_interval_.count();
  snapshot.last_answer_ns = to_ns(last_answer_);
  snapshot.learned = learned_;
  snapshot.down_reason = down_reason_;
  if (lower_heard_) {
    snapshot.lower_priority = lower_heard_->priority;
    snapshot.lower_heard_ns = lower_heard_->at.time_since_epoch().count();
    snapshot.lower_interval_ns = lower_heard_->interval.count();
  }
  return snapshot;
}

void VirtualRouter::restore(const RouterSnapshot& snapshot) {
  state_ = snapshot.state;
  held_ = snapshot.held;
  down_expired_ = snapshot.down_expired;
  resigned_ = snapshot.resigned;
  if (!BATON_DEFECT(18)) adver_deadline_ = from_ns(snapshot.adver_deadline_ns);
  down_deadline_ = from_ns(snapshot.down_deadline_ns);
  preempt_deadline_ = from_ns(snapshot.preempt_deadline_ns);
  active_adver_interval_ = Nanos{snapshot.active_adver_interval_ns};
  last_answer_ = from_ns(snapshot.last_answer_ns);
  learned_ = snapshot.learned;
  down_reason_ = snapshot.down_reason;
  heard_active_.reset();
  lower_heard_.reset();
  if (snapshot.lower_heard_ns != 0) {
    lower_heard_ =
        LowerHeard{snapshot.lower_priority, Nanos{snapshot.lower_interval_ns}, Instant{Nanos{snapshot.lower_heard_ns}}};
  }
}

}  // namespace baton::vrrp
