#include "steward/knowledge.h"

#include <algorithm>

#include "ipc/host_order.h"

namespace baton::steward {
namespace {

std::string text_of(std::span<const char> bytes) {
  return {bytes.begin(), std::find(bytes.begin(), bytes.end(), '\0')};
}

const config::Instance* find_instance(const config::Config& config, const std::string& name) {
  const auto found = std::find_if(config.instances.begin(), config.instances.end(),
                                  [&](const config::Instance& instance) { return instance.name == name; });
  return found == config.instances.end() ? nullptr : &*found;
}

/// The configured instances behind one entry of the board: itself, or a group's members in order.
std::vector<const config::Instance*> configured(const config::Config& config, const ports::InstanceState& state) {
  const std::string name = text_of(state.name);
  std::vector<const config::Instance*> found;
  if (!state.is_group) {
    if (const config::Instance* instance = find_instance(config, name)) found.push_back(instance);
    return found;
  }
  for (const config::Group& group : config.groups) {
    if (group.name != name) continue;
    for (const std::string& member : group.members) {
      if (const config::Instance* instance = find_instance(config, member)) found.push_back(instance);
    }
  }
  return found;
}

/// The derived IPv6 link-local VIP is Baton's own business; it is left out unless it is all that there is.
void add_addresses(const config::Instance& instance, InstanceView& view) {
  const auto is_ipv6 = [](const Prefix& prefix) { return prefix.address.is_ipv6(); };
  const auto ipv6_count = std::count_if(instance.addresses.begin(), instance.addresses.end(), is_ipv6);
  for (const Prefix& prefix : instance.addresses) {
    const bool derived = prefix.address.is_ipv6() && prefix.address.is_link_local() && ipv6_count > 1;
    if (!derived) view.addresses.push_back(prefix.text());
  }
  for (const Prefix& prefix : instance.extra_addresses) view.addresses.push_back(prefix.text());
  view.places.resize(view.addresses.size(), {instance.interface, instance.vrid.value()});
}

const config::Election& election_of(const config::Config& config, const ports::InstanceState& state,
                                    const config::Instance& first) {
  const std::string name = text_of(state.name);
  for (const config::Group& group : config.groups) {
    if (state.is_group && group.name == name) return group.election;
  }
  return first.election;
}

void add_plugins(const config::Election& election, const HostView& host, InstanceView& view) {
  view.follow_ups = election.follow_up;
  view.grant = election.grant;
  for (const config::CheckReference& reference : election.checks) {
    const auto check = std::find_if(host.checks.begin(), host.checks.end(),
                                    [&](const CheckView& each) { return each.name == reference.plugin; });
    view.checks.push_back({reference, check == host.checks.end() ? nullptr : &*check});
  }
  if (election.promote.empty()) return;
  const auto data = std::find_if(host.checks.begin(), host.checks.end(),
                                 [&](const CheckView& each) { return each.name == election.promote.front(); });
  if (data != host.checks.end()) view.data = &*data;
}

std::size_t place_in_file(const config::Config& config, const InstanceView& view) {
  const std::string name = view.state.is_group && !view.members.empty() ? view.members.front() : view.name();
  for (std::size_t i = 0; i < config.instances.size(); ++i) {
    if (config.instances[i].name == name) return i;
  }
  return config.instances.size();
}

}  // namespace

HostNames host_names(const config::Config& config) {
  std::map<IpAddress, std::string> names;
  for (const config::Peer& peer : config.peers) {
    for (const IpAddress& address : peer.addresses) names.emplace(address, peer.host);
  }
  return HostNames{std::move(names)};
}

void Knowledge::note_report(const ipc::ReportMessage& message, Instant heard_at) {
  tallies_.note_report(message, heard_at);
  const ports::Report& report = message.report;
  // The engine numbers its reports from 1; the scribe's own have number 0.
  if (message.sequence != 0) {
    if (message.sequence > last_sequence_ + 1) events_lost_ += message.sequence - last_sequence_ - 1;
    last_sequence_ = message.sequence;
  }
  // What is wrong with a check stands beside the check.
  const bool of_check = message.instance.empty() && !report.plugin.empty();
  if (report.kind == ports::EventKind::kAlarm && !of_check) alarms_[message.instance][report.alarm] = report;
  if (report.kind == ports::EventKind::kAlarmCleared) alarms_[message.instance].erase(report.alarm);
  if (report.kind == ports::EventKind::kActed) acts_[message.instance][report.verb] = report;
  if (report.kind != ports::EventKind::kTransition) return;
  if (report.to == vrrp::State::kInitialize) {
    up_since_.erase(message.instance);
  } else if (report.from == vrrp::State::kInitialize) {
    up_since_[message.instance] = report.at.time_since_epoch().count();
  }
}

void Knowledge::note_lifecycle(const ipc::Lifecycle& lifecycle) {
  if (lifecycle.process != ipc::Process::kEngine) return;
  switch (lifecycle.reason) {
    case Reason::kTooManyDeaths: engine_ = EngineHealth::kGivenUp; break;
    case Reason::kAdopted: engine_ = EngineHealth::kRunning; break;
    default: engine_ = EngineHealth::kRestarting; break;
  }
  if (lifecycle.reason != Reason::kAdopted) ++engine_deaths_;
}

void Knowledge::note_reload_state(const ipc::ReloadState& state) {
  confirm_by_.reset();
  if (state.deadline_ns != 0) confirm_by_ = Instant{Nanos{state.deadline_ns}};
  rolled_back_ = state.rolled_back;
  if (rolled_back_) reload_succeeded_ = false;
}

void Knowledge::note_engine_replaced() {
  last_sequence_ = 0;
  // What the dead engine said of the host is void; of the instances the board says what is in force.
  std::erase_if(alarms_[""], [](const auto& entry) { return entry.first != ports::Alarm::kScribeSilent; });
  if (engine_ != EngineHealth::kGivenUp) engine_ = EngineHealth::kRunning;
}

void Knowledge::note_engine_gone() {
  if (engine_ == EngineHealth::kRunning) engine_ = EngineHealth::kRestarting;
}

void Knowledge::note_plugin_page(const std::string& section, posix::Mapping page) {
  probe_hosts_[section] = {std::move(page), ""};
}

void Knowledge::note_plugin_down(const ipc::PluginHostDown& down) {
  if (down.kind != ipc::HostKind::kProbe) return tallies_.note_plugin_down(down.section, down.kind, false);
  ProbeHost& host = probe_hosts_[down.section];
  const ipc::PageReading last = ipc::read_outcome(host.page.const_bytes());
  const bool has_said_why =
      last.state == ipc::PageState::kGood && ipc::host_said_why(down.wait_status, last.outcome.status);
  host.trouble = has_said_why ? "" : down.sentence;
  tallies_.note_plugin_down(down.section, down.kind, has_said_why && last.outcome.status == VerbStatus::kTimeout);
}

void Knowledge::keep_configured(const config::Config& config) {
  tallies_.keep(config);
  std::erase_if(probe_hosts_, [&](const auto& entry) {
    return std::none_of(config.plugins.begin(), config.plugins.end(),
                        [&](const config::Plugin& plugin) { return plugin.name == entry.first; });
  });
}

std::vector<CheckView> Knowledge::check_views(const ipc::BoardReader& board, const config::Config& config) const {
  std::vector<CheckView> views;
  for (const config::Plugin& plugin : config.plugins) {
    const auto refers = [&](const config::Election& election) {
      return std::any_of(election.checks.begin(), election.checks.end(),
                         [&](const config::CheckReference& check) { return check.plugin == plugin.name; });
    };
    const bool used = std::any_of(config.instances.begin(), config.instances.end(),
                                  [&](const auto& each) { return refers(each.election); }) ||
                      std::any_of(config.groups.begin(), config.groups.end(),
                                  [&](const auto& each) { return refers(each.election); });
    if (!used) continue;
    CheckView view{.name = plugin.name, .module = plugin.module, .state = {}, .latest = {}, .trouble = {}};
    for (std::uint32_t slot = 0; slot < board.check_bound(); ++slot) {
      const auto state = board.check(slot);
      if (state && text_of(state->name) == plugin.name) view.state = *state;
    }
    if (const auto host = probe_hosts_.find(plugin.name); host != probe_hosts_.end()) {
      view.trouble = host->second.trouble;
      ipc::PageReading reading = ipc::read_outcome(host->second.page.const_bytes());
      if (reading.state == ipc::PageState::kGood) view.latest = std::move(reading.outcome);
    }
    views.push_back(std::move(view));
  }
  return views;
}

HostView Knowledge::view(const ipc::BoardReader& board, const config::Config& config, const std::string& config_path,
                         Instant now, std::int64_t wall_clock_ns) const {
  HostView host;
  host.host = config.host;
  host.config_path = config_path;
  host.config_hash = config.hash;
  host.engine = engine_;
  host.engine_deaths = engine_deaths_;
  host.counters = board.host_counters();
  host.vrid_errors = host.counters.vrid_errors;
  host.reload_succeeded = reload_succeeded_;
  host.confirm_by = confirm_by_;
  host.rolled_back = rolled_back_;
  host.configured_wall_ns = configured_wall_ns_;
  host.events_lost = events_lost_;
  host.names = host_names(config);
  host.now = now;
  host.wall_clock_ns = wall_clock_ns;
  if (const auto own = alarms_.find(""); own != alarms_.end()) host.alarms = own->second;
  host.checks = check_views(board, config);
  const Details no_details;
  for (const ipc::BoardReader::Entry& entry : board.entries()) {
    InstanceView view;
    view.state = entry.instance;
    view.word = entry.word;
    const std::vector<const config::Instance*> members = configured(config, entry.instance);
    for (const config::Instance* member : members) {
      add_addresses(*member, view);
      if (entry.instance.is_group) view.members.push_back(member->name);
    }
    if (!members.empty()) {
      view.preempt = members.front()->election.preempt;
      view.preempt_delay = members.front()->election.preempt_delay;
      add_plugins(election_of(config, entry.instance, *members.front()), host, view);
    }
    for (std::size_t i = 0; i < entry.routers.size(); ++i) {
      RouterView router{.state = entry.routers[i],
                        .counters = board.counters(entry.instance.first_router_slot + static_cast<std::uint32_t>(i))};
      const auto behind = std::find_if(members.begin(), members.end(), [&](const config::Instance* member) {
        return member->interface == router.interface() && member->vrid.value() == router.state.vrid;
      });
      if (behind != members.end()) {
        router.advertisement_interval = (*behind)->advertisement_interval;
        router.owner = (*behind)->owner;
      }
      view.routers.push_back(router);
    }
    const auto details = alarms_.find(view.name());
    view.alarms = alarms_in_force(entry.instance.alarms, details == alarms_.end() ? no_details : details->second);
    if (const auto acts = acts_.find(view.name()); acts != acts_.end()) view.acts = acts->second;
    if (const auto up = up_since_.find(view.name()); up != up_since_.end()) view.up_ns = up->second;
    host.instances.push_back(std::move(view));
  }
  std::stable_sort(host.instances.begin(), host.instances.end(),
                   [&](const InstanceView& left, const InstanceView& right) {
                     return place_in_file(config, left) < place_in_file(config, right);
                   });
  return host;
}

}  // namespace baton::steward
