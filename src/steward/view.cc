#include "steward/view.h"

#include <algorithm>

#include "steward/format.h"
#include "steward/promotion_words.h"
#include "vrrp/timers.h"

namespace baton::steward {
namespace {

IpAddress address_of(std::uint8_t family, const std::array<std::uint8_t, 16>& bytes) {
  return IpAddress::from_bytes(ConstBytes{bytes}.first(family == 6 ? 16 : 4));
}

std::string text_of(std::span<const char> bytes) {
  return {bytes.begin(), std::find(bytes.begin(), bytes.end(), '\0')};
}

Instant instant(std::int64_t ns) { return Instant{Nanos{ns}}; }

}  // namespace

std::string RouterView::interface() const { return text_of(state.interface); }
IpAddress RouterView::primary() const { return address_of(state.family, state.primary); }

IpAddress RouterView::heard() const {
  const vrrp::RouterSnapshot& machine = state.machine;
  if (machine.down_expired || machine.resigned || machine.state == vrrp::State::kInitialize) return {};
  return address_of(state.family, state.heard_source);
}

Nanos RouterView::active_adver_interval() const {
  const Nanos learned{state.machine.active_adver_interval_ns};
  return learned > Nanos{0} ? learned : advertisement_interval;
}

std::string CheckView::sentence() const {
  if (!trouble.empty() && !passes()) return trouble;
  const std::string settled = text_of(state.sentence);
  // While it passes the newest words are the better ones; a failure keeps those of the moment it was settled by.
  if (latest && (passes() || pending() || settled.empty())) return latest->sentence;
  return settled;
}

const CheckView* InstanceView::culprit(Reason reason) const {
  for (const CheckUseView& use : checks) {
    if (use.check == nullptr || use.check->passes()) continue;
    const bool fails = !use.check->pending() && use.check->state.state == ProbeState::kFail;
    const bool required = use.reference.use == config::CheckUse::kRequired;
    if (reason == Reason::kCheckFailed && required && fails) return use.check;
    if (reason == Reason::kCheckUnknown && required && !fails) return use.check;
    if (reason == Reason::kGateClosed && use.reference.use == config::CheckUse::kGate) return use.check;
  }
  return nullptr;
}

std::string InstanceView::name() const { return text_of(state.name); }

const RouterView* InstanceView::heard_router() const {
  const auto hears = [](const RouterView& router) { return !router.heard().is_unspecified(); };
  const auto found = std::find_if(routers.begin(), routers.end(), hears);
  if (found != routers.end()) return &*found;
  return routers.empty() ? nullptr : &routers.front();
}

std::string HostView::wall_time(std::int64_t instant_ns) const {
  return utc_time(wall_clock_ns - (now.time_since_epoch().count() - instant_ns));
}

bool HostView::drained() const {
  const auto is_drained = [](const InstanceView& instance) { return instance.against().has(Reason::kDrained); };
  return std::any_of(instances.begin(), instances.end(), is_drained);
}

std::optional<Instant> HostView::frozen_until() const {
  std::optional<Instant> until;
  for (const InstanceView& instance : instances) {
    if (!instance.against().has(Reason::kFrozen)) continue;
    const std::int64_t end = instance.state.yielded_until_ns;
    until = std::max(until.value_or(Instant{}), end == 0 ? kNever : instant(end));
  }
  return until;
}

bool HostView::degraded() const {
  const auto is_degraded = [](const InstanceView& instance) {
    return !instance.alarms.empty() || !instance.against().empty();
  };
  const bool ill = std::any_of(checks.begin(), checks.end(), [](const CheckView& check) { return !check.passes(); });
  return ill || engine != EngineHealth::kRunning || !alarms.empty() ||
         std::any_of(instances.begin(), instances.end(), is_degraded);
}

std::map<ports::Alarm, ports::Report> alarms_in_force(std::uint64_t bits,
                                                      const std::map<ports::Alarm, ports::Report>& details) {
  std::map<ports::Alarm, ports::Report> alarms;
  for (unsigned number = 1; number < 64; ++number) {
    if ((bits >> number & 1) == 0) continue;
    const auto alarm = static_cast<ports::Alarm>(number);
    const auto known = details.find(alarm);
    ports::Report report = known == details.end() ? ports::Report{} : known->second;
    report.kind = ports::EventKind::kAlarm;
    report.alarm = alarm;
    alarms.emplace(alarm, report);
  }
  return alarms;
}

std::string_view role_token(vrrp::State state) {
  switch (state) {
    case vrrp::State::kInitialize: return "initialize";
    case vrrp::State::kBackup: return "backup";
    case vrrp::State::kActive: return "active";
  }
  return "unknown";
}

std::string against_sentence(const InstanceView& instance, Reason reason, const HostView& host) {
  ReasonFacts facts;
  if (const CheckView* check = instance.culprit(reason)) {
    facts.plugin = check->name;
    facts.sentence = check->pending() && check->trouble.empty() ? "no answer yet" : check->sentence();
  } else {
    facts.sentence = words_behind(instance, reason);
  }
  std::string text = reason_sentence(reason, facts, host.names);
  const std::int64_t over_ns = reason == Reason::kCooldown          ? instance.state.rested_at_ns
                               : reason == Reason::kPromotionBudget ? instance.state.budget_free_at_ns
                                                                    : 0;
  if (instant(over_ns) > host.now) text += "; it may promote again in " + coarse_duration(instant(over_ns) - host.now);
  return text;
}

std::string remedy_sentence(const InstanceView& instance, Reason reason, const HostView& host) {
  std::string remedy{reason_remedy(reason)};
  std::string away;
  bool somebody = host.peers.empty();
  for (const PeerView& peer : host.peers) {
    somebody |= !peer.lost;
    if (peer.lost) away += (away.empty() ? "" : " and ") + peer.host;
  }
  if (reason == Reason::kNeedsRejoin && !somebody) {
    remedy = away +
             " has to be up first, its database and its Baton: only beside it can this host's data rejoin, "
             "which is looked at each minute; or, if it will not return, `batonctl forgive INSTANCE "
             "--i-accept-loss`: this host's data counts again as it is, and what was written there since is "
             "lost";
  }
  constexpr std::string_view kPlace = "INSTANCE";
  if (const auto at = remedy.find(kPlace); at != std::string::npos) remedy.replace(at, kPlace.size(), instance.name());
  return remedy;
}

namespace {

std::string why_active(const InstanceView& instance, const RouterView* router, const HostView& host) {
  if (const std::string claim = transaction_sentence(instance); !claim.empty()) return claim;
  ReasonFacts facts;
  if (router != nullptr && instance.state.reason == Reason::kActiveDownExpired) {
    facts.down_interval =
        vrrp::active_down_interval(static_cast<vrrp::Version>(router->state.version),
                                   Priority{instance.state.effective_priority}, router->active_adver_interval());
  }
  return reason_sentence(instance.state.reason, facts, host.names);
}

/// A Backup that may take over and hears an Active.
std::string why_backup_behind(const InstanceView& instance, const RouterView& router, const HostView& host) {
  const std::uint8_t heard = router.state.heard_priority;
  const std::uint8_t own = instance.state.effective_priority;
  const ReasonFacts facts{.other = router.heard(), .other_priority = heard, .own_priority = own};
  if (heard > own) return reason_sentence(Reason::kHigherPriority, facts, host.names);
  const std::string active = host.names.text(facts.other) + " is Active";
  if (heard == own) {
    if (router.heard() > router.primary())
      return reason_sentence(Reason::kEqualPriorityHigherAddress, facts, host.names);
    return active + " with the same priority " + std::to_string(own) + ", which preempts nobody";
  }
  const std::string lower =
      active + " with priority " + std::to_string(heard) + " against " + std::to_string(own) + " here";
  if (!instance.preempt) return lower + "; preempt = no";
  if (router.state.machine.preempt_deadline_ns != 0) {
    const Nanos left = instant(router.state.machine.preempt_deadline_ns) - host.now;
    return lower + "; preempt_delay ends in " + exact_duration(left);
  }
  return lower + "; about to take over";
}

std::string why_backup(const InstanceView& instance, const RouterView* router, const HostView& host) {
  const Reason against = instance.against().first();
  const bool heard = router != nullptr && !router->heard().is_unspecified();
  if (against != Reason::kNone) {
    const std::string rest = heard ? "; " + host.names.text(router->heard()) + " is Active" : "; no Active is heard";
    return against_sentence(instance, against, host) + rest;
  }
  const std::string under_way = transaction_sentence(instance);
  if (heard) return why_backup_behind(instance, *router, host) + (under_way.empty() ? "" : "; " + under_way);
  const bool resigned = router != nullptr && router->state.machine.resigned;
  std::string text = reason_sentence(resigned ? Reason::kActiveResigned : instance.state.reason, {}, host.names);
  if (router != nullptr && router->state.machine.down_deadline_ns != 0) {
    text += "; takes over in " + exact_duration(instant(router->state.machine.down_deadline_ns) - host.now) +
            " unless one is heard";
  }
  return text;
}

}  // namespace

std::string why_now(const InstanceView& instance, const HostView& host) {
  const RouterView* router = instance.heard_router();
  switch (instance.state.state) {
    case vrrp::State::kActive: return why_active(instance, router, host);
    case vrrp::State::kBackup: return why_backup(instance, router, host);
    case vrrp::State::kInitialize: break;
  }
  const Reason against = instance.against().first();
  return against_sentence(instance, against != Reason::kNone ? against : instance.state.reason, host);
}

}  // namespace baton::steward
