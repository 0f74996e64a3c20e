// What befalls a host, and the rules that need time to pass: liveness, one Active, addresses within their bounds.
#include <algorithm>

#include "tests/sim/checker.h"
#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using vrrp::State;

constexpr auto kServing = static_cast<std::uint8_t>(ports::PromotionStep::kActive);
constexpr auto kResting = static_cast<std::uint8_t>(ports::PromotionStep::kStandby);
constexpr auto kPointOfNoReturn = static_cast<std::uint8_t>(ports::PromotionStep::kPromoting);

/// The bounds below allow for clocks that differ by 400 parts per million.
Nanos with_drift(Nanos length) { return length + length / 2000; }

}  // namespace

// ---- What it is told
// --------------------------------------------------------------------------------------------------

void Checker::hearing(Host& host, const Packet& packet) {
  ++good_inputs_;
  const Seen seen = look(packet.bytes, packet.unicast);
  if (seen.kind != FrameKind::kAdvert) return;
  const auto router = router_by_wire_.find({packet.link, seen.family, seen.vrid});
  if (router == router_by_wire_.end()) return;
  const int unit = routers_[static_cast<std::size_t>(router->second)].unit;
  state_before_frame_ = view(host).units[static_cast<std::size_t>(unit)].state;
}

/// Notes what a Backup has just been told by another router: it re-arms its Active_Down_Timer (RFC 9568 §6.4.2).
void Checker::heard(Host& host, const Packet& packet) {
  const Seen seen = look(packet.bytes, packet.unicast);
  if (seen.kind != FrameKind::kAdvert) return;
  const auto found = router_by_wire_.find({packet.link, seen.family, seen.vrid});
  if (found == router_by_wire_.end()) return;
  const Scenario& scenario = world_.scenario();
  if (seen.address == host_ipv4(scenario, packet.link, host.index()) ||
      seen.address == host_link_local(scenario, packet.link, host.index())) {
    return;
  }
  const RouterModel& model = routers_[static_cast<std::size_t>(found->second)];
  UnitView& unit = view(host).units[static_cast<std::size_t>(model.unit)];
  RouterView& router = view(host).routers[static_cast<std::size_t>(found->second)];
  unit.patient_since = world_.now();
  if (state_before_frame_ == State::kInitialize || unit.state != State::kBackup) return;
  if (seen.priority == 0) {
    router.resigned_at = router.resigned_before = host.local();
    return;
  }
  router.heard_at = host.local();
  router.resigned_at.reset();
  router.resigned_before.reset();
  router.heard_priority = seen.priority;
  router.heard_interval =
      seen.version == 2 ? Nanos{seconds{seen.interval_units}} : Nanos{milliseconds{10}} * seen.interval_units;
}

void Checker::hostile_begins(Host&) {
  ++hostile_inputs_;
  outputs_before_ = outputs_.size();
  board_changes_before_ = board_changes_;
}

void Checker::unchanged(Host& host, const char* invariant, std::optional<Instant> before,
                        std::optional<Instant> after) {
  if (before != after) return fail(invariant, &host, "a deadline has moved");
  if (outputs_.size() != outputs_before_) return fail(invariant, &host, "something was sent or reported");
  if (board_changes_ != board_changes_before_) return fail(invariant, &host, "the state board has changed");
}

void Checker::told(Host& host, int link, const ports::AddressFact& fact) {
  ++good_inputs_;
  HostView& there = view(host);
  const std::pair<int, std::uint64_t> key{link, address_id(fact.prefix.address)};
  there.known_foreign.erase(key);
  if (!fact.present) {
    there.known.erase(key);
    return;
  }
  there.known.insert(key);
  if (!fact.ours) there.known_foreign.insert(key);
  instance_by_id_.emplace(key.second, instance_of(fact.prefix.address));
}

void Checker::told_link(Host& host, int link, bool usable) {
  ++good_inputs_;
  view(host).usable[static_cast<std::size_t>(link)] = usable;
}

