// One run of a fence agent (fence_ipmilan, fence_apc, ...): options on stdin, the action, what it said as a typed
// answer. Off is only what the agent says in words and by its exit code.
#pragma once

#include <chrono>
#include <string>

#include "fence-agents/members.h"
#include "plugin.hpp"

namespace baton::fence_agents {

enum class Power { kUnknown, kOn, kOff };

struct Said {
  plugin::Status status = plugin::Status::kOk;  ///< kOk: it did what was asked for
  std::string cause;                            ///< login, timeout, plug, usage, ...
  std::string sentence;                         ///< its words, or how it ended; no secrets
  Power power = Power::kUnknown;                ///< of action=status
};

class Agent {
 public:
  Agent(std::string path, Members members) : path_(std::move(path)), members_(std::move(members)) {}

  /// `host` is a member. Back within `timeout` and a little.
  Said run(const std::string& action, const std::string& host, std::chrono::nanoseconds timeout) const;

  const Members& members() const { return members_; }
  std::string name() const { return path_.substr(path_.rfind('/') + 1); }

 private:
  std::string path_;
  Members members_;
};

/// Where an agent of that name is: a path as it stands, a name in the directories for such programs. "": nowhere.
std::string find_agent(const std::string& agent);

}  // namespace baton::fence_agents
