// The steward's JSON documents as text for people. Pure: documents in (src/steward/CONTROL.md), text out. Missing or
// strange fields show as "-" or nothing; they never stop the rest from being shown.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/options.h"

namespace baton::cli {

using Json = nlohmann::ordered_json;

/// What concerns the whole host first (engine, drained, frozen), then the table, then the alarms.
std::string render_status(const Json& status, const Options& options);
std::string render_explain(const Json& explanation, const Options& options);
/// One event or history entry, with a newline.
std::string render_event(const Json& event, const Options& options);
/// Field access that never throws: "" or 0 or false for what is not there or is of another type.
std::string text_of(const Json& json, const char* key);
long long number_of(const Json& json, const char* key);
bool is_true(const Json& json, const char* key);
/// The array under `key`; an empty one if there is none.
const Json& list_of(const Json& json, const char* key);
const Json& list_of(Json&&, const char*) = delete;  // what it refers to would be gone

}  // namespace baton::cli
