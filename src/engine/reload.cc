// Applying a configuration: the first one and later ones, object by object. Identity is the name; what did not change
// is not touched, not even its timers (I9).
#include <algorithm>
#include <set>
#include <utility>

#include "base/defect.h"
#include "engine/engine_impl.h"

namespace baton::engine {

void Engine::Impl::watch_links(const config::Config& next) {
  std::unordered_map<std::string, Watched> wanted;
  for (const config::Instance& instance : next.instances) {
    Watched& families = wanted[instance.interface];
    for (const Prefix& prefix : instance.addresses) {
      // With unicast too: the link must be listened to, and a group that nobody needs does no harm.
      (prefix.address.is_ipv6() ? families.ipv6 : families.ipv4) = true;
    }
  }
  // In the file's order, so that ids are the same on every run.
  for (const config::Instance& instance : next.instances) {
    const ports::LinkId id = context.links.acquire(instance.interface);
    const Watched& families = wanted[instance.interface];
    if (id >= watched.size()) watched.resize(id + 1);
    if (context.links[id].watched && watched[id] == families) continue;
    context.links[id].watched = true;
    watched[id] = families;
    context.ports.links.watch(id, instance.interface, families.ipv4, families.ipv6);
  }
}

void Engine::Impl::start_plan(Instant now, Plan plan, const ports::AdoptedInstance* adopted) {
  const auto count = static_cast<std::uint32_t>(plan.routers.size());
  std::optional<std::uint32_t> routers, instance;
  if (adopted != nullptr) {
    const std::uint32_t first = adopted->instance.first_router_slot;
    const std::uint32_t slot = adopted->routers.front().instance_slot;
    if (router_slots.take_at(first, count)) routers = first;
    if (routers && instance_slots.take_at(slot, 1)) instance = slot;
    if (routers && !instance) router_slots.free(first, count);
  }
  if (!instance) {
    adopted = nullptr;
    routers = router_slots.take(count);
    if (!routers) return;  // beyond the board's capacity: the configuration reader's limit is below it
    instance = instance_slots.take(1);
    if (!instance) return router_slots.free(*routers, count);
  }
  const auto free = std::find(movers.begin(), movers.end(), nullptr);
  const auto id = static_cast<MoverId>(free - movers.begin());
  if (free == movers.end()) movers.emplace_back();
  names[plan.name] = id;
  movers[id] = std::make_unique<Mover>(context, id, std::move(plan), *instance, *routers);
  if (adopted != nullptr) {
    movers[id]->adopt(now, *adopted, host_facts);
  } else {
    movers[id]->start(now, host_facts);
  }
}

/// What is kept of a configuration, and the plans that it makes.
std::vector<Plan> Engine::Impl::take(const config::Config& config) {
  peers = config.peers;
  context.host = config.host;
  context.others = peers;
  std::erase_if(context.others, [&](const config::Peer& peer) { return peer.host == config.host; });
  interfaces.clear();
  for (const config::Instance& instance : config.instances) interfaces.insert(instance.interface);
  watch_links(config);
  std::vector<Plan> plans = make_plans(config);
  take_plugins(config, plans);
  context.spread_adverts = plans.size() >= Context::kSpreadFrom;
  return plans;
}

/// Those that have left for good: their places are free; what replaces them starts now.
void Engine::Impl::bury_stopped(Instant now) {
  for (const MoverId id : std::exchange(context.stopped, {})) {
    std::unique_ptr<Mover>& dead = movers[id];
    if (!dead || leaving) continue;
    const std::unique_ptr<Plan> successor = std::move(dead->successor);
    const auto name = names.find(dead->plan().name);
    if (name != names.end() && name->second == id) names.erase(name);
    const auto count = static_cast<std::uint32_t>(dead->plan().routers.size());
    for (std::uint32_t i = 0; i < count; ++i) context.ports.reports.retire_router(dead->first_router_slot() + i);
    context.ports.reports.retire_instance(dead->instance_slot());
    router_slots.free(dead->first_router_slot(), count);
    instance_slots.free(dead->instance_slot(), 1);
    dead.reset();
    if (successor) start_plan(now, std::move(*successor), nullptr);
  }
  for (ports::LinkId id = 0; id < context.links.size(); ++id) {
    if (!context.links.has(id) || !context.links[id].movers.empty()) continue;
    if (interfaces.contains(context.links[id].name)) continue;
    context.ports.links.forget(id);
    context.links.release(id);
  }
  measure();
  drop_unused_plugins();
}

void Engine::Impl::measure() {
  shortest_interval = Nanos::max();
  shortest_down = Nanos::max();
  for (const auto& each : movers) {
    if (!each || each->stopped()) continue;
    shortest_interval = std::min(shortest_interval, each->shortest_interval());
    shortest_down = std::min(shortest_down, each->shortest_down_interval());
  }
  context.known_hosts.clear();
  for (const config::Peer& peer : peers) {
    context.known_hosts.insert(context.known_hosts.end(), peer.addresses.begin(), peer.addresses.end());
  }
}

ReloadSummary Engine::Impl::reload(Instant now, const config::Config& next) {
  ReloadSummary summary;
  if (leaving) return summary;
  std::vector<Plan> plans = take(next);
  std::set<std::string> wanted;
  for (const Plan& plan : plans) wanted.insert(plan.name);
  std::vector<std::string> gone;
  for (const auto& each : movers) {
    if (each && !wanted.contains(each->plan().name)) gone.push_back(each->plan().name);
  }
  for (const std::string& name : gone) {
    Mover* const old = mover_named(name);
    if (old == nullptr) continue;
    old->successor.reset();
    old->stop(now, Reason::kConfigRemoved);
    summary.removed.push_back(name);
  }
  for (Plan& plan : plans) {
    const std::string name = plan.name;
    Mover* const old = mover_named(name);
    if (old == nullptr) {
      start_plan(now, std::move(plan), nullptr);
      summary.added.push_back(name);
    } else if (old->stopping()) {
      old->successor = std::make_unique<Plan>(std::move(plan));  // still leaving because of an earlier change
      summary.restarted.push_back(name);
    } else if (same(old->plan(), plan) && !BATON_DEFECT(42)) {
      summary.unchanged.push_back(name);
    } else if (same_wire(old->plan(), plan) && !BATON_DEFECT(42)) {
      old->change(now, std::move(plan));
      summary.changed.push_back(name);
    } else {
      old->successor = std::make_unique<Plan>(std::move(plan));
      old->stop(now, Reason::kConfigChanged);
      summary.restarted.push_back(name);
    }
  }
  measure();
  for (ports::PluginId id = 0; id < context.plugins.size(); ++id) on_plugin_news(now, id);
  drop_unused_plugins();
  return summary;
}

}  // namespace baton::engine
