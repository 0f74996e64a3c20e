#include "ipc/section_order.h"

#include <algorithm>

namespace baton::ipc {
namespace {

const config::Secret* secret_of(const config::Plugin& plugin, const config::Setting& setting) {
  const auto secret = std::find_if(plugin.secrets.begin(), plugin.secrets.end(),
                                   [&](const config::Secret& one) { return one.key == setting.key; });
  return secret == plugin.secrets.end() ? nullptr : &*secret;
}

}  // namespace

HostOrder section_order(const config::Config& config, const config::Plugin& plugin, HostKind kind) {
  HostOrder order;
  order.section = plugin.name;
  order.kind = kind;
  order.module_path = plugin.about.path;
  order.own_module = plugin.about.own;
  order.user = kind == HostKind::kProbe ? plugin.probe_user() : plugin.act_user();
  order.host_name = config.host;
  order.interval = plugin.interval;
  order.timeout = plugin.timeout;
  order.deadline = plugin.deadline;
  order.ring_for = std::max(plugin.rise, plugin.fall);
  order.needs = plugin.about.needs;
  for (const config::Setting& setting : plugin.settings) {
    const config::Secret* const secret = secret_of(plugin, setting);
    // What a hostile answer could make a probe give away must not be more than it needs.
    if (secret != nullptr && secret->acts_only && kind == HostKind::kProbe) continue;
    order.settings.emplace_back(setting.key, secret == nullptr ? setting.values : secret->contents);
  }
  return order;
}

}  // namespace baton::ipc
