// Reading a configuration file the way the daemon would, and the running one back, for the verbs that need one.
#pragma once

#include "cli/config_json.h"
#include "cli/connection.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "config/module.h"
#include "config/reader.h"

namespace baton::cli {

/// As this host, or as `arguments.host`. Secrets are read by root alone.
config::Loaded load_file(const FileArguments& arguments, config::ModuleSource& modules);

/// The running configuration as the steward shows it: {"host","text",...}. `refusal`: its answer, if it gives none.
Expected<Json, Trouble> running_configuration(const Options& options, Json& refusal);
/// Reads that text back.
Expected<config::Config, Trouble> parse_running(const Json& running, config::ModuleSource& modules);

/// Prints the diagnostics, as text or in `document`; returns batonctl's exit status.
int report_invalid(const Options& options, const config::Loaded& loaded, Json document);

}  // namespace baton::cli
