#include "engine/promotion.h"

#include <algorithm>
#include <utility>

namespace baton::engine {

using ports::DataRole;
using Step = PromotionStep;

Promotion::Promotion(std::string instance, Setup setup)
    : instance_(std::move(instance)),
      setup_(std::move(setup)),
      leases_(setup_.witness.size()),
      contrary_since_(setup_.promote.size()) {
  record_.instance = instance_;
}

void Promotion::configure(Setup setup) {
  if (setup == setup_) return;
  if (step_ > Step::kStandby && step_ != Step::kActive) {
    successor_ = std::move(setup);
    return;
  }
  successor_.reset();
  setup_ = std::move(setup);
  leases_.resize(setup_.witness.size());
  contrary_since_.assign(setup_.promote.size(), Instant{});
  if (step_ != Step::kActive) {
    followed_known_ = false;  // a section that is new has to be demoted, too
    return;
  }
  for (Lease& lease : leases_) lease.want(record_.generation);
}

// ---- What is known from before --------------------------------------------------------------------------------------

void Promotion::recall(Instant now, const ports::DataRecord& record) {
  if (step_ != Step::kReading) {
    record_.generation = std::max(record_.generation, record.generation);
    return;
  }
  record_ = written_ = record;
  record_.instance = instance_;
  switch (record.role) {
    // In an unfinished promotion or demotion the data may have been writable.
    case DataRole::kPromoting:
    case DataRole::kActive:
    case DataRole::kDemoting: record_.dirty = true; [[fallthrough]];
    case DataRole::kNone:
    case DataRole::kStandby:
    case DataRole::kClaiming: record_.role = DataRole::kStandby; break;
    case DataRole::kFenced:
    case DataRole::kNeedsRejoin: break;
  }
  unproven_ = record_.dirty;
  rejoin_at_ = now + kRejoinPause;
  enter(now, Step::kStandby);
}

void Promotion::adopt(Instant now, Step step, DataRole role, std::uint64_t generation, bool dirty,
                      Instant lease_until) {
  if (step == Step::kReading) return;
  record_.role = role;
  record_.generation = generation;
  record_.dirty = dirty;
  record_.promoted = role == DataRole::kActive ? generation : record_.promoted;
  dirty_before_ = dirty;  // what it was before the promotion is not known any more
  written_ = record_;
  if (step == Step::kActive || step == Step::kPromoting || step == Step::kVerifying) {
    for (Lease& lease : leases_) lease.adopt(lease_until, std::max(lease_until - now, Nanos{1}), generation);
    target_ = Target::kActive;
    step_ = step == Step::kActive ? step : Step::kPromoting;
    since_ = now;
  } else if (step >= Step::kBlocking && step <= Step::kDemoting) {
    descending_ = true;
    enter(now, Step::kBlocking);
  } else if (step == Step::kStandby) {
    enter(now, Step::kStandby);
  } else {
    enter(now, Step::kReturning);
  }
}

void Promotion::saw_generation(std::uint64_t generation) {
  // Who may have been overtaken must not take the other's generation for its own.
  if (!unproven_) record_.generation = std::max(record_.generation, generation);
}

void Promotion::heard(Instant now, const ports::PeerFact& fact) {
  if (std::find(setup_.others.begin(), setup_.others.end(), fact.host) == setup_.others.end()) return;
  heard_[fact.host] = {fact, now};
  const bool holds = fact.data_role == DataRole::kActive;
  if (holds) saw_generation(fact.generation);
  // Its word counts also where its adverts do not arrive.
  if (holds && step_ <= Step::kStandby && fact.generation >= record_.promoted) follow(now, fact.host);
  if (unproven_ && nobody_took_over(now)) unproven_ = false;
}

/// Every other host says, freshly, that it is a standby and knows of no promotion after this host's last one.
bool Promotion::nobody_took_over(Instant now) const {
  return !setup_.others.empty() &&
         std::all_of(setup_.others.begin(), setup_.others.end(), [&](const std::string& host) {
           const auto found = heard_.find(host);
           if (found == heard_.end() || now - found->second.at > ports::kPeerLease) return false;
           const ports::PeerFact& fact = found->second.fact;
           return fact.data_role == DataRole::kStandby && fact.step == Step::kStandby &&
                  fact.generation <= record_.promoted;
         });
}

// ---- Targets ------------------------------------------------------------------------------------------------------

void Promotion::claim(Instant, Instant free_at) {
  target_ = Target::kActive;
  free_at_ = free_at;
}

void Promotion::leave(Instant) {
  target_ = Target::kStandby;
  permitted_ = false;
}

void Promotion::follow(Instant, const std::string& host) {
  if (host.empty()) return;
  wanted_upstream_ = host;
}

void Promotion::permit(Instant) {
  permitted_ = true;
  unproven_ = false;
  trouble_until_ = Instant{};
  penalty_ = kFirstPenalty;
}

/// What the record holds against this host is void. What the plugin finds stays its own matter.
void Promotion::forgive(Instant now) {
  permit(now);
  permitted_ = false;
  if (record_.role == DataRole::kNeedsRejoin || record_.role == DataRole::kFenced) record_.role = DataRole::kStandby;
  record_.dirty = false;
  promotions_.clear();
  if (step_ == Step::kStandby) enter(now, Step::kClosing);
}

// ---- The steps ----------------------------------------------------------------------------------------------------

void Promotion::enter(Instant now, Step step) {
  step_ = step;
  index_ = host_ = 0;
  tries_ = 0;
  not_before_ = Instant{};
  if (step == Step::kDemoting) demoting_to_ = wanted_upstream_;
  if (step == Step::kGranting && setup_.grant == config::Grant::kWitness) {
    for (Lease& lease : leases_) lease.want(record_.generation);
  }
  if (step == Step::kReturning) {
    for (Lease& lease : leases_) lease.let_go();
  }
  if (step == Step::kStandby) {
    descending_ = false;
    std::fill(contrary_since_.begin(), contrary_since_.end(), Instant{});
    since_ = now;
    if (successor_) configure(*std::exchange(successor_, std::nullopt));
  }
}

/// Steps that wait for no answer. True: moved, look again.
bool Promotion::move_on(Instant now) {
  if (target_ == Target::kStandby) {
    if (step_ >= Step::kClaiming && step_ <= Step::kDeciding) return enter(now, Step::kReturning), true;
    if (step_ == Step::kPromoting || step_ == Step::kVerifying || step_ == Step::kActive) {
      descending_ = true;
      return enter(now, Step::kBlocking), true;
    }
  }
  switch (step_) {
    case Step::kStandby:
      if (target_ == Target::kActive && against(now).empty()) {
        record_.generation += 1;
        return enter(now, Step::kClaiming), true;
      }
      if (record_.role == DataRole::kNeedsRejoin && standby_settled() && now >= rejoin_at_) {
        rejoin_at_ = now + kRejoinPause;
        followed_known_ = false;
      }
      if (!standby_settled()) return enter(now, Step::kDemoting), true;
      return false;
    case Step::kGranting: return grant(now);
    case Step::kWaiting:
      if (now < free_at_) return false;
      return enter(now, Step::kFencing), true;
    case Step::kReturning:
      if (!std::all_of(leases_.begin(), leases_.end(), [](const Lease& lease) { return lease.gone(); })) return false;
      return enter(now, Step::kClosing), true;
    default: return false;
  }
}

/// True: moved.
bool Promotion::grant(Instant now) {
  if (setup_.grant == config::Grant::kWitness) {
    for (const Lease& lease : leases_) {
      if (!lease.refused() || lease.highest_generation() < record_.generation) continue;  // held, and may lapse
      // Somebody has been granted more than this host knows of.
      if (unproven_) {
        record_.role = DataRole::kNeedsRejoin;
        rejoin_at_ = now + kRejoinPause;
        return abandon(now, Reason::kNeedsRejoin), true;
      }
      record_.generation = lease.highest_generation() + 1;
      return enter(now, Step::kClaiming), true;
    }
    const bool all = std::all_of(leases_.begin(), leases_.end(), [&](const Lease& lease) { return lease.held(now); });
    const bool held_elsewhere =
        std::any_of(leases_.begin(), leases_.end(), [](const Lease& lease) { return lease.refused(); });
    const Nanos patience = held_elsewhere ? kLeasePatience : kGrantPatience;
    if (!all && now - since_ > patience) return abandon(now, Reason::kNoGrant), true;
    if (!all) return false;
  }
  return enter(now, Step::kWaiting), true;
}

const std::vector<Promotion::Section>& Promotion::row() const {
  return step_ == Step::kFencing ? setup_.fence : setup_.promote;
}

/// nullopt: nothing to ask of this section in this step.
std::optional<PluginVerb> Promotion::verb_for(const Section& section) const {
  const auto if_any = [&](PluginVerb verb) { return section.verbs.has(verb) ? std::optional{verb} : std::nullopt; };
  switch (step_) {
    case Step::kFencing: return PluginVerb::kFence;
    case Step::kAsking: return if_any(PluginVerb::kCanPromote);
    case Step::kPromoting: return PluginVerb::kPromote;
    case Step::kVerifying: return if_any(PluginVerb::kVerify);
    case Step::kBlocking: return if_any(PluginVerb::kBlockWrites);
    case Step::kDemoting:
      if (record_.dirty && !demoting_to_.empty() && section.verbs.has(PluginVerb::kRejoin)) return PluginVerb::kRejoin;
      return PluginVerb::kDemote;
    default: return std::nullopt;
  }
}

std::optional<Promotion::Ask> Promotion::ask_record(DataRole role) {
  record_.role = role;
  asked_ = true;
  written_ = record_;
  return record_;
}

std::optional<Promotion::Ask> Promotion::ask_act() {
  const std::size_t hosts = step_ == Step::kFencing ? setup_.others.size() : 1;
  for (; index_ < row().size() && hosts > 0; ++index_) {
    const bool backwards = step_ == Step::kBlocking || step_ == Step::kDemoting;
    const std::size_t place = backwards ? row().size() - 1 - index_ : index_;
    const auto verb = verb_for(row()[place]);
    if (!verb) continue;
    Act act;
    act.row = step_ == Step::kFencing ? Row::kFence : Row::kPromote;
    act.index = place;
    act.plugin = row()[place].plugin;
    act.verb = *verb;
    act.generation = record_.generation;
    act.deadline = row()[place].deadline;
    act.target = step_ == Step::kFencing ? setup_.others[host_] : wanted_upstream_;
    if (step_ == Step::kDemoting) act.target = demoting_to_;
    asked_ = true;
    return act;
  }
  return std::nullopt;
}

std::optional<Promotion::Ask> Promotion::ask(Instant now) {
  switch (step_) {
    case Step::kClaiming: return ask_record(DataRole::kClaiming);
    case Step::kDeciding:
      // What was found out on the way may be old by now.
      if (grant_lost(now)) {
        abandon(now, Reason::kNoGrant);
        return std::nullopt;
      }
      dirty_before_ = record_.dirty;
      record_.dirty = true;
      promotions_.push_back(now);
      return ask_record(DataRole::kPromoting);
    case Step::kActive:
      if (written_.role == DataRole::kActive) return std::nullopt;
      return ask_record(DataRole::kActive);
    case Step::kPromoting:
    case Step::kVerifying:
      // Not even a retry, or what a predecessor began, once another host may have been granted it.
      if (grant_lost(now)) {
        undo(now, Reason::kNoGrant);
        return std::nullopt;
      }
      return ask_act();
    case Step::kClosing:
      if (record_.role != DataRole::kNeedsRejoin && record_.role != DataRole::kFenced) {
        record_.role = DataRole::kStandby;
      }
      if (record_ == written_) return std::nullopt;
      return ask_record(record_.role);
    case Step::kFencing:
    case Step::kAsking:
    case Step::kBlocking:
    case Step::kDemoting: return ask_act();
    default: return std::nullopt;
  }
}

std::optional<Promotion::Ask> Promotion::next(Instant now) {
  for (;;) {
    if (asked_ || now < not_before_) return std::nullopt;
    if (move_on(now)) continue;
    const Step before = step_;
    if (auto found = ask(now)) return found;
    if (step_ != before) continue;
    const bool has_row = step_ >= Step::kFencing && step_ <= Step::kDemoting && step_ != Step::kDeciding &&
                         step_ != Step::kActive && step_ != Step::kClearing;
    if (!has_row && step_ != Step::kClosing) return std::nullopt;
    row_done(now);
  }
}

void Promotion::row_done(Instant now) {
  switch (step_) {
    case Step::kFencing: since_ = now; return enter(now, Step::kAsking);
    case Step::kAsking: return enter(now, Step::kDeciding);
    case Step::kPromoting: return enter(now, Step::kVerifying);
    case Step::kVerifying: return serve(now);
    case Step::kBlocking: return enter(now, Step::kClearing);
    case Step::kDemoting: return standby_reached(now);
    case Step::kClosing: return enter(now, Step::kStandby);
    default: return;
  }
}

void Promotion::serve(Instant now) {
  enter(now, Step::kActive);
  since_ = now;
  std::fill(contrary_since_.begin(), contrary_since_.end(), Instant{});
  unproven_ = permitted_ = stuck_ = false;
  followed_known_ = false;
  wanted_upstream_.clear();  // who had the role before need not have it after
  penalty_ = kFirstPenalty;
  trouble_ = Reason::kNone;
  record_.promoted = record_.generation;
  record_.holder.clear();
  record_.position.clear();
}

void Promotion::standby_reached(Instant now) {
  followed_ = demoting_to_;
  followed_known_ = true;
  stuck_ = false;
  if (!demoting_to_.empty()) {
    // The plugin has proven that the other's history holds all of ours.
    record_.dirty = unproven_ = false;
    record_.holder = demoting_to_;
    if (record_.role == DataRole::kNeedsRejoin) record_.role = DataRole::kStandby;
  }
  enter(now, Step::kReturning);
}

/// Before the point of no return: nothing has to be undone.
void Promotion::abandon(Instant now, Reason reason) {
  punish(now, reason);
  enter(now, Step::kReturning);
}

void Promotion::punish(Instant now, Reason reason) {
  trouble_ = reason;
  const bool failed = reason == Reason::kPromoteFailed;
  trouble_until_ = now + (failed ? penalty_ : kFirstPenalty);
  if (failed) penalty_ = std::min(penalty_ * 2, kLongestPenalty);
}

// ---- Answers ------------------------------------------------------------------------------------------------------

void Promotion::recorded(Instant now) {
  asked_ = false;
  if (step_ == Step::kClaiming) {
    enter(now, Step::kGranting);
    since_ = now;
  } else if (step_ == Step::kDeciding) {
    enter(now, Step::kPromoting);
    if (target_ == Target::kStandby) {
      // Taken back before anything was asked of the database.
      record_.dirty = dirty_before_;
      enter(now, Step::kReturning);
    }
  } else if (step_ == Step::kClosing) {
    enter(now, Step::kStandby);
  }
}

void Promotion::acted(Instant now, const ports::ActResult& result) {
  asked_ = false;
  if (result.status != VerbStatus::kOk) sentence_ = result.sentence;
  switch (step_) {
    case Step::kFencing:
    case Step::kAsking:
    case Step::kPromoting:
    case Step::kVerifying: return climbed(now, result);
    case Step::kDemoting: return demoted(now, result);
    case Step::kBlocking:
      // What could not be blocked is demoted all the same.
      if (result.status == VerbStatus::kOk) record_.position = std::string{result.position};
      ++index_;
      return;
    default: return;
  }
}

namespace {

bool may_work_later(VerbStatus status) {
  return status == VerbStatus::kTransient || status == VerbStatus::kTimeout || status == VerbStatus::kCrashed ||
         status == VerbStatus::kGarbage || status == VerbStatus::kNotRunning;
}

}  // namespace

void Promotion::climbed(Instant now, const ports::ActResult& result) {
  VerbStatus status = result.status;
  if (step_ == Step::kVerifying && status == VerbStatus::kOk &&
      (result.role != ApplicationRole::kPrimary || result.generation != record_.generation)) {
    status = VerbStatus::kConflict;
    sentence_ = ports::Sentence{"it is not the writable one of this generation after its promotion"};
  }
  if (status == VerbStatus::kOk) {
    tries_ = 0;
    if (step_ == Step::kFencing && ++host_ < setup_.others.size()) return;
    host_ = 0;
    ++index_;
    return;
  }
  if (may_work_later(status) && ++tries_ < kTries) {
    not_before_ = now + kTryPause;
    return;
  }
  // Where nobody else could do better, the mastership is kept meanwhile.
  const bool pair = setup_.others.size() <= 1;
  if (step_ == Step::kAsking && status == VerbStatus::kRefused && pair && now - since_ < kRefusalPatience) {
    not_before_ = now + kTryPause;
    return;
  }
  if (step_ == Step::kFencing) return abandon(now, Reason::kFenceFailed);
  if (step_ == Step::kAsking) {
    return abandon(now, status == VerbStatus::kRefused ? Reason::kPromoteRefused : Reason::kPromoteFailed);
  }
  if (status == VerbStatus::kConflict) record_.role = DataRole::kFenced;
  undo(now, Reason::kPromoteFailed);
}

void Promotion::undo(Instant now, Reason reason) {
  // No address came, so no client can have written.
  record_.dirty = dirty_before_;
  punish(now, reason);
  descending_ = true;
  enter(now, Step::kDemoting);
}

void Promotion::demoted(Instant now, const ports::ActResult& result) {
  if (result.status == VerbStatus::kOk) {
    tries_ = 0;
    ++index_;
    return;
  }
  if (result.status == VerbStatus::kConflict) {
    record_.role = DataRole::kNeedsRejoin;
    followed_ = demoting_to_;
    followed_known_ = true;
    stuck_ = false;
    rejoin_at_ = now + kRejoinPause;
    return enter(now, Step::kReturning);
  }
  stuck_ = true;
  if (!descending_ && target_ == Target::kActive) return enter(now, Step::kStandby);  // can_promote judges
  not_before_ = now + std::min(kTryPause * (1 << std::min(tries_, 6)), kLongestRetry);
  ++tries_;
}

void Promotion::addresses_gone(Instant now) {
  if (step_ == Step::kClearing) enter(now, Step::kDemoting);
}

std::optional<Promotion::Act> Promotion::next_witness(Instant now) {
  for (std::size_t i = 0; i < leases_.size(); ++i) {
    const auto verb = leases_[i].next(now);
    if (!verb) continue;
    Act act;
    act.row = Row::kWitness;
    act.index = i;
    act.plugin = setup_.witness[i].plugin;
    act.verb = *verb;
    act.generation = leases_[i].generation();
    act.deadline = std::min(setup_.witness[i].deadline, leases_[i].patience());
    return act;
  }
  return std::nullopt;
}

void Promotion::witnessed(Instant now, std::size_t index, const ports::ActResult& result) {
  if (index >= leases_.size()) return;
  if (result.status != VerbStatus::kOk) sentence_ = result.sentence;
  leases_[index].finished(now, result.status, result.lease, result.token, result.generation);
}

bool Promotion::uses(ports::PluginId plugin) const {
  const auto in = [&](const std::vector<Section>& row) {
    return std::any_of(row.begin(), row.end(), [&](const Section& section) { return section.plugin == plugin; });
  };
  return in(setup_.promote) || in(setup_.witness) || in(setup_.fence);
}

void Promotion::observe(Instant now, Instant at, ports::PluginId plugin, ApplicationRole role) {
  const auto found = std::find_if(setup_.promote.begin(), setup_.promote.end(),
                                  [&](const Section& each) { return each.plugin == plugin; });
  if (found == setup_.promote.end() || at <= since_ || role == ApplicationRole::kNone) return;
  const auto section = static_cast<std::size_t>(found - setup_.promote.begin());
  const bool primary = role == ApplicationRole::kPrimary;
  Instant& contrary = contrary_since_[section];
  if (step_ == Step::kActive) {
    if (primary) {
      contrary = Instant{};
    } else if (contrary == Instant{}) {
      contrary = now;
    }
  } else if (step_ == Step::kStandby && followed_known_ && primary) {
    // Somebody made it writable by hand, or it was started so.
    since_ = now;
    followed_known_ = false;
  }
}

// ---- Why not, and when --------------------------------------------------------------------------------------------

bool Promotion::grant_lost(Instant now) const {
  return setup_.grant == config::Grant::kWitness &&
         std::any_of(leases_.begin(), leases_.end(),
                     [&](const Lease& lease) { return lease.refused() || lease.give_up_at() <= now; });
}

bool Promotion::data_lost(Instant now) const {
  return step_ == Step::kActive && std::any_of(contrary_since_.begin(), contrary_since_.end(), [&](Instant since) {
           return since != Instant{} && now - since >= kDriftTime;
         });
}

/// Until when the budget is spent; the past if it is not.
Instant Promotion::budget_free_at() const {
  if (promotions_.size() < setup_.budget) return Instant{};
  return promotions_[promotions_.size() - setup_.budget] + setup_.budget_window;
}

Instant Promotion::rested_at() const { return promotions_.empty() ? Instant{} : promotions_.back() + setup_.cooldown; }

ReasonSet Promotion::against(Instant now) const {
  ReasonSet set;
  set.set(Reason::kStateUnread, step_ == Step::kReading);
  set.set(Reason::kFenced, record_.role == DataRole::kFenced);
  set.set(Reason::kNeedsRejoin, record_.role == DataRole::kNeedsRejoin);
  set.set(Reason::kDemoteFailed, stuck_);
  set.set(Reason::kDataLost, data_lost(now));
  if (now < trouble_until_) set.set(trouble_);
  const bool decided = step_ >= Step::kDeciding && step_ <= Step::kActive;
  set.set(Reason::kNoGrant, set.has(Reason::kNoGrant) || (decided && grant_lost(now)));
  if (step_ >= Step::kClaiming && step_ <= Step::kActive) return set;
  const bool witness = setup_.grant == config::Grant::kWitness;
  set.set(Reason::kNeedsProof, unproven_ && !witness && !setup_.resume_alone);
  if (setup_.grant == config::Grant::kManual && !permitted_) set.set(Reason::kNoGrant);
  set.set(Reason::kPromotionBudget, now < budget_free_at() && !permitted_);
  set.set(Reason::kCooldown, now < rested_at() && !permitted_);
  return set;
}

DataRole Promotion::role() const {
  if (record_.role == DataRole::kFenced || record_.role == DataRole::kNeedsRejoin) return record_.role;
  if (step_ == Step::kActive) return DataRole::kActive;
  if (step_ == Step::kPromoting || step_ == Step::kVerifying) return DataRole::kPromoting;
  if (climbing()) return DataRole::kClaiming;
  if (descending_) return DataRole::kDemoting;
  return step_ == Step::kReading ? DataRole::kNone : DataRole::kStandby;
}

Instant Promotion::granted_until() const {
  if (setup_.grant != config::Grant::kWitness) return kNever;
  Instant until = kNever;
  for (const Lease& lease : leases_) until = std::min(until, lease.until());
  return until;
}

Instant Promotion::next_deadline(Instant now) const {
  Instant next = kNever;
  const auto at = [&](Instant when) {
    if (when > now) next = std::min(next, when);
  };
  at(not_before_);
  at(trouble_until_);
  at(budget_free_at());
  at(rested_at());
  for (const Instant since : contrary_since_) {
    if (since != Instant{}) at(since + kDriftTime);
  }
  if (step_ == Step::kWaiting) at(free_at_);
  if (step_ == Step::kGranting) {
    at(since_ + kGrantPatience);
    at(since_ + kLeasePatience);
  }
  if (record_.role == DataRole::kNeedsRejoin) at(rejoin_at_);
  for (const Lease& lease : leases_) {
    at(lease.next_deadline());
    if (step_ >= Step::kDeciding && step_ <= Step::kActive) at(lease.give_up_at());
  }
  return next;
}

}  // namespace baton::engine
