// The role of an instance: election steps performed in order, the two ways of leaving Active, eligibility, deadlines.
#include "engine/mover.h"

#include <algorithm>
#include <utility>

#include "base/defect.h"
#include "vrrp/timers.h"

namespace baton::engine {

using vrrp::State;
using namespace std::chrono_literals;

namespace {

constexpr int kAdvertPhases = 16;

vrrp::RouterParameters election_parameters(const Plan& plan, const config::Instance& instance, Priority priority) {
  vrrp::RouterParameters parameters;
  parameters.version = instance.version;
  parameters.priority = priority;
  parameters.advertisement_interval = instance.advertisement_interval;
  parameters.preempt = plan.election().preempt;
  parameters.preempt_delay = plan.election().preempt_delay;
  // Design section 4: what checks prefer moves the role only over a gap that is worth it.
  const bool weighted = std::any_of(plan.election().checks.begin(), plan.election().checks.end(),
                                    [](const auto& check) { return check.use == config::CheckUse::kPrefer; });
  if (weighted) parameters.preempt_gap = std::max(plan.election().min_gap, 1);
  return parameters;
}

std::vector<vrrp::RouterParameters> first_parameters(const Plan& plan) {
  std::vector<vrrp::RouterParameters> all;
  const Priority priority = effective_priority(plan.election().priority, plan.owner(), 0);
  for (const RouterPlan& router : plan.routers) {
    all.push_back(election_parameters(plan, plan.members[router.member], priority));
  }
  return all;
}

/// The records of one step are written before anything of that step leaves. If the predecessor died between them,
/// nothing has left: then this host listens as a Backup.
void mend(vrrp::GroupSnapshot& snapshot) {
  std::size_t active = 0;
  State rest = State::kBackup;
  for (const vrrp::RouterSnapshot& machine : snapshot.routers) {
    if (machine.state == State::kActive) ++active;
    if (machine.state == State::kInitialize) rest = State::kInitialize;
  }
  const bool all = active == snapshot.routers.size();
  if (snapshot.state == (all ? State::kActive : rest) && (all || active == 0)) return;
  snapshot.state = rest;
  for (vrrp::RouterSnapshot& machine : snapshot.routers) {
    if (machine.state != State::kActive) continue;
    machine = {.state = State::kBackup, .active_adver_interval_ns = machine.active_adver_interval_ns};
  }
}

}  // namespace

Mover::Mover(Context& context, MoverId id, Plan plan, std::uint32_t instance_slot, std::uint32_t first_router_slot)
    : context_(context),
      id_(id),
      plan_(std::move(plan)),
      instance_slot_(instance_slot),
      first_router_slot_(first_router_slot),
      group_(first_parameters(plan_)) {
  timers_.fill(kNever);
  gone_.fill(Instant::min());
  bind_plugins();
  build_routers();
  make_vips();
}

Mover::~Mover() {
  context_.deadlines.remove(id_);
  drop_vip_places();
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    Link& link = context_.links[routers_[i].link];
    Place& place = link.router(plan_.routers[i].family, instance_of(i).vrid.value());
    if (place.mover == id_) place = {};
    std::erase(link.movers, id_);
  }
}

Priority Mover::priority() const {
  // No RFC basis: who has the mastership, but not the data, gives way to anybody who has.
  if (serves_nothing_yet()) return Priority{1};
  return effective_priority(plan_.election().priority, plan_.owner(), verdict_.preference);
}

vrrp::RouterParameters Mover::parameters_of(std::size_t router) const {
  vrrp::RouterParameters parameters = election_parameters(plan_, instance_of(router), priority());
  parameters.primary = routers_[router].primary;
  if (context_.spread_adverts) {
    parameters.advert_phase = parameters.advertisement_interval * static_cast<int>(id_ % kAdvertPhases) / kAdvertPhases;
  }
  return parameters;
}

