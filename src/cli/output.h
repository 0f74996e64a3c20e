// How a verb ends: text or JSON on stdout, trouble on stderr, and the exit status. With --json, trouble is JSON on
// stdout too.
#pragma once

#include <string>

#include "cli/connection.h"
#include "cli/options.h"

namespace baton::cli {

/// Prints {"ok":false,"exit":N,"error":...} or "batonctl: ..."; returns N.
int report_trouble(const Trouble& trouble, const Options& options);
/// Prints the document on one line.
void print_json(const Json& document);
/// What a failed answer of the steward says; returns its exit code. `details`: text to print before the error.
int report_refusal(const Json& answer, const std::string& details, const Options& options);
void print(const std::string& text);

}  // namespace baton::cli
