// What keeps two hosts from being written to at once (config/protection.h), as `batonctl check` shows it: for people
// and for programs. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/render.h"
#include "config/protection.h"

namespace baton::cli {

/// Empty lines around it are the caller's; ends with a newline.
std::string render_protection(const config::Protection& protection);
/// [{"object", "grant", "witness", "fence", "watchdog", "preempt", "resume_alone", "times", "guaranteed",
/// "not_guaranteed"}].
Json protection_json(const std::vector<config::Protection>& protections);

}  // namespace baton::cli