void Mover::build_routers() {
  shortest_interval_ = Nanos::max();
  shortest_down_ = Nanos::max();
  routers_.resize(plan_.routers.size());
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    const config::Instance& instance = instance_of(i);
    Router& router = routers_[i];
    router.slot = first_router_slot_ + static_cast<std::uint32_t>(i);
    router.link = *context_.links.find(instance.interface);
    router.counters = &context_.ports.reports.counters(router.slot);
    Link& link = context_.links[router.link];
    link.router(plan_.routers[i].family, instance.vrid.value()) = {id_, static_cast<std::uint32_t>(i)};
    if (std::find(link.movers.begin(), link.movers.end(), id_) == link.movers.end()) link.movers.push_back(id_);
    const Nanos interval = instance.advertisement_interval;
    shortest_interval_ = std::min(shortest_interval_, interval);
    shortest_down_ = std::min(shortest_down_, vrrp::active_down_interval(instance.version, priority(), interval));
  }
}

// ---- Life ---------------------------------------------------------------------------------------------------------

void Mover::start(Instant now, const Facts& facts) {
  facts_ = facts;
  for (Router& router : routers_) *router.counters = {};
  for (std::size_t i = 0; i < routers_.size(); ++i) routers_[i].forms = FormChoice{instance_of(i).checksum};
  since_ = started_at_ = now;
  make_promotion(now);
  facts_.no_addresses = vips_.size() == 0;
  facts_.startup_delay = plan_.election().startup_delay > Nanos{0};
  if (facts_.startup_delay) timers_[kStartupOver] = now + plan_.election().startup_delay;
  // A standby is truly standby, whatever the host did before.
  follow_up_.leave(false);
  weigh_checks(now);
  update_against(now);
  look_at_links(now);
  for (std::size_t i = 0; i < routers_.size(); ++i) publish_router(i);
  touch();
  settle(now);
}

void Mover::adopt(Instant now, const ports::AdoptedInstance& adopted, const Facts& facts) {
  const ports::InstanceState& old = adopted.instance;
  adopting_ = true;
  started_at_ = now;
  facts_ = facts;
  make_promotion(now);
  const auto step = static_cast<PromotionStep>(old.promotion_step);
  if (promotion_) {
    promotion_->adopt(now, old, adopted.word);
    moving_->noted_word = promotion_->word();
    facts_.promotion = {};  // what it has against this host is news to run_promotion, which acts on it
  }
  const ReasonSet against = ReasonSet::from_bits(old.against);
  facts_.switched_over = against.has(Reason::kSwitchover);
  facts_.frozen = against.has(Reason::kFrozen);
  facts_.drained |= against.has(Reason::kDrained);
  if (facts_.frozen) timers_[kThaw] = Instant{Nanos{old.yielded_until_ns}};
  weigh_checks(now);
  if (against.has(Reason::kInstallFailed) || against.has(Reason::kAddressForeign) || against.has(Reason::kSendFailed)) {
    facts_.install_failed = true;
    timers_[kRetry] = now + retry_pause_;
  }
  if (against.has(Reason::kAddressFight)) {
    facts_.address_fight = true;
    timers_[kCooldownOver] = now + plan_.election().cooldown;
  }
  if (against.has(Reason::kStartupDelay)) {
    facts_.startup_delay = true;
    timers_[kStartupOver] = now + plan_.election().startup_delay;
  }
  reason_ = old.reason;
  new_master_reason_ = old.new_master_reason;
  transitions_ = old.transitions;
  since_ = Instant{Nanos{old.since_ns}};
  alarms_.restore(now, old.alarms, while_heard());

  vrrp::GroupSnapshot snapshot{.state = old.state, .routers = {}};
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    Router& router = routers_[i];
    const ports::RouterState& was = adopted.routers[i];
    const bool ipv6 = plan_.routers[i].family == Family::kIpv6;
    router.forms = FormChoice{instance_of(i).checksum};
    router.forms.restore(static_cast<vrrp::ChecksumForm>(was.checksum_form & 1), was.both_checksum_forms != 0);
    router.primary = IpAddress::from_bytes(ConstBytes{was.primary}.first(ipv6 ? 16 : 4));
    router.heard = IpAddress::from_bytes(ConstBytes{was.heard_source}.first(ipv6 ? 16 : 4));
    router.heard_priority = was.heard_priority;
    router.heard_at = Instant{Nanos{was.heard_at_ns}};
    router.last_event = was.last_event;
    router.unusable = was.machine.state == State::kInitialize ? old.reason : Reason::kNone;
    group_.handle(now, i, vrrp::ParametersChanged{parameters_of(i)});
    snapshot.routers.push_back(was.machine);
  }
  if (!BATON_DEFECT(30)) mend(snapshot);
  const State state = snapshot.state;
  group_.restore(snapshot);
  if (state != State::kActive) listen_again(now);
  against_ = engine::against(facts_);
  group_.handle_all(now, vrrp::SetHold{!against_.empty()});
  const bool serving = !promotion_ || promotion_->may_hold();
  wanted_ = state == State::kActive && serving && old.holding != ports::HoldingState::kReleasing;
  if (promotion_ && state == State::kActive) promotion_->claim(now, old_addresses_gone(now));
  follow_up_.adopt(old.follow_up);
  if (state != State::kActive) follow_up_.leave(false);
  if (wanted_) {
    follow_up_.enter();
    for (Vip& vip : vips_) vips_.set_state(vip, VipState::kInstalled);
    held_reported_ = true;
    timers_[kRefresh] = now;
  } else if (state == State::kActive &&
             (serving || (step > PromotionStep::kActive && step < PromotionStep::kHanding))) {
    release(now, old.reason);
  }
  ports::Report report = report_about(nullptr);
  report.kind = ports::EventKind::kNotice;
  report.reason = Reason::kAdopted;
  report.at = now;
  context_.ports.reports.report(report);
  if (state != old.state) perform(now, {{}, vrrp::ReportTransition{old.state, state, Reason::kEngineDied}});
  look_at_links(now);
  touch();
  settle(now);
}

