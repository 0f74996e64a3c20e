// Who may promote: what witnesses grant, what the other hosts say and promise, and whom a fence has to end. No grant,
// no promotion: nobody rather than two (design section 7).
//
// grant = peer: a claim is granted by a promise of every other host, made for this claim alone (its generation), and
// only by a host that itself neither claims nor holds; or by a fence, for a host that is silent. Two claims can never
// both be granted: each would need a promise that the other made before it claimed, and after the first one claimed.
#include <algorithm>

#include "base/defect.h"
#include "engine/promotion.h"

namespace baton::engine {

using ports::DataRole;
using Step = PromotionStep;

namespace {

bool claims_or_holds(const ports::PeerFact& fact) {
  // A claim that is not on disk yet could be made twice under the same number.
  const bool climbs = fact.step >= Step::kGranting && fact.step <= Step::kActive;
  const bool gives = fact.step >= Step::kHanding && fact.step <= Step::kUnblocking;
  return climbs || gives || fact.step == Step::kProving || fact.data_role == DataRole::kActive;
}

bool left_at_rest(const ports::PeerFact& fact) {
  const bool rests = fact.step == Step::kStandby || fact.step == Step::kReturning || fact.step == Step::kClosing;
  return fact.left && (rests || BATON_DEFECT(76)) && fact.data_role != DataRole::kActive;
}

}  // namespace

// ---- The other hosts' word ------------------------------------------------------------------------------------------

void Promotion::heard(Instant now, const ports::PeerFact& fact) {
  if (std::find(setup_.others.begin(), setup_.others.end(), fact.host) == setup_.others.end()) return;
  const bool holds = fact.data_role == DataRole::kActive;
  Heard kept{.fact = fact, .at = now};
  if (const auto before = heard_.find(fact.host); before != heard_.end()) {
    kept.position = before->second.position;
    kept.position_at = before->second.position_at;
    kept.held_at = before->second.held_at;
  }
  if (holds) kept.held_at = now;
  if (holds && !fact.position.empty()) {
    kept.position = fact.position;
    kept.position_at = now - fact.position_age;
  }
  heard_[fact.host] = std::move(kept);
  look_for_double(fact);
  others_ = std::max({others_, fact.generation, fact.promoted});
  if (holds) saw_generation(fact.generation);
  // Its word counts also where its adverts do not arrive.
  if (holds && double_.empty() && (step_ <= Step::kStandby || step_ == Step::kProving) &&
      fact.generation >= record_.promoted)
    follow(now, fact.host);
  if (unproven_ && step_ != Step::kProving && nobody_took_over(now, record_.promoted)) unproven_ = false;
  consider_promise(now);
  const bool beside = step_ == Step::kActive && fact.role == ApplicationRole::kPrimary;
  if (beside && conflict_since_ == Instant{}) {
    conflict_since_ = now;
    conflicting_ = fact.host;
  } else if (!beside && (conflicting_ == fact.host || step_ != Step::kActive)) {
    conflict_since_ = Instant{};
    conflicting_.clear();
  }
}

/// By a witness, or by promises that a host does not go without: each generation belongs to one host. Elsewhere the two
/// sides of a cut count by themselves.
bool Promotion::generations_unique() const {
  return setup_.grant == config::Grant::kWitness || (setup_.grant == config::Grant::kPeer && !setup_.resume_alone);
}

/// Two that were promoted under one are a copied state or a fault of ours, and neither is to be trusted (roles
/// section 3).
void Promotion::look_for_double(const ports::PeerFact& fact) {
  const bool promoted = fact.data_role == DataRole::kActive || fact.against.has(Reason::kSameGeneration);
  if (!generations_unique() || !promoted || !record_.dirty || own_ == 0 || fact.generation != own_) return;
  double_ = fact.host;
  record_.role = DataRole::kFenced;
}

/// Whether the holder is this host's double is heard before what is here may count as part of its data.
bool Promotion::awaits_word(Instant now) const {
  const bool may_be_double = generations_unique() && unproven_ && own_ != 0;
  return may_be_double && now < word_until_ && !wanted_upstream_.empty() && !heard_.contains(wanted_upstream_);
}

std::string Promotion::conflicting(Instant now) const {
  const bool lasts = conflict_since_ != Instant{} && now - conflict_since_ >= kConflictTime;
  return lasts && step_ == Step::kActive && !silent(conflicting_, now) ? conflicting_ : std::string{};
}

bool Promotion::silent(const std::string& host, Instant now) const {
  const auto found = heard_.find(host);
  return found == heard_.end() || (now - found->second.at > ports::kPeerLease && !BATON_DEFECT(50));
}

bool Promotion::alone(Instant now) const {
  return !heard_.empty() && std::all_of(setup_.others.begin(), setup_.others.end(),
                                        [&](const std::string& host) { return silent(host, now); });
}

/// Every other host says, freshly, that it is a standby and knows of no promotion after the generation `since`.
bool Promotion::nobody_took_over(Instant now, std::uint64_t since) const {
  return !setup_.others.empty() &&
         std::all_of(setup_.others.begin(), setup_.others.end(), [&](const std::string& host) {
           if (silent(host, now)) return false;
           const ports::PeerFact& fact = heard_.at(host).fact;
           return fact.data_role == DataRole::kStandby && fact.step == Step::kStandby && fact.promoted <= since;
         });
}

/// The one that had the role, with where its data stood as far as that was heard: what a crash may lose is counted from
/// it. nullptr: not heard.
const Promotion::Heard* Promotion::last_holder(const std::string& host) const {
  const auto found = heard_.find(host.empty() && setup_.others.size() == 1 ? setup_.others.front() : host);
  return found == heard_.end() || found->second.position.empty() ? nullptr : &found->second;
}

// ---- Promises -------------------------------------------------------------------------------------------------------

/// Elsewhere than with grant = peer a promise grants nothing, but a host that makes it has not to be fenced: it is
/// alive, and rests.
bool Promotion::promises_expected() const { return setup_.grant == config::Grant::kPeer || !setup_.fence.empty(); }

/// Before a fence: a host that runs is given the time to say that it rests. With grant = peer that was waited for.
bool Promotion::awaits_promise(Instant now) const {
  if (planned() || permitted_ || setup_.grant == config::Grant::kPeer || !promises_expected()) return false;
  return std::any_of(setup_.others.begin(), setup_.others.end(), [&](const std::string& host) {
    const auto found = heard_.find(host);
    if (found == heard_.end() || has_promised(host, now)) return false;
    return now - since_ < (found->second.at > since_ ? kGrantPatience : kWordTime);
  });
}

void Promotion::consider_promise(Instant now) {
  if (!promises_expected()) return;
  if (!promise_.to.empty() && !silent(promise_.to, now) && !claims_or_holds(heard_.at(promise_.to).fact)) promise_ = {};
  for (const auto& [host, heard] : heard_) {
    const ports::PeerFact& fact = heard.fact;
    if (silent(host, now) || !claims_or_holds(fact) || (!promise_.to.empty() && promise_.to != host)) continue;
    if (step_ == Step::kGranting && setup_.grant == config::Grant::kPeer) {
      // Two claim at once: the same one gives way on both hosts.
      const bool theirs =
          fact.generation > record_.generation || (fact.generation == record_.generation && host < setup_.host);
      if (fact.step == Step::kGranting && !theirs) continue;
      abandon(now, Reason::kPromised);
    }
    // Who only waits for somebody to follow must not keep the others from becoming that.
    const bool waits = step_ == Step::kDemoting && !descending_ && not_writable();
    const bool at_rest = waits || step_ == Step::kStandby || step_ == Step::kReturning || step_ == Step::kClosing;
    if (at_rest || takes(step_) || BATON_DEFECT(66)) promise_ = {.to = host, .generation = fact.generation};
  }
}

/// Demoted, or tried in vain: then each probe has to have seen it since.
bool Promotion::not_writable() const {
  if (demoted_) return true;
  return stuck_ && std::all_of(replica_at_.begin(), replica_at_.end(), [&](Instant at) { return at > tried_at_; });
}

/// For the claim that is under way. Who stopped in order claims nothing before it has spoken again.
bool Promotion::has_promised(const std::string& host, Instant now) const {
  if (const auto found = heard_.find(host); found != heard_.end() && left_at_rest(found->second.fact)) return true;
  if (silent(host, now)) return false;
  const ports::PeerFact& fact = heard_.at(host).fact;
  const bool of_this_claim = fact.promise.generation == record_.generation || BATON_DEFECT(67);
  return fact.promise.to == setup_.host && of_this_claim;
}

// ---- The grant ------------------------------------------------------------------------------------------------------

/// True: moved.
bool Promotion::grant(Instant now) {
  if (setup_.grant == config::Grant::kWitness) return ask_witnesses(now);
  if (setup_.grant == config::Grant::kPeer) return ask_peers(now);
  return enter(now, Step::kWaiting), true;
}

bool Promotion::ask_witnesses(Instant now) {
  for (const Lease& lease : leases_) {
    if (!lease.refused() || lease.highest_generation() < record_.generation) continue;  // held, and may lapse
    // Somebody has been granted more than this host knows of.
    if (unproven_) {
      record_.role = DataRole::kNeedsRejoin;
      rejoin_at_ = now + kRejoinPause;
      return abandon(now, Reason::kNeedsRejoin), true;
    }
    record_.generation = lease.highest_generation() + 1;
    again_ = true;
    return enter(now, Step::kClaiming), true;
  }
  const bool all = std::all_of(leases_.begin(), leases_.end(), [&](const Lease& lease) { return lease.held(now); });
  if (all || BATON_DEFECT(43)) {
    // The witness would have refused this number if anybody had been granted it, or a higher one.
    proven_last_ = was_last() && (record_.generation == record_.promoted + 1 || BATON_DEFECT(77));
    if (proven_last_) unproven_ = false;
    return enter(now, Step::kWaiting), true;
  }
  const bool held_elsewhere =
      std::any_of(leases_.begin(), leases_.end(), [](const Lease& lease) { return lease.refused(); });
  if (now - since_ > (held_elsewhere ? kLeasePatience : kGrantPatience)) return abandon(now, Reason::kNoGrant), true;
  return false;
}

bool Promotion::ask_peers(Instant now) {
  // In a planned move the giver has passed on what all others had promised it.
  if (planned()) return enter(now, Step::kWaiting), true;
  bool all = true;
  bool alive = false;    // without a promise: it may hold what this host wants, and a fence is not for the living
  bool unknown = false;  // never heard: perhaps only this host is cut off
  for (const std::string& host : setup_.others) {
    if (has_promised(host, now)) continue;
    all = false;
    alive |= !silent(host, now);
    unknown |= !heard_.contains(host);
  }
  if (all || BATON_DEFECT(72)) {
    free_at_ = now;  // whoever promises has no addresses any more
    return enter(now, Step::kWaiting), true;
  }
  const bool can_fence = !setup_.fence.empty() || has_own_fence();
  if (!alive && permitted_) return enter(now, Step::kWaiting), true;
  // Silent for as long as a word counts, and silent since the claim.
  const bool settled = now - since_ > ports::kPeerLease;
  if (!alive && settled && can_fence && (!unknown || setup_.resume_alone)) return enter(now, Step::kWaiting), true;
  if (now - since_ > kGrantPatience) return abandon(now, Reason::kNoGrant), true;
  return false;
}

/// A word that another host rests may be older than its own claim: only a promise for this one spares it.
void Promotion::choose_whom_to_fence(Instant now) {
  whom_.clear();
  if (permitted_ && setup_.grant == config::Grant::kPeer) return;
  for (const std::string& host : setup_.others) {
    if (!has_promised(host, now) && (!by_database_ || silent(host, now))) whom_.push_back(host);
  }
}

/// The database itself can be demoted from another host.
bool Promotion::has_own_fence() const {
  return std::any_of(setup_.promote.begin(), setup_.promote.end(),
                     [](const Section& section) { return section.verbs.has(PluginVerb::kFence); });
}

/// A refusal because the other one's database lives, though nothing is heard of its daemon: that database is demoted
/// from here, once for each claim (roles section 3, step 5). With grant = peer that is what granted the claim.
bool Promotion::can_fence_by_database(Instant now) const {
  if (by_database_ || setup_.grant == config::Grant::kPeer || planned()) return false;
  return has_own_fence() && std::any_of(setup_.others.begin(), setup_.others.end(),
                                        [&](const std::string& host) { return silent(host, now); });
}

// ---- The number of a claim ------------------------------------------------------------------------------------------

/// As far as this host knows it was the last one that was promoted, and has followed nobody since.
bool Promotion::was_last() const { return record_.dirty && record_.promoted != 0 && seen_ <= record_.promoted; }

/// Above all that is known. The last holder keeps to one number until it is promoted, because a witness that grants the
/// number right above its last promotion proves that there has been no other one in between.
std::uint64_t Promotion::next_generation() const {
  const bool witness = setup_.grant == config::Grant::kWitness;
  const bool repeatable = claimed_in_boot_ || record_.generation <= record_.promoted;
  if (witness && was_last() && repeatable) return std::max(record_.generation, record_.promoted + 1);
  return std::max({record_.generation, others_, witness && unproven_ ? 0 : seen_}) + 1;
}

bool Promotion::must_break_off(Instant now) const {
  const bool unwanted = target_ == Target::kStandby || grant_lost(now);
  return step_ == Step::kPromoting && asked_ && unwanted && !BATON_DEFECT(75);
}

bool Promotion::grant_lost(Instant now) const {
  return setup_.grant == config::Grant::kWitness && !(BATON_DEFECT(43) && step_ < Step::kActive) &&
         std::any_of(leases_.begin(), leases_.end(), [&](const Lease& lease) {
           return lease.refused() || (lease.give_up_at() <= now && !BATON_DEFECT(53));
         });
}

}  // namespace baton::engine
