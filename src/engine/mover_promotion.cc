// The transaction's hands: its acts and records go out through the ports, addresses and mastership follow its steps.
#include <algorithm>

#include "base/defect.h"
#include "engine/mover.h"

namespace baton::engine {

using vrrp::State;

Promotion::Setup Mover::promotion_setup() const {
  const config::Election& election = plan_.election();
  Promotion::Setup setup;
  const auto sections = [&](const std::vector<ports::PluginId>& ids) {
    std::vector<Promotion::Section> row;
    for (const ports::PluginId id : ids) {
      const config::Plugin& section = context_.plugins[id].section;
      row.push_back({.plugin = id, .verbs = section.about.verbs, .deadline = section.deadline});
    }
    return row;
  };
  setup.grant = election.grant;
  setup.promote = sections(promoted_);
  setup.witness = sections(witnesses_);
  setup.fence = sections(fences_);
  setup.host = context_.host;
  for (const config::Peer& peer : context_.others) setup.others.push_back(peer.host);
  setup.resume_alone = election.resume_alone;
  setup.cooldown = election.cooldown;
  setup.budget = election.promotion_budget;
  setup.budget_window = election.promotion_budget_window;
  return setup;
}

/// REQUIRES bind_plugins() for the present plan.
void Mover::make_promotion(Instant now) {
  const bool drives = !plan_.election().promote.empty() && plan_.election().grant != config::Grant::kFollow;
  if (!drives) {
    promotion_.reset();
    facts_.promotion = {};
  } else if (promotion_) {
    promotion_->configure(promotion_setup());
  } else {
    promotion_ = std::make_unique<Promotion>(plan_.name, promotion_setup());
    if (context_.recalled) on_recalled(now);
  }
  if (promotion_) promotion_->guard(context_.guarded);
  if (promotion_) facts_.promotion = promotion_->against(now);
}

void Mover::on_guard(Instant now) {
  if (!promotion_ || stopped_) return;
  promotion_->guard(context_.guarded);
  settle(now);
}

void Mover::on_recalled(Instant now) {
  if (!promotion_) return;
  const auto found = context_.records.find(plan_.name);
  promotion_->recall(now, found == context_.records.end() ? ports::DataRecord{.instance = plan_.name} : found->second);
  on_roles(now);  // what the probes have said by now
  touch();
  settle(now);
}

void Mover::on_recorded(Instant now, std::uint64_t ticket) {
  if (!moving_ || moving_->record_ticket == 0 || ticket != moving_->record_ticket) return;
  moving_->record_ticket = 0;
  if (!promotion_) return;  // a reload took it away meanwhile
  promotion_->recorded(now);
  touch();
  settle(now);
}

void Mover::on_role(Instant now, ports::PluginId plugin) {
  if (!promotion_ || stopped_) return;
  if (!promotion_->uses(plugin)) return;
  const Check& check = context_.plugins[plugin].check;
  promotion_->saw_generation(check.generation());
  promotion_->observe(now, check.looked_at(), plugin, check.role(), check.generation());
  run_promotion(now);
  schedule(now);
}

void Mover::on_roles(Instant now) {
  for (const ports::PluginId plugin : promoted_) on_role(now, plugin);
}

/// Active on the wire, while the data is not (or no longer) the writable one.
bool Mover::serves_nothing_yet() const {
  return promotion_ && group_.state() == State::kActive && !promotion_->may_hold();
}

/// When the kernel of an Active that fell silent has removed its addresses.
Instant Mover::old_addresses_gone(Instant now) const {
  if (plan_.election().grant == config::Grant::kUnsafe || reason_ == Reason::kActiveResigned) return now;
  Instant last = started_at_;
  for (const Router& router : routers_) last = std::max(last, router.heard_at);
  return last +
         plan_.election().takeover_wait.value_or(std::max(lifetime_.lifetime(), plan_.election().takeover_least));
}

void Mover::ask_act(Instant now, const Promotion::Act& act) {
  const std::uint64_t ticket = std::uint64_t{id_} << 32 | ++acts_;
  if (act.row == Promotion::Row::kWitness) {
    moving_->witness_acts.push_back({.ticket = ticket, .act = act, .at = now});
  } else {
    moving_->act = Asked{.ticket = ticket, .act = act, .at = now};
  }
  context_.ports.plugins.act({.ticket = ticket,
                              .plugin = act.plugin,
                              .verb = act.verb,
                              .instance = plan_.name,
                              .from = group_.state(),
                              .to = group_.state(),
                              .reason = releasing_ ? release_reason_ : reason_,
                              .deadline = act.deadline,
                              .target = act.target,
                              .position = act.position,
                              .position_age = act.position_age,
                              .planned = act.planned,
                              .forced = act.forced,
                              .resumes = act.resumes,
                              .generation = act.generation});
  touch();
}

/// A renewal that succeeds is nobody's news, nor is a failure that repeats itself twice a second.
bool Mover::witness_news(Instant now, const Promotion::Act& act, VerbStatus status) {
  if (status == VerbStatus::kOk) {
    moving_->witness_told.erase(act.index);
    return act.verb != PluginVerb::kRenew;
  }
  auto& [told, at] = moving_->witness_told[act.index];
  if (told == status && now - at < kRepeatPause) return false;
  told = status;
  at = now;
  return true;
}

/// True if the result was one of the transaction's.
bool Mover::on_promotion_result(Instant now, const ports::ActResult& result) {
  if (!moving_) return false;
  const auto witness = std::find_if(moving_->witness_acts.begin(), moving_->witness_acts.end(),
                                    [&](const Asked& asked) { return asked.ticket == result.ticket; });
  const bool main = moving_->act && moving_->act->ticket == result.ticket;
  if (!main && witness == moving_->witness_acts.end()) return false;
  const Promotion::Act act = main ? moving_->act->act : witness->act;
  const Instant asked_at = main ? moving_->act->at : witness->at;
  if (main || witness_news(now, act, result.status)) {
    const bool known = act.position_at != kNever;
    report_act(now, act.plugin, act.verb, result, known ? std::optional{asked_at - act.position_at} : std::nullopt);
  }
  if (main) {
    moving_->act.reset();
    if (promotion_) promotion_->acted(now, result);
  } else {
    moving_->witness_acts.erase(witness);
    if (promotion_) promotion_->witnessed(now, act.index, result);
  }
  touch();
  settle(now);
  return true;
}

/// Leaving: whether the jobs of an Active are still being stopped.
bool Mover::jobs_stop(Instant now) const {
  const bool leaves = promotion_->giving() || (releasing_ && release_reason_ != Reason::kNoGrant);
  return leaves && promotion_->step() == PromotionStep::kActive && !promotion_->overdue(now) && !follow_up_.done() &&
         now < timers_[kReleaseOver] && timers_[kReleaseOver] != kNever;
}

/// True: asked for something, or moved on.
bool Mover::ask_promotion(Instant now) {
  const PromotionStep before = promotion_->step();
  // The protocol thread waits for no disk and no plugin: both answer later.
  if (moving_->record_ticket == 0 && !moving_->act && !jobs_stop(now)) {
    if (const auto ask = promotion_->next(now)) {
      if (const auto* act = std::get_if<Promotion::Act>(&*ask)) {
        ask_act(now, *act);
      } else {
        const auto& record = std::get<ports::DataRecord>(*ask);
        context_.records[plan_.name] = record;  // for a mover that takes this one's place
        moving_->record_ticket = context_.ports.intents.record(record);
        if (BATON_DEFECT(51)) on_recorded(now, moving_->record_ticket);
      }
    }
  }
  while (const auto act = promotion_->next_witness(now)) ask_act(now, *act);
  if (moving_->act && !moving_->act->called_off && promotion_->must_break_off(now)) {
    moving_->act->called_off = true;
    context_.ports.plugins.call_off(moving_->act->ticket);
  }
  // What it leaves for may be another reason than the grant's end, which comes while writes are being blocked.
  const bool late = !BATON_DEFECT(60) && promotion_->overdue(now) && (releasing_ || !promotion_->may_hold());
  if (wanted_ && (promotion_->clearing() || late)) let_go(now);
  if (promotion_->clearing() && pending_addresses() == 0) promotion_->addresses_gone(now);
  if (promotion_->step() == before) return false;
  touch();
  return true;
}

void Mover::run_promotion(Instant now) {
  if (!promotion_ || stopped_ || promoting_) return;
  promoting_ = true;  // what follows may come back here
  if (group_.state() == State::kBackup) {
    const Router* newest = &routers_.front();
    for (const Router& router : routers_) {
      if (router.heard_at > newest->heard_at) newest = &router;
    }
    // Priority 1 is a claim, not yet a holder.
    if (newest->heard_priority > 1) promotion_->follow(now, context_.host_of(newest->heard), newest->heard_at);
  }
  promotion_->host_is(against_);
  do {
    while (ask_promotion(now)) {
    }
  } while (note_word(now));
  const bool active = group_.state() == State::kActive;
  const bool early = BATON_DEFECT(48) && promotion_->step() == PromotionStep::kVerifying;
  if (active && !releasing_ && (promotion_->may_hold() || early)) hold(now);
  renew_priority(now);
  const ReasonSet against = promotion_->against(now);
  if (against != facts_.promotion) {
    facts_.promotion = against;
    touch();
    update_against(now);
    while (ask_promotion(now)) {
    }
  }
  if (const bool shielded = promotion_->shielded(now); shielded != shielded_) {
    shielded_ = shielded;
    update_against(now);
  }
  if (const bool cut_off = isolated(now); cut_off != facts_.isolated) {
    facts_.isolated = cut_off;
    touch();
    update_against(now);
  }
  follow_handover(now);
  look_for_conflict(now);
  promoting_ = false;
  if (releasing_ && promotion_->left() && pending_addresses() == 0) finish_release(now);
}

const ports::HandoverWord& Mover::word() const {
  static const ports::HandoverWord kSilence;
  if (promotion_) return promotion_->word();
  return moving_ ? moving_->followed_word : kSilence;
}

/// What this host tells the others has changed: they should hear of it at once. True: jobs are to be stopped first.
bool Mover::note_word(Instant now) {
  const ports::HandoverWord& said = word();
  if (said == moving_->noted_word) return false;
  const bool begins = promotion_ && promotion_->giving() && said.phase == ports::HandoverPhase::kBlocking;
  moving_->noted_word = said;
  if (begins) {
    follow_up_.leave(false);
    timers_[kReleaseOver] = now + kJobsPatience;
    run_follow_ups(now);
  }
  publish(now);  // before the report, which makes the steward look
  ports::Report report;
  report.instance = instance_slot_;
  report.from = report.to = group_.state();
  report.kind = ports::EventKind::kMove;
  report.at = now;
  report.move = said.phase;
  report.gives = said.gives;
  report.other = context_.address_of(said.with);
  report.sentence = ports::Sentence{said.sentence};
  context_.ports.reports.report(report);
  return true;
}

/// grant = follow: its own consensus moves the database; the addresses follow what its probes say.
bool Mover::ask_to_step_down(Instant now, const std::string& host, std::uint64_t number, bool only_ask) {
  const auto found = std::find_if(promoted_.begin(), promoted_.end(), [&](ports::PluginId id) {
    return context_.plugins[id].section.about.verbs.has(PluginVerb::kStepDown);
  });
  if (found == promoted_.end() || moving_->step_down_ticket != 0 || group_.state() != State::kActive) return false;
  using Phase = ports::HandoverPhase;
  moving_->followed_word = {
      .phase = only_ask ? Phase::kReady : Phase::kBlocking, .gives = true, .with = host, .number = number};
  if (!only_ask) {
    const config::Plugin& section = context_.plugins[*found].section;
    moving_->step_down_ticket = std::uint64_t{id_} << 32 | ++acts_;
    moving_->step_down_plugin = *found;
    context_.ports.plugins.act({.ticket = moving_->step_down_ticket,
                                .plugin = *found,
                                .verb = PluginVerb::kStepDown,
                                .instance = plan_.name,
                                .from = group_.state(),
                                .to = State::kBackup,
                                .reason = Reason::kSwitchover,
                                .deadline = section.deadline,
                                .target = host,
                                .planned = true});
  }
  note_word(now);
  touch();
  return true;
}

void Mover::stepped_down(Instant now, const ports::ActResult& result) {
  moving_->step_down_ticket = 0;
  report_act(now, moving_->step_down_plugin, PluginVerb::kStepDown, result);
  const bool done = result.status == VerbStatus::kOk;
  moving_->followed_word.phase = done ? ports::HandoverPhase::kTaken : ports::HandoverPhase::kAborted;
  moving_->followed_word.sentence = done ? "" : std::string{result.sentence.view()};
  note_word(now);
  touch();
  settle(now);
}

/// The mastership goes where the data has gone.
void Mover::follow_handover(Instant now) {
  if (stop_reason_) return;
  if (group_.state() == State::kActive && !releasing_ && !promotion_->wants_mastership()) {
    release(now, Reason::kSwitchover);
  } else if (group_.state() != State::kActive && promotion_->may_hold() && promotion_->wants_mastership()) {
    perform(now, group_.handle_all(now, vrrp::TakeOver{promotion_->why_it_serves()}));
    if (group_.state() == State::kActive) {
      hold(now);
      renew_priority(now);
    } else {
      promotion_->leave(now);  // the data is here, but this host may not serve any more
    }
    while (ask_promotion(now)) {
    }
  }
}

void Mover::look_for_conflict(Instant now) {
  const auto tell = [&](ports::Alarm which, const std::string& host) {
    if (host.empty()) return alarm_over(now, which);
    ports::Report report = report_about(nullptr);
    report.other = context_.address_of(host);
    alarm(now, which, report, kForEver);
  };
  tell(ports::Alarm::kRoleConflict, promotion_->conflicting(now));
  tell(ports::Alarm::kSameGeneration, promotion_->double_of());
}

void Mover::renew_priority(Instant now) {
  const Priority wanted = priority();
  if (group_.router(0).parameters().priority == wanted) return;
  build_routers();
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    perform(now, group_.handle(now, i, vrrp::ParametersChanged{parameters_of(i)}));
    publish_router(i);
  }
  touch();
}

void Mover::on_peer(Instant now, const ports::PeerFact& fact) {
  if (!promotion_ || stopped_) return;
  promotion_->heard(now, fact);
  touch();
  settle(now);
}

bool Mover::hears_holder(Instant now) const {
  return std::any_of(routers_.begin(), routers_.end(), [&](const Router& router) {
    return router.heard_priority > 1 && now - router.heard_at < shortest_down_;
  });
}

void Mover::permit(Instant now) {
  if (promotion_) promotion_->permit(now);
  settle(now);
}

void Mover::forgive(Instant now) {
  if (promotion_) promotion_->forgive(now);
  settle(now);
}

}  // namespace baton::engine
