// Diagnostics and differences between their plain structs and the JSON of `check`, `reload` and `config diff`. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "config/diagnostic.h"
#include "config/diff.h"

namespace baton::cli {

using Json = nlohmann::ordered_json;

Json diagnostics_json(std::span<const config::Diagnostic> diagnostics);
Json diff_json(const std::vector<config::ObjectChange>& changes);

/// What is missing or of another type stays empty.
std::vector<config::Diagnostic> diagnostics_from(const Json& list);
std::vector<config::ObjectChange> diff_from(const Json& list);

}  // namespace baton::cli
