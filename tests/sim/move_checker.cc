#include "tests/sim/move_checker.h"

#include <algorithm>

#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using ports::HandoverPhase;
using ports::PromotionStep;
using std::chrono::seconds;

/// Neither claims nor holds.
bool rests(PromotionStep step) {
  return step == PromotionStep::kStandby || step == PromotionStep::kReturning || step == PromotionStep::kClosing ||
         (step >= PromotionStep::kOffered && step <= PromotionStep::kCaughtUp);
}

int host_named(const std::string& name) { return name.empty() ? -1 : name.back() - '0'; }

}  // namespace

MoveChecker::MoveChecker(World& world) : world_(world) {
  units_.resize(world.scenario().data.size());
  for (Unit& unit : units_) unit.hosts.resize(static_cast<std::size_t>(world.scenario().hosts));
}

bool MoveChecker::Move::over() const { return giver_gone || ports::is_over(giver_said); }

void MoveChecker::fail(const char* invariant, const Host* host, int unit, const std::string& what) {
  world_.checker().fail(invariant, host, world_.scenario().data[static_cast<std::size_t>(unit)].instance + ": " + what);
}

const MoveChecker::Part& MoveChecker::part(const Host& host, int unit) const {
  return at(unit).hosts[static_cast<std::size_t>(host.index())];
}

const MoveChecker::Move* MoveChecker::current(const Host& host, int unit) const {
  const auto found = at(unit).moves.find(part(host, unit).number);
  return found == at(unit).moves.end() ? nullptr : &found->second;
}

/// Acknowledged writes.
std::int64_t MoveChecker::lacks(int unit, int taker, int giver) const {
  std::int64_t lost = 0;
  for (int set = 0; set < world_.scenario().data[static_cast<std::size_t>(unit)].sets; ++set) {
    lost +=
        missing(world_.databases().at(unit, set, taker).history(), world_.databases().at(unit, set, giver).history());
  }
  return lost;
}

// ---- What the hosts say ---------------------------------------------------------------------------------------------

void MoveChecker::published(Host& host, int unit, const ports::InstanceState& state) {
  Part& there = at(unit).hosts[static_cast<std::size_t>(host.index())];
  const ports::HandoverState& said = state.handover;
  if (said.phase != there.phase || said.number != there.number || said.gives != there.gives) {
    const Part before = there;
    there.phase = said.phase;
    there.gives = said.gives;
    there.number = said.number;
    world_.trace().add(world_.now(), host.index(), What::kSays, static_cast<std::uint64_t>(unit),
                       static_cast<std::uint64_t>(said.phase), said.number);
    world_.hurry(host.index());
    says(host, unit, before, state);
  }
  if (said.promised_generation != there.promised_generation || there.promised_to != said.promised_to.data()) {
    there.promised_generation = said.promised_generation;
    there.promised_to = said.promised_to.data();
    promise_made(host, unit, state);
  }
  there.step = static_cast<PromotionStep>(state.promotion_step);
}

void MoveChecker::says(Host& host, int unit, const Part& before, const ports::InstanceState& state) {
  const Part& now = part(host, unit);
  auto& moves = at(unit).moves;
  if (before.number != now.number && before.gives && moves.contains(before.number)) {
    moves[before.number].giver_gone = true;
  }
  if (now.number == 0) return;
  const auto found = moves.find(now.number);
  if (found == moves.end()) {
    if (!now.gives) return fail("I8", &host, unit, "takes part in a move that nobody has begun");
    Move move;
    move.giver = host.index();
    move.taker = host_named(state.handover.with.data());
    move.begun = world_.now();
    move.calm = nothing_wrong(unit, move.giver, move.taker);
    move.caught_up.assign(static_cast<std::size_t>(world_.scenario().data[static_cast<std::size_t>(unit)].sets), false);
    moves[now.number] = move;
    ++totals_.begun;
  }
  Move& move = moves[now.number];
  // What a giver takes back has a new one.
  if (!now.gives || now.phase <= HandoverPhase::kPassed) move.generation = std::max(move.generation, state.generation);
  if (now.gives) {
    move.giver_said = now.phase;
    giver_says(host, unit, move, before.number == now.number ? before.phase : HandoverPhase::kNone, state);
    return;
  }
  if (host.index() != move.taker) fail("I8", &host, unit, "takes part in a move between others");
  if (before.number != now.number) {  // an engine that knows nothing of an earlier answer
    if (move.passed) fail("I8", &host, unit, "takes part anew in a move that was passed on already");
    move.taker_said = HandoverPhase::kNone;
    move.caught_up.assign(move.caught_up.size(), false);
  }
  const bool ended = move.taker_said == HandoverPhase::kAborted || move.taker_said == HandoverPhase::kRefused;
  if (ended && now.phase != move.taker_said) fail("I8", &host, unit, "goes on with a move that it has given up");
  move.taker_said = now.phase;
}

