// The way of every event to the instance that it concerns, and the order of a turn.
#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"

namespace baton::engine {

using namespace std::chrono_literals;

Engine::Impl::Impl(const config::Config& config, ports::Ports doors, Board board)
    : context(doors), instance_slots(board.instance_slots), router_slots(board.router_slots), first_config(config) {}

void Engine::Impl::start(Instant now, std::span<const ports::AdoptedInstance> adopted, bool drained,
                         std::optional<Instant> frozen_until) {
  last_turn = now;
  now_ = now;
  started = true;
  host_facts.drained = drained;
  // Nothing is taken before it is known until when that is so.
  host_facts.frozen = frozen_until.has_value();
  std::vector<Plan> plans = take(first_config);
  // What a predecessor's probes said is still good.
  for (ports::PluginId id = 0; id < context.plugins.size(); ++id) on_plugin_news(now, id);
  plan_leases();
  first_config = config::Config{};  // the plans have it all
  const auto predecessor = [&](const Plan& plan) -> const ports::AdoptedInstance* {
    const auto found = std::find_if(adopted.begin(), adopted.end(), [&](const ports::AdoptedInstance& each) {
      return plan.name == each.instance.name.data() && continues(plan, each);
    });
    return found == adopted.end() ? nullptr : &*found;
  };
  // Those that are continued keep their slots, so they come first.
  std::stable_partition(plans.begin(), plans.end(), [&](const Plan& plan) { return predecessor(plan) != nullptr; });
  for (Plan& plan : plans) {
    const ports::AdoptedInstance* old = predecessor(plan);
    start_plan(now, std::move(plan), old);
  }
  host_facts.frozen = false;
  for (const auto& each : movers) {
    if (each && frozen_until) each->freeze(now, *frozen_until);
  }
  measure();
  // A predecessor's state may be older than any peer's patience.
  for (const auto& each : movers) {
    if (each) each->stall_test(now, Nanos{0});
  }
}

/// I5: the stall test comes before anything is sent. It costs nothing while turns come in time.
void Engine::Impl::begin_turn(Instant now) {
  const Nanos gap = now - last_turn;
  last_turn = now;
  now_ = now;
  ++context.counters.turns;
  const auto earliest = context.deadlines.earliest();
  if (earliest && now >= *earliest) context.counters.loop_stall.note(now - *earliest);
  if (shortest_interval == Nanos::max()) return;
  const bool overdue = earliest && now - *earliest > 2 * shortest_interval;
  if (gap <= 3 * shortest_interval && !overdue) return;
  for (const auto& each : movers) {
    if (each) each->stall_test(now, gap);
  }
}

void Engine::Impl::on_frame(Instant now, const ReceivedFrame& frame) {
  if (!context.links.has(frame.link)) return;
  const vrrp::ParsedFrame parsed =
      frame.from_unicast_socket ? vrrp::parse_ip_packet(frame.frame) : vrrp::parse_frame(frame.frame);
  if (frame.of_this_host) {
    if (const auto* advert = std::get_if<vrrp::VrrpFrame>(&parsed)) on_vrrp_of_this_host(now, frame.link, *advert);
    return;
  }
  if (const auto* advert = std::get_if<vrrp::VrrpFrame>(&parsed)) {
    ++context.counters.frames;
    on_vrrp(now, frame.link, *advert);
  } else if (const auto* claim = std::get_if<vrrp::AddressClaim>(&parsed)) {
    on_claim(now, frame.link, *claim);
  } else if (const auto* error = std::get_if<vrrp::DecodeError>(&parsed)) {
    ++context.counters.frames;
    if (*error == vrrp::DecodeError::kChecksum) ++context.counters.checksum_errors;
  }
}

void Engine::Impl::on_vrrp(Instant now, ports::LinkId link, const vrrp::VrrpFrame& frame) {
  const auto peeked = vrrp::peek(frame.payload);
  if (!peeked) return;
  // F08: an unconfigured VRID is dropped before any parsing.
  const Place place = context.links[link].router(frame.envelope.source.family(), peeked->vrid);
  Mover* const target = mover(place.mover);
  if (target == nullptr) {
    ++context.counters.vrid_errors;
    return;
  }
  target->on_advert(now, place.index, frame);
}

/// F90: another program of this host sends it. The election is between hosts; people have to settle this.
void Engine::Impl::on_vrrp_of_this_host(Instant now, ports::LinkId link, const vrrp::VrrpFrame& frame) {
  const auto peeked = vrrp::peek(frame.payload);
  if (!peeked) return;
  const Place place = context.links[link].router(frame.envelope.source.family(), peeked->vrid);
  if (Mover* const target = mover(place.mover)) target->on_vrid_in_use_here(now, place.index, frame.envelope.source);
}

void Engine::Impl::on_claim(Instant now, ports::LinkId id, const vrrp::AddressClaim& claim) {
  Link& link = context.links[id];
  const auto vip = link.vips.find(claim.address);
  if (vip != link.vips.end()) {
    if (Mover* const target = mover(vip->second.mover)) target->on_claim(now, vip->second.index, claim);
    return;
  }
  if (!claim.announces || !link.known || claim.owner == link.state.mac || now - link.duplicate_noted < 1s) return;
  const bool ours = std::any_of(link.own.begin(), link.own.end(),
                                [&](const OwnAddress& own) { return own.prefix.address == claim.address; });
  if (!ours) return;
  link.duplicate_noted = now;
  for (const MoverId each : link.movers) {
    if (Mover* const target = mover(each)) target->on_own_address_claimed(now, id, claim);
  }
}

void Engine::Impl::on_link(Instant now, const LinkState& state) {
  if (!context.links.has(state.link)) return;
  Link& link = context.links[state.link];
  const auto tell = [&](bool mac_changed) {
    // A copy: what an instance does may change the list.
    const std::vector<MoverId> concerned = link.movers;
    for (const MoverId each : concerned) {
      if (Mover* const target = mover(each)) target->on_link_changed(now, state.link, mac_changed);
    }
  };
  const LinkState before = link.state;
  if (link.known && before.present && state.present && before.ifindex != state.ifindex) {
    // F32: another interface of the same name; what was known belonged to the old one.
    link.state.present = link.state.up = false;
    link.own.clear();
    tell(false);
  }
  if (!state.present) link.own.clear();
  link.state = state;
  link.known = true;
  tell(before.present && before.mac != state.mac);
}

void Engine::Impl::on_address(Instant now, const AddressFact& fact) {
  if (!context.links.has(fact.link)) return;
  Link& link = context.links[fact.link];
  const auto vip = link.vips.find(fact.prefix.address);
  if (vip != link.vips.end()) {
    Mover* const target = mover(vip->second.mover);
    if (target != nullptr) target->on_vip_fact(now, vip->second.index, fact);
    // The owner's virtual address is its own address (RFC 9568 section 1.6), and so the source of its adverts.
    if (target == nullptr || !target->plan().owner() || fact.ours) return;
  }
  if (fact.present && fact.ours) {
    // Left by an earlier life under another configuration: ours to remove.
    context.ports.addresses.submit({.verb = ports::AddressVerb::kRemove, .link = fact.link, .prefix = fact.prefix});
    return;
  }
  if (!note_own(link, fact)) return;
  if (in_dump) {
    link.own_changed = true;
    return;
  }
  for (const MoverId each : std::vector<MoverId>(link.movers)) {
    if (Mover* const target = mover(each)) target->on_own_addresses_changed(now, fact.link);
  }
}

void Engine::Impl::on_dump_begin() {
  in_dump = true;
  for (ports::LinkId id = 0; id < context.links.size(); ++id) {
    if (!context.links.has(id)) continue;
    context.links[id].own_changed = false;
    for (OwnAddress& own : context.links[id].own) own.seen = false;
  }
  for (const auto& each : movers) {
    if (each) each->on_dump_begin();
  }
}

void Engine::Impl::on_dump_end(Instant now) {
  in_dump = false;
  context.dumped = true;
  for (ports::LinkId id = 0; id < context.links.size(); ++id) {
    if (!context.links.has(id)) continue;
    Link& link = context.links[id];
    link.own_changed |= std::erase_if(link.own, [](const OwnAddress& own) { return !own.seen; }) > 0;
  }
  for (const auto& each : movers) {
    if (each) each->on_dump_end(now);
  }
  for (ports::LinkId id = 0; id < context.links.size(); ++id) {
    if (!context.links.has(id)) continue;
    for (const MoverId each : std::vector<MoverId>(context.links[id].movers)) {
      if (Mover* const target = mover(each)) target->on_own_addresses_changed(now, id);
    }
  }
}

void Engine::Impl::on_deadline(Instant now, Nanos slack) {
  due.clear();
  context.deadlines.take_due(now + slack, due);
  // Each instance at most once a turn, so that one that is always due cannot hold the others.
  for (const MoverId each : due) {
    if (Mover* const target = mover(each)) target->on_deadline(now, now + slack);
  }
  if (now >= next_lease) look_at_leases(now);
}

void Engine::Impl::end_turn(Instant now) {
  if (!context.stopped.empty()) bury_stopped(now);
  for (const MoverId each : context.dirty) {
    if (Mover* const target = mover(each)) {
      if (target->dirty) target->publish(now);
      target->dirty = false;
    }
  }
  context.dirty.clear();
  context.ports.frames.flush();
  context.ports.addresses.flush();
}

void Engine::Impl::shutdown(Instant now) {
  leaving = true;
  for (const auto& each : movers) {
    if (each) each->stop(now, Reason::kShutdown);
  }
}

bool Engine::Impl::finished() const {
  return leaving && std::all_of(movers.begin(), movers.end(),
                                [](const std::unique_ptr<Mover>& each) { return !each || each->stopped(); });
}

/// Never later than a part of the shortest interval: turns that come in time are the proof that nothing stood still
/// (I5).
std::optional<Instant> Engine::Impl::next_deadline() const {
  auto earliest = context.deadlines.earliest();
  if (next_lease != kNever) earliest = std::min(earliest.value_or(kNever), next_lease);
  if (shortest_interval == Nanos::max()) return earliest;
  const Instant heartbeat = last_turn + shortest_interval * 3 / 2;
  return earliest ? std::min(*earliest, heartbeat) : heartbeat;
}

std::optional<Instant> Engine::Impl::next_alert() const {
  const auto earliest = context.deadlines.earliest();
  if (!earliest) return std::nullopt;
  const Mover* const next = mover(context.deadlines.first());
  if (next == nullptr || next->state() != vrrp::State::kBackup) return std::nullopt;
  return *earliest - kAlert;
}

// ---- The outside --------------------------------------------------------------------------------------------------

Engine::Engine(const config::Config& config, ports::Ports ports, Board board)
    : impl_(std::make_unique<Impl>(config, ports, board)) {}
Engine::~Engine() = default;

void Engine::start(Instant now, std::span<const ports::AdoptedInstance> adopted, bool drained,
                   std::optional<Instant> frozen_until) {
  impl_->start(now, adopted, drained, frozen_until);
}
void Engine::begin_turn(Instant now) { impl_->begin_turn(now); }
void Engine::on_frame(Instant now, const ReceivedFrame& frame) { impl_->on_frame(now, frame); }
void Engine::on_link(Instant now, const LinkState& state) { impl_->on_link(now, state); }
void Engine::on_address(Instant now, const AddressFact& fact) { impl_->on_address(now, fact); }
void Engine::on_dump_begin(Instant) { impl_->on_dump_begin(); }
void Engine::on_dump_end(Instant now) { impl_->on_dump_end(now); }
void Engine::on_address_result(Instant now, const ports::AddressResult& result) {
  if (result.ticket == 0) return;  // asked for on nobody's behalf
  if (Mover* const target = impl_->mover(Ticket::mover(result.ticket))) {
    target->on_result(now, Ticket::vip(result.ticket), result);
  }
}
void Engine::on_send_error(Instant now, ports::LinkId link, int sys_errno) {
  if (!impl_->context.links.has(link)) return;
  impl_->context.links[link].send_errno = sys_errno;
  for (const MoverId each : std::vector<MoverId>(impl_->context.links[link].movers)) {
    if (Mover* const target = impl_->mover(each)) target->on_send_error(now, link, sys_errno);
  }
}
void Engine::on_intent_recorded(Instant now, std::uint64_t ticket) {
  for (const auto& each : impl_->movers) {
    if (each) each->on_recorded(now, ticket);
  }
}
void Engine::on_recalled(Instant, const ports::DataRecord& record) {
  if (!impl_->context.recalled) impl_->context.records[record.instance] = record;
}
void Engine::on_all_recalled(Instant now) {
  if (std::exchange(impl_->context.recalled, true)) return;
  for (const auto& each : impl_->movers) {
    if (each) each->on_recalled(now);
  }
}
void Engine::on_guard(Instant now, bool guarded) {
  if (std::exchange(impl_->context.guarded, guarded) == guarded) return;
  for (const auto& each : impl_->movers) {
    if (each) each->on_guard(now);
  }
}
void Engine::on_peer(Instant now, const ports::PeerFact& fact) {
  if (Mover* const target = impl_->mover_named(fact.instance)) target->on_peer(now, fact);
}
void Engine::on_peer_check(Instant now, const std::string& host, const std::string& section, bool passes) {
  const bool known = std::any_of(impl_->context.others.begin(), impl_->context.others.end(),
                                 [&](const config::Peer& peer) { return peer.host == host; });
  const bool used = std::any_of(impl_->context.plugins.begin(), impl_->context.plugins.end(),
                                [&](const PluginPlace& place) { return place.section.name == section; });
  if (!known || !used) return;
  auto& said = impl_->context.elsewhere[section][host];
  const bool news = said.first != passes || now - said.second > ports::kPeerLease;
  said = {passes, now};
  // That it passes may count now though it did not at first: see passes_elsewhere.
  if (!news && !passes) return;
  for (const auto& each : impl_->movers) {
    if (each) each->compare_checks(now);
  }
}
void Engine::on_plugin_news(Instant now, ports::PluginId plugin) { impl_->on_plugin_news(now, plugin); }
void Engine::on_probe_lost(Instant now, ports::PluginId plugin, VerbStatus status, std::string_view sentence) {
  impl_->on_probe_lost(now, plugin, status, sentence);
}
void Engine::on_act_result(Instant now, const ports::ActResult& result) {
  if (Mover* const target = impl_->mover(static_cast<MoverId>(result.ticket >> 32))) target->on_act_result(now, result);
}
CommandResult Engine::on_command(Instant now, const Command& command) { return impl_->on_command(now, command); }
ReloadSummary Engine::reload(Instant now, const config::Config& config) { return impl_->reload(now, config); }
void Engine::on_deadline(Instant now, Nanos slack) { impl_->on_deadline(now, slack); }
void Engine::end_turn(Instant now) { impl_->end_turn(now); }
void Engine::shutdown(Instant now) { impl_->shutdown(now); }
bool Engine::finished() const { return impl_->finished(); }
std::optional<Instant> Engine::next_deadline() const { return impl_->next_deadline(); }
std::optional<Instant> Engine::next_alert() const { return impl_->next_alert(); }
Nanos Engine::shortest_active_down_interval() const { return impl_->shortest_down; }
const HostCounters& Engine::counters() const { return impl_->context.counters; }

}  // namespace baton::engine
