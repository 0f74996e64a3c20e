// How long stopping may take: actions that leave, one after the other, each with its own deadline. Pure.
#pragma once

#include <algorithm>

#include "base/time.h"
#include "config/config.h"

namespace baton::daemon {

inline constexpr Nanos kLongestStop = std::chrono::minutes{10};

/// Of the instance that takes longest: instances leave side by side. Without actions: nothing.
inline Nanos leaving_limit(const config::Config& config) {
  const auto sum = [&](const config::Election& election) {
    Nanos all{0};
    for (const std::string& name : election.follow_up) {
      const auto section = std::find_if(config.plugins.begin(), config.plugins.end(),
                                        [&](const config::Plugin& each) { return each.name == name; });
      // A host that hangs is found out a moment after the deadline.
      if (section != config.plugins.end()) all += section->deadline + std::chrono::seconds{1};
    }
    return all;
  };
  Nanos longest{0};
  for (const config::Instance& instance : config.instances) longest = std::max(longest, sum(instance.election));
  for (const config::Group& group : config.groups) longest = std::max(longest, sum(group.election));
  return std::min(longest, kLongestStop);
}

}  // namespace baton::daemon
