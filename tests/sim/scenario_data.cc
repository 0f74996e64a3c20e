#include "tests/sim/scenario_data.h"

#include <algorithm>

namespace baton::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

DataUnit make_unit(Random& random, int index, const config::Instance& instance) {
  DataUnit unit;
  unit.unit = index;
  unit.instance = instance.name;
  const std::uint64_t grant = random.below(100);
  unit.grant = grant < 52   ? config::Grant::kWitness
               : grant < 80 ? config::Grant::kPeer
               : grant < 95 ? config::Grant::kUnsafe
                            : config::Grant::kManual;
  static const std::vector<Nanos> kLeases{seconds{4}, seconds{6}, seconds{10}, seconds{10}, seconds{15}};
  unit.lease = random.pick(kLeases);
  unit.sets = random.permille(150) ? 2 : 1;
  unit.witnesses = random.permille(100) ? 2 : 1;
  if (unit.grant != config::Grant::kWitness) unit.witnesses = 0;
  const bool may_fence = unit.grant == config::Grant::kUnsafe || unit.grant == config::Grant::kPeer;
  unit.fence = may_fence && random.permille(600);
  unit.fences_itself = unit.grant == config::Grant::kPeer && random.permille(400);
  unit.power_switch = random.permille(500);
  unit.boot_guard = random.permille(850);
  unit.rebuild = random.permille(500);
  return unit;
}

config::Plugin section(const std::string& name, Nanos deadline, std::initializer_list<PluginVerb> verbs) {
  config::Plugin plugin;
  plugin.name = name;
  plugin.module = "simulated";
  plugin.deadline = deadline;
  for (const PluginVerb verb : verbs) plugin.about.verbs.add(verb);
  return plugin;
}

}  // namespace

void add_databases(Random& random, Scenario& made, std::vector<config::Instance>& shape,
                   std::vector<config::Group>& groups, int& owner) {
  static const std::vector<Nanos> kIntervals{milliseconds{200}, milliseconds{500}, seconds{1}, seconds{1}};
  const Nanos interval = random.pick(kIntervals);
  owner = -1;
  groups.clear();
  if (made.hosts > 3) made.hosts = 3;
  if (shape.size() > 2) shape.resize(2);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    shape[i].group.clear();
    shape[i].version = vrrp::Version::kV3;
    shape[i].password.clear();
    shape[i].advertisement_interval = interval;
    if (i == 0 || random.permille(500)) made.data.push_back(make_unit(random, static_cast<int>(i), shape[i]));
  }
  made.act_trouble = random.permille(500) ? 0 : 20;
  made.origins.resize(static_cast<std::size_t>(made.hosts));
  made.drift_ppm.resize(static_cast<std::size_t>(made.hosts));
}

void configure_databases(const Scenario& made, config::Config& config) {
  Random random(made.seed ^ 0xC0F1);  // the same keys on all hosts
  for (const DataUnit& unit : made.data) {
    config::Election& election = config.instances[static_cast<std::size_t>(unit.unit)].election;
    static const std::vector<Nanos> kDeadlines{seconds{3}, seconds{10}, seconds{20}};
    const Nanos deadline = random.pick(kDeadlines);
    const bool rejoins = random.permille(700);
    for (int set = 0; set < unit.sets; ++set) {
      const std::string name = "db" + std::to_string(unit.unit) + (set == 0 ? "" : "b");
      config::Plugin plugin =
          section(name, deadline,
                  {PluginVerb::kProbe, PluginVerb::kCanPromote, PluginVerb::kBlockWrites, PluginVerb::kUnblockWrites,
                   PluginVerb::kDrain, PluginVerb::kPromote, PluginVerb::kDemote, PluginVerb::kVerify});
      if (rejoins) plugin.about.verbs.add(PluginVerb::kRejoin);
      if (unit.fences_itself) plugin.about.verbs.add(PluginVerb::kFence);
      config.plugins.push_back(plugin);
      election.promote.push_back(name);
    }
    if (random.permille(850)) election.checks.push_back({election.promote.front()});
    for (int i = 0; i < unit.witnesses; ++i) {
      const std::string name = "wit" + std::to_string(unit.unit) + (i == 0 ? "" : "b");
      config.plugins.push_back(
          section(name, seconds{5}, {PluginVerb::kAcquire, PluginVerb::kRenew, PluginVerb::kRelease}));
      election.witness.push_back(name);
    }
    if (unit.fence) {
      config.plugins.push_back(section("fence" + std::to_string(unit.unit), deadline, {PluginVerb::kFence}));
      election.fence.push_back(config.plugins.back().name);
    }
    election.grant = unit.grant;
    election.preempt = false;
    election.cooldown = random.permille(500) ? Nanos{0} : Nanos{seconds{random.between(1, 5)}};
    election.promotion_budget = random.permille(800) ? 1000 : 3;
    election.resume_alone = random.permille(600);
  }
}

std::string describe_databases(const Scenario& scenario) {
  std::string out;
  for (const DataUnit& unit : scenario.data) {
    const config::Election& election = scenario.configs.front().instances[static_cast<std::size_t>(unit.unit)].election;
    out += "  " + unit.instance + " promotes " + std::to_string(unit.sets) + " databases by " +
           (unit.grant == config::Grant::kWitness  ? std::to_string(unit.witnesses) + " witnesses, lease "
            : unit.grant == config::Grant::kManual ? "an operator, "
            : unit.grant == config::Grant::kPeer   ? "promises, "
                                                   : "nobody's grant, ") +
           std::to_string(unit.lease.count() / 1'000'000'000) + " s" + (unit.fence ? ", fences" : "") +
           (unit.power_switch ? " by power" : "") + (unit.fences_itself ? ", fences by itself" : "") +
           (unit.boot_guard ? ", boot guard" : ", no boot guard") + (unit.rebuild ? ", rebuilds" : "") +
           ", act deadline " +
           std::to_string(scenario.configs.front().plugins.front().deadline.count() / 1'000'000'000) + " s, budget " +
           std::to_string(election.promotion_budget) + (election.resume_alone ? ", resumes alone" : "") +
           (election.checks.empty() ? ", unchecked" : "") + "\n";
  }
  return out;
}

}  // namespace baton::sim
