// A [plugin NAME] section into a Plugin: its module is asked which keys there are, each value is tested against the
// key's type and limits, secrets are read, defaults are filled in. What instances do with the plugin is build.cc's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "config/document.h"
#include "config/module.h"
#include "config/reader.h"
#include "config/report.h"
#include "config/values.h"

namespace baton::config {

/// Without `options.modules` keys of the module's own are taken as they stand.
Plugin read_plugin(const Section& section, const ParseOptions& options, Report& report);

/// What a reference `key = NAME` asks of the plugin and its module cannot. nullopt: it can, or it could not be asked.
struct VerbTrouble {
  std::string wanted;  ///< "`enter` and no `leave`"
  std::string has;     ///< "probe, notify"
};
std::optional<VerbTrouble> lacking_verb(const Plugin& plugin, std::string_view reference);

/// One value against a key's type, domain and limits; of a secret only its form.
std::optional<ValueError> check_value(const ModuleKey& key, std::string_view text);

}  // namespace baton::config