void MoveChecker::giver_says(Host& host, int unit, Move& move, HandoverPhase before, const ports::InstanceState&) {
  switch (move.giver_said) {
    case HandoverPhase::kReady: ++totals_.only_asked; break;
    case HandoverPhase::kRefused: ++totals_.refused; break;
    case HandoverPhase::kGiven: check_given(host, unit); break;
    case HandoverPhase::kPassed: check_passed(host, unit, move); break;
    case HandoverPhase::kTaken:
      ++totals_.taken;
      if (move.calm && calm_since(unit, move, move.begun)) ++totals_.calm;
      if (const auto lost = lacks(unit, move.taker, move.giver); lost > 0) {
        fail("I8", &host, unit, "a planned move is concluded and has lost " + std::to_string(lost) + " writes");
      }
      break;
    case HandoverPhase::kAborted:
      ++totals_.aborted[static_cast<std::size_t>(before)];
      at(unit).given_up = world_.now();
      break;
    default: break;
  }
  if (move.giver_said == HandoverPhase::kPassed) move.passed = true;
  const bool failed = move.giver_said == HandoverPhase::kRefused || move.giver_said == HandoverPhase::kAborted;
  if (failed && move.calm && calm_since(unit, move, move.begun)) {
    fail("I8", &host, unit,
         "gives a planned move up in which nothing is wrong, after saying " +
             std::string{ports::handover_token(before)});
  }
}

/// What is given away takes no writes any more, and no client reaches it.
void MoveChecker::check_given(const Host& host, int unit) {
  for (int set = 0; set < world_.scenario().data[static_cast<std::size_t>(unit)].sets; ++set) {
    if (world_.databases().at(unit, set, host.index()).writable()) {
      fail("I8", &host, unit, "tells a final position and its data can still be written");
    }
  }
  if (world_.databases().has_address(unit, host.index())) {
    fail("I8", &host, unit, "tells a final position and has its addresses");
  }
}

/// Authority passes only to a host that has everything.
void MoveChecker::check_passed(const Host& host, int unit, const Move& move) {
  const auto lost = lacks(unit, move.taker, move.giver);
  if (lost > 0) fail("I8", &host, unit, "passes its role on to a host that lacks " + std::to_string(lost) + " writes");
}

// ---- Promises -------------------------------------------------------------------------------------------------------

/// I7: who promises is not, and will not be by itself, the one to whom clients get.
void MoveChecker::promise_made(Host& host, int unit, const ports::InstanceState& state) {
  const Part& there = part(host, unit);
  if (there.promised_to.empty()) return;
  world_.trace().add(world_.now(), host.index(), What::kSays, static_cast<std::uint64_t>(unit),
                     static_cast<std::uint64_t>(host_named(there.promised_to) + 1) << 8, there.promised_generation);
  ++totals_.promises;
  const auto step = static_cast<PromotionStep>(state.promotion_step);
  // A standby may go on to follow another host in the same turn, or wait until there is one to follow.
  bool writable = false;
  for (int set = 0; set < world_.scenario().data[static_cast<std::size_t>(unit)].sets; ++set) {
    writable |= world_.databases().at(unit, set, host.index()).writable();
  }
  const bool waits = step == PromotionStep::kDemoting && state.data_role != ports::DataRole::kDemoting && !writable;
  if (!rests(step) && !rests(there.step) && !waits)
    fail("I7", &host, unit, "promises while it is " + std::string{ports::step_token(step)});
  if (world_.databases().has_address(unit, host.index())) fail("I7", &host, unit, "promises and has its addresses");
  if (host_named(there.promised_to) == host.index()) fail("I7", &host, unit, "promises to itself");
}