void Mover::stop(Instant now, Reason reason) {
  if (stop_reason_) return;
  stop_reason_ = reason;
  follow_up_.leave(true);
  if (group_.state() == State::kActive) {
    release(now, reason);
  } else {
    halt(now);
  }
  settle(now);
}

/// Into Initialize; priority 0 only when finish_release() came first. Waits a moment for removals that are under way.
void Mover::halt(Instant now) {
  perform(now, group_.handle_all(now, vrrp::Shutdown{*stop_reason_, false}));
  if (stopped_) return;
  if (pending_addresses() > 0) {
    if (timers_[kReleaseOver] == kNever) timers_[kReleaseOver] = now + std::min(shortest_interval_, Nanos{1s});
    return;
  }
  linger_over();
}

void Mover::linger_over() {
  if (stopped_) return;
  // Addresses and role are gone; what the follow-ups started has to be left, too.
  lingering_ = !follow_up_.done() || act_ticket_ != 0 || !farewells_.empty() || (moving_ && moving_->act);
  if (lingering_) return;
  stopped_ = true;
  timers_.fill(kNever);
  context_.stopped.push_back(id_);
}

void Mover::change(Instant now, Plan plan) {
  const bool vips_changed = plan.vips != plan_.vips;
  const Plan before = std::exchange(plan_, std::move(plan));
  rebind_plugins(now, before.election());
  build_routers();
  if (vips_changed) make_vips();
  const Nanos lifetime = lifetime_.lifetime();
  choose_lifetime();
  if (wanted_ && lifetime_.lifetime() != lifetime) timers_[kRefresh] = now;
  facts_.no_addresses = vips_.size() == 0;
  make_promotion(now);
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    const config::Checksum checksum = instance_of(i).checksum;
    if (before.members[plan_.routers[i].member].checksum != checksum) routers_[i].forms = FormChoice{checksum};
    if (!BATON_DEFECT(31)) perform(now, group_.handle(now, i, vrrp::ParametersChanged{parameters_of(i)}));
    renew_wire(i);
    publish_router(i);
  }
  update_against(now);
  look_at_links(now);
  if (wanted_) {
    install_next_ = 0;
    install_more(now);
  }
  touch();
  settle(now);
}

// ---- Steps of the election ----------------------------------------------------------------------------------------

