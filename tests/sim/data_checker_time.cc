// The rules of promotion that hold at every moment, and those that need time to pass.
#include <algorithm>

#include "tests/sim/data_checker.h"
#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using ports::DataRole;
using ports::PromotionStep;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanos kProbes = seconds{3};  ///< until a probe has seen what changed
constexpr Nanos kDrift = seconds{2};   ///< Promotion::kDriftTime
constexpr Nanos kStable = seconds{20};

}  // namespace

void DataChecker::tick() {
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const int unit = static_cast<int>(i);
    check_one_serves(unit);
    moves_.tick(unit);
    for (int each = 0; each < world_.hosts(); ++each) {
      Host& host = world_.host(each);
      if (data(unit).grant == config::Grant::kWitness) check_lease_while_serving(host, unit);
      check_address_truth(host, unit);
      check_generations(host, unit);
    }
    look_for_holder(unit);
  }
}

/// With a witness or promises nobody but the one that is granted it serves; unless an operator has taken the
/// responsibility.
bool DataChecker::alone(int unit) const {
  const config::Grant grant = data(unit).grant;
  const Unit& all = units_[static_cast<std::size_t>(unit)];
  return grant == config::Grant::kWitness || (grant == config::Grant::kPeer && !all.by_word);
}

/// I7 for clients: with a witness there are never two hosts at which writes are taken. No excuse but one: a machine
/// that stands still takes none, and the first turn after it gives the addresses up; that turn is what it takes.
/// What serves is database and address together: a database alone may stay writable when its engine is dead or cannot
/// reach it, and nobody can help that; its addresses have a lifetime.
void DataChecker::check_one_serves(int unit) {
  if (!alone(unit)) return;
  int first = -1;
  for (int each = 0; each < world_.hosts(); ++each) {
    if (!world_.databases().serves(unit, each)) continue;
    const View& there = units_[static_cast<std::size_t>(unit)].hosts[static_cast<std::size_t>(each)];
    if (world_.now() - there.interrupted < milliseconds{20}) continue;
    if (first < 0) {
      first = each;
      continue;
    }
    return fail("I7", nullptr, unit,
                "host" + std::to_string(first) + " and host" + std::to_string(each) + " both take writes");
  }
}

/// No state is copied here: whoever takes another host for its double is wrong.
void DataChecker::check_generations(const Host& host, int unit) {
  const ports::InstanceState* const state = board(host, unit);
  if (state == nullptr || !ReasonSet::from_bits(state->against).has(Reason::kSameGeneration)) return;
  fail("I7", &host, unit, "says that another host was promoted under its generation");
}

/// Who runs has its addresses away before the witness may grant to another.
void DataChecker::check_lease_while_serving(const Host& host, int unit) {
  const Nanos now = world_.now();
  if (!healthy_for(host, unit, data(unit).lease) || !world_.databases().has_address(unit, host.index())) return;
  for (const Witness& witness : world_.databases().witnesses(unit)) {
    if (witness.held_by(now, host.index())) continue;
    fail("I7", &host, unit, "has its addresses up without a grant");
  }
}

/// The addresses are only where the data can be written: once a probe has seen that it cannot, they go.
void DataChecker::check_address_truth(Host& host, int unit) {
  View& there = view(host, unit);
  const Nanos now = world_.now();
  const int sets = data(unit).sets;
  bool lost = healthy_for(host, unit, kProbes) && step(host, unit) == PromotionStep::kActive;
  bool replica = false;
  for (int set = 0; set < sets && lost; ++set) {
    const Database& own = world_.databases().at(unit, set, host.index());
    replica |= own.answers(now) && !own.writable();
  }
  if (!lost || !replica) {
    there.not_writable_since = Nanos::max();
    return;
  }
  if (there.not_writable_since == Nanos::max()) there.not_writable_since = now;
  if (now - there.not_writable_since < kProbes + kDrift + seconds{2}) return;
  if (world_.databases().has_address(unit, host.index())) {
    fail("I7", &host, unit, "keeps its addresses although its data cannot be written");
  }
}

Nanos DataChecker::troubled_at(int unit, int host) const {
  const View& there = units_[static_cast<std::size_t>(unit)].hosts[static_cast<std::size_t>(host)];
  return std::max(there.trouble, there.interrupted);
}

/// Nobody may: each host's record is for an operator, or its budget is spent, or nobody has permitted it.
bool DataChecker::forbidden(int unit) const {
  if (data(unit).grant == config::Grant::kManual) return true;
  ReasonSet lasting;
  lasting.set(Reason::kNeedsRejoin);
  lasting.set(Reason::kFenced);
  lasting.set(Reason::kPromotionBudget);
  lasting.set(Reason::kNeedsProof);
  for (int each = 0; each < world_.hosts(); ++each) {
    const Host& host = world_.host(each);
    const ports::InstanceState* const state = board(host, unit);
    if (state == nullptr || (state->against & lasting.bits()) == 0) return false;
  }
  return true;
}

/// After all faults: one host serves, and goes on to.
void DataChecker::look_for_holder(int unit) {
  Unit& all = units_[static_cast<std::size_t>(unit)];
  const Nanos now = world_.now();
  if (!world_.healed()) return;
  if (all.idle_since == Nanos::max()) all.idle_since = now;
  int serving = 0, active = 0;
  for (int each = 0; each < world_.hosts(); ++each) {
    if (!world_.databases().serves(unit, each)) continue;
    ++serving;
    active += step(world_.host(each), unit) == PromotionStep::kActive;
  }
  if (serving == 1 && active == 1) {
    if (all.alone_since == Nanos::max()) all.alone_since = now;
    return;
  }
  all.alone_since = Nanos::max();
  if (now - all.idle_since < kLiveness || forbidden(unit)) return;
  fail("I2", nullptr, unit, std::to_string(serving) + " hosts serve after all faults");
}

/// True: no more can be learned from this run.
bool DataChecker::settled() const {
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const Unit& all = units_[i];
    const bool alone = all.alone_since != Nanos::max() && world_.now() - all.alone_since > kStable;
    const bool waited = all.idle_since != Nanos::max() && world_.now() - all.idle_since > kStable;
    if (!alone && !(waited && forbidden(static_cast<int>(i)))) return false;
  }
  return true;
}

void DataChecker::run_ends() {
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const int unit = static_cast<int>(i);
    if (forbidden(unit)) ++totals_.held_by_record;
  }
}

}  // namespace baton::sim