void MoveChecker::heard(const Host& host, int unit, const ports::PeerFact& fact) {
  const std::pair link{host_named(fact.host), host.index()};
  if (fact.left) {
    at(unit).left.insert(link);
  } else {
    at(unit).left.erase(link);
  }
  if (host_named(fact.promise.to) != host.index()) return;
  at(unit).promises.insert({host_named(fact.host), host.index(), fact.promise.generation});
}

bool MoveChecker::promised(int unit, int by, const Host& to, std::uint64_t generation) const {
  return at(unit).promises.contains({by, to.index(), generation});
}

bool MoveChecker::has_left(int unit, int by, const Host& to) {
  if (!at(unit).left.contains({by, to.index()})) return false;
  ++totals_.spared;
  const int sets = world_.scenario().data[static_cast<std::size_t>(unit)].sets;
  for (int set = 0; set < sets; ++set) {
    if (!world_.databases().at(unit, set, by).writable()) continue;
    fail("I7", &to, unit, "is promoted without a fence of host" + std::to_string(by) + ", which can be written");
  }
  return true;
}

void MoveChecker::claim_granted(bool by_fence, bool by_word) {
  ++(by_word ? totals_.by_word : by_fence ? totals_.by_fence : totals_.by_promise);
}

// ---- What is asked of plugins ---------------------------------------------------------------------------------------

bool MoveChecker::passed_to(const Host& host, int unit) const {
  const Move* const move = current(host, unit);
  return move != nullptr && move->taker == host.index() && !part(host, unit).gives && move->passed &&
         move->taker_said != HandoverPhase::kAborted;
}

bool MoveChecker::handed_over(const Host& host, int unit) const {
  const Move* const move = current(host, unit);
  return move != nullptr && move->giver == host.index() && part(host, unit).gives && move->passed &&
         lacks(unit, move->taker, move->giver) == 0;
}

void MoveChecker::asked(Host& host, int unit, int set, const ports::ActOrder& order) {
  if (order.verb == PluginVerb::kUnblockWrites) return check_unblock(host, unit, order);
  if (order.verb != PluginVerb::kPromote || !order.planned) return;
  if (!passed_to(host, unit)) {
    return fail("I8", &host, unit, "is promoted in a planned move that was not passed on to it");
  }
  if (!current(host, unit)->caught_up[static_cast<std::size_t>(set)]) {
    fail("I8", &host, unit, "is promoted in a planned move before it has waited for the final position");
  }
  check_loss(host, unit, set);
}

/// Zero acknowledged writes are lost, whatever happened on the way. When it is asked: a machine that stands still
/// carries out later what another host has been granted meanwhile.
void MoveChecker::check_loss(const Host& host, int unit, int set) {
  const std::int64_t lost = missing(world_.databases().at(unit, set, host.index()).history(),
                                    world_.databases().at(unit, set, current(host, unit)->giver).history());
  if (lost > 0) fail("I8", &host, unit, "a planned move loses " + std::to_string(lost) + " acknowledged writes");
}

/// Silence is not consent: what was passed on comes back only by the other host's word, and as a promotion of its own.
void MoveChecker::check_unblock(Host& host, int unit, const ports::ActOrder& order) {
  const Move* const move = current(host, unit);
  if (move == nullptr || move->giver != host.index()) {
    return fail("I8", &host, unit, "takes writes again without having given anything away");
  }
  if (!move->passed) return;
  if (move->taker_said != HandoverPhase::kAborted && move->taker_said != HandoverPhase::kRefused) {
    return fail("I8", &host, unit, "takes back what it has passed on, and the other host has not given it up");
  }
  const ports::DataRecord* const record =
      host.scribe().on_disk(world_.scenario().data[static_cast<std::size_t>(unit)].instance);
  if (record == nullptr || record->generation <= move->generation || record->generation != order.generation) {
    fail("I7", &host, unit, "takes back what it has passed on without a generation of its own on disk");
  }
}

void MoveChecker::answered(Host& host, int unit, int set, const ports::ActOrder& order, VerbStatus status) {
  const Part& there = part(host, unit);
  if (order.verb != PluginVerb::kDrain || status != VerbStatus::kOk || there.gives) return;
  const auto found = at(unit).moves.find(there.number);
  if (found != at(unit).moves.end()) found->second.caught_up[static_cast<std::size_t>(set)] = true;
}

