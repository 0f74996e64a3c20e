// What the values mean together: clashes between instances, contradictions, limits of the wire, and what is probably
// not meant. Works on a built Config and looks up places in the document.
#pragma once

#include "config/config.h"
#include "config/document.h"
#include "config/reader.h"
#include "config/report.h"

namespace baton::config {

/// For one host. `interfaces`: only for the host that this is, nullopt for the others.
void lint_host(const Document& document, const Config& config,
               const std::optional<std::vector<InterfaceFact>>& interfaces, Report& report);

/// Over the Configs of all hosts of the same document.
void lint_hosts(const Document& document, const std::vector<Config>& configs, Report& report);

/// Once: sections that do nothing.
void lint_document(const Document& document, Report& report);

}  // namespace baton::config
