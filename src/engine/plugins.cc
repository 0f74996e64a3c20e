// The [plugin] sections of an engine: which there are, what their probes say, and who has to hear of it.
#include <algorithm>

#include "base/check.h"
#include "engine/engine_impl.h"

namespace baton::engine {
namespace {

std::set<std::string> referred_to(const std::vector<Plan>& plans) {
  std::set<std::string> all;
  for (const Plan& plan : plans) {
    for (const config::CheckReference& check : plan.election().checks) all.insert(check.plugin);
    all.insert(plan.election().follow_up.begin(), plan.election().follow_up.end());
    all.insert(plan.election().notify.begin(), plan.election().notify.end());
    for (const auto* names : {&plan.election().promote, &plan.election().witness, &plan.election().fence}) {
      all.insert(names->begin(), names->end());
    }
  }
  return all;
}

std::set<std::string> checked(const std::vector<Plan>& plans) {
  std::set<std::string> all;
  for (const Plan& plan : plans) {
    for (const config::CheckReference& check : plan.election().checks) all.insert(check.plugin);
    // What role the data has is looked at all the time, whether or not its health is required.
    all.insert(plan.election().promote.begin(), plan.election().promote.end());
  }
  return all;
}

bool same_section(config::Plugin a, config::Plugin b) {
  a.defined_at = b.defined_at = "";
  return a == b;
}

}  // namespace

ports::PluginId Context::plugin_named(std::string_view name) const {
  const auto found = std::find_if(plugins.begin(), plugins.end(),
                                  [&](const PluginPlace& place) { return place.section.name == name; });
  CHECK(found != plugins.end());
  return static_cast<ports::PluginId>(found - plugins.begin());
}

std::string Context::host_of(const IpAddress& address) const {
  for (const config::Peer& peer : others) {
    if (std::find(peer.addresses.begin(), peer.addresses.end(), address) != peer.addresses.end()) return peer.host;
  }
  // Adverts of IPv6 come from link-local addresses, which no [peer] names.
  return others.size() == 1 ? others.front().host : std::string{};
}

bool Context::passes_elsewhere(Instant now, ports::PluginId check) const {
  const PluginPlace& here = plugins[check];
  // What all share shows on another host up to an interval later than here: an older word of it says nothing yet.
  const Instant comparable = here.check.passes() ? Instant{} : here.check.since() + here.section.interval;
  const auto found = elsewhere.find(here.section.name);
  return found != elsewhere.end() && std::any_of(found->second.begin(), found->second.end(), [&](const auto& said) {
           const auto& [passes, at] = said.second;
           return passes && at >= comparable && now - at <= ports::kPeerLease;
         });
}

IpAddress Context::address_of(const std::string& name) const {
  const auto found =
      std::find_if(others.begin(), others.end(), [&](const config::Peer& peer) { return peer.host == name; });
  return found == others.end() || found->addresses.empty() ? IpAddress{} : found->addresses.front();
}

/// New and changed sections; those that are gone stay until nobody needs them (drop_unused_plugins).
void Engine::Impl::take_plugins(const config::Config& config, const std::vector<Plan>& plans) {
  const std::set<std::string> referred = referred_to(plans);
  const std::set<std::string> probed = checked(plans);
  for (const config::Plugin& section : config.plugins) {
    if (!referred.contains(section.name)) continue;
    const auto place = [&](const std::string& name) {
      return std::find_if(context.plugins.begin(), context.plugins.end(),
                          [&](const PluginPlace& each) { return each.section.name == name; });
    };
    auto found = place(section.name);
    const bool known = found != context.plugins.end();
    const bool is_probed = probed.contains(section.name);
    if (known && same_section(found->section, section) && found->probed == is_probed) continue;
    if (!known) found = place("");
    if (found == context.plugins.end()) found = context.plugins.insert(found, PluginPlace{});
    if (!known || !found->probed) found->check = Check{};
    found->probed = is_probed;
    found->section = section;
    found->check.configure(now_, section);
    const auto id = static_cast<ports::PluginId>(found - context.plugins.begin());
    context.ports.plugins.use_plugin(id, section);
    if (is_probed) {
      publish_check(id);
    } else {
      context.ports.reports.retire_check(id);
    }
  }
}

void Engine::Impl::drop_unused_plugins() {
  for (ports::PluginId id = 0; id < context.plugins.size(); ++id) {
    PluginPlace& place = context.plugins[id];
    if (place.section.name.empty()) continue;
    const bool used = std::any_of(movers.begin(), movers.end(), [&](const std::unique_ptr<Mover>& each) {
      return each && (each->uses(id) || each->successor);
    });
    if (used) continue;
    context.ports.plugins.forget_plugin(id);
    context.ports.reports.retire_check(id);
    place = PluginPlace{};
  }
  plan_leases();
}

void Engine::Impl::plan_leases() {
  next_lease = kNever;
  for (const PluginPlace& place : context.plugins) {
    if (place.probed) next_lease = std::min(next_lease, place.check.next_deadline());
  }
}

/// What is not news has only been renewed: that is read here, for all at once, so that it costs a look every few
/// intervals.
void Engine::Impl::look_at_leases(Instant now) {
  for (ports::PluginId id = 0; id < context.plugins.size(); ++id) {
    PluginPlace& place = context.plugins[id];
    if (!place.probed) continue;
    on_plugin_news(now, id);
    const Check before = place.check;
    if (place.check.on_deadline(now)) check_changed(now, id, before);
  }
  for (const auto& each : movers) {
    if (!each) continue;
    each->on_roles(now);
    each->compare_checks(now);
  }
  plan_leases();
}

void Engine::Impl::on_plugin_news(Instant now, ports::PluginId id) {
  if (id >= context.plugins.size() || !context.plugins[id].probed) return;
  PluginPlace& place = context.plugins[id];
  const Check before = place.check;
  const bool changed = place.check.observe(now, context.ports.plugins.read_probe(id));
  next_lease = std::min(next_lease, place.check.next_deadline());
  if (changed) check_changed(now, id, before);
}

void Engine::Impl::on_probe_lost(Instant now, ports::PluginId id, VerbStatus status, std::string_view sentence) {
  if (id >= context.plugins.size() || !context.plugins[id].probed) return;
  PluginPlace& place = context.plugins[id];
  const Check before = place.check;
  if (place.check.lose(now, status, sentence)) check_changed(now, id, before);
}

void Engine::Impl::check_changed(Instant now, ports::PluginId id, const Check& before) {
  const PluginPlace& place = context.plugins[id];
  const Check& check = place.check;
  ports::Report report;
  report.instance = ports::kNoInstance;
  report.at = now;
  report.plugin = ports::PluginName{place.section.name};
  report.probe = check.passes()                             ? ProbeState::kPass
                 : check.settled() == Check::Settled::kFail ? ProbeState::kFail
                                                            : ProbeState::kUnknown;
  report.outcome = check.status();
  report.sentence = check.sentence();
  if (before.flapping() != check.flapping()) {
    report.kind = check.flapping() ? ports::EventKind::kAlarm : ports::EventKind::kAlarmCleared;
    report.alarm = ports::Alarm::kCheckFlapping;
    context.ports.reports.report(report);
  }
  report.alarm = ports::Alarm::kNone;
  report.kind = ports::EventKind::kCheck;
  if (before.settled() != check.settled() || before.warning() != check.warning()) {
    context.ports.reports.report(report);
  }
  publish_check(id);
  for (const auto& each : movers) {
    if (each) each->on_check(now, id);
  }
}

void Engine::Impl::publish_check(ports::PluginId id) {
  const PluginPlace& place = context.plugins[id];
  const Check& check = place.check;
  ports::CheckState state;
  std::copy(place.section.name.begin(), place.section.name.end(), state.name.begin());
  state.pending = check.settled() == Check::Settled::kPending;
  state.state = check.passes()                             ? ProbeState::kPass
                : check.settled() == Check::Settled::kFail ? ProbeState::kFail
                                                           : ProbeState::kUnknown;
  state.role = check.role();
  state.status = check.status();
  state.warning = check.warning();
  state.flapping = check.flapping();
  state.since_ns = check.since().time_since_epoch().count();
  const std::string_view sentence = check.sentence().view();
  std::copy(sentence.begin(), sentence.end(), state.sentence.begin());
  context.ports.reports.publish_check(id, state);
}

}  // namespace baton::engine
