// What plugins mean for an instance: checks decide whether it is fit and how much it is preferred, follow-ups run after
// it came or went, notified ones are told. Nothing here waits for any of them.
#include <algorithm>

#include "engine/mover.h"

namespace baton::engine {

using vrrp::State;

namespace {

constexpr std::string_view kReachability = "ping";  // the module that asks whether a gateway is reached

}  // namespace

void Mover::bind_plugins() {
  const auto ids = [&](const std::vector<std::string>& names) {
    std::vector<ports::PluginId> found;
    for (const std::string& name : names) found.push_back(context_.plugin_named(name));
    return found;
  };
  checks_.clear();
  for (const config::CheckReference& check : plan_.election().checks) {
    checks_.push_back(context_.plugin_named(check.plugin));
  }
  follow_ups_ = ids(plan_.election().follow_up);
  notified_ = ids(plan_.election().notify);
  promoted_ = ids(plan_.election().promote);
  if (!promoted_.empty() && !moving_) moving_ = std::make_unique<Moving>();
  witnesses_ = ids(plan_.election().witness);
  fences_ = ids(plan_.election().fence);
  follow_up_.configure(follow_ups_.size());
}

/// A follow-up that is no longer in the row, but may have been entered, is left.
void Mover::rebind_plugins(Instant now, const config::Election& before) {
  const std::vector<ports::PluginId> old = follow_ups_;
  const auto row = follow_up_;
  bind_plugins();
  if (before.follow_up == plan_.election().follow_up) {
    follow_up_ = row;
  } else {
    for (const ports::PluginId plugin : old) {
      if (std::find(follow_ups_.begin(), follow_ups_.end(), plugin) != follow_ups_.end()) continue;
      farewells_.push_back(plugin);
    }
  }
  weigh_checks(now);
}

bool Mover::uses(ports::PluginId plugin) const {
  const auto in = [&](const std::vector<ports::PluginId>& list) {
    return std::find(list.begin(), list.end(), plugin) != list.end();
  };
  // What an act of the transaction is about stays until its result is here.
  const bool transaction = promotion_ && promotion_->uses(plugin);
  return transaction || (moving_ && moving_->act && moving_->act->act.plugin == plugin) || in(promoted_) ||
         in(witnesses_) || in(fences_) || in(checks_) || in(follow_ups_) || in(notified_) || in(farewells_) ||
         (act_ticket_ != 0 && act_plugin_ == plugin) ||
         (moving_ && moving_->step_down_ticket != 0 && moving_->step_down_plugin == plugin);
}

/// True if anything changed for the election.
bool Mover::weigh_checks(Instant now) {
  std::vector<const Check*> checks;
  for (const ports::PluginId id : checks_) checks.push_back(&context_.plugins[id].check);
  const Verdict before = verdict_;
  std::vector<bool> nobody_better;
  for (std::size_t i = 0; i < checks_.size(); ++i) {
    nobody_better.push_back(plan_.election().checks[i].relative && !context_.passes_elsewhere(now, checks_[i]));
  }
  verdict_ = weigh(plan_.election().checks, checks, nobody_better);
  facts_.check_failed = verdict_.failed;
  facts_.check_unknown = verdict_.unknown;
  facts_.check_pending = verdict_.pending;
  facts_.gate_closed = verdict_.gate_closed;
  facts_.hold_on_unknown = !plan_.election().release_on_unknown;
  facts_.isolated = isolated(now);
  if (plan_.election().grant == config::Grant::kFollow) weigh_followed();
  return !(verdict_ == before);
}

/// No other host is heard over the peer channel, and each `ping` among the checks fails: it is this host that is cut
/// off.
bool Mover::isolated(Instant now) const {
  if (!plan_.election().demote_on_isolation || !promotion_ || !promotion_->alone(now)) return false;
  bool any = false;
  for (const ports::PluginId id : checks_) {
    if (context_.plugins[id].section.module != kReachability) continue;
    if (context_.plugins[id].check.settled() != Check::Settled::kFail) return false;
    any = true;
  }
  return any;
}

/// grant = follow: the database elects, the addresses are where its primary is.
void Mover::weigh_followed() {
  facts_.not_primary = false;
  for (const ports::PluginId id : promoted_) {
    const Check& check = context_.plugins[id].check;
    const bool may_not_look = check.settled() == Check::Settled::kUnknown && check.status() == VerbStatus::kConfig;
    facts_.check_pending |= check.settled() == Check::Settled::kPending || may_not_look;
    facts_.check_failed |= check.settled() == Check::Settled::kFail;
    facts_.check_unknown |= check.settled() == Check::Settled::kUnknown && !may_not_look;
    // Who could not be asked, or may not look, has said nothing new about the role; `fall` counts such answers.
    facts_.not_primary |= check.passes() && check.told_role() != ApplicationRole::kPrimary;
  }
}

/// What other hosts say of their checks has changed, or has become old.
void Mover::compare_checks(Instant now) {
  const bool compares = std::any_of(plan_.election().checks.begin(), plan_.election().checks.end(),
                                    [](const config::CheckReference& check) { return check.relative; });
  const Facts before = facts_;
  if (stopped_ || !compares || (!weigh_checks(now) && facts_ == before)) return;
  touch();
  renew_priority(now);
  update_against(now);
  settle(now);
}

void Mover::on_check(Instant now, ports::PluginId plugin) {
  const auto in = [&](const std::vector<ports::PluginId>& list) {
    return std::find(list.begin(), list.end(), plugin) != list.end();
  };
  if (stopped_ || (!in(checks_) && !in(promoted_))) return;
  on_role(now, plugin);
  const Facts before = facts_;
  if (!weigh_checks(now) && facts_ == before) return;
  touch();
  renew_priority(now);
  update_against(now);
  settle(now);
}

/// Which check it was, in its own words.
void Mover::name_culprit(ports::Report& report) const {
  if (promotion_ && facts_.promotion.has(report.reason)) report.sentence = promotion_->sentence();
  if (report.reason != Reason::kCheckFailed && report.reason != Reason::kCheckUnknown) return;
  if (verdict_.culprit == nullptr) return;
  report.plugin = ports::PluginName{plan_.election().checks[verdict_.culprit_index].plugin};
  report.sentence = verdict_.culprit->sentence();
  report.outcome = verdict_.culprit->status();
  report.probe = verdict_.culprit->settled() == Check::Settled::kFail ? ProbeState::kFail : ProbeState::kUnknown;
}

void Mover::tell_notified(const vrrp::ReportTransition& change) {
  for (const ports::PluginId plugin : notified_) {
    context_.ports.plugins.act({.ticket = 0,
                                .plugin = plugin,
                                .verb = PluginVerb::kNotify,
                                .instance = plan_.name,
                                .from = change.from,
                                .to = change.to,
                                .reason = reason_,
                                .deadline = context_.plugins[plugin].section.deadline});
  }
}

void Mover::ask(ports::PluginId plugin, PluginVerb verb) {
  act_ticket_ = std::uint64_t{id_} << 32 | ++acts_;
  act_plugin_ = plugin;
  act_verb_ = verb;
  const State state = group_.state();
  context_.ports.plugins.act({.ticket = act_ticket_,
                              .plugin = plugin,
                              .verb = verb,
                              .instance = plan_.name,
                              .from = verb == PluginVerb::kEnter ? State::kBackup : State::kActive,
                              .to = verb == PluginVerb::kEnter ? State::kActive
                                    : state == State::kActive  ? State::kBackup
                                                               : state,
                              .reason = releasing_ ? release_reason_ : reason_,
                              .deadline = context_.plugins[plugin].section.deadline});
  touch();
}

/// One act at a time.
void Mover::run_follow_ups(Instant now) {
  if (act_ticket_ != 0 || stopped_) return;
  act_is_farewell_ = !farewells_.empty();
  if (act_is_farewell_) return ask(farewells_.front(), PluginVerb::kLeave);
  if (const auto act = follow_up_.next(now)) ask(follow_ups_[act->index], act->verb);
}

void Mover::on_act_result(Instant now, const ports::ActResult& result) {
  if (moving_ && moving_->step_down_ticket != 0 && result.ticket == moving_->step_down_ticket) {
    return stepped_down(now, result);
  }
  if (on_promotion_result(now, result)) return;
  if (act_ticket_ == 0 || result.ticket != act_ticket_) return;
  act_ticket_ = 0;
  const ports::Report report = report_act(now, act_plugin_, act_verb_, result);
  if (act_is_farewell_) {
    farewells_.erase(farewells_.begin());
  } else {
    follow_up_.finished(now, result.status);
  }
  if (result.status != VerbStatus::kOk) {
    alarm(now, ports::Alarm::kFollowUpFailed, report, kForEver);
  } else if (follow_up_.done() && follow_up_.state() != ports::FollowUpState::kFailed) {
    alarm_over(now, ports::Alarm::kFollowUpFailed);
  }
  touch();
  settle(now);
}

}  // namespace baton::engine