void MoveChecker::interfered() {
  for (Unit& unit : units_) {
    for (auto& [number, move] : unit.moves) move.calm &= move.over();
  }
}

// ---- Time passes ----------------------------------------------------------------------------------------------------

bool MoveChecker::nothing_wrong(int unit, int giver, int taker) const {
  const DataUnit& data = world_.scenario().data[static_cast<std::size_t>(unit)];
  const Nanos now = world_.now();
  if (taker < 0 || !world_.undisturbed() || now - world_.calm_since() < seconds{10}) return false;
  if (world_.act_trouble(giver) != 0 || world_.act_trouble(taker) != 0) return false;
  if (!world_.databases().serves(unit, giver)) return false;
  ReasonSet own;  // what keeps a host from claiming by itself
  for (const Reason each : {Reason::kNoGrant, Reason::kPromised, Reason::kCooldown, Reason::kPromotionBudget}) {
    own.set(each);
  }
  for (const auto& state : world_.host(taker).board().instances) {
    if (!state || data.instance != state->name.data()) continue;
    const bool settled = state->promotion_step == static_cast<std::uint8_t>(PromotionStep::kStandby);
    if (!settled || (state->against & ~own.bits()) != 0 || state->state != vrrp::State::kBackup) return false;
  }
  for (int set = 0; set < data.sets; ++set) {
    const Database& copy = world_.databases().at(unit, set, taker);
    if (copy.upstream() != giver || !copy.answers(now) || copy.writable()) return false;
    if (missing(copy.history(), world_.databases().at(unit, set, giver).history()) > 500) return false;
  }
  for (int host = 0; host < world_.hosts(); ++host) {
    if (!world_.host(host).running()) return false;
    if (now - world_.data_checker().troubled_at(unit, host) < seconds{10}) return false;
  }
  return true;
}

bool MoveChecker::calm_since(int unit, const Move&, Nanos since) const {
  if (!world_.undisturbed() || world_.calm_since() >= since) return false;
  for (int host = 0; host < world_.hosts(); ++host) {
    if (world_.data_checker().troubled_at(unit, host) >= since) return false;
  }
  return true;
}

void MoveChecker::tick(int unit) {
  Unit& all = at(unit);
  for (const auto& [number, move] : all.moves) {
    if (!move.passed || move.over()) continue;
    if (world_.databases().serves(unit, move.giver)) {
      fail("I8", &world_.host(move.giver), unit, "takes writes after it has passed its role on");
    }
  }
  check_ends(unit);
}

/// A move ends, and one that was given up leaves a host that serves, unless something speaks against each.
void MoveChecker::check_ends(int unit) {
  Unit& all = at(unit);
  const Nanos now = world_.now();
  bool serves = false, forbidden = true, open = false;
  for (int host = 0; host < world_.hosts(); ++host) {
    serves |= world_.databases().serves(unit, host);
    for (const auto& state : world_.host(host).board().instances) {
      const auto& name = world_.scenario().data[static_cast<std::size_t>(unit)].instance;
      if (state && name == state->name.data()) forbidden &= state->against != 0;
    }
    if (now - world_.data_checker().troubled_at(unit, host) < seconds{1}) all.stuck_since = Nanos::max();
  }
  for (const auto& [number, move] : all.moves) open |= !move.over();
  const bool disturbed = !world_.undisturbed() || now - world_.calm_since() < seconds{1};
  if (serves) all.given_up = Nanos::max();
  if (disturbed && all.given_up != Nanos::max()) all.given_up = now;
  if (disturbed || !open) all.stuck_since = Nanos::max();
  if (open && !disturbed && all.stuck_since == Nanos::max()) all.stuck_since = now;
  if (all.stuck_since != Nanos::max() && now - all.stuck_since > kEnds)
    fail("I8", nullptr, unit, "a planned move does not end");
  if (all.given_up != Nanos::max() && now - all.given_up > kEnds && !forbidden) {
    fail("I8", nullptr, unit, "nobody serves after a planned move was given up");
  }
}

}  // namespace baton::sim