void Mover::perform(Instant now, const vrrp::GroupStep& step) {
  if (step.transition) transition(now, *step.transition);
  for (const vrrp::GroupAction& action : step.actions) act(now, action.router, action.action);
  if (!step.transition) return;
  // Said after it was done: people must not delay the claim.
  const Router* about = &routers_.front();
  for (const Router& router : routers_) {
    if (router.heard_at > about->heard_at) about = &router;
  }
  ports::Report report = report_about(about);
  report.kind = ports::EventKind::kTransition;
  report.from = step.transition->from;
  report.to = step.transition->to;
  report.reason = reason_;
  report.at = now;
  name_culprit(report);
  context_.ports.reports.report(report);
  tell_notified(*step.transition);
  if (step.transition->to != State::kActive) follow_up_.leave(false);
  if (step.transition->to == State::kBackup) return;
  for (Router& router : routers_) {
    router.heard = {};
    router.heard_priority = 0;
  }
}

void Mover::act(Instant now, std::size_t router, const vrrp::Action& action) {
  if (const auto* advert = std::get_if<vrrp::SendAdvert>(&action)) {
    send_advert(now, router, advert->priority);
  } else if (std::holds_alternative<vrrp::InstallVips>(action)) {
    // Claimed. Without promote actions nothing lies between the claim and the addresses (design section 7).
    if (promotion_) {
      promotion_->claim(now, old_addresses_gone(now));
    } else {
      hold(now);
    }
  } else if (std::holds_alternative<vrrp::RemoveVips>(action)) {
    let_go(now);
  } else if (const auto* remark = std::get_if<vrrp::Note>(&action)) {
    note(now, router, remark->remark);
  }
  // AnnounceVips: each address is announced when the kernel has it, so that the first does not wait for the last.
}

void Mover::send_advert(Instant now, std::size_t index, Priority priority) {
  Router& router = routers_[index];
  if (priority != kResignPriority && serves_nothing_yet()) priority = Priority{1};
  publish_router(index);
  if (!router.advertiser.ready()) {
    if (!router.owed) router.owed_since = now;
    router.owed = priority != kResignPriority;
    return;
  }
  router.advertiser.send(context_.ports.frames, priority);
  ++router.counters->advertisement_sent;
  if (priority != kResignPriority) return;
  ++router.counters->priority_zero_pkts_sent;
  router.resigned_count = 0;  // the other's next one answers ours
}

void Mover::transition(Instant now, const vrrp::ReportTransition& change) {
  // What StepDown or Shutdown did on our own decision has our reason; a stop outranks the way it happened.
  reason_ = change.reason == Reason::kNone ? release_reason_ : change.reason;
  since_ = now;
  if (!BATON_DEFECT(26) || change.to == State::kActive) ++transitions_;
  if (change.to != State::kActive) {
    if (promotion_) promotion_->leave(now);
    releasing_ = false;
    timers_[kReleaseOver] = kNever;
  }
  if (BATON_DEFECT(28) && change.to == State::kInitialize) reason_ = Reason::kNone;
  new_master_reason_ = new_master_reason(change.to, reason_);
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    Router& router = routers_[i];
    router.last_event = last_event(change.to, reason_, router.last_event);
    router.beside_count = 0;
    if (change.to == State::kActive || BATON_DEFECT(27)) ++router.counters->master_transitions;
    publish_router(i);
  }
  if (change.to == State::kActive) expect_sending(now);
  alarm_over(now, ports::Alarm::kDualActive);
  alarm_over(now, ports::Alarm::kOneWay);
  publish(now);
  touch();
}

// ---- Eligibility and leaving --------------------------------------------------------------------------------------

void Mover::update_against(Instant now) {
  const ReasonSet before = against_;
  against_ = engine::against(facts_);
  if (against_ != before) touch();
  if (stop_reason_) return;
  ReasonSet shown = against_;
  if (promotion_ && promotion_->shielded(now)) {
    for (const Reason check : {Reason::kCheckFailed, Reason::kCheckUnknown, Reason::kGateClosed})
      shown.set(check, false);
  }
  perform(now, group_.handle_all(now, vrrp::SetHold{!shown.empty()}));
  if (group_.state() == State::kActive && must_release(facts_, shown)) {
    shown.set(Reason::kFrozen, false);
    release(now, shown.first());
  }
}

