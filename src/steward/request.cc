#include "steward/request.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "config/config.h"

namespace baton::steward {
namespace {

using Json = nlohmann::json;

enum Argument : unsigned {
  kInstance = 1,
  kLimit = 2,
  kFollow = 4,
  kForMs = 8,
  kDryRun = 16,
  kTo = 32,
  kNames = 64,
  kFormat = 128,
  kConfirmWithin = 256,
  kRevert = 512
};

struct VerbRow {
  Verb verb;
  std::string_view token;
  bool reads;
  unsigned arguments;
};
constexpr std::array kVerbs{
    VerbRow{Verb::kStatus, "status", true, kInstance},
    VerbRow{Verb::kExplain, "explain", true, kInstance},
    VerbRow{Verb::kHistory, "history", true, kInstance | kLimit},
    VerbRow{Verb::kEvents, "events", true, kInstance | kFollow},
    VerbRow{Verb::kConfig, "config", true, 0},
    VerbRow{Verb::kVersion, "version", true, 0},
    VerbRow{Verb::kMetrics, "metrics", true, kNames | kFormat},
    VerbRow{Verb::kReload, "reload", false, kDryRun | kConfirmWithin},
    VerbRow{Verb::kConfirm, "confirm", false, kRevert},
    VerbRow{Verb::kSwitchover, "switchover", false, kInstance | kDryRun | kTo},
    VerbRow{Verb::kFreeze, "freeze", false, kForMs},
    VerbRow{Verb::kThaw, "thaw", false, 0},
    VerbRow{Verb::kDrain, "drain", false, 0},
    VerbRow{Verb::kUndrain, "undrain", false, 0},
    VerbRow{Verb::kForgive, "forgive", false, kInstance | kDryRun},
    VerbRow{Verb::kFailover, "failover", false, kInstance | kDryRun},
    VerbRow{Verb::kReexec, "reexec", false, 0},
};

const VerbRow* find_verb(std::string_view token) {
  const auto found = std::find_if(kVerbs.begin(), kVerbs.end(), [&](const VerbRow& row) { return row.token == token; });
  return found == kVerbs.end() ? nullptr : &*found;
}

Unexpected<std::string> refuse(std::string text) { return Unexpected<std::string>{std::move(text)}; }

/// From a second on, whole milliseconds.
std::string take_duration(const std::string& name, const Json& value, Nanos most, Nanos& duration) {
  const auto limit = static_cast<std::uint64_t>(most / std::chrono::milliseconds{1});
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 1000 || value.get<std::uint64_t>() > limit) {
    return name + ": expected milliseconds from 1000 to " + std::to_string(limit);
  }
  duration = std::chrono::milliseconds{value.get<std::int64_t>()};
  return {};
}

/// Takes one argument into the request; the returned sentence is empty if it fits.
std::string take_argument(const VerbRow& row, const std::string& name, const Json& value, Request& request) {
  const auto allowed = [&](Argument argument) { return (row.arguments & argument) != 0; };
  if (name == "instance" && allowed(kInstance)) {
    if (!value.is_string() || value.get_ref<const std::string&>().size() > config::kMaxNameLength) {
      return "instance: expected a name of at most " + std::to_string(config::kMaxNameLength) + " characters";
    }
    request.instance = value.get<std::string>();
  } else if (name == "to" && allowed(kTo)) {
    if (!value.is_string() || value.get_ref<const std::string&>().size() > config::kMaxNameLength) {
      return "to: expected a HOST of at most " + std::to_string(config::kMaxNameLength) + " characters";
    }
    request.to = value.get<std::string>();
  } else if (name == "names" && allowed(kNames)) {
    const auto names = value.is_string() ? metric_names_from(value.get_ref<const std::string&>()) : std::nullopt;
    if (!names) return "names: expected baton or keepalived-exporter";
    request.metrics.names = *names;
  } else if (name == "format" && allowed(kFormat)) {
    const auto format = value.is_string() ? metrics_format_from(value.get_ref<const std::string&>()) : std::nullopt;
    if (!format) return "format: expected openmetrics or text";
    request.metrics.format = *format;
  } else if (name == "limit" && allowed(kLimit)) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 1 || value.get<std::uint64_t>() > kMaxHistory) {
      return "limit: expected a number from 1 to " + std::to_string(kMaxHistory);
    }
    request.limit = value.get<std::uint32_t>();
  } else if (name == "follow" && allowed(kFollow)) {
    if (!value.is_boolean()) return "follow: expected true or false";
    request.follow = value.get<bool>();
  } else if (name == "dry_run" && allowed(kDryRun)) {
    if (!value.is_boolean()) return "dry_run: expected true or false";
    request.dry_run = value.get<bool>();
  } else if (name == "revert" && allowed(kRevert)) {
    if (!value.is_boolean()) return "revert: expected true or false";
    request.revert = value.get<bool>();
  } else if (name == "for_ms" && allowed(kForMs)) {
    return take_duration(name, value, kMaxFreeze, request.duration);
  } else if (name == "confirm_within_ms" && allowed(kConfirmWithin)) {
    return take_duration(name, value, kMaxConfirm, request.confirm_within);
  } else {
    return "unknown argument for verb '" + std::string{row.token} + "'";
  }
  return {};
}

}  // namespace