void Checker::answered(Host& host, int link, const ports::AddressResult& result) {
  ++good_inputs_;
  HostView& there = view(host);
  const std::pair<int, std::uint64_t> key{link, address_id(result.prefix.address)};
  if (result.verb == ports::AddressVerb::kInstall && result.status == ports::AddressStatus::kDone)
    there.known.insert(key);
  if (result.status == ports::AddressStatus::kForeign) there.known_foreign.insert(key);
  if (result.verb == ports::AddressVerb::kRemove && result.status == ports::AddressStatus::kDone)
    there.known.erase(key);
}

void Checker::dump_begins(Host& host) {
  ++good_inputs_;
  view(host).known.clear();
  view(host).known_foreign.clear();
}

// ---- What happens to it
// -----------------------------------------------------------------------------------------------

/// An engine is gone or new: nothing of what it was about to do binds it any more.
void Checker::reset_engine(Host& host) {
  HostView& there = view(host);
  there.known.clear();
  there.known_foreign.clear();
  there.dumped = false;
  for (RouterView& router : there.routers) {
    const RouterView before = router;
    router = RouterView{};
    router.interval = before.interval;
    router.last_advert = before.last_advert;
  }
  for (UnitView& unit : there.units) {
    unit.transitions = unit.became_active = unit.base = 0;
    unit.slot = -1;
    unit.must_leave = false;
  }
  interrupt(host);
}

void Checker::interrupt(Host& host) {
  HostView& there = view(host);
  there.interrupted = there.trouble = world_.now();
  for (UnitView& unit : there.units) unit.patient_since = world_.now();
}

void Checker::died(Host& host, bool adopt) {
  reset_engine(host);
  for (UnitView& unit : view(host).units) {
    if (!adopt) unit.state = State::kInitialize;
  }
  for (RouterView& router : view(host).routers) {
    if (!adopt) router.last_advert.reset();
    router.grace = host.silent_since();  // see starting()
  }
}

/// A successor continues where the board says (design section 2): its next advert is due as if nothing had happened,
/// but one advert may have been lost with the predecessor, and none leaves while there is no process.
void Checker::starting(Host& host, bool adopt) {
  turn_begins(host);
  HostView& there = view(host);
  for (std::size_t i = 0; i < units_.size(); ++i) {
    UnitView& unit = there.units[i];
    unit.state = State::kInitialize;
    unit.since = world_.now();
    // Removed from the configuration, and the engine died before it had left: a successor knows nothing of it.
    const bool known = configured(host, units_[i].instances.front()) != nullptr;
    for (std::uint32_t slot = 0; slot < Board::kInstanceSlots && adopt && known; ++slot) {
      const auto& state = host.board().instances.at(slot);
      if (!state || unit_of_slot(host, slot) != static_cast<int>(i)) continue;
      unit.state = state->state;
      unit.reason = state->reason;
      unit.base = state->transitions;
      unit.slot = static_cast<int>(slot);
      std::uint32_t active = 0, unusable = 0;
      for (std::uint32_t k = 0; k < state->router_count; ++k) {
        const auto& router = host.board().routers.at(state->first_router_slot + k);
        if (router && router->machine.state == State::kActive) ++active;
        if (!router || router->machine.state == State::kInitialize) ++unusable;
      }
      const State rest = unusable > 0 ? State::kInitialize : State::kBackup;
      unit.leaves = units_[i].promotes && state->promotion_step > kServing;
      unit.claims = units_[i].promotes && state->promotion_step > kResting && state->promotion_step < kPointOfNoReturn;
      unit.torn = state->state != (active == state->router_count ? State::kActive : rest) ||
                  (active > 0 && active < state->router_count);
      for (const int router : units_[i].routers) {
        there.routers[static_cast<std::size_t>(router)].base_active =
            host.board().counters.at(state->first_router_slot).master_transitions;
      }
    }
  }
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    RouterView& router = there.routers[i];
    const UnitView& unit = there.units[static_cast<std::size_t>(routers_[i].unit)];
    if (unit.state != State::kActive || unit.torn) router.last_advert.reset();
    router.grace = adopt ? router.interval + (world_.now() - router.grace) : Nanos{0};
  }
  if (!adopt) there.drained = false;  // this simulator keeps no intent on disk
  interrupt(host);
}

