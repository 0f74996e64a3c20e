// What an instance says about itself: state for status and adoption, reports and alarms for people.
#include <algorithm>
#include <cstring>

#include "engine/mover.h"

namespace baton::engine {

using ports::HoldingState;
using ports::LastEvent;
using ports::NewMasterReason;
using vrrp::State;
using namespace std::chrono_literals;

LastEvent last_event(State to, Reason reason, LastEvent before) {
  switch (reason) {
    case Reason::kStartup:
      // What made Startup possible says more than Startup itself.
      return before == LastEvent::kInterfaceUp || before == LastEvent::kPrimaryIpAddress ? before : LastEvent::kStartup;
    case Reason::kOwnerStartup: return to == State::kActive ? LastEvent::kOwnerPreempt : LastEvent::kStartup;
    case Reason::kActiveDownExpired:
    case Reason::kActiveResigned: return LastEvent::kMasterTimeout;
    case Reason::kPreemptLower: return LastEvent::kLowerPriorityMaster;
    case Reason::kPreemptDelayOver: return LastEvent::kPreemptHoldTimeout;
    case Reason::kHigherPriority:
    case Reason::kEqualPriorityHigherAddress: return LastEvent::kHigherPriorityBackup;
    case Reason::kInterfaceMissing:
    case Reason::kInterfaceDown: return LastEvent::kInterfaceDown;
    case Reason::kNoPrimaryAddress:
    case Reason::kAddressTentative: return LastEvent::kNoPrimaryIpAddress;
    case Reason::kNoVirtualAddresses: return LastEvent::kNoVirtualIpAddresses;
    case Reason::kGroupMember: return before;
    default: return LastEvent::kShutdown;  // everything that is our own decision
  }
}

NewMasterReason new_master_reason(State to, Reason reason) {
  if (to != State::kActive) return NewMasterReason::kNotMaster;
  switch (reason) {
    case Reason::kPreemptLower:
    case Reason::kPreemptDelayOver:
    case Reason::kOwnerStartup: return NewMasterReason::kPreempted;
    case Reason::kActiveDownExpired: return NewMasterReason::kNoResponse;
    default: return NewMasterReason::kPriority;
  }
}

ports::Report Mover::report_about(const Router* router) const {
  ports::Report report;
  report.instance = instance_slot_;
  report.from = report.to = group_.state();
  report.reason = Reason::kNone;
  if (!context_.heard.source.is_unspecified()) {
    report.other = context_.heard.source;
    report.other_mac = context_.heard.mac;
    report.priority = context_.heard.priority;
  } else if (router != nullptr && !router->heard.is_unspecified()) {
    report.other = router->heard;
    report.priority = router->heard_priority;
  }
  return report;
}

/// Tells what came of an act, and returns what it told.
ports::Report Mover::report_act(Instant now, ports::PluginId plugin, PluginVerb verb, const ports::ActResult& result,
                                std::optional<Nanos> position_age) {
  ports::Report report = report_about(nullptr);
  report.kind = ports::EventKind::kActed;
  report.at = now;
  report.plugin = ports::PluginName{context_.plugins[plugin].section.name};
  report.verb = verb;
  report.outcome = result.status;
  report.duration_ns = result.took.count();
  report.sentence = result.sentence;
  report.lost = result.lost;
  if (position_age) report.position_age_ns = position_age->count();
  context_.ports.reports.report(report);
  return report;
}

void Mover::alarm(Instant now, ports::Alarm which, const ports::Report& report, Nanos lasts) {
  if (alarms_.raise(now, report, which, lasts, context_.ports.reports)) touch();
}

void Mover::alarm_over(Instant now, ports::Alarm which) {
  if (alarms_.clear(now, instance_slot_, which, context_.ports.reports)) touch();
}

/// An alarm about what is heard lasts as long as it is heard, and a little longer.
Nanos Mover::while_heard() const { return std::max(3 * shortest_down_, Nanos{10s}); }

void Mover::touch() {
  if (dirty) return;
  dirty = true;
  context_.dirty.push_back(id_);
}

void Mover::report_holding(Instant now) {
  const bool all = wanted_ && vips_.count(VipState::kInstalled) == vips_.size();
  const bool none = !wanted_ && vips_.count(VipState::kAbsent) == vips_.size();
  if (!all && !none) return;
  if (all) {
    retry_pause_ = 10s;
    follow_up_.enter();
  }
  if (held_reported_ == all) return;
  held_reported_ = all;
  ports::Report report = report_about(nullptr);
  report.kind = ports::EventKind::kHolding;
  report.to = all ? State::kActive : State::kBackup;  // the addresses', while the mastership may still be here
  report.at = now;
  report.duration_ns = (now - since_).count();
  context_.ports.reports.report(report);
  unannounced_since_ = all ? std::optional{now} : std::nullopt;
}

void Mover::report_announced(Instant now) {
  if (!wanted_ || !unannounced_since_ || !announcer_.idle()) return;
  ports::Report report = report_about(nullptr);
  report.kind = ports::EventKind::kAnnounced;
  report.to = State::kActive;
  report.at = now;
  report.duration_ns = (now - *std::exchange(unannounced_since_, std::nullopt)).count();
  context_.ports.reports.report(report);
}

void Mover::publish(Instant) {
  ports::InstanceState state;
  std::copy_n(plan_.name.begin(), std::min(plan_.name.size(), state.name.size() - 1), state.name.begin());
  state.is_group = plan_.is_group;
  state.state = group_.state();
  const std::size_t held = vips_.count(VipState::kInstalled);
  if (wanted_) {
    state.holding = held == vips_.size() ? HoldingState::kHeld : HoldingState::kInstalling;
  } else if (releasing_ || pending_addresses() > 0) {
    state.holding = HoldingState::kReleasing;
  }
  state.reason = reason_;
  if (group_.state() == State::kInitialize && !stop_reason_) {
    for (const Router& router : routers_) {
      if (router.unusable != Reason::kNone) state.reason = router.unusable;
    }
  }
  state.new_master_reason = new_master_reason_;
  state.configured_priority = plan_.owner() ? 255 : plan_.election().priority.value();
  state.effective_priority = priority().value();
  state.router_count = static_cast<std::uint8_t>(routers_.size());
  state.follow_up = follow_up_.state();
  state.follow_up_count = static_cast<std::uint8_t>(std::min<std::size_t>(follow_ups_.size(), 255));
  state.follow_up_done = static_cast<std::uint8_t>(std::min<std::size_t>(follow_up_.behind(), 255));
  if (promotion_) {
    state.data_role = promotion_->role();
    state.promotion_step = static_cast<std::uint8_t>(promotion_->step());
    state.data_dirty = promotion_->record().dirty;
    state.generation = promotion_->record().generation;
    state.promoted = promotion_->promoted();
    state.granted_until_ns = promotion_->granted_until().time_since_epoch().count();
    state.rested_at_ns = promotion_->rested_at().time_since_epoch().count();
    state.budget_free_at_ns = promotion_->budget_free_at().time_since_epoch().count();
  }
  if (!word().position.empty() || !word().sentence.empty()) {
    context_.ports.reports.publish_texts(instance_slot_, ports::texts_of(word()));
  }
  state.handover = ports::state_of(word(), promotion_ ? promotion_->promise() : ports::Promise{});
  state.addresses_wanted = static_cast<std::uint16_t>(vips_.size());
  state.addresses_held = static_cast<std::uint16_t>(held);
  state.transitions = transitions_;
  state.first_router_slot = first_router_slot_;
  ReasonSet against = against_;
  for (const Router& router : routers_) against.set(router.unusable, router.unusable != Reason::kNone);
  state.against = against.bits();
  state.alarms = alarms_.bits();
  state.since_ns = since_.time_since_epoch().count();
  if (facts_.frozen) {
    state.yielded_until_ns = timers_[kThaw].time_since_epoch().count();
  } else if (facts_.switched_over || facts_.drained) {
    state.yielded_until_ns = kNever.time_since_epoch().count();
  }
  context_.ports.reports.publish_instance(instance_slot_, state);
}

void Mover::publish_router(std::size_t index) {
  const Router& router = routers_[index];
  const config::Instance& instance = instance_of(index);
  ports::RouterState state;
  state.machine = group_.router(index).snapshot();
  state.instance_slot = instance_slot_;
  state.member = static_cast<std::uint8_t>(plan_.routers[index].member);
  state.vrid = instance.vrid.value();
  state.family = static_cast<std::uint8_t>(plan_.routers[index].family);
  state.version = static_cast<std::uint8_t>(instance.version);
  state.checksum_form = static_cast<std::uint8_t>(router.forms.forms().main());
  state.both_checksum_forms = router.forms.forms().both() ? 1 : 0;
  state.last_event = router.last_event;
  state.heard_priority = router.heard_priority;
  std::copy_n(instance.interface.begin(), std::min(instance.interface.size(), state.interface.size() - 1),
              state.interface.begin());
  const auto store = [](const IpAddress& address, std::array<std::uint8_t, 16>& bytes) {
    if (address.is_unspecified()) return;
    const ConstBytes from = address.bytes();
    std::copy(from.begin(), from.end(), bytes.begin());
  };
  store(router.heard, state.heard_source);
  store(router.primary, state.primary);
  state.heard_at_ns = router.heard_at.time_since_epoch().count();
  context_.ports.reports.publish_router(router.slot, state);
}

}  // namespace baton::engine
