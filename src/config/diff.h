// What a reload would change: two Configs compared object by object, key by key. Secrets are compared but never shown.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"

namespace baton::config {

enum class ChangeKind : std::uint8_t { kAdded, kRemoved, kChanged };

struct KeyChange {
  std::string key;
  std::vector<std::string> before;  ///< values; more than one for lists
  std::vector<std::string> after;
  bool operator==(const KeyChange&) const = default;
};

struct ObjectChange {
  ChangeKind kind = ChangeKind::kChanged;
  std::string object;  ///< "daemon", "instance web", "peer db1"
  std::vector<KeyChange> keys;
  bool operator==(const ObjectChange&) const = default;
};

/// In the order daemon, instances, groups, plugins, peers; objects of `after` first, then those that are gone.
std::vector<ObjectChange> diff(const Config& before, const Config& after);

/// "~ instance web", "    priority: 100 -> 110"; "" if nothing changed.
std::string render_diff(const std::vector<ObjectChange>& changes);

}  // namespace baton::config