void Checker::started(Host& host, bool adopt) {
  const HostView& there = view(host);
  for (const Output& output : outputs_) {
    if (output.kind == OutputKind::kTransition && adopt) check_adoption(host, output);
    const bool leaves = there.units[static_cast<std::size_t>(output.unit)].leaves;
    if (output.kind == OutputKind::kAdvert && output.priority == 0 && !leaves) {
      fail("I4", &host, "priority 0 after a death");
    }
  }
  for (const UnitView& unit : there.units) {
    if (!adopt || unit.slot < 0) continue;
    const auto& state = host.board().instances.at(static_cast<std::size_t>(unit.slot));
    if (!state || (state->state != unit.state && !unit.torn && !unit.leaves)) {
      fail("I4", &host, "adoption loses a role");
    }
  }
  turn_ends(host);
}

/// A successor goes on without a transition (design section 2), unless the state was torn or is older than an
/// Active_Down_Interval.
void Checker::check_adoption(Host& host, const Output& output) {
  const UnitView& unit = view(host).units[static_cast<std::size_t>(output.unit)];
  if (unit.torn && output.reason == Reason::kEngineDied) return;
  if (unit.leaves) return;
  // The predecessor died in the turn that would have taken it: check_takeover sees whether it was handed over.
  if (output.reason == Reason::kHandedOver && !unit.torn && output.to == State::kActive) return;
  // Before the point of no return a successor abandons the claim; what its data is worth has to be shown again.
  if (unit.claims && output.reason == Reason::kNeedsProof) return;
  bool old = false;
  for (const int index : units_[static_cast<std::size_t>(output.unit)].routers) {
    const RouterView& router = view(host).routers[static_cast<std::size_t>(index)];
    old |= !router.last_advert || host.local() - *router.last_advert > 3 * router.interval;
  }
  if (!old || output.reason != Reason::kStall) fail("I4", &host, "adoption is a transition");
}

void Checker::stopped(Host& host) {
  if (failed()) return;
  HostView& there = view(host);
  for (const KernelLink& link : host.kernel().links) {
    for (const KernelAddress& address : link.addresses) {
      if (address.ours) fail("I3", &host, "has stopped and keeps " + address_text(address_id(address.prefix.address)));
    }
  }
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    if (there.routers[i].release_due && host.hears(routers_[i].link))
      fail("I4", &host, "has stopped without priority 0");
  }
  for (const UnitView& unit : there.units) {
    if (unit.state == State::kActive) fail("I12", &host, "has stopped without a last transition");
  }
  reset_engine(host);
  for (RouterView& router : there.routers) router.last_advert.reset();
  for (UnitView& unit : there.units) unit.state = State::kInitialize;
}

/// I5. What would be heard after a pause may be lost, so silence counts from now.
void Checker::resumed(Host& host, Nanos stalled) {
  HostView& there = view(host);
  interrupt(host);
  for (RouterView& router : there.routers) {
    router.last_advert.reset();
    router.resigned_at.reset();
  }
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const int priority = priority_of(host, static_cast<int>(i));
    for (const int index : units_[i].routers) {
      const RouterModel& model = routers_[static_cast<std::size_t>(index)];
      if (stalled <= with_drift(down_interval(model.version, priority, model.slowest)) + kLateness) continue;
      // From Initialize it starts as the RFC has it: listening, or as the owner.
      if (there.units[i].state == State::kInitialize) continue;
      if (there.units[i].state == State::kActive) there.units[i].must_leave = true;
      const Nanos skew = down_interval(model.version, priority, model.fastest) - 3 * model.fastest;
      for (const int all : units_[i].routers) {
        there.routers[static_cast<std::size_t>(all)].silent_until = host.local() + skew - kSlack;
      }
    }
  }
}

void Checker::reloading(Host& host, const config::Config&) { interrupt(host); }

/// Timers that run keep what the old priority made of them (S-13).
void Checker::reloaded(Host& host) {
  interrupt(host);
  for (RouterView& router : view(host).routers) {
    router.heard_at.reset();
    router.resigned_at.reset();
  }
}