/// Leaving Active by our own decision: the addresses go first, adverts continue until they are gone or for at most the
/// shorter of an interval and a second, so that nobody else answers beside us; then one priority 0 (I4).
void Mover::release(Instant now, Reason reason) {
  release_reason_ = reason;
  if (releasing_) return;
  releasing_ = true;
  follow_up_.leave(false);
  touch();
  if (promotion_) {
    // The addresses stay until writes are blocked, so that clients get errors and no silence (roles section 3). Without
    // a grant there is no time for that.
    if (reason == Reason::kNoGrant) let_go(now);
    promotion_->leave(now);
    timers_[kReleaseOver] = now + kJobsPatience;
    return;
  }
  let_go(now);
  timers_[kReleaseOver] = now + std::min(shortest_interval_, Nanos{1s});
  touch();
  if (pending_addresses() == 0 || BATON_DEFECT(29)) finish_release(now);
}

void Mover::finish_release(Instant now) {
  releasing_ = false;
  timers_[kReleaseOver] = kNever;
  if (stop_reason_) {
    perform(now, group_.handle_all(now, vrrp::Shutdown{*stop_reason_, true}));
    linger_over();
  } else {
    perform(now, group_.handle_all(now, vrrp::StepDown{release_reason_, true}));
  }
}

/// I5, no RFC basis: what was heard and timed before a stall is worth nothing.
void Mover::listen_again(Instant now) {
  vrrp::GroupSnapshot snapshot = group_.snapshot();
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    vrrp::RouterSnapshot& machine = snapshot.routers[i];
    if (machine.state != State::kBackup) continue;
    machine.down_expired = false;
    machine.resigned = false;
    machine.preempt_deadline_ns = 0;
    machine.lower_heard_ns = 0;
    machine.down_deadline_ns = (now + group_.router(i).down_interval()).time_since_epoch().count();
  }
  group_.restore(snapshot);
}

void Mover::stall_test(Instant now, Nanos gap) {
  if (stopped_ || BATON_DEFECT(24)) return;
  if (group_.state() == State::kActive) {
    bool overdue = false;
    for (std::size_t i = 0; i < routers_.size(); ++i) {
      const auto due = group_.router(i).next_deadline();
      const Nanos interval = instance_of(i).advertisement_interval;
      // The last advert was due one interval before the next; nobody's Active_Down_Interval is below three.
      overdue |= due && now - (*due - interval) > 3 * interval;
    }
    if (!overdue) return;
    ++context_.counters.stalls;
    ports::Report report = report_about(nullptr);
    report.reason = Reason::kStall;
    report.duration_ns = gap.count();
    alarm(now, ports::Alarm::kStall, report, 60s);
    perform(now, group_.handle_all(now, vrrp::StepDown{Reason::kStall, false}));
    settle(now);
    return;
  }
  bool deaf = false;
  for (std::size_t i = 0; i < routers_.size(); ++i) deaf |= gap > 3 * group_.router(i).active_adver_interval();
  if (!deaf || BATON_DEFECT(25)) return;
  listen_again(now);
  settle(now);
}

// ---- Deadlines ----------------------------------------------------------------------------------------------------

void Mover::on_deadline(Instant now, Instant limit) {
  if (const auto due = group_.next_deadline()) {
    // Adverts may leave a little early, together with others. Nothing else may: an Active_Down_Interval is a promise.
    const Instant horizon = group_.state() == State::kActive ? limit : now;
    if (*due <= horizon) {
      if (group_.state() == State::kActive) context_.counters.advert_lateness.note(now - *due);
      const vrrp::GroupStep step = group_.on_deadline(std::max(now, horizon));
      perform(now, step);
      // While something speaks against this host nothing follows but that the Active is lost.
      for (std::size_t i = 0; i < routers_.size() && !step.transition && group_.state() == State::kBackup; ++i) {
        publish_router(i);
      }
    }
  }
  run_timers(now);
  settle(now);
}