std::string_view verb_token(Verb verb) {
  const auto found = std::find_if(kVerbs.begin(), kVerbs.end(), [&](const VerbRow& row) { return row.verb == verb; });
  return found == kVerbs.end() ? "unknown" : found->token;
}

bool only_reads(Verb verb, bool dry_run) {
  const auto found = std::find_if(kVerbs.begin(), kVerbs.end(), [&](const VerbRow& row) { return row.verb == verb; });
  // A dry reload still makes the guardian fork a parser: that is work that a mere reader may not cause.
  return found->reads || (dry_run && verb != Verb::kReload);
}

std::optional<MetricNames> metric_names_from(std::string_view word) {
  if (word == "baton") return MetricNames::kBaton;
  if (word == "keepalived-exporter") return MetricNames::kKeepalivedExporter;
  return std::nullopt;
}

std::optional<MetricsFormat> metrics_format_from(std::string_view word) {
  if (word == "openmetrics") return MetricsFormat::kOpenMetrics;
  if (word == "text") return MetricsFormat::kText;
  return std::nullopt;
}

int nesting_depth(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  bool escaped = false;
  for (const char character : text) {
    if (in_string) {
      if (escaped) {
        escaped = false;
      } else if (character == '\\') {
        escaped = true;
      } else if (character == '"') {
        in_string = false;
      }
    } else if (character == '"') {
      in_string = true;
    } else if (character == '{' || character == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (character == '}' || character == ']') {
      --depth;
    }
  }
  return deepest;
}

Expected<Request, std::string> parse_request(std::string_view line) {
  if (line.size() > kMaxRequest) return refuse("request longer than " + std::to_string(kMaxRequest) + " bytes");
  if (nesting_depth(line) > kMaxDepth) return refuse("request nested deeper than " + std::to_string(kMaxDepth));
  const Json document = Json::parse(line.begin(), line.end(), nullptr, false);
  if (document.is_discarded()) return refuse("request is not JSON");
  if (!document.is_object()) return refuse("request is not a JSON object");
  const auto verb = document.find("verb");
  if (verb == document.end() || !verb->is_string()) return refuse("request has no \"verb\"");
  const VerbRow* row = find_verb(verb->get_ref<const std::string&>());
  if (row == nullptr) return refuse("unknown verb");
  Request request;
  request.verb = row->verb;
  for (const auto& [name, value] : document.items()) {
    if (name == "verb") continue;
    if (std::string error = take_argument(*row, name, value, request); !error.empty()) return refuse(std::move(error));
  }
  if (request.verb == Verb::kFreeze && request.duration == Nanos{0}) return refuse("freeze: for_ms is missing");
  if (request.dry_run && request.confirm_within > Nanos{0}) return refuse("reload: dry_run applies nothing to confirm");
  return request;
}

}  // namespace baton::steward