void Checker::commanding(Host& host, const engine::Command& command) {
  interrupt(host);
  if (command.dry_run || !command.instance.empty()) return;
  if (command.verb == engine::Verb::kDrain) view(host).drained = true;
  if (command.verb == engine::Verb::kUndrain) view(host).drained = false;
}

void Checker::kernel_changed(Host& host, const KernelChange& change) {
  const int instance = instance_of(change.prefix.address);
  if (instance < 0 || change.present || change.by_worker) return;
  HostView& there = view(host);
  there.removed = world_.now();
  const UnitView& unit = there.units[static_cast<std::size_t>(unit_of_instance_[static_cast<std::size_t>(instance)])];
  // An address of an Active that runs is refreshed in time: its lifetime is 15 s at most.
  if (change.expired && unit.state == State::kActive && host.running() && !host.stalled() &&
      world_.now() - there.trouble > seconds{16} && world_.now() - unit.since > seconds{16} &&
      wanted(host, change.prefix.address)) {
    fail("I3", &host, "lets the lifetime of " + address_text(address_id(change.prefix.address)) + " end while Active");
  }
}

void Checker::executed(Host& host, const ports::AddressResult& result) {
  if (result.status != ports::AddressStatus::kDone) view(host).trouble = world_.now();
}

void Checker::fault_begins(const Fault& fault) {
  for (HostView& host : hosts_) {
    if (fault.kind >= FaultKind::kRefuse && fault.kind <= FaultKind::kRival) host.trouble = world_.now();
  }
}

void Checker::fault_ends(const Fault& fault) { fault_begins(fault); }

void Checker::all_healed() {
  for (HostView& host : hosts_) {
    for (UnitView& unit : host.units) unit.moves_since_heal = 0;
  }
  const Scenario& scenario = world_.scenario();
  // I1: within 2 x Active_Down_Interval, plus what the configuration adds, frames still under way, and back-off where
  // addresses were fought for.
  settled_at_ = world_.now() + with_drift(2 * scenario.longest_down) + scenario.longest_start_delay +
                scenario.longest_preempt_delay + scenario.longest_interval + milliseconds{60};
  if (scenario.long_holds) settled_at_ += seconds{130};
}

Nanos Checker::run_until() const { return settled_at_ + 4 * world_.scenario().longest_down; }

// ---- Time passes
// ------------------------------------------------------------------------------------------------------

/// I10 and the lower bounds of RFC 9568 §6.4.2: a Backup takes over only when the last Active that it must respect has
/// been silent for Active_Down_Interval, or has resigned and Skew_Time is over.
void Checker::check_takeover(Host& host, int unit, Reason reason, Nanos since) {
  if (reason == Reason::kSwitchover || reason == Reason::kGroupMember) return;
  if (reason == Reason::kContinued) {  // it has shown that it still is the one, and that nobody else can be
    if (!world_.data_checker().goes_on(host, units_[static_cast<std::size_t>(unit)].name)) {
      fail("I10", &host, "goes on with a role that it did not have");
    }
    return;
  }
  if (reason == Reason::kHandedOver) {  // it waits for nobody: the other host has said so
    if (!world_.data_checker().passed_to(host, units_[static_cast<std::size_t>(unit)].name)) {
      fail("I10", &host, "takes a role that was not handed over to it");
    }
    return;
  }
  const int priority = priority_of(host, unit);
  for (const int index : units_[static_cast<std::size_t>(unit)].routers) {
    const RouterView& router = view(host).routers[static_cast<std::size_t>(index)];
    const RouterModel& model = routers_[static_cast<std::size_t>(index)];
    if (!router.heard_at) continue;
    if (router.heard_priority < priority && preempts(host, unit)) {
      // M-04: preempt_delay begins at the earliest when this host became Backup, and matters while the other is there.
      const Nanos delay = world_.scenario().longest_preempt_delay;
      const bool there = !router.resigned_at && host.local() - *router.heard_at < 3 * router.heard_interval - kSlack;
      if (priority < 255 && there && world_.now() - since < delay - kSlack) {
        const auto ago = std::chrono::duration_cast<std::chrono::microseconds>(host.local() - *router.heard_at);
        return fail("I10", &host,
                    "does not honour preempt_delay: priority " + std::to_string(router.heard_priority) + " was heard " +
                        std::to_string(ago.count()) + " us ago by router " + std::to_string(index));
      }
      continue;
    }
    const Nanos interval = model.version == vrrp::Version::kV2 ? router.interval : router.heard_interval;
    const Nanos down = down_interval(model.version, priority, interval);
    Instant allowed = *router.heard_at + down;
    // A short pause forgets nothing; after one that is longer than a stall silent_until says more.
    if (router.resigned_before) {
      const Nanos skew = down_interval(model.version, priority, std::min(interval, router.interval)) -
                         3 * std::min(interval, router.interval);
      allowed = std::min(allowed, *router.resigned_before + skew);
    }
    if (host.local() + kSlack < allowed) {
      const auto early = std::chrono::duration_cast<std::chrono::microseconds>(allowed - host.local());
      return fail("I10", &host, "takes over " + std::to_string(early.count()) + " us too early");
    }
  }
}

