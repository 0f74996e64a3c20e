// The running configuration as text and as a document; secrets are left out by config/effective.h.
#include "config/effective.h"
#include "steward/documents.h"

namespace baton::steward {

Json config_document(const config::Config& config, const std::string& path) {
  Json sections = Json::array();
  const auto add = [&](const std::string& section, const config::Properties& properties) {
    Json keys = Json::array();
    for (const auto& [key, value] : properties) keys.push_back({{"key", key}, {"value", value}});
    sections.push_back({{"section", section}, {"keys", std::move(keys)}});
  };
  add("daemon", config::properties(config.daemon));
  for (const config::Instance& instance : config.instances)
    add("instance " + instance.name, config::properties(instance));
  for (const config::Group& group : config.groups) add("group " + group.name, config::properties(group));
  for (const config::Plugin& plugin : config.plugins) add("plugin " + plugin.name, config::properties(plugin));
  for (const config::Peer& peer : config.peers) add("peer " + peer.host, config::properties(peer));
  return {{"host", config.host},
          {"hash", config.hash},
          {"path", path},
          {"text", config::effective(config)},
          {"sections", sections}};
}

}  // namespace baton::steward