void Mover::run_timers(Instant now) {
  const auto due = [&](Timer timer) {
    if (timers_[timer] > now) return false;
    timers_[timer] = kNever;
    return true;
  };
  if (due(kReleaseOver)) {
    if (releasing_ && promotion_) {
      // Jobs that do not end keep nobody from demoting: run_promotion.
    } else if (releasing_) {
      finish_release(now);
    } else if (stop_reason_) {
      linger_over();
    }
  }
  bool facts_changed = false;
  const auto over = [&](Timer timer, bool& fact) {
    if (!due(timer)) return;
    fact = false;
    facts_changed = true;
  };
  over(kStartupOver, facts_.startup_delay);
  over(kThaw, facts_.frozen);
  over(kCooldownOver, facts_.address_fight);
  if (due(kDuplicateOver)) {
    facts_.duplicate_host = false;
    facts_changed = true;
  }
  if (due(kSendFailing) && (facts_.send_failed || group_.state() == State::kActive)) {
    facts_.send_failed = !facts_.send_failed;
    if (facts_.send_failed) timers_[kSendFailing] = now + retry_pause_;
    facts_changed = true;
  }
  if (facts_changed) update_against(now);
  if (due(kRetry)) retry_addresses(now);
  if (due(kInstall)) install_more(now);
  if (due(kRefresh)) refresh_more(now);
  if (due(kAnnounceRefresh)) repeat_announcements(now, true);
  if (due(kRepeat)) repeat_announcements(now, false);
  if (due(kAnnounce)) announce_more(now);
  if (due(kAlarm) && alarms_.expire(now, instance_slot_, context_.ports.reports)) touch();
}

/// After every event: what follows from it.
void Mover::settle(Instant now) {
  if (facts_.switched_over && group_.state() == State::kBackup) {
    bool lost = true;
    for (std::size_t i = 0; i < routers_.size(); ++i) lost &= group_.router(i).down_expired();
    // Design section 7: yielded until the other is lost.
    if (lost) {
      facts_.switched_over = false;
      update_against(now);
    }
  }
  if (adopting_ && group_.state() == State::kActive) {
    // An Active whose adverts cannot leave because its links are not known yet is not heard, either.
    const bool mute = std::any_of(routers_.begin(), routers_.end(), [&](const Router& router) {
      return router.owed && now - router.owed_since > 2 * shortest_interval_;
    });
    if (mute) perform(now, group_.handle_all(now, vrrp::StepDown{Reason::kStall, false}));
  }
  if (stop_reason_ && !stopped_ && !releasing_ && group_.state() != State::kInitialize) halt(now);
  run_promotion(now);
  run_follow_ups(now);
  if (lingering_) linger_over();
  schedule(now);
}

void Mover::schedule(Instant now) {
  if (stopped_) return context_.deadlines.remove(id_);
  timers_[kGroup] = group_.next_deadline().value_or(kNever);
  timers_[kAlarm] = alarms_.next_expiry();
  timers_[kPromotion] = promotion_ ? promotion_->next_deadline(now) : kNever;
  timers_[kFollowUp] = act_ticket_ != 0 ? kNever : follow_up_.next_deadline();
  context_.deadlines.set(id_, *std::min_element(timers_.begin(), timers_.end()));
}

// ---- Commands -----------------------------------------------------------------------------------------------------

void Mover::switchover(Instant now) {
  facts_.switched_over = true;
  update_against(now);
  settle(now);
}

bool Mover::offer(Instant now, const std::string& host, std::uint64_t number, bool only_ask) {
  if (releasing_ || stop_reason_) return false;
  if (!promotion_) return ask_to_step_down(now, host, number, only_ask);
  if (!promotion_->offer(now, host, number, only_ask)) return false;
  settle(now);
  return true;
}

void Mover::set_drained(Instant now, bool drained) {
  if (!BATON_DEFECT(32)) facts_.drained = drained;
  if (!drained) facts_.switched_over = false;
  update_against(now);
  settle(now);
}

void Mover::freeze(Instant now, Instant until) {
  facts_.frozen = true;
  timers_[kThaw] = until;
  touch();
  update_against(now);
  settle(now);
}

void Mover::thaw(Instant now) {
  facts_.frozen = false;
  facts_.switched_over = false;
  timers_[kThaw] = kNever;
  update_against(now);
  settle(now);
}

}  // namespace baton::engine
