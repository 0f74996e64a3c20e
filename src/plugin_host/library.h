// A plugin's shared object: whether it may be loaded at all, whether it is one of ours, and what it says of itself.
// Reads no field past the struct's own size, so that older and newer minor versions load.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/plugin_verb.h"
#include "config/module.h"
#include "plugin_api/plugin.h"

namespace baton::plugin_host {

struct Library {
  /// A copy; what the plugin's struct is too short for is zero.
  baton_plugin plugin{};
  std::vector<baton_key> keys;
  config::Module module;
};

/// The functions of the verbs, by PluginVerb; nullptr: it lacks that one.
std::array<baton_verb, kPluginVerbs> verb_functions(const baton_plugin& plugin);

/// The file and each directory above it belong to root and cannot be written by others (a sticky directory above is
/// fine: nobody can replace in it what is root's). Error: which one, and what is wrong with it.
Result<void> check_trust(const std::string& path);

/// REQUIRES an absolute path. check_trust, also of the directories of links on the way, then dlopen of the very file
/// that was looked at (RTLD_NOW | RTLD_LOCAL). Never unloaded. Error: in words, with the path.
Result<Library> load_library(const std::string& path);

}  // namespace baton::plugin_host
