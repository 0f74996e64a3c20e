#include "engine/plan.h"

#include <algorithm>

#include "ports/snapshot.h"

namespace baton::engine {
namespace {

void add_member(Plan& plan, const config::Instance& instance, const config::Election& election) {
  const std::size_t member = plan.members.size();
  plan.members.push_back(instance);
  plan.members.back().election = election;
  plan.members.back().defined_at = {};  // where it was written is the reader's business
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    RouterPlan router{.member = member, .family = family, .addresses = {}};
    for (const Prefix& prefix : instance.addresses) {
      if (prefix.address.family() != family) continue;
      router.addresses.push_back(prefix.address);
      plan.vips.push_back({prefix, member});
    }
    if (!router.addresses.empty()) plan.routers.push_back(std::move(router));
  }
  for (const Prefix& prefix : instance.extra_addresses) plan.vips.push_back({prefix, member});
}

}  // namespace

std::vector<Plan> make_plans(const config::Config& config) {
  std::vector<Plan> plans;
  const auto instance_named = [&](const std::string& name) {
    return std::find_if(config.instances.begin(), config.instances.end(),
                        [&](const config::Instance& each) { return each.name == name; });
  };
  for (const config::Instance& instance : config.instances) {
    if (!instance.group.empty()) continue;
    Plan plan{.name = instance.name, .members = {}, .routers = {}, .vips = {}};
    add_member(plan, instance, instance.election);
    plans.push_back(std::move(plan));
  }
  for (const config::Group& group : config.groups) {
    Plan plan{.name = group.name, .is_group = true, .members = {}, .routers = {}, .vips = {}};
    for (const std::string& name : group.members) {
      const auto member = instance_named(name);
      if (member != config.instances.end()) add_member(plan, *member, group.election);
    }
    plans.push_back(std::move(plan));
  }
  // The reader refuses what has no virtual router or too many; the engine only must not stumble.
  std::erase_if(plans,
                [](const Plan& plan) { return plan.routers.empty() || plan.routers.size() > ports::kMaxRouters; });
  return plans;
}

bool same(const Plan& a, const Plan& b) { return a.is_group == b.is_group && a.members == b.members; }

bool same_wire(const Plan& a, const Plan& b) {
  if (a.is_group != b.is_group || a.members.size() != b.members.size() || a.routers.size() != b.routers.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.members.size(); ++i) {
    const config::Instance& x = a.members[i];
    const config::Instance& y = b.members[i];
    if (x.name != y.name || x.interface != y.interface || x.vrid != y.vrid || x.version != y.version ||
        x.owner != y.owner || x.unicast != y.unicast || x.unicast_source != y.unicast_source ||
        x.unicast_peers != y.unicast_peers || x.password != y.password) {
      return false;
    }
  }
  return std::equal(
      a.routers.begin(), a.routers.end(), b.routers.begin(),
      [](const RouterPlan& x, const RouterPlan& y) { return x.member == y.member && x.family == y.family; });
}

bool continues(const Plan& plan, const ports::AdoptedInstance& adopted) {
  if (adopted.instance.is_group != plan.is_group || adopted.routers.size() != plan.routers.size()) return false;
  for (std::size_t i = 0; i < plan.routers.size(); ++i) {
    const ports::RouterState& was = adopted.routers[i];
    const config::Instance& instance = plan.members[plan.routers[i].member];
    if (instance.interface != was.interface.data() || instance.vrid.value() != was.vrid ||
        static_cast<std::uint8_t>(plan.routers[i].family) != was.family ||
        static_cast<std::uint8_t>(instance.version) != was.version) {
      return false;
    }
  }
  return true;
}

}  // namespace baton::engine
