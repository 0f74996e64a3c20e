// A planned move: both hosts take part, and nothing that was acknowledged is lost, or it does not happen (design
// section 7, roles section 3). The conversation is ports/handover.h's; each side looks at what the other says now, so
// that lost, late and repeated messages change nothing.
#include <algorithm>

#include "base/defect.h"
#include "engine/promotion.h"

namespace baton::engine {

using ports::DataRole;
using ports::HandoverPhase;
using Step = PromotionStep;

namespace {

constexpr char kBetween = '|';  // in no position: those are of one section

std::optional<std::string> join(const std::vector<std::string>& positions, std::size_t limit) {
  std::string all;
  for (const std::string& position : positions) {
    if (positions.size() > 1 && position.find(kBetween) != std::string::npos) return std::nullopt;
    all += (&position == &positions.front() ? "" : std::string{kBetween}) + position;
  }
  return all.size() <= limit ? std::optional{all} : std::nullopt;
}

}  // namespace

/// By place in setup_.promote; of another length if the other host's row is another one.
std::vector<std::string> Promotion::positions_of(const std::string& word) const {
  std::vector<std::string> positions{word};
  if (setup_.promote.size() == 1) return positions;
  for (std::size_t at; (at = positions.back().find(kBetween)) != std::string::npos;) {
    std::string rest = positions.back().substr(at + 1);
    positions.back().resize(at);
    positions.push_back(std::move(rest));
  }
  return positions;
}

void Promotion::conclude(HandoverPhase phase, std::string_view sentence) {
  word_.phase = phase;
  word_.sentence = ports::Sentence{sentence}.view();
}

/// What the other host says of this very move; nullptr: nothing fresh enough to be acted upon.
const ports::HandoverWord* Promotion::word_from_other() const {
  const auto found = heard_.find(word_.with);
  if (found == heard_.end()) return nullptr;
  const ports::HandoverWord& word = found->second.fact.handover;
  return word.number == word_.number && word.gives != word_.gives ? &word : nullptr;
}

/// Of a row of acts on the other host.
Nanos Promotion::row_patience() const {
  Nanos all = kAnswerPatience;
  for (const Section& section : setup_.promote) all += section.deadline;
  return all;
}

// ---- The host that gives --------------------------------------------------------------------------------------------

bool Promotion::offer(Instant now, const std::string& host, std::uint64_t number, bool only_ask) {
  if (step_ != Step::kActive || target_ != Target::kActive || (word_.gives && !is_over(word_.phase))) return false;
  word_ = {.phase = HandoverPhase::kAsking, .gives = true, .with = host, .number = number};
  only_ask_ = only_ask;
  patience_until_ = now + row_patience();
  return true;
}

/// True: moved.
bool Promotion::hand_over(Instant now) {
  if (!word_.gives) return false;
  const ports::HandoverWord* answer = word_from_other();
  const HandoverPhase said = answer == nullptr ? HandoverPhase::kNone : answer->phase;
  switch (step_) {
    case Step::kActive:
      if (word_.phase == HandoverPhase::kBlocking) return enter(now, Step::kBlocking), true;
      if (word_.phase != HandoverPhase::kAsking) return false;
      if (said == HandoverPhase::kRefused) return conclude(said, answer->sentence), false;
      if (said == HandoverPhase::kReady) {
        conclude(only_ask_ ? HandoverPhase::kReady : HandoverPhase::kBlocking, "");
        return false;  // jobs first: the mover asks again
      }
      if (!hears_other(now)) conclude(HandoverPhase::kRefused, word_.with + " is not heard over the peer channel");
      if (now >= patience_until_) conclude(HandoverPhase::kRefused, word_.with + " did not answer in time");
      return false;
    case Step::kHanding:
      if (target_ == Target::kStandby) {
        conclude(HandoverPhase::kAborted, "this host gives its role up meanwhile");
        descending_ = true;
        return enter(now, Step::kDemoting), true;
      }
      if (said == HandoverPhase::kCaughtUp || BATON_DEFECT(64)) return enter(now, Step::kPassing), true;
      if (said == HandoverPhase::kAborted) return resume(now, answer->sentence), true;
      if (!hears_other(now)) return resume(now, word_.with + " is not heard any more"), true;
      // It had said that it is ready.
      if (answer == nullptr) return resume(now, word_.with + " was started anew meanwhile"), true;
      if (now >= patience_until_) return resume(now, word_.with + " did not catch up in time"), true;
      return false;
    case Step::kPassing:
      if (!std::all_of(leases_.begin(), leases_.end(), [](const Lease& lease) { return lease.gone(); })) return false;
      conclude(HandoverPhase::kPassed, "");
      others_ = std::max(others_, record_.generation + 1);
      return enter(now, Step::kPassed), true;
    case Step::kPassed:
      if (said == HandoverPhase::kTaken || taken_over(now)) return taken(now), true;
      if (said == HandoverPhase::kAborted) return regain(now), true;
      if (!hears_other(now) && now - since_ >= 2 * ports::kPeerLease) {
        return BATON_DEFECT(65) ? regain(now) : lose_track(now, "fell silent"), true;
      }
      // It had said that it has caught up: an engine that says nothing of it any more was started anew.
      if (hears_other(now) && answer == nullptr) return lose_track(now, "was started anew"), true;
      return false;
    case Step::kRegaining: return regained(now);
    case Step::kUnblocking:
      if (target_ == Target::kActive && !grant_lost(now)) return false;
      descending_ = true;
      return enter(now, Step::kBlocking), true;
    default: return false;
  }
}

/// No write is acknowledged any more, and the addresses are gone.
void Promotion::give(Instant now) {
  const auto position = join(positions_, kMaxPosition);
  if (!position) return resume(now, "the final position is too long to be handed over");
  word_.position = *position;
  conclude(HandoverPhase::kGiven, "");
  patience_until_ = now + row_patience();
  enter(now, Step::kHanding);
}

/// Nothing has been passed on: writes may go on here.
void Promotion::resume(Instant now, std::string_view why) {
  conclude(HandoverPhase::kAborted, why);
  enter(now, Step::kUnblocking);
}

bool Promotion::shielded(Instant now) const {
  if (step_ == Step::kActive && now < settled_at_) return true;
  if (step_ == Step::kPromoting || step_ == Step::kVerifying) return true;
  return planned() || giving() || step_ == Step::kRegaining || step_ == Step::kUnblocking;
}

bool Promotion::taken_over(Instant now) const {
  if (!hears_other(now)) return false;
  const ports::PeerFact& fact = heard_.at(word_.with).fact;
  return fact.data_role == DataRole::kActive && fact.generation > record_.generation;
}

void Promotion::taken(Instant now) {
  conclude(HandoverPhase::kTaken, "");
  // It had all of this host's data before it was promoted.
  record_.dirty = unproven_ = false;
  wanted_upstream_ = word_.with;
  target_ = Target::kStandby;
  descending_ = true;
  enter(now, Step::kDemoting);
}

/// It may have promoted and served before that: silence is not consent.
void Promotion::lose_track(Instant now, std::string_view how) {
  conclude(HandoverPhase::kAborted,
           word_.with + " " + std::string{how} + " after the role was handed to it; it may have promoted");
  unproven_ = true;
  target_ = Target::kStandby;
  descending_ = true;
  enter(now, Step::kDemoting);
}

/// It says that it has not promoted, or has undone it. Its claim's generation is burned.
void Promotion::regain(Instant now) {
  const auto& other = heard_.at(word_.with).fact;
  conclude(HandoverPhase::kAborted, other.handover.sentence);
  if (target_ == Target::kStandby || !mastership_) {
    descending_ = true;
    target_ = Target::kStandby;
    return enter(now, Step::kDemoting);
  }
  if (!BATON_DEFECT(71)) record_.generation = std::max(record_.generation, other.generation) + 1;
  enter(now, Step::kRegaining);
}

bool Promotion::regained(Instant now) {
  if (target_ == Target::kStandby) {
    descending_ = true;
    return enter(now, Step::kDemoting), true;
  }
  const bool all = std::all_of(leases_.begin(), leases_.end(), [&](const Lease& lease) { return lease.held(now); });
  if (setup_.grant != config::Grant::kWitness || all) {
    record_.promoted = own_ = record_.generation;
    return enter(now, Step::kUnblocking), true;
  }
  const bool overtaken = std::any_of(leases_.begin(), leases_.end(), [&](const Lease& lease) {
    return lease.refused() && lease.highest_generation() > record_.generation;
  });
  if (!overtaken && now - since_ <= kLeasePatience) return false;
  unproven_ = true;
  target_ = Target::kStandby;
  descending_ = true;
  return enter(now, Step::kDemoting), true;
}

// ---- The host that takes --------------------------------------------------------------------------------------------

/// True: moved.
bool Promotion::answer_offer(Instant now) {
  if (target_ == Target::kActive) return false;
  for (const auto& [host, heard] : heard_) {
    const ports::HandoverWord& offer = heard.fact.handover;
    const bool to_this_host = offer.gives && offer.with == setup_.host && offer.phase == HandoverPhase::kAsking;
    if (!to_this_host || offer.number == word_.number || silent(host, now)) continue;
    word_ = {.with = host, .number = offer.number};
    ReasonSet why = ReasonSet::from_bits(objections_.bits() | against(now).bits());
    // What keeps this host from claiming by itself is no objection to being asked.
    for (const Reason own : {Reason::kNoGrant, Reason::kPromised, Reason::kCooldown, Reason::kPromotionBudget}) {
      why.set(own, false);
    }
    if (!why.empty()) {
      conclude(HandoverPhase::kRefused, reason_words(why.first()));
      return false;
    }
    enter(now, Step::kOffered);
    return true;
  }
  return false;
}

/// True: moved.
bool Promotion::take_over(Instant now) {
  const ports::HandoverWord* offer = word_from_other();
  const bool stands = offer != nullptr && !is_over(offer->phase) && hears_other(now) && target_ == Target::kStandby;
  if (!stands) {
    if (step_ != Step::kReady)
      conclude(HandoverPhase::kAborted,
               hears_other(now) ? word_.with + " took its offer back" : word_.with + " is not heard any more");
    return enter(now, Step::kStandby), true;
  }
  if (step_ == Step::kReady && offer->phase == HandoverPhase::kGiven) {
    word_.position = offer->position;
    positions_ = positions_of(offer->position);
    if (positions_.size() == setup_.promote.size()) return enter(now, Step::kDraining), true;
    conclude(HandoverPhase::kAborted, "the hosts' promote rows differ");
    return enter(now, Step::kStandby), true;
  }
  if (step_ == Step::kCaughtUp && (offer->phase == HandoverPhase::kPassed || BATON_DEFECT(73))) {
    conclude(HandoverPhase::kTaking, "");
    target_ = Target::kActive;
    free_at_ = now;
    record_.generation = std::max(record_.generation, heard_.at(word_.with).fact.generation) + 1;
    return enter(now, Step::kClaiming), true;
  }
  return false;
}

/// An answer in kUnblocking, kOffered or kDraining.
void Promotion::offered(Instant now, const ports::ActResult& result) {
  if (result.status == VerbStatus::kOk) {
    ++index_;
    tries_ = 0;
    return;
  }
  if (step_ == Step::kUnblocking) {
    if (++tries_ < kTries) {
      not_before_ = now + kTryPause;
      return;
    }
    punish(now, Reason::kPromoteFailed);
    descending_ = true;
    return enter(now, Step::kBlocking);  // its addresses may still be there
  }
  conclude(step_ == Step::kOffered ? HandoverPhase::kRefused : HandoverPhase::kAborted, result.sentence.view());
  enter(now, Step::kStandby);
}

}  // namespace baton::engine
