#include "daemon/fleet.h"

#include <sys/stat.h>

#include <set>
#include <string>

#include "ipc/section_order.h"

namespace baton::daemon {
namespace {

struct References {
  std::set<std::string> probes;
  std::set<std::string> acts;
};

References references(const config::Config& config) {
  References found;
  const auto add = [&](const config::Election& election) {
    for (const config::CheckReference& check : election.checks) found.probes.insert(check.plugin);
    for (const auto* names :
         {&election.promote, &election.follow_up, &election.notify, &election.witness, &election.fence}) {
      found.acts.insert(names->begin(), names->end());
    }
    // Which role the data has is looked at all the time.
    found.probes.insert(election.promote.begin(), election.promote.end());
  };
  // A member's election is its group's.
  for (const config::Instance& instance : config.instances) add(instance.election);
  for (const config::Group& group : config.groups) add(group.election);
  return found;
}

/// A file that was replaced is another one, also under the same name; "": there is none.
std::string identity_of(const std::string& path) {
  struct stat facts {};
  if (path.empty() || ::stat(path.c_str(), &facts) != 0) return {};
  return std::to_string(facts.st_dev) + ":" + std::to_string(facts.st_ino) + ":" + std::to_string(facts.st_size) + ":" +
         std::to_string(facts.st_mtim.tv_sec) + "." + std::to_string(facts.st_mtim.tv_nsec);
}

}  // namespace

std::vector<ipc::HostOrder> host_orders(const config::Config& config) {
  const References found = references(config);
  std::vector<ipc::HostOrder> orders;
  for (const config::Plugin& plugin : config.plugins) {
    if (found.probes.contains(plugin.name)) orders.push_back(ipc::section_order(config, plugin, ipc::HostKind::kProbe));
    if (found.acts.contains(plugin.name)) orders.push_back(ipc::section_order(config, plugin, ipc::HostKind::kAct));
  }
  for (ipc::HostOrder& order : orders) order.module_file = identity_of(order.module_path);
  return orders;
}

void strip_secrets(config::Config& config) {
  for (config::Plugin& plugin : config.plugins) plugin.secrets.clear();
}

void strip_peer_keys(config::Config& config) { config.daemon.peer_keys.clear(); }

}  // namespace baton::daemon
