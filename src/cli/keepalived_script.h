// A command line of keepalived as a [plugin] section of Baton. Pure.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace baton::cli::keepalived {

using Keys = std::vector<std::pair<std::string, std::string>>;

struct CheckCommand {
  Keys keys;         ///< module and its own keys
  std::string note;  ///< what differs; "" = nothing
};

/// A check that passes exactly when `command` ends with 0. Error: why it cannot be written.
Expected<CheckCommand, std::string> check_command(const std::string& command);

/// `command` as an exec plugin takes it, with `arguments` behind it. Error: why it cannot be written.
Expected<std::string, std::string> action_command(const std::string& command,
                                                  const std::vector<std::string>& arguments);

/// Nothing in `value` that a line of `key = value` cannot hold; else what.
std::optional<std::string> unwritable(const std::string& key, const std::string& value);

}  // namespace baton::cli::keepalived
