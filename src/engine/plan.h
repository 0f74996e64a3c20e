// From the configuration to what the engine runs: one plan for each [instance] without a group and for each [group].
// Pure; also says whether a new plan can be applied to a running one or needs a restart.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "ports/snapshot.h"

namespace baton::engine {

/// One virtual router on the wire.
struct RouterPlan {
  std::size_t member = 0;  ///< index in Plan::members
  Family family = Family::kIpv4;
  std::vector<IpAddress> addresses;  ///< in the advert
};

struct VipPlan {
  Prefix prefix;
  std::size_t member = 0;
  bool operator==(const VipPlan&) const = default;
};

struct Plan {
  std::string name;
  bool is_group = false;
  std::vector<config::Instance> members;  ///< one, or the group's in order and with its election
  std::vector<RouterPlan> routers;        ///< in the members' order, IPv4 first
  std::vector<VipPlan> vips;              ///< advertised and extra, in the order of installation

  const config::Election& election() const { return members.front().election; }
  bool owner() const { return members.front().owner; }
};

std::vector<Plan> make_plans(const config::Config& config);

/// Whether the objects mean the same: where they were written does not count (I9).
bool same(const Plan& a, const Plan& b);
/// Interface, VRID, version, families, unicast: another virtual router on the wire, so it has to start again.
bool same_wire(const Plan& a, const Plan& b);
/// Whether a predecessor's record is of the same virtual routers, so that they can be continued.
bool continues(const Plan& plan, const ports::AdoptedInstance& adopted);

}  // namespace baton::engine