void Checker::tick() {
  for (int i = 0; i < world_.hosts() && !failed(); ++i) {
    Host& host = world_.host(i);
    if (!host.running() || host.stopping() || host.stalled()) continue;
    check_patience(host);
    check_installed(host);
    check_releases(host);
  }
  check_dual_active();
  if (world_.now() > settled_at_) check_one_active();
}

/// I2: a healthy Backup that hears nobody for Active_Down_Interval is Active.
void Checker::check_patience(Host& host) {
  HostView& there = view(host);
  for (std::size_t i = 0; i < units_.size(); ++i) {
    UnitView& unit = there.units[i];
    if (unit.slot < 0) continue;
    const auto& board = host.board().instances.at(static_cast<std::size_t>(unit.slot));
    if (!board || unit.state != State::kBackup || board->against != 0 || board->yielded_until_ns != 0) {
      unit.patient_since = world_.now();
      continue;
    }
    Nanos down{0}, skew{0};
    bool resigned = true;
    for (const int index : units_[i].routers) {
      const RouterModel& model = routers_[static_cast<std::size_t>(index)];
      // Who gives the role up has priority 1, which its timer keeps (S-13).
      const int priority = units_[i].promotes ? 1 : priority_of(host, static_cast<int>(i));
      const Nanos longest = down_interval(model.version, priority, model.slowest);
      down = std::max(down, longest);
      skew = std::max(skew, longest - 3 * model.slowest);
      resigned = resigned && there.routers[static_cast<std::size_t>(index)].resigned_at;
    }
    // §6.4.2, S-04; where promotions fail the role goes round, and resignations come too often to be obeyed (T-04).
    if (resigned && !units_[i].promotes) down = skew;
    if (world_.now() - unit.patient_since > with_drift(down) + 2 * kLateness) {
      return fail("I2", &host, "Backup hears nobody and does not take over unit " + units_[i].name);
    }
  }
}

/// I3: an Active's addresses are there: 100 ms after somebody removed them, 6 s after other trouble (a refused install
/// is tried again).
void Checker::check_installed(Host& host) {
  const HostView& there = view(host);
  const Nanos now = world_.now();
  if (host.worker_blocked()) view(host).trouble = now;
  if (now - there.removed < milliseconds{101} || now - there.trouble < seconds{6}) return;
  for (const config::Instance& instance : host.config().instances) {
    const int unit = unit_of(instance);
    if (unit < 0 || static_cast<std::size_t>(unit) >= units_.size()) continue;
    const UnitView& state = there.units[static_cast<std::size_t>(unit)];
    const auto& board = host.board().instances.at(static_cast<std::size_t>(std::max(state.slot, 0)));
    // Leaving by itself it gives the addresses away first and goes on sending adverts for at most an interval.
    if (board && board->holding == ports::HoldingState::kReleasing) continue;
    if (state.state != State::kActive || now - state.since < milliseconds{101}) continue;
    if (units_[static_cast<std::size_t>(unit)].promotes) {
      const bool serves = board && board->promotion_step == static_cast<std::uint8_t>(ports::PromotionStep::kActive);
      if (!serves || now - state.serves_since < milliseconds{101}) continue;
    }
    const KernelLink& link = host.kernel().links[static_cast<std::size_t>(instance.interface.back() - '0')];
    for (const auto* list : {&instance.addresses, &instance.extra_addresses}) {
      for (const Prefix& prefix : *list) {
        if (link.find_address(prefix.address) == nullptr) {
          return fail("I3", &host, "is Active without " + prefix.address.text());
        }
      }
    }
  }
}

