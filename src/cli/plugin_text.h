// What `batonctl plugin` shows: a module's description and the outcome of one call, as JSON documents and as text for
// people. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "base/plugin_verb.h"
#include "base/time.h"
#include "cli/options.h"
#include "config/config.h"
#include "config/module.h"

namespace baton::cli {

using Json = nlohmann::ordered_json;

/// {"name","version","summary","verbs":[],"needs":[],"file",...,"keys":[{"name","type","required","list","default",
/// "domain","minimum","maximum","help"}]}
Json module_json(const config::Module& module);
/// One row a module; `modules` as module_json, or {"name","error"}.
std::string render_plugin_list(const Json& modules, const Options& options);
/// The manual: what it is, what it does, every key with type, default and help, who runs it.
std::string render_manual(const config::Module& module, const Options& options);

/// What one call came to.
struct CallOutcome {
  PluginVerb verb = PluginVerb::kProbe;
  VerbStatus status = VerbStatus::kOk;
  ProbeState state = ProbeState::kUnknown;
  ApplicationRole role = ApplicationRole::kNone;
  bool warning = false;
  std::int64_t lag_ms = -1;
  std::int64_t lag_bytes = -1;
  std::uint64_t generation = 0;
  std::string sentence;
  std::string position;
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<std::string> refusals;
  Nanos took{0};  ///< of the call itself, not of the process
};

/// How the call was made.
struct CallFrame {
  const config::Plugin& plugin;
  std::string user;
  Nanos limit{0};
};

/// "pass", "fail", "unknown"; of acts "done" or "failed"; what the daemon would go by.
std::string verdict(const CallOutcome& outcome);
/// batonctl's exit status for it.
int exit_of(const CallOutcome& outcome);
/// What the daemon would make of it, in a sentence.
std::string consequence(const CallOutcome& outcome, const config::Plugin& plugin);
Json call_json(const CallOutcome& outcome, const CallFrame& frame);
std::string render_call(const CallOutcome& outcome, const CallFrame& frame, const Options& options);

}  // namespace baton::cli
