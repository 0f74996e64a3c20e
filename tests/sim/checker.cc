// What the engine puts out, turn by turn. Rules that need the passing of time are in checker_time.cc.
#include "tests/sim/checker.h"

#include <algorithm>

#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using vrrp::State;

/// The other won the election, or the host slept: nothing is resigned then (RFC 9568 §6.4.3, invariant I5).
bool silent_leave(Reason reason) {
  return reason == Reason::kHigherPriority || reason == Reason::kEqualPriorityHigherAddress || reason == Reason::kStall;
}

/// Leaving by our own word and without haste: addresses away, then one priority 0.
bool orderly_leave(Reason reason) {
  return reason == Reason::kShutdown || reason == Reason::kSwitchover || reason == Reason::kDrained ||
         reason == Reason::kConfigRemoved;
}

bool same_election(const ports::InstanceState& a, const ports::InstanceState& b) {
  return a.state == b.state && a.reason == b.reason && a.effective_priority == b.effective_priority &&
         a.transitions == b.transitions && a.against == b.against && a.since_ns == b.since_ns;
}

}  // namespace

Checker::Checker(World& world) : world_(world) {
  const config::Config& config = world.scenario().configs.front();
  for (const config::Group& group : config.groups) units_.push_back({group.name, {}, {}, false});
  for (const config::Instance& instance : config.instances) {
    if (instance.group.empty()) units_.push_back({instance.name, {}, {}, false});
    const int unit = unit_of(instance);
    const int index = static_cast<int>(instance_names_.size());
    const int link = instance.interface.back() - '0';
    instance_names_.push_back(instance.name);
    unit_of_instance_.push_back(unit);
    units_[static_cast<std::size_t>(unit)].instances.push_back(index);
    units_[static_cast<std::size_t>(unit)].promotes = !instance.election.promote.empty();
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      const auto has = [family](const Prefix& prefix) { return prefix.address.family() == family; };
      if (std::none_of(instance.addresses.begin(), instance.addresses.end(), has)) continue;
      units_[static_cast<std::size_t>(unit)].routers.push_back(static_cast<int>(routers_.size()));
      router_by_wire_[{link, family, instance.vrid.value()}] = static_cast<int>(routers_.size());
      routers_.push_back({unit, index, link, family, instance.version});
    }
  }
  HostView empty;
  empty.units.resize(units_.size());
  empty.routers.resize(routers_.size());
  hosts_.assign(static_cast<std::size_t>(world.scenario().hosts), empty);
  dual_since_.assign(units_.size(), Nanos::max());
  for (std::size_t host = 0; host < hosts_.size(); ++host) {
    const auto& instances = world.scenario().configs[host].instances;
    for (std::size_t i = 0; i < routers_.size(); ++i) {
      const Nanos interval = instances[static_cast<std::size_t>(routers_[i].instance)].advertisement_interval;
      hosts_[host].routers[i].interval = interval;
      routers_[i].fastest = std::min(routers_[i].fastest, interval);
      routers_[i].slowest = std::max(routers_[i].slowest, interval);
    }
  }
}

void Checker::fail(const char* invariant, const Host* host, const std::string& what) {
  if (failed()) return;
  violation_ =
      std::string{invariant} + ": " + (host != nullptr ? "host" + std::to_string(host->index()) + ": " : "") + what;
}

// ---- Looking things up
// ------------------------------------------------------------------------------------------------

int Checker::unit_of(const config::Instance& instance) const {
  const std::string& name = instance.group.empty() ? instance.name : instance.group;
  const auto found =
      std::find_if(units_.begin(), units_.end(), [&](const UnitModel& unit) { return unit.name == name; });
  return static_cast<int>(found - units_.begin());
}