/// I4: a voluntary release is told to the others, once the addresses are away; a second is ample for a worker that
/// works.
void Checker::check_releases(Host& host) {
  HostView& there = view(host);
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    auto& due = there.routers[i].release_due;
    if (!due) continue;
    if (!host.hears(routers_[i].link) || there.trouble > *due) due.reset();
    if (due && world_.now() - *due > seconds{1}) return fail("I4", &host, "a release without priority 0");
  }
}

/// While nothing is wrong, two Actives hear each other within one interval, and one of them yields.
void Checker::check_dual_active() {
  if (failed()) return;
  const Scenario& scenario = world_.scenario();
  for (std::size_t i = 0; i < units_.size(); ++i) {
    int active = 0;
    for (int h = 0; h < world_.hosts(); ++h) {
      if (world_.host(h).running() && hosts_[static_cast<std::size_t>(h)].units[i].state == State::kActive) ++active;
    }
    if (active < 2 || world_.disturbed()) {
      dual_since_[i] = Nanos::max();
      continue;
    }
    if (dual_since_[i] == Nanos::max()) dual_since_[i] = world_.now();
    const Nanos since = std::max(dual_since_[i], world_.calm_since());
    if (world_.now() - since > with_drift(scenario.longest_interval) + scenario.longest_interval / 2 + 4 * kLateness) {
      return fail("I1", nullptr, "two Actives of " + units_[i].name + " on an undisturbed network");
    }
  }
}

/// I1, I3 when all is quiet: one Active, the one of highest priority where it preempts; its addresses, and nobody
/// else's.
void Checker::check_one_active() {
  for (std::size_t i = 0; i < units_.size() && !failed(); ++i) {
    if (units_[i].promotes) continue;
    int active = 0, best = 0, won = 0;
    bool preempt = true, everywhere = true;
    for (int h = 0; h < world_.hosts(); ++h) {
      const Host& host = world_.host(h);
      const int unit = static_cast<int>(i);
      everywhere = everywhere && configured(host, units_[i].instances.front()) != nullptr;
      const int priority = priority_of(host, unit);
      best = std::max(best, priority);
      preempt = preempt && preempts(host, unit);
      if (!host.running() || hosts_[static_cast<std::size_t>(h)].units[i].state != State::kActive) continue;
      ++active;
      won = priority;
    }
    if (active != 1)
      fail("I1", nullptr, std::to_string(active) + " Actives of " + units_[i].name + " after all faults");
    if (active == 1 && preempt && everywhere && won != best) {
      fail("I2", nullptr, "the Active of " + units_[i].name + " is not the one of highest priority");
    }
  }
  for (int h = 0; h < world_.hosts() && !failed(); ++h) {
    const Host& host = world_.host(h);
    for (const KernelLink& link : host.kernel().links) {
      for (const KernelAddress& address : link.addresses) {
        const int instance = instance_of(address.prefix.address);
        if (!address.ours || instance < 0) continue;
        const int unit = unit_of_instance_[static_cast<std::size_t>(instance)];
        if (hosts_[static_cast<std::size_t>(h)].units[static_cast<std::size_t>(unit)].state != State::kActive) {
          fail("I3", &host, "holds " + address.prefix.address.text() + " and is not Active");
        }
      }
    }
  }
}

void Checker::run_ends() { check_one_active(); }

}  // namespace baton::sim
