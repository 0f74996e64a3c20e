// The command line of batond.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace baton::daemon {

struct Options {
  std::string config_path = "/etc/baton/baton.conf";
  std::string host;  ///< "" = the short host name
  bool host_from_command_line = false;
  std::string runtime_dir = "/run/baton";
  std::string state_dir = "/var/lib/baton";
  std::string plugin_dir;  ///< "" = beside this program as built, else /usr/lib/baton/plugins
  bool check_only = false;
  bool self_check = false;
  bool show_version = false;
  bool show_help = false;
  std::vector<std::string> arguments = {};  ///< all words as they were given, the program's name first
};

/// Error: an unknown option, a missing value, or words that belong to no option.
Result<Options> parse_options(std::span<char* const> arguments);
std::string usage();

}  // namespace baton::daemon
