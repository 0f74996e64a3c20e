// Reading a configuration file the way the daemon would, for the verbs that need one.
#pragma once

#include "cli/config_json.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "config/module.h"
#include "config/reader.h"

namespace baton::cli {

/// As this host, or as `arguments.host`. Secrets are read by root alone.
config::Loaded load_file(const FileArguments& arguments, config::ModuleSource& modules);

/// Prints the diagnostics, as text or in `document`; returns batonctl's exit status.
int report_invalid(const Options& options, const config::Loaded& loaded, Json document);

}  // namespace baton::cli
