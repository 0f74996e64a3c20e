// What a support bundle is filled with: the daemon's answers, the configuration as it is understood, and the host's
// state as its own tools tell it. Files with secrets in them are read only to know what to hide.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/bundle.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "config/reader.h"
#include "ipc/module_catalog.h"

namespace baton::cli {

/// All that is known to be secret: contents of secret files as far as this user may read them, values of variables,
/// passwords in URLs.
std::vector<std::string> known_secrets(const config::Loaded& loaded);

/// What the daemon answers; nullopt: all of it. Otherwise why there is none.
std::optional<Trouble> add_daemon(Bundle& bundle, const Options& options);
/// The file as this program reads it, which need not be what the daemon runs.
void add_configuration(Bundle& bundle, const config::Loaded& loaded, const std::string& file);
void add_plugins(Bundle& bundle, ipc::ModuleCatalog& catalog);
/// Kernel, interfaces, addresses, routes, filters, Baton's processes, unit, journal, packages.
void add_host(Bundle& bundle);

}  // namespace baton::cli
