#include "tests/sim/data_checker.h"

#include <algorithm>

#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using ports::DataRole;
using ports::PromotionStep;
using std::chrono::milliseconds;
using std::chrono::seconds;

bool of_transaction(PluginVerb verb) {
  return verb != PluginVerb::kAcquire && verb != PluginVerb::kRenew && verb != PluginVerb::kRelease;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

DataChecker::DataChecker(World& world) : world_(world), moves_(world) {
  const auto hosts = static_cast<std::size_t>(world.scenario().hosts);
  for (const DataUnit& data : world.scenario().data) {
    Unit unit;
    View view;
    view.agreed.assign(static_cast<std::size_t>(data.sets), false);
    view.blocked = view.agreed;
    view.fenced.assign(hosts, false);
    unit.hosts.assign(hosts, view);
    unit.holders.resize(static_cast<std::size_t>(data.sets));
    units_.push_back(std::move(unit));
  }
  installs_.resize(hosts);
}

int DataChecker::index(const Host& host) { return host.index(); }

const DataUnit& DataChecker::data(int unit) const { return world_.scenario().data[static_cast<std::size_t>(unit)]; }

int DataChecker::unit_named(std::string_view instance) const {
  for (std::size_t unit = 0; unit < units_.size(); ++unit) {
    if (world_.scenario().data[unit].instance == instance) return static_cast<int>(unit);
  }
  return -1;
}

bool DataChecker::passed_to(const Host& host, std::string_view instance) const {
  const int unit = unit_named(instance);
  return unit >= 0 && moves_.passed_to(host, unit);
}

bool DataChecker::goes_on(const Host& host, std::string_view instance) const {
  const int unit = unit_named(instance);
  return unit >= 0 && units_[static_cast<std::size_t>(unit)].hosts[static_cast<std::size_t>(host.index())].proves;
}

void DataChecker::fail(const char* invariant, const Host* host, int unit, const std::string& what) {
  world_.checker().fail(invariant, host, data(unit).instance + ": " + what);
}

const ports::InstanceState* DataChecker::board(const Host& host, int unit) const {
  for (const auto& state : host.board().instances) {
    if (state && data(unit).instance == state->name.data()) return &*state;
  }
  return nullptr;
}

PromotionStep DataChecker::step(const Host& host, int unit) const {
  const ports::InstanceState* const state = board(host, unit);
  return state == nullptr ? PromotionStep::kReading : static_cast<PromotionStep>(state->promotion_step);
}

bool DataChecker::healthy_for(const Host& host, int unit, Nanos length) const {
  const View& there = units_[static_cast<std::size_t>(unit)].hosts[static_cast<std::size_t>(host.index())];
  const Nanos now = world_.now();
  return host.running() && !host.stalled() && !host.worker_blocked() && now - there.interrupted > length;
}

// ---- What an engine asks --------------------------------------------------------------------------------------------

void DataChecker::asked(Host& host, int unit, int set, const ports::ActOrder& order) {
  if (!of_transaction(order.verb)) return;
  View& there = view(host, unit);
  ++totals_.acts;
  moves_.asked(host, unit, set, order);
  // I8: one at a time. What a predecessor asked is nobody's act any more.
  if (++there.outstanding > 1) fail("I8", &host, unit, "asks for an act while another one runs");
  const auto place = static_cast<std::size_t>(set);
  switch (order.verb) {
    case PluginVerb::kPromote: return promotion_asked(host, unit, set, order);
    case PluginVerb::kCanPromote: there.agreed[place] = false; return;
    case PluginVerb::kUnblockWrites:
      there.maybe_writable = true;
      there.blocked[place] = false;
      if (data(unit).grant == config::Grant::kWitness) check_grant(host, unit, order);
      return;
    case PluginVerb::kBlockWrites:
    case PluginVerb::kDemote:
    case PluginVerb::kRejoin:
      if (order.verb == PluginVerb::kBlockWrites || there.maybe_writable) there.permitted = false;
      there.maybe_writable = false;
      if (order.verb != PluginVerb::kBlockWrites) there.owes_demotion = false;
      if (order.verb == PluginVerb::kBlockWrites || there.blocked[place]) return;
      // Clients get errors rather than silence: writes are blocked while the addresses are still there.
      return;
    default: return;
  }
}

void DataChecker::promotion_asked(Host& host, int unit, int set, const ports::ActOrder& order) {
  View& there = view(host, unit);
  const config::Grant grant = data(unit).grant;
  const bool again = continues(host, unit, set, order);
  if (!again) check_record(host, unit, order);
  if (grant == config::Grant::kWitness) {
    check_grant(host, unit, order);
    check_others_left(host, unit);
  }
  // In a planned move the operator's word and what was fenced are the giver's; MoveChecker sees that they were passed
  // on.
  const bool planned = order.planned && moves_.passed_to(host, unit);
  if (grant == config::Grant::kPeer && !planned) check_promised(host, unit, order);
  if (alone(unit)) check_others_demoted(host, unit);
  if (grant == config::Grant::kManual && !there.permitted && !planned && !again) {
    fail("I7", &host, unit, "asks for a promotion that no operator has permitted");
  }
  if (data(unit).fence && grant != config::Grant::kPeer && !planned && !again) check_fenced(host, unit, order);
  if (!again && !there.agreed[static_cast<std::size_t>(set)]) {
    fail("I8", &host, unit, "asks for a promotion that can_promote has not agreed to in this claim");
  }
  check_generation(host, unit, order.generation);
  there.claims_anew = false;
  there.asked = std::max(there.asked, order.generation);
  units_[static_cast<std::size_t>(unit)].asked =
      std::max(units_[static_cast<std::size_t>(unit)].asked, order.generation);
  there.maybe_writable = true;
  std::fill(there.blocked.begin(), there.blocked.end(), false);
}

/// After a restart of all of Baton the one that was promoted goes on with its generation: nothing is promoted anew.
bool DataChecker::continues(const Host& host, int unit, int set, const ports::ActOrder& order) const {
  const View& there = units_[static_cast<std::size_t>(unit)].hosts[static_cast<std::size_t>(host.index())];
  const Database& own = world_.databases().at(unit, set, host.index());
  // Where others cannot know of each other each has its own generations.
  if (alone(unit) && units_[static_cast<std::size_t>(unit)].asked > order.generation) return false;
  return there.proves && own.upstream() < 0 && own.generation() == order.generation && there.asked == order.generation;
}

/// I7. The lease's time is counted at the witness, and there only: what a host believes may be less, never more.
void DataChecker::check_grant(const Host& host, int unit, const ports::ActOrder& order) {
  for (const Witness& witness : world_.databases().witnesses(unit)) {
    if (witness.held_by(world_.now(), host.index()) && witness.generation() == order.generation) continue;
    fail("I7", &host, unit,
         "asks for promotion " + number(order.generation) + " without a grant of it: " +
             (witness.held(world_.now()) ? "the witness has granted " + number(witness.generation()) : "none is held"));
  }
}

/// What is about to be done stands on disk before it is asked, so that a crash leaves no doubt.
void DataChecker::check_record(const Host& host, int unit, const ports::ActOrder& order) {
  const ports::DataRecord* const record = host.scribe().on_disk(data(unit).instance);
  if (record == nullptr || record->generation != order.generation) {
    return fail("I8", &host, unit, "asks for promotion " + number(order.generation) + " that is not on disk");
  }
  if (record->role != DataRole::kPromoting) {
    fail("I7", &host, unit,
         "asks for a promotion while its record says " + std::string{ports::data_role_token(record->role)});
  }
  if (!record->dirty) fail("I8", &host, unit, "asks for a promotion and its record does not say that it may write");
}

/// Each generation belongs to one host, and a later promotion has a higher one. Without a witness nobody can know of
/// generations on the other side of a cut: there it is each host's own.
void DataChecker::check_generation(const Host& host, int unit, std::uint64_t generation) {
  Unit& all = units_[static_cast<std::size_t>(unit)];
  const View& there = all.hosts[static_cast<std::size_t>(host.index())];
  // The same claim again: a retry, a second section, or a successor that goes on.
  if (there.claimed == generation && !there.claims_anew) return;
  // The number of a promotion that the database refused is still nobody's.
  if (there.refused == generation && generation == all.asked) return;
  if (generation <= there.asked) fail("I7", &host, unit, "claims generation " + number(generation) + " twice");
  if (data(unit).grant == config::Grant::kWitness && generation <= all.asked) {
    fail("I7", &host, unit, "asks for generation " + number(generation) + " after " + number(all.asked));
  }
}

/// I8: who was the writable one has been asked to stop before another host is asked to begin. That is owed by every
/// engine that runs: its lease has lapsed, and it begins to leave when a third of the lease is left. Whoever was dead,
/// stood still or waits for an act that does not end owes nothing: the lifetime of its addresses protects clients.
void DataChecker::check_others_left(const Host& host, int unit) {
  const Unit& all = units_[static_cast<std::size_t>(unit)];
  for (int other = 0; other < world_.hosts(); ++other) {
    const View& there = all.hosts[static_cast<std::size_t>(other)];
    if (other == host.index() || !there.maybe_writable || there.outstanding > 0) continue;
    if (!healthy_for(world_.host(other), unit, data(unit).lease)) continue;
    fail("I8", &host, unit, "is promoted while host" + std::to_string(other) + " has not been asked to stop");
  }
}

/// I8: and it has stopped. Excused are a host whose act has just failed or that was fenced, and a database that does
/// not answer.
void DataChecker::check_others_demoted(const Host& host, int unit) {
  const Nanos now = world_.now();
  for (int other = 0; other < world_.hosts(); ++other) {
    const View& there = view(world_.host(other), unit);
    const bool excused =
        now - there.trouble < data(unit).lease || view(host, unit).fenced[static_cast<std::size_t>(other)];
    if (other == host.index() || excused || !healthy_for(world_.host(other), unit, data(unit).lease)) continue;
    for (int set = 0; set < data(unit).sets; ++set) {
      const Database& old = world_.databases().at(unit, set, other);
      if (!old.by_promotion() || !old.answers(now)) continue;
      fail("I8", &host, unit, "is promoted while the database of host" + std::to_string(other) + " takes writes");
    }
  }
}

/// grant = peer: each other host has promised for this very claim, or is fenced, or an operator answers for it.
void DataChecker::check_promised(const Host& host, int unit, const ports::ActOrder& order) {
  const View& there = view(host, unit);
  bool fenced = false, word = false;
  for (int other = 0; other < world_.hosts(); ++other) {
    if (other == host.index() || moves_.promised(unit, other, host, order.generation)) continue;
    if (!there.fenced[static_cast<std::size_t>(other)] && moves_.has_left(unit, other, host)) continue;
    fenced |= there.fenced[static_cast<std::size_t>(other)];
    word |= !there.fenced[static_cast<std::size_t>(other)];
    if (there.fenced[static_cast<std::size_t>(other)] || there.permitted) continue;
    fail("I7", &host, unit,
         "asks for promotion " + number(order.generation) + " without a promise of host" + number(other) +
             ", a fence or an operator's word");
  }
  units_[static_cast<std::size_t>(unit)].by_word |= word;
  if (there.claims_anew) moves_.claim_granted(fenced, word);
}

/// Who has promised for this very claim rests, and is spared.
void DataChecker::check_fenced(const Host& host, int unit, const ports::ActOrder& order) {
  const View& there = view(host, unit);
  for (int other = 0; other < world_.hosts(); ++other) {
    if (other == host.index() || there.fenced[static_cast<std::size_t>(other)]) continue;
    if (moves_.promised(unit, other, host, order.generation) || moves_.has_left(unit, other, host)) continue;
    fail("I7", &host, unit, "asks for a promotion before host" + std::to_string(other) + " is fenced");
  }
}

// ---- What comes of it -----------------------------------------------------------------------------------------------

void DataChecker::takes_effect(Host& host, int unit, int set, const ports::ActOrder& order) {
  const Database& there = world_.databases().at(unit, set, host.index());
  if (order.verb == PluginVerb::kPromote && !there.writable()) {
    check_calm_move(host, unit, set);
    Unit& all = units_[static_cast<std::size_t>(unit)];
    if (set == 0 && all.holder >= 0 && all.holder != host.index()) {
      const Database& old = world_.databases().at(unit, set, all.holder);
      totals_.lost += static_cast<std::uint64_t>(missing(there.history(), old.history()));
      ++totals_.moves;
    }
  }
}

/// A move in which nothing is wrong loses nothing: the old one was blocked before its role went, and what it held had
/// time to be copied.
void DataChecker::check_calm_move(const Host& host, int unit, int set) {
  const Unit& all = units_[static_cast<std::size_t>(unit)];
  if (all.holder < 0 || all.holder == host.index()) return;
  const View& old = all.hosts[static_cast<std::size_t>(all.holder)];
  const View& there = all.hosts[static_cast<std::size_t>(host.index())];
  const Database& own = world_.databases().at(unit, set, host.index());
  const Database& gave = world_.databases().at(unit, set, all.holder);
  const Nanos calm = std::max({world_.calm_since(), old.trouble, there.trouble, old.interrupted, there.interrupted});
  if (!old.calm_move || !there.calm_move || !world_.undisturbed() || calm + seconds{5} > old.blocked_at) return;
  if (world_.now() - old.blocked_at < 2 * Databases::kTick) return;  // nobody waits for the copy in a drain
  ++totals_.calm_moves;
  const std::int64_t lost = missing(own.history(), gave.history());
  if (lost > 0) fail("I8", &host, unit, "a planned move loses " + std::to_string(lost) + " acknowledged writes");
}

void DataChecker::took_effect(Host& host, int unit, int set, const ports::ActOrder& order) {
  Unit& all = units_[static_cast<std::size_t>(unit)];
  View& there = view(host, unit);
  const Database& own = world_.databases().at(unit, set, host.index());
  if (order.verb == PluginVerb::kPromote && own.writable() && own.generation() == order.generation) {
    all.holder = host.index();
    ++totals_.promotions;
  }
  if (order.verb == PluginVerb::kBlockWrites || order.verb == PluginVerb::kDemote) {
    const auto place = static_cast<std::size_t>(set);
    if (order.verb == PluginVerb::kBlockWrites && !there.blocked[place]) {
      there.blocked[place] = true;
      there.blocked_at = world_.now();
      // Who copies it now takes part in a calm move.
      for (int other = 0; other < world_.hosts(); ++other) {
        const Database& copy = world_.databases().at(unit, set, other);
        const bool copies = copy.upstream() == host.index() && missing(copy.history(), own.history()) < 20;
        all.hosts[static_cast<std::size_t>(other)].calm_move = other == host.index() || copies;
      }
    }
  }
  check_one_serves(unit);
}

void DataChecker::answered(Host& host, int unit, int set, const ports::ActOrder& order, VerbStatus status) {
  View& there = view(host, unit);
  if (status != VerbStatus::kOk) there.trouble = world_.now();
  if (!of_transaction(order.verb)) return;
  // I8: exactly one end.
  if (--there.outstanding < 0) fail("I8", &host, unit, "an act has ended that was not asked for");
  moves_.answered(host, unit, set, order, status);
  if (order.verb == PluginVerb::kPromote) there.refused = status == VerbStatus::kRefused ? order.generation : 0;
  if (status != VerbStatus::kOk) return;
  if (order.verb == PluginVerb::kCanPromote) there.agreed[static_cast<std::size_t>(set)] = true;
  if (order.verb == PluginVerb::kFence) {
    there.fenced[static_cast<std::size_t>(order.target.back() - '0')] = true;
  }
  // A plugin has looked and found the data part of the other's: that forgives, too.
  if (order.verb != PluginVerb::kDemote && order.verb != PluginVerb::kRejoin) return;
  there.forgiven = true;
  if (!order.target.empty()) there.may_hold_alone = false;
}

void DataChecker::heard(const Host& host, const ports::PeerFact& fact) {
  const int unit = unit_named(fact.instance);
  if (unit >= 0) moves_.heard(host, unit, fact);
}

void DataChecker::recorded(Host& host, const ports::DataRecord& record) {
  const int unit = unit_named(record.instance);
  if (unit < 0) return world_.checker().fail("I8", &host, "a record of an instance that promotes nothing");
  View& there = view(host, unit);
  const ports::DataRecord* const before = host.scribe().in_memory(record.instance);
  const DataRole was = before == nullptr ? DataRole::kNone : before->role;
  const bool rises =
      record.role == DataRole::kClaiming || record.role == DataRole::kPromoting || record.role == DataRole::kActive;
  if (rises && !there.forgiven && (was == DataRole::kNeedsRejoin || was == DataRole::kFenced)) {
    fail("I7", &host, unit, "claims although its record says " + std::string{ports::data_role_token(was)});
  }
  if (was == DataRole::kNeedsRejoin && record.role != was && !there.forgiven) {
    fail("I7", &host, unit, "forgets that it needs a rejoin");
  }
  if (record.role == DataRole::kNeedsRejoin || record.role == DataRole::kFenced) there.forgiven = false;
  if (before != nullptr && record.generation < before->generation) {
    fail("I7", &host, unit, "records a lower generation than before");
  }
  if (record.role == DataRole::kActive) there.may_hold_alone = true;
  if (!record.dirty && moves_.handed_over(host, unit)) there.may_hold_alone = false;
  if (there.may_hold_alone && !record.dirty) fail("I7", &host, unit, "forgets that it may hold writes of its own");
  if (record.role == DataRole::kClaiming) {
    there.claimed = record.generation;
    there.claims_anew = true;
    // In a planned move it was asked before.
    if (!moves_.passed_to(host, unit)) std::fill(there.agreed.begin(), there.agreed.end(), false);
    std::fill(there.fenced.begin(), there.fenced.end(), false);
  }
}

void DataChecker::commanding(Host& host, const engine::Command& command) {
  const int unit = unit_named(command.instance);
  if (!command.dry_run) moves_.interfered();
  if (unit < 0 || command.dry_run) return;
  if (command.verb == engine::Verb::kForgive) {
    view(host, unit).forgiven = true;
    view(host, unit).may_hold_alone = false;
  }
  if (command.verb == engine::Verb::kFailover) view(host, unit).permitted = true;
}

/// An operator's word is for one promotion.
void DataChecker::left(const Host& host, std::string_view instance) {
  const int unit = unit_named(instance);
  if (unit >= 0) view(host, unit).permitted = false;
}

void DataChecker::refused(Host& host, const engine::Command& command) {
  const int unit = unit_named(command.instance);
  if (unit >= 0 && command.verb == engine::Verb::kFailover) view(host, unit).permitted = false;
}

void DataChecker::submitted(Host& host, const ports::AddressCommand& command) {
  if (command.verb != ports::AddressVerb::kInstall) return;
  const auto& instances = world_.scenario().configs[static_cast<std::size_t>(host.index())].instances;
  for (std::size_t unit = 0; unit < units_.size(); ++unit) {
    const config::Instance& instance = instances[static_cast<std::size_t>(world_.scenario().data[unit].unit)];
    const auto in = [&](const std::vector<Prefix>& list) {
      return std::find(list.begin(), list.end(), command.prefix) != list.end();
    };
    // Its board says what it is at the end of a turn: here what it was before this one.
    const bool served = step(host, static_cast<int>(unit)) == PromotionStep::kActive;
    if (!served && (in(instance.addresses) || in(instance.extra_addresses))) {
      installs_[static_cast<std::size_t>(host.index())].push_back(static_cast<int>(unit));
    }
  }
}

void DataChecker::published(Host& host, const ports::InstanceState& state) {
  const int unit = unit_named(state.name.data());
  if (unit < 0) return;
  View& there = view(host, unit);
  const auto step = static_cast<PromotionStep>(state.promotion_step);
  moves_.published(host, unit, state);
  if (there.shown == step) return;
  const bool goes_on = step >= PromotionStep::kPromoting && step <= PromotionStep::kActive;
  const bool finds_out = step == PromotionStep::kReading || step == PromotionStep::kProving;
  there.proves = finds_out || (there.proves && goes_on);
  world_.hurry(host.index());
  there.shown = step;
  if (there.owes_demotion && (step == PromotionStep::kClosing || step == PromotionStep::kStandby)) {
    fail("I15", &host, unit, "a successor does not go on with a demotion");
  }
  world_.step_begins(host.index(), state.promotion_step);
  world_.trace().add(world_.now(), host.index(), What::kStep, static_cast<std::uint64_t>(unit), state.promotion_step,
                     static_cast<std::uint64_t>(state.data_role));
}

/// I7: the addresses come only when the data is promoted and verified, and when it stands on disk that this host may
/// have writes of its own.
void DataChecker::turn_ends(Host& host) {
  auto& installs = installs_[static_cast<std::size_t>(host.index())];
  for (const int unit : installs) {
    if (step(host, unit) != PromotionStep::kActive) {
      fail("I7", &host, unit, "puts its addresses up before its data is promoted");
    }
    const ports::DataRecord* const record = host.scribe().on_disk(data(unit).instance);
    if (record == nullptr || !record->dirty) fail("I7", &host, unit, "serves, and its record does not say so");
  }
  installs.clear();
}

// ---- What befalls a host --------------------------------------------------------------------------------------------

void DataChecker::interrupted(Host& host) {
  for (std::size_t unit = 0; unit < units_.size(); ++unit)
    view(host, static_cast<int>(unit)).interrupted = world_.now();
}

void DataChecker::trouble(int host) {
  for (Unit& unit : units_) unit.hosts[static_cast<std::size_t>(host)].trouble = world_.now();
}

void DataChecker::engine_gone(Host& host) {
  interrupted(host);
  for (std::size_t unit = 0; unit < units_.size(); ++unit) view(host, static_cast<int>(unit)).outstanding = 0;
  ++totals_.crashes;
}

void DataChecker::starting(Host& host, bool adopt) {
  interrupted(host);
  installs_[static_cast<std::size_t>(host.index())].clear();
  for (std::size_t unit = 0; unit < units_.size(); ++unit) {
    View& there = view(host, static_cast<int>(unit));
    const ports::InstanceState* const state = adopt ? board(host, static_cast<int>(unit)) : nullptr;
    there.owes_demotion = false;
    there.before = state == nullptr ? std::nullopt : std::optional{*state};
  }
}

/// I15: a successor knows what its predecessor knew of the data, and goes on serving without a gap.
void DataChecker::started(Host& host, bool) {
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const int unit = static_cast<int>(i);
    View& there = view(host, unit);
    const ports::InstanceState* const now = board(host, unit);
    if (!there.before || now == nullptr) continue;
    const ports::InstanceState& before = *there.before;
    const auto was = static_cast<PromotionStep>(before.promotion_step);
    const auto is = static_cast<PromotionStep>(now->promotion_step);
    if (was > PromotionStep::kStandby && was != PromotionStep::kActive) ++totals_.adopted_midway;
    if (now->generation < before.generation) fail("I15", &host, unit, "a successor has forgotten a generation");
    if (before.data_dirty && !now->data_dirty) fail("I15", &host, unit, "a successor has forgotten what may be lost");
    const bool lasts = before.granted_until_ns - before.granted_until_ns / 1000 >
                       (host.local() + data(unit).lease / 2).time_since_epoch().count();
    if (was == PromotionStep::kActive && is != was && now->state == vrrp::State::kActive && now->against == 0 &&
        before.against == 0 && lasts) {
      fail("I15", &host, unit, "a successor stops serving");
    }
    if (was >= PromotionStep::kBlocking && was <= PromotionStep::kDemoting && is < PromotionStep::kBlocking &&
        is > PromotionStep::kStandby) {
      fail("I15", &host, unit, "a successor has forgotten a demotion");
    }
    there.owes_demotion = was >= PromotionStep::kBlocking && was <= PromotionStep::kDemoting && there.outstanding == 0;
    there.before.reset();
  }
}

}  // namespace baton::sim