int Checker::unit_of_slot(const Host& host, std::uint32_t slot) const {
  const auto& state = host.board().instances.at(slot);
  if (!state) return -1;
  const std::string name{state->name.data()};
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (units_[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

/// By the numbers that the scenario gives out.
int Checker::instance_of(const IpAddress& address) const {
  const ConstBytes bytes = address.bytes();
  const int last = bytes.back();
  if (!address.is_ipv6()) {
    if (last >= 96 && last < 100) return last - 96;
    return last >= 100 ? (last - 100) / 35 : -1;
  }
  const int low = bytes[14] << 8 | bytes[15];
  if (bytes[0] == 0x20) return low >= 0x6000 ? (low - 0x6000) / 256 : -1;
  const auto found = router_by_wire_.find({bytes[13], Family::kIpv6, low - 0x5000});
  return found == router_by_wire_.end() ? -1 : routers_[static_cast<std::size_t>(found->second)].instance;
}

const config::Instance* Checker::configured(const Host& host, int instance) const {
  if (instance < 0 || static_cast<std::size_t>(instance) >= instance_names_.size()) return nullptr;
  for (const config::Instance& each : host.config().instances) {
    if (each.name == instance_names_[static_cast<std::size_t>(instance)]) return &each;
  }
  return nullptr;
}

int Checker::priority_of(const Host& host, int unit) const {
  const config::Instance* first = configured(host, units_[static_cast<std::size_t>(unit)].instances.front());
  if (first == nullptr) return 100;
  if (first->owner) return 255;
  for (const config::Group& group : host.config().groups) {
    if (group.name == first->group) return group.election.priority.value();
  }
  return first->election.priority.value();
}

bool Checker::preempts(const Host& host, int unit) const {
  const config::Instance* first = configured(host, units_[static_cast<std::size_t>(unit)].instances.front());
  if (first == nullptr) return true;
  if (first->owner) return true;
  for (const config::Group& group : host.config().groups) {
    if (group.name == first->group) return group.election.preempt;
  }
  return first->election.preempt;
}

bool Checker::wanted(const Host& host, const IpAddress& address) const {
  const config::Instance* instance = configured(host, instance_of(address));
  if (instance == nullptr) return false;
  const auto is = [&](const Prefix& prefix) { return prefix.address == address; };
  return std::any_of(instance->addresses.begin(), instance->addresses.end(), is) ||
         std::any_of(instance->extra_addresses.begin(), instance->extra_addresses.end(), is);
}

// ---- What leaves
// ------------------------------------------------------------------------------------------------------

void Checker::turn_begins(Host&) {
  outputs_.clear();
  outputs_before_ = 0;
  board_changes_ = board_changes_before_ = 0;
  good_inputs_ = hostile_inputs_ = 0;
}

void Checker::turn_lost(Host&) { outputs_.clear(); }

void Checker::sent(Host& host, int link, ConstBytes frame, bool unicast) {
  const Seen seen = look(frame, unicast);
  if (seen.kind == FrameKind::kAdvert) {
    world_.trace().add(world_.now(), host.index(), What::kFrameSent, static_cast<std::uint64_t>(link), seen.vrid,
                       seen.priority);
    const auto router = router_by_wire_.find({link, seen.family, seen.vrid});
    if (router == router_by_wire_.end()) return fail("I4", &host, "advert of a router that nobody configured");
    outputs_.push_back({OutputKind::kAdvert, routers_[static_cast<std::size_t>(router->second)].unit, router->second,
                        seen.priority, State::kInitialize, Reason::kNone, hash_bytes(frame)});
  } else if (seen.kind == FrameKind::kAnnouncement) {
    const std::uint64_t id = address_id(seen.address);
    world_.trace().add(world_.now(), host.index(), What::kAnnounced, static_cast<std::uint64_t>(link), id);
    const int instance = instance_of(seen.address);
    if (instance < 0) return fail("I3", &host, "announces an address that is not its own: " + address_text(id));
    // §8.1.2, N-07: not before the address is there. The host knows what it was told.
    const config::Instance* here = configured(host, instance);
    const bool owner = here != nullptr && here->owner;
    if (!view(host).known.contains({link, id}))
      return fail("I3", &host, "announces before the address is up: " + address_text(id));
    if (!owner && view(host).known_foreign.contains({link, id})) {
      return fail("I3", &host, "announces somebody else's address: " + address_text(id));
    }
    outputs_.push_back({OutputKind::kAnnouncement, unit_of_instance_[static_cast<std::size_t>(instance)], -1, 0,
                        State::kInitialize, Reason::kNone, id});
  } else {
    fail("I4", &host, "sends a frame that is neither advert nor announcement");
  }
}

void Checker::submitted(Host& host, const ports::AddressCommand&) {
  std::size_t addresses = 0;
  for (const config::Instance& instance : host.config().instances) {
    addresses += instance.addresses.size() + instance.extra_addresses.size();
  }
  // I11: at most a refresh, an install and a remove wait for each address of the old and the new configuration.
  if (host.commands().size() > 6 * addresses + 64) fail("I11", &host, "the address queue grows without bound");
}

void Checker::reported(Host& host, const ports::Report& report) {
  const int unit = report.instance == ports::kNoInstance ? -1 : unit_of_slot(host, report.instance);
  if (report.kind == ports::EventKind::kAlarm || report.kind == ports::EventKind::kAlarmCleared) {
    const bool begins = report.kind == ports::EventKind::kAlarm;
    world_.trace().add(world_.now(), host.index(), What::kAlarm, static_cast<std::uint64_t>(unit),
                       static_cast<std::uint64_t>(report.alarm), begins);
    if (unit < 0) return;
    UnitView& there = view(host).units[static_cast<std::size_t>(unit)];
    const auto kind = static_cast<std::size_t>(report.alarm);
    if (world_.now() - there.alarm_window[kind] > std::chrono::seconds{10}) {
      there.alarm_window[kind] = world_.now();
      there.alarms[kind] = 0;
    }
    if (++there.alarms[kind] > 60) fail("I11", &host, "an alarm is reported without bound");
    return;
  }
  if (report.kind != ports::EventKind::kTransition) return;
  if (unit < 0) return fail("I12", &host, "a transition of an instance that is not on the board");
  world_.trace().add(world_.now(), host.index(), What::kTransition, static_cast<std::uint64_t>(unit),
                     static_cast<std::uint64_t>(report.from) * 16 + static_cast<std::uint64_t>(report.to),
                     static_cast<std::uint64_t>(report.reason));
  if (report.reason == Reason::kNone || reason_token(report.reason) == "unknown") {
    return fail("I12", &host, "a transition without a reason");
  }
  if (report.from == report.to) return fail("I12", &host, "a transition to the same state");
  outputs_.push_back(
      {OutputKind::kTransition, unit, -1, static_cast<std::uint8_t>(report.from), report.to, report.reason, 0});
  UnitView& there = view(host).units[static_cast<std::size_t>(unit)];
  if (report.from != there.state)
    return fail("I12", &host, "a transition that does not start where the last one ended");
  const State from = there.state;
  there.state = report.to;
  there.reason = report.reason;
  const Nanos since = there.since;
  there.since = there.patient_since = world_.now();
  ++there.transitions;
  if (report.to == State::kActive) ++there.became_active;
  if (from == State::kActive) world_.data_checker().left(host, units_[static_cast<std::size_t>(unit)].name);
  if (report.to == State::kActive && from == State::kBackup) {
    check_takeover(host, unit, report.reason, since);
    ReasonSet said = ReasonSet::from_bits(host.board().instances.at(report.instance)->against);
    // A planned move starts the database anew: its checks do not decide meanwhile.
    for (const Reason check : {Reason::kCheckFailed, Reason::kCheckUnknown}) {
      if (report.reason == Reason::kHandedOver) said.set(check, false);
    }
    if (const std::uint64_t against = said.bits(); against != 0) {
      std::string why;
      for (unsigned bit = 0; bit < 64; ++bit) {
        if ((against >> bit & 1) != 0) why += " " + std::string{reason_token(static_cast<Reason>(bit))};
      }
      fail("I2", &host, "takes over although something speaks against it:" + why);
    }
  }
  if (report.to == State::kActive && view(host).drained) fail("I4", &host, "takes over while drained");
  for (const int router : units_[static_cast<std::size_t>(unit)].routers) {
    view(host).routers[static_cast<std::size_t>(router)].heard_at.reset();
    if (report.reason == Reason::kHandedOver) view(host).routers[static_cast<std::size_t>(router)].silent_until.reset();
    view(host).routers[static_cast<std::size_t>(router)].resigned_at.reset();
    view(host).routers[static_cast<std::size_t>(router)].resigned_before.reset();
  }
  // Frames that were delayed arrive a little after the last fault.
  const bool late = world_.healed() && world_.now() > world_.healed_at() + world_.scenario().longest_interval;
  if (units_[static_cast<std::size_t>(unit)].promotes) return;  // where nothing grants it, the role goes round
  if (late && from != State::kInitialize && report.to != State::kInitialize) ++there.moves_since_heal;
  if (world_.now() > settled_at_) fail("I1", &host, "a transition long after the last fault");
  // I1: a node that was there when the last fault ended moves at most twice.
  if (there.moves_since_heal > 2 && !world_.scenario().long_holds) {
    fail("I1", &host, "more than two transitions after the last fault");
  }
}

void Checker::published(Host& host, std::uint32_t slot, const ports::InstanceState& state) {
  const int unit = unit_of_slot(host, slot);
  if (unit < 0) return fail("I12", &host, "publishes an instance that nobody configured");
  UnitView& there = view(host).units[static_cast<std::size_t>(unit)];
  if (there.slot >= 0 && there.slot != static_cast<int>(slot)) fail("I12", &host, "an instance in two slots");
  there.slot = static_cast<int>(slot);
  auto& before = view(host).board.at(slot);
  if (!before || !same_election(*before, state)) ++board_changes_;
  if (state.against != 0 || state.yielded_until_ns != 0) there.patient_since = world_.now();
  const auto active = static_cast<std::uint8_t>(ports::PromotionStep::kActive);
  if (state.promotion_step == active && (!before || before->promotion_step != active)) {
    there.serves_since = world_.now();
  }
  before = state;
}

void Checker::retired(Host& host, std::uint32_t slot) {
  const int unit = unit_of_slot(host, slot);
  if (unit >= 0) {
    UnitView& there = view(host).units[static_cast<std::size_t>(unit)];
    there.slot = -1;
    there.base = there.transitions = there.became_active = 0;
    for (const int router : units_[static_cast<std::size_t>(unit)].routers) {
      view(host).routers[static_cast<std::size_t>(router)].base_active = 0;
    }
  }
  ++board_changes_;
}

// ---- The end of a turn
// ------------------------------------------------------------------------------------------------

void Checker::turn_ends(Host& host) {
  if (failed()) return;
  HostView& there = view(host);
  // The state of each unit as the turn began: what the first transition of this turn left.
  std::vector<State> states;
  for (const UnitView& unit : there.units) states.push_back(unit.state);
  for (auto output = outputs_.rbegin(); output != outputs_.rend(); ++output) {
    if (output->kind == OutputKind::kTransition) {
      states[static_cast<std::size_t>(output->unit)] = static_cast<State>(output->priority);
    }
  }
  for (std::size_t i = 0; i < outputs_.size() && !failed(); ++i) {
    const Output& output = outputs_[i];
    State& state = states[static_cast<std::size_t>(output.unit)];
    if (output.kind == OutputKind::kTransition) {
      apply_transition(host, output);
      state = output.to;
    } else if (output.kind == OutputKind::kAnnouncement) {
      check_announcement(host, i, state);
    } else if (output.priority == 0) {
      check_resign(host, i);
    } else {
      check_advert(host, i, state);
    }
  }
  for (const RouterView& router : there.routers) {
    if (router.releases < 0) fail("I4", &host, "priority 0 without a voluntary release, or twice");
  }
  for (std::size_t i = 0; i < there.units.size(); ++i) {
    UnitView& unit = there.units[i];
    if (unit.must_leave && unit.state == State::kActive) fail("I5", &host, "still Active after a long stall");
    // Addresses first, for an interval or a second at most; then the role.
    const Nanos patience = std::min<Nanos>(world_.scenario().longest_interval, std::chrono::seconds{1}) + 2 * kLateness;
    const bool promotes = units_[i].promotes;  // demoting takes as long as it takes
    if (!promotes && there.drained && unit.state == State::kActive && world_.now() - there.interrupted > patience) {
      fail("I4", &host, "still Active although drained");
    }
    unit.must_leave = false;
  }
  // I11: a turn answers each router at most twice a peer, and announces each address a few times.
  if (outputs_.size() > 2000) fail("I11", &host, "a turn without bound");
  if (hostile_inputs_ > 0 && good_inputs_ == 0 && (board_changes_ != 0 || !outputs_.empty())) {
    fail("I6", &host, "a spoilt frame changed something");
  }
  check_links(host);
  check_addresses_gone(host);
  check_counts(host);
  check_dual_active();
}

/// S-12: without its interface a unit is in Initialize, from the turn on in which the host is told.
void Checker::check_links(Host& host) {
  const HostView& there = view(host);
  for (std::size_t i = 0; i < routers_.size() && there.dumped; ++i) {
    const UnitView& unit = there.units[static_cast<std::size_t>(routers_[i].unit)];
    if (unit.state == State::kActive && !there.usable[static_cast<std::size_t>(routers_[i].link)] && !host.stopping()) {
      return fail("S-12", &host, "Active on a link that is not usable");
    }
  }
}

const Checker::Output* Checker::next_transition(std::size_t at) const {
  for (std::size_t i = at + 1; i < outputs_.size(); ++i) {
    if (outputs_[i].kind == OutputKind::kTransition && outputs_[i].unit == outputs_[at].unit) return &outputs_[i];
  }
  return nullptr;
}

bool Checker::becomes_active_next(std::size_t at) const {
  const Output* const next = next_transition(at);
  return next != nullptr && next->to == State::kActive;
}

/// I5; in a planned move there is nobody to listen for: who had the role has handed it over.
bool Checker::has_to_listen(Host& host, std::size_t at, int router) const {
  const auto& until =
      hosts_[static_cast<std::size_t>(host.index())].routers[static_cast<std::size_t>(router)].silent_until;
  const Output* const next = next_transition(at);
  return until && host.local() < *until && (next == nullptr || next->reason != Reason::kHandedOver);
}

void Checker::check_advert(Host& host, std::size_t at, State state) {
  const Output& output = outputs_[at];
  RouterView& router = view(host).routers[static_cast<std::size_t>(output.router)];
  const Instant now = host.local();
  if (state != State::kActive && !becomes_active_next(at)) return fail("I4", &host, "an advert while not Active");
  if (has_to_listen(host, at, output.router)) return fail("I5", &host, "an advert before it has listened again");
  // T-05: absolute re-arming; late by the lateness of the host at most.
  if (router.last_advert) {
    const Nanos gap = now - *router.last_advert;
    if (gap > router.interval + kLateness + kSlack + router.grace) {
      return fail(
          "advert gap", &host,
          std::to_string(gap.count() / 1000) + " us between two adverts of unit " + std::to_string(output.unit));
    }
  }
  if (!router.last_advert || now > *router.last_advert) router.grace = Nanos{0};
  router.last_advert = now;
  // I11, S-08: an advert each interval, at most one answer each tenth of it (or 10 ms), each to all peers and in both
  // forms.
  if (world_.now() - router.window >= router.interval) {
    router.window = world_.now();
    router.in_window = 0;
  }
  if (++router.in_window > 16 * 2 * world_.scenario().hosts) fail("I11", &host, "a storm of adverts");
}

void Checker::check_resign(Host& host, std::size_t at) {
  const Output& output = outputs_[at];
  RouterView& router = view(host).routers[static_cast<std::size_t>(output.router)];
  const Instant now = host.local();
  if (router.silent_until && now < *router.silent_until) return fail("I5", &host, "priority 0 right after a stall");
  // One release may be several frames: one to each unicast peer, or one in each checksum form.
  bool same_release = false;
  for (std::size_t i = 0; i < at; ++i) {
    if (outputs_[i].kind != OutputKind::kAdvert || outputs_[i].router != output.router || outputs_[i].priority != 0)
      continue;
    if (outputs_[i].hash == output.hash) return fail("I4", &host, "the same priority-0 advert twice");
    same_release = true;
  }
  if (!same_release) --router.releases;
  check_order_of_leaving(host, at);
  router.release_due.reset();
  router.last_advert.reset();
}

/// Design section 7: the addresses go first, so that nobody else answers beside us; a worker in trouble is waited for
/// only so long.
void Checker::check_order_of_leaving(Host& host, std::size_t at) {
  const HostView& there = view(host);
  const int unit = outputs_[at].unit;
  const auto leaves = [unit](const Output& output) {
    return output.kind == OutputKind::kTransition && output.unit == unit && orderly_leave(output.reason);
  };
  const bool orderly = std::any_of(outputs_.begin() + static_cast<std::ptrdiff_t>(at), outputs_.end(), leaves);
  if (!orderly || world_.now() - there.trouble < std::chrono::seconds{3} || host.worker_blocked()) return;
  for (const auto& [link, id] : there.known) {
    const auto instance = instance_by_id_.find(id);
    if (instance == instance_by_id_.end() || instance->second < 0 || there.known_foreign.contains({link, id})) continue;
    if (unit_of_instance_[static_cast<std::size_t>(instance->second)] != unit) continue;
    return fail("I4", &host, "priority 0 before " + address_text(id) + " is away");
  }
}

void Checker::check_announcement(Host& host, std::size_t at, State state) {
  if (state != State::kActive && !becomes_active_next(at)) {
    return fail("I3", &host, "announces " + address_text(outputs_[at].hash) + " while not Active");
  }
  for (const int router : units_[static_cast<std::size_t>(outputs_[at].unit)].routers) {
    if (has_to_listen(host, at, router)) {
      return fail("I5", &host, "announces before it has listened again");
    }
  }
}

void Checker::apply_transition(Host& host, const Output& output) {
  const auto from = static_cast<State>(output.priority);
  for (const int index : units_[static_cast<std::size_t>(output.unit)].routers) {
    RouterView& router = view(host).routers[static_cast<std::size_t>(index)];
    if (output.to == State::kActive) {
      router.releases = 0;
      router.release_due.reset();
      router.last_advert.reset();
      continue;
    }
    if (from != State::kActive) continue;
    router.last_advert.reset();
    if (silent_leave(output.reason)) continue;
    // A priority 0 that left earlier in this turn has been counted already.
    const bool sent = router.releases < 0;
    router.releases = sent ? 0 : 1;
    if (orderly_leave(output.reason) && !sent) router.release_due = world_.now();
  }
}

/// I3: an address of ours on a link whose unit is not Active is on its way out, within the turn in which the host
/// learned of both.
void Checker::check_addresses_gone(Host& host) {
  const HostView& there = view(host);
  if (there.known.empty() || host.stopping()) return;
  for (std::size_t link = 0; link < host.kernel().links.size(); ++link) {
    for (const KernelAddress& address : host.kernel().links[link].addresses) {
      if (!address.ours) continue;
      const int instance = instance_of(address.prefix.address);
      const std::uint64_t id = address_id(address.prefix.address);
      if (instance < 0 || !there.known.contains({static_cast<int>(link), id})) continue;
      const UnitView& unit =
          there.units[static_cast<std::size_t>(unit_of_instance_[static_cast<std::size_t>(instance)])];
      const bool promotes =
          units_[static_cast<std::size_t>(unit_of_instance_[static_cast<std::size_t>(instance)])].promotes;
      // What is no longer configured stays until writes are blocked.
      if (unit.state == State::kActive && (promotes || wanted(host, address.prefix.address))) continue;
      const ports::AddressCommand* last = host.last_command(static_cast<int>(link), address.prefix);
      if (last == nullptr || last->verb != ports::AddressVerb::kRemove) {
        return fail("I3", &host, "keeps " + address_text(id) + " while not Active");
      }
    }
  }
}

/// I12: what the board says, what was reported and what the counters say are the same story.
void Checker::check_counts(Host& host) {
  const HostView& there = view(host);
  for (std::size_t i = 0; i < there.units.size(); ++i) {
    const UnitView& unit = there.units[i];
    if (unit.slot < 0) continue;
    const auto& board = host.board().instances.at(static_cast<std::size_t>(unit.slot));
    if (!board) continue;
    if (board->state != unit.state) return fail("I12", &host, "the board's state is not the last reported one");
    if (board->transitions != unit.base + unit.transitions)
      return fail("I12", &host, "the board counts other transitions");
    if (unit.transitions > 0 && board->reason != unit.reason && unit.state != State::kInitialize) {
      return fail("I12", &host, "the board gives another reason");
    }
    for (std::uint32_t k = 0; k < board->router_count; ++k) {
      const std::uint32_t slot = board->first_router_slot + k;
      const std::uint64_t counted = host.board().counters.at(slot).master_transitions;
      if (k == 0 && counted != there.routers[static_cast<std::size_t>(units_[i].routers.front())].base_active +
                                   unit.became_active) {
        return fail("I12", &host, "master-transitions counts otherwise");
      }
    }
  }
}

}  // namespace baton::sim
