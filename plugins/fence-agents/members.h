// Which options the fence agent gets for a HOST: what all hosts have in common, what the `member` line of that HOST
// says and what secret files hold. Refuses passwords in the configuration itself.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "plugin.hpp"

namespace baton::fence_agents {

/// KEY=VALUE lines for the agent's stdin, in order; a later one of the same KEY wins.
using Options = std::vector<std::pair<std::string, std::string>>;

struct Members {
  std::map<std::string, Options> hosts;
  Options secrets;                             ///< for all hosts
  std::map<std::string, Options> own_secrets;  ///< for one
  std::vector<std::string> errors;             ///< of the keys, for check_settings: "member: ..."

  /// All of them, without the action.
  Options options_of(const std::string& host) const;
  /// `text` with every secret replaced: agents repeat lines that they do not understand.
  std::string without_secrets(std::string text) const;
};

Members read_members(const plugin::Host& host);

}  // namespace baton::fence_agents
