// What every verb of batonctl gets from the command line and the terminal.
#pragma once

#include <string>

namespace baton::cli {

struct Options {
  std::string runtime_dir = "/run/baton";
  std::string plugin_dir = {};  ///< "" = as installed, or as built
  bool json = false;
  bool colour = false;     ///< stdout is a terminal and NO_COLOR is not set
  std::size_t width = 80;  ///< columns
};

}  // namespace baton::cli
