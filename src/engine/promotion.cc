#include "engine/promotion.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/defect.h"

namespace baton::engine {

using ports::DataRole;
using ports::HandoverPhase;
using Step = PromotionStep;

Promotion::Promotion(std::string instance, Setup setup)
    : instance_(std::move(instance)),
      setup_(std::move(setup)),
      leases_(setup_.witness.size()),
      contrary_since_(setup_.promote.size()),
      positions_(setup_.promote.size()) {
  record_.instance = instance_;
  replica_at_ = contrary_since_;
  answers_.assign(setup_.promote.size(), false);
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
  replica_at_ = contrary_since_;
  answers_.assign(setup_.promote.size(), false);
  positions_.assign(setup_.promote.size(), "");
  if (step_ != Step::kActive) {
    followed_known_ = false;  // a section that is new has to be demoted, too
    return;
  }
  for (Lease& lease : leases_) lease.want(record_.generation);
}

// ---- Targets ------------------------------------------------------------------------------------------------------

void Promotion::claim(Instant, Instant free_at) {
  target_ = Target::kActive;
  mastership_ = true;
  if (!planned()) free_at_ = free_at;
}

void Promotion::leave(Instant) {
  // In the middle of a planned move the mastership is not what decides: the word that was given is.
  const bool passed = step_ == Step::kPassing || step_ == Step::kPassed;
  if (!passed) target_ = Target::kStandby;
  mastership_ = permitted_ = false;
}

void Promotion::follow(Instant now, const std::string& host, Instant heard_at) {
  if (host.empty()) return;
  wanted_upstream_ = host;
  // Its adverts are heard again, though its words are not.
  const auto found = heard_.find(host);
  if (found != heard_.end() && found->second.at < heard_at) found->second.fact.left = false;
  if (step_ == Step::kPassed && host == word_.with) taken(now);
}

void Promotion::permit(Instant now) {
  permitted_ = true;
  permit_ends_ = now + kPermitTime;
  unproven_ = false;
  saw_generation(seen_);
  trouble_until_ = Instant{};
  penalty_ = kFirstPenalty;
}

/// What the record holds against this host is void. What the plugin finds stays its own matter.
void Promotion::forgive(Instant now) {
  permit(now);
  permitted_ = false;
  if (record_.role == DataRole::kNeedsRejoin || record_.role == DataRole::kFenced) record_.role = DataRole::kStandby;
  // Not what is written from now on.
  const bool writes =
      (step_ >= Step::kDeciding && step_ <= Step::kActive) || (step_ >= Step::kHanding && step_ <= Step::kUnblocking);
  dirty_before_ = false;
  double_.clear();
  own_ = writes ? own_ : 0;
  if (!writes) record_.dirty = false;
  promotions_.clear();
  if (step_ == Step::kStandby) enter(now, Step::kClosing);
}

// ---- The steps ----------------------------------------------------------------------------------------------------

void Promotion::enter(Instant now, Step step) {
  step_ = step;
  index_ = host_ = 0;
  tries_ = 0;
  not_before_ = Instant{};
  if (step == Step::kDemoting) {
    demoting_to_ = awaits_word(now) ? std::string{} : wanted_upstream_;
    contradicted_ = false;
  }
  if (step == Step::kClaiming) {
    promise_ = {};
    by_database_ = proven_last_ = false;
    claimed_in_boot_ = true;
  }
  if (step == Step::kPromoting || step == Step::kProving) demoted_ = false;
  const bool needs_grant = step == Step::kGranting || step == Step::kRegaining || step == Step::kProving;
  if (needs_grant && setup_.grant == config::Grant::kWitness) {
    for (Lease& lease : leases_) lease.want(record_.generation);
  }
  if (step == Step::kFencing) choose_whom_to_fence(now);
  if (step == Step::kBlocking) positions_.assign(setup_.promote.size(), "");
  if (step == Step::kReturning || (step == Step::kPassing && !BATON_DEFECT(69))) {
    for (Lease& lease : leases_) BATON_DEFECT(57) ? void() : lease.let_go();
  }
  if (step == Step::kPassed || step == Step::kRegaining || step == Step::kProving) since_ = now;
  if (step == Step::kStandby) {
    descending_ = continued_ = again_ = false;
    std::fill(contrary_since_.begin(), contrary_since_.end(), Instant{});
    since_ = now;
    if (planned()) {
      conclude(HandoverPhase::kAborted, sentence_.view());
      if (!mastership_) target_ = Target::kStandby;
    }
    if (successor_) configure(*std::exchange(successor_, std::nullopt));
  }
}

/// Steps that wait for no answer. True: moved, look again.
bool Promotion::move_on(Instant now) {
  if (target_ == Target::kStandby) {
    if (step_ >= Step::kClaiming && step_ <= Step::kDeciding) return enter(now, Step::kReturning), true;
    if (step_ == Step::kPromoting || step_ == Step::kVerifying || step_ == Step::kActive) {
      if (word_.gives && word_.phase == HandoverPhase::kAsking) {
        conclude(HandoverPhase::kRefused, "this host gives its role up meanwhile");
      }
      descending_ = true;
      if (step_ != Step::kActive) taken_back();
      return enter(now, Step::kBlocking), true;
    }
  }
  if (target_ == Target::kStandby && giving() && (step_ == Step::kBlocking || step_ == Step::kClearing)) {
    conclude(HandoverPhase::kAborted, "this host gives its role up meanwhile");
    descending_ = true;
  }
  switch (step_) {
    case Step::kStandby:
      if (target_ == Target::kActive && against(now).empty()) {
        if (!BATON_DEFECT(47)) record_.generation = next_generation();
        return enter(now, Step::kClaiming), true;
      }
      if (record_.role == DataRole::kNeedsRejoin && standby_settled() && now >= rejoin_at_) {
        rejoin_at_ = now + kRejoinPause;
        followed_known_ = false;
      }
      if (followed_known_ && awaits_word(now)) return false;
      if (!standby_settled()) return enter(now, Step::kDemoting), true;
      return answer_offer(now);
    case Step::kGranting: return grant(now);
    case Step::kWaiting:
      if (now < free_at_ && !BATON_DEFECT(45)) return false;
      if (awaits_promise(now)) return false;
      // In a planned move the other host has said that it has demoted, and this one that nothing speaks against it.
      return enter(now, planned() ? Step::kDeciding : BATON_DEFECT(54) ? Step::kAsking : Step::kFencing), true;
    case Step::kReturning:
      if (!std::all_of(leases_.begin(), leases_.end(), [](const Lease& lease) { return lease.gone(); })) return false;
      return enter(now, Step::kClosing), true;
    case Step::kActive:
    case Step::kBlocking:
    case Step::kClearing:
    case Step::kHanding:
    case Step::kPassing:
    case Step::kPassed:
    case Step::kRegaining:
    case Step::kUnblocking: return hand_over(now);
    case Step::kOffered:
    case Step::kReady:
    case Step::kDraining:
    case Step::kCaughtUp: return take_over(now);
    case Step::kProving: return prove(now);
    default: return false;
  }
}

bool Promotion::left() const {
  const bool resting = step_ <= Step::kStandby || step_ == Step::kReturning || step_ == Step::kClosing;
  return resting || step_ >= Step::kOffered || stuck_;
}

std::vector<Promotion::Section> Promotion::row() const {
  if (step_ != Step::kFencing) return setup_.promote;
  std::vector<Section> fences;
  // grant = peer: a database that another host's daemon does not speak for is demoted from here, before harsher means.
  if (setup_.grant == config::Grant::kPeer || by_database_) {
    std::copy_if(setup_.promote.begin(), setup_.promote.end(), std::back_inserter(fences),
                 [](const Section& section) { return section.verbs.has(PluginVerb::kFence); });
  }
  if (by_database_) return fences;
  fences.insert(fences.end(), setup_.fence.begin(), setup_.fence.end());
  return fences;
}

/// nullopt: nothing to ask of this section in this step.
std::optional<PluginVerb> Promotion::verb_for(const Section& section) const {
  const auto if_any = [&](PluginVerb verb) { return section.verbs.has(verb) ? std::optional{verb} : std::nullopt; };
  switch (step_) {
    case Step::kFencing: return PluginVerb::kFence;
    case Step::kAsking: return BATON_DEFECT(55) ? std::nullopt : if_any(PluginVerb::kCanPromote);
    case Step::kPromoting: return PluginVerb::kPromote;
    case Step::kVerifying: return if_any(PluginVerb::kVerify);
    case Step::kBlocking:
      if (BATON_DEFECT(56) || (BATON_DEFECT(70) && giving())) return std::nullopt;
      return if_any(PluginVerb::kBlockWrites);
    case Step::kUnblocking: return if_any(PluginVerb::kUnblockWrites);
    case Step::kOffered: return BATON_DEFECT(74) ? std::nullopt : if_any(PluginVerb::kCanPromote);
    case Step::kDraining: return BATON_DEFECT(68) ? std::nullopt : if_any(PluginVerb::kDrain);
    case Step::kDemoting:
      if (record_.dirty && !demoting_to_.empty() && section.verbs.has(PluginVerb::kRejoin)) return PluginVerb::kRejoin;
      return PluginVerb::kDemote;
    default: return std::nullopt;
  }
}

std::optional<Promotion::Ask> Promotion::ask_record(DataRole role) {
  record_.role = role;
  const std::size_t kept = std::min(promotions_.size(), ports::kMaxPromotions);
  record_.promotions.assign(promotions_.end() - static_cast<std::ptrdiff_t>(kept), promotions_.end());
  asked_ = true;
  written_ = record_;
  return record_;
}

/// What a section is told, and of whom.
void Promotion::describe(Act& act, std::size_t place) const {
  act.generation = record_.generation;
  act.target = wanted_upstream_;
  if (step_ == Step::kFencing) act.target = whom_[host_];
  if (step_ == Step::kDemoting) act.target = demoting_to_;
  const bool offered = step_ == Step::kOffered || step_ == Step::kDraining;
  if (giving() || planned() || offered) {
    if (step_ == Step::kDemoting) return;
    act.planned = true;
    act.target = word_.with;
    if (planned() || step_ == Step::kDraining) act.position = positions_[place];
    if (offered) act.generation = record_.generation + 1;
  } else if (step_ == Step::kAsking || step_ == Step::kPromoting) {
    act.forced = permitted_;
    act.resumes = proven_last_ || (setup_.resume_alone && was_last());
    if (place != 0) return;
    const Heard* holder = last_holder(act.target);
    if (holder == nullptr) return;
    act.position = holder->position;
    act.position_at = holder->position_at;
    act.position_age = holder->held_at - holder->position_at;
  }
}

std::optional<Promotion::Ask> Promotion::ask_act() {
  const std::size_t hosts = step_ == Step::kFencing ? whom_.size() : 1;
  const std::vector<Section> sections = row();
  for (; index_ < sections.size() && hosts > 0; ++index_) {
    const bool backwards = step_ == Step::kBlocking || step_ == Step::kDemoting;
    const std::size_t place = backwards ? sections.size() - 1 - index_ : index_;
    const auto verb = verb_for(sections[place]);
    if (!verb) continue;
    Act act;
    act.row = step_ == Step::kFencing ? Row::kFence : Row::kPromote;
    act.index = place;
    act.plugin = sections[place].plugin;
    act.verb = *verb;
    act.deadline = sections[place].deadline;
    describe(act, place);
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
      touched_ = false;
      record_.dirty = !BATON_DEFECT(46);
      if (!planned()) promotions_.push_back(now);  // what an operator asks for has no budget
      return ask_record(DataRole::kPromoting);
    case Step::kActive:
      if (written_.role == DataRole::kActive && written_.generation == record_.generation) return std::nullopt;
      return ask_record(DataRole::kActive);
    case Step::kPromoting:
    case Step::kVerifying:
      // Not even a retry, or what a predecessor began, once another host may have been granted it.
      if (grant_lost(now) && !BATON_DEFECT(59)) {
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
    case Step::kUnblocking:
      // A generation that was asked for anew is on disk before a write is acknowledged under it.
      if (written_.generation != record_.generation) return ask_record(DataRole::kActive);
      return ask_act();
    default: return has_row(step_) ? ask_act() : std::nullopt;
  }
}

std::optional<Promotion::Ask> Promotion::next(Instant now) {
  for (;;) {
    if (permitted_ && step_ == Step::kStandby && now >= permit_ends_) permitted_ = false;
    if (asked_ || now < not_before_) return std::nullopt;
    if (move_on(now)) continue;
    const Step before = step_;
    if (auto found = ask(now)) return found;
    if (step_ != before) continue;
    if (!has_row(step_) && step_ != Step::kClosing) return std::nullopt;
    row_done(now);
  }
}

bool Promotion::has_row(Step step) {
  switch (step) {
    case Step::kFencing:
    case Step::kAsking:
    case Step::kPromoting:
    case Step::kVerifying:
    case Step::kBlocking:
    case Step::kDemoting:
    case Step::kUnblocking:
    case Step::kOffered:
    case Step::kDraining: return true;
    default: return false;
  }
}

void Promotion::row_done(Instant now) {
  switch (step_) {
    case Step::kFencing:
      if (!by_database_) since_ = now;
      return enter(now, Step::kAsking);
    case Step::kAsking: return enter(now, Step::kDeciding);
    case Step::kPromoting: return enter(now, Step::kVerifying);
    case Step::kVerifying: return serve(now);
    case Step::kBlocking: return enter(now, Step::kClearing);
    case Step::kDemoting: return standby_reached(now);
    case Step::kUnblocking: return serve(now);
    case Step::kOffered: return conclude(HandoverPhase::kReady, ""), enter(now, Step::kReady);
    case Step::kDraining: return conclude(HandoverPhase::kCaughtUp, ""), enter(now, Step::kCaughtUp);
    case Step::kClosing: return enter(now, Step::kStandby);
    default: return;
  }
}

void Promotion::serve(Instant now) {
  enter(now, Step::kActive);
  since_ = now;
  settled_at_ = now + kSettleTime;
  std::fill(contrary_since_.begin(), contrary_since_.end(), Instant{});
  unproven_ = permitted_ = stuck_ = false;
  followed_known_ = false;
  wanted_upstream_.clear();  // who had the role before need not have it after
  penalty_ = kFirstPenalty;
  trouble_ = Reason::kNone;
  trouble_until_ = Instant{};
  if (planned()) conclude(HandoverPhase::kTaken, "");
  for (auto& [host, heard] : heard_) heard.position.clear();  // of another time
  record_.promoted = own_ = record_.generation;
  record_.holder.clear();
  record_.position.clear();
  if (successor_) configure(*std::exchange(successor_, std::nullopt));
}

void Promotion::standby_reached(Instant now) {
  followed_ = demoting_to_;
  followed_known_ = demoted_ = true;
  stuck_ = false;
  if (contradicted_) {
    record_.role = DataRole::kNeedsRejoin;
    rejoin_at_ = now + kRejoinPause;
  } else if (!demoting_to_.empty()) {
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
    if (!again_) since_ = now;
    again_ = false;
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
      if (result.status == VerbStatus::kOk) {
        positions_[setup_.promote.size() - 1 - index_] = record_.position = result.position;
      } else if (giving()) {
        return resume(now, result.sentence.view());
      }
      ++index_;  // what could not be blocked is demoted all the same
      return;
    case Step::kUnblocking:
    case Step::kOffered:
    case Step::kDraining: return offered(now, result);
    default: return;
  }
}

namespace {

/// It may have been done.
bool is_unclear(VerbStatus status) {
  return status == VerbStatus::kTimeout || status == VerbStatus::kCrashed || status == VerbStatus::kGarbage;
}

bool may_work_later(VerbStatus status) {
  return is_unclear(status) || status == VerbStatus::kTransient || status == VerbStatus::kNotRunning;
}

}  // namespace

void Promotion::climbed(Instant now, const ports::ActResult& result) {
  VerbStatus status = result.status;
  if (step_ == Step::kVerifying && !BATON_DEFECT(58) && status == VerbStatus::kOk &&
      (result.role != ApplicationRole::kPrimary || result.generation != record_.generation)) {
    status = VerbStatus::kConflict;
    sentence_ = ports::Sentence{"it is not the writable one of this generation after its promotion"};
  }
  touched_ |= step_ >= Step::kPromoting && (status == VerbStatus::kOk || is_unclear(status));
  // A fence that works is used all the same; one that fails does not outweigh an operator's word. What a refusal tries
  // is judged by the next answer.
  if (step_ == Step::kFencing && (permitted_ || by_database_)) status = VerbStatus::kOk;
  if (status == VerbStatus::kOk) {
    tries_ = 0;
    // grant = peer: one proof for each host is enough. Else each fence ends each host.
    const bool any = setup_.grant == config::Grant::kPeer;
    if (step_ == Step::kFencing && ++host_ < whom_.size()) {
      if (any) index_ = 0;
      return;
    }
    host_ = 0;
    index_ = step_ == Step::kFencing && any ? row().size() : index_ + 1;
    return;
  }
  // What is taken back is not tried again, nor waited for.
  if (step_ >= Step::kPromoting && (target_ == Target::kStandby || grant_lost(now))) return;
  if (may_work_later(status) && ++tries_ < kTries) {
    not_before_ = now + kTryPause;
    return;
  }
  // Where nobody else could do better, the mastership is kept meanwhile.
  const bool pair = setup_.others.size() <= 1;
  if (step_ == Step::kAsking && status == VerbStatus::kRefused && pair && now - since_ < kRefusalPatience) {
    if (can_fence_by_database(now)) {
      by_database_ = true;
      return enter(now, Step::kFencing);
    }
    not_before_ = now + kTryPause;
    return;
  }
  if (step_ == Step::kFencing) {
    tries_ = 0;
    if (setup_.grant == config::Grant::kPeer && ++index_ < row().size()) return;
    return abandon(now, Reason::kFenceFailed);
  }
  if (step_ == Step::kAsking) {
    return abandon(now, status == VerbStatus::kRefused ? Reason::kPromoteRefused : Reason::kPromoteFailed);
  }
  if (status == VerbStatus::kConflict) record_.role = DataRole::kFenced;
  undo(now, Reason::kPromoteFailed);
}

void Promotion::undo(Instant now, Reason reason) {
  taken_back();
  punish(now, reason);
  descending_ = true;
  enter(now, Step::kDemoting);
}

/// No address came, so no client can have written. But the generation may stand in the data: then this host was the
/// last one that was promoted, and whoever had the role before has nothing to be joined. Who has it now is heard.
void Promotion::taken_back() {
  if (!touched_) {
    record_.dirty = dirty_before_;
    return;
  }
  record_.promoted = std::max(record_.promoted, record_.generation);
  wanted_upstream_.clear();
}

void Promotion::demoted(Instant now, const ports::ActResult& result) {
  if (result.status == VerbStatus::kOk) {
    tries_ = 0;
    index_ += BATON_DEFECT(63) ? setup_.promote.size() : 1;
    return;
  }
  if (result.status == VerbStatus::kConflict) {
    // It cannot be written; the other sections are demoted all the same.
    contradicted_ = true;
    tries_ = 0;
    ++index_;
    return;
  }
  if (!stuck_) tried_at_ = now;
  stuck_ = true;
  if (!descending_ && target_ == Target::kActive) return enter(now, Step::kStandby);  // can_promote judges
  not_before_ = now + std::min(kTryPause * (1 << std::min(tries_, 6)), kLongestRetry);
  ++tries_;
}

void Promotion::addresses_gone(Instant now) {
  if (step_ != Step::kClearing) return;
  if (!giving()) return enter(now, Step::kDemoting);
  give(now);
}

std::optional<Promotion::Act> Promotion::next_witness(Instant now) {
  // Kept until the data is demoted; once it has lapsed, it is another host's turn.
  const bool gives_up = descending_ && step_ >= Step::kBlocking && step_ <= Step::kDemoting;
  for (std::size_t i = 0; i < leases_.size(); ++i) {
    if (gives_up && leases_[i].wanted() && !leases_[i].held(now)) leases_[i].let_go();
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

void Promotion::observe(Instant now, Instant at, ports::PluginId plugin, ApplicationRole role,
                        std::uint64_t generation) {
  const auto found = std::find_if(setup_.promote.begin(), setup_.promote.end(),
                                  [&](const Section& each) { return each.plugin == plugin; });
  if (found == setup_.promote.end()) return;
  const auto section = static_cast<std::size_t>(found - setup_.promote.begin());
  const bool returns = role != ApplicationRole::kNone && !answers_[section];
  answers_[section] = role != ApplicationRole::kNone;
  // A server that could not be asked has come back: a demotion that it kept waiting is tried now.
  if (returns && step_ == Step::kDemoting) not_before_ = std::min(not_before_, now);
  if (role == ApplicationRole::kNone) return;
  // What was seen before the start may have been ended by a predecessor since.
  if (step_ == Step::kProving) return at >= since_ ? look_for_proof(role, generation) : void();
  if (at <= since_) return;
  const bool primary = role == ApplicationRole::kPrimary;
  if (primary) demoted_ = false;
  replica_at_[section] = primary ? Instant{} : at;
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

}  // namespace baton::engine
