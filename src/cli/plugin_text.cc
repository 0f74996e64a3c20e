#include "cli/plugin_text.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "cli/terminal.h"
#include "config/effective.h"
#include "config/keys.h"
#include "steward/exit_code.h"

namespace baton::cli {
namespace {

using steward::ExitCode;

constexpr std::size_t kIndent = 6;
constexpr std::uint32_t kNeedsNetRaw = 1;  // plugin.h's BATON_NEEDS_NET_RAW

std::string_view type_word(config::ModuleKeyType type) {
  constexpr std::array<std::string_view, 8> kWords{"text", "yes or no", "integer", "time",
                                                   "path", "word",      "address", "secret"};
  return kWords.at(static_cast<std::size_t>(type));
}

std::vector<std::string> verb_list(VerbSet verbs) {
  std::vector<std::string> list;
  for (std::size_t i = 0; i < kPluginVerbs; ++i) {
    const auto verb = static_cast<PluginVerb>(i);
    if (verbs.has(verb)) list.emplace_back(verb_token(verb));
  }
  return list;
}

std::string joined(const std::vector<std::string>& words, std::string_view between = ", ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : std::string(between)) + word;
  return text;
}

std::vector<std::string> needs_list(std::uint32_t needs) {
  std::vector<std::string> list;
  if ((needs & kNeedsNetRaw) != 0) list.emplace_back("CAP_NET_RAW");
  if ((needs & ~kNeedsNetRaw) != 0) list.emplace_back("rights that this version does not know");
  return list;
}

std::string limit_text(const config::ModuleKey& key, std::int64_t limit) {
  return key.type == config::ModuleKeyType::kDuration ? config::duration_text(Nanos{limit}) : std::to_string(limit);
}

std::string acting_user(const config::Module& module) {
  return module.act_user.empty() ? config::kActUser : module.act_user;
}

bool acts(const config::Module& module) { return (module.verbs.bits() & ~1u) != 0; }

/// Lines of `text` wrapped, paragraphs kept, each line indented; a newline at the end.
std::string block(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  const std::string margin(indent, ' ');
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // What is indented is laid out already.
    if (line.empty() || line.front() == ' ') {
      out += (line.empty() ? std::string() : margin + std::string(line)) + "\n";
    } else {
      out += margin + wrapped(line, indent, width) + "\n";
    }
  }
  return out;
}

std::string key_block(const std::string& name, const std::vector<std::string>& about, std::string_view help,
                      const Options& options) {
  return "  " + paint(name, Colour::kStrong, options.colour) + "  (" + joined(about, "; ") + ")\n" +
         block(help, kIndent, options.width);
}

std::vector<std::string> describe(const config::ModuleKey& key) {
  std::vector<std::string> about{std::string(type_word(key.type))};
  if (key.type == config::ModuleKeyType::kSecret)
    about[0] = "secret: path of its file, or name of a systemd credential";
  if (key.minimum != 0 || key.maximum != 0) {
    about[0] += " from " + limit_text(key, key.minimum) + " to " + limit_text(key, key.maximum);
  } else if (!key.domain.empty()) {
    std::string domain;
    for (const char c : key.domain) domain += c == '|' ? std::string(", ") : std::string(1, c);
    about[0] += ": " + domain;
  }
  if (key.list) about.emplace_back("may be repeated");
  if (key.acts_only) about.emplace_back("for acts only");
  if (key.required) about.emplace_back("must be set");
  if (key.has_default) about.push_back("default " + (key.default_text.empty() ? "empty" : key.default_text));
  return about;
}

/// The keys of every [plugin] section, from the table that the reader works by.
std::string own_keys(const Options& options) {
  std::string text;
  for (const config::KeySpec& spec : config::key_table()) {
    if (spec.section != config::SectionType::kPlugin) continue;
    std::vector<std::string> about;
    if (!spec.domain.empty()) about.emplace_back(spec.domain);
    if (spec.required) about.emplace_back("must be set");
    if (!spec.default_text.empty()) about.push_back("default " + std::string(spec.default_text));
    if (about.empty()) about.emplace_back("name");
    text += key_block(std::string(spec.name), about, spec.help, options);
  }
  return text;
}

/// How a section of the module is referred to.
std::string uses(const config::Module& module) {
  std::vector<std::string> list;
  const auto add = [&](PluginVerb verb, const char* reference) {
    if (module.verbs.has(verb)) list.emplace_back(reference);
  };
  add(PluginVerb::kProbe, "check = NAME");
  if (module.verbs.has(PluginVerb::kEnter) || module.verbs.has(PluginVerb::kLeave))
    list.emplace_back("follow_up = NAME");
  add(PluginVerb::kNotify, "notify = NAME");
  add(PluginVerb::kPromote, "promote = NAME");
  add(PluginVerb::kAcquire, "witness = NAME");
  add(PluginVerb::kFence, "fence = NAME");
  return joined(list);
}

std::string run_as(const config::Module& module) {
  std::vector<std::string> list;
  if (module.verbs.has(PluginVerb::kProbe)) list.push_back(std::string(config::kProbeUser) + " for probes");
  if (acts(module)) list.push_back(acting_user(module) + " for acts");
  return joined(list) + "; another one with `user = NAME`";
}

std::string milliseconds(Nanos duration) {
  std::array<char, 32> text{};
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  std::snprintf(text.data(), text.size(), "%lld.%03lld ms", static_cast<long long>(micros / 1000),
                static_cast<long long>(micros % 1000));
  return text.data();
}

bool is_probe(const CallOutcome& outcome) { return outcome.verb == PluginVerb::kProbe; }

std::string_view status_words(VerbStatus status) {
  switch (status) {
    case VerbStatus::kOk: return "done";
    case VerbStatus::kTransient: return "did not work now, may work later";
    case VerbStatus::kRefused: return "a precondition does not hold; nothing was changed";
    case VerbStatus::kConfig: return "a person must mend the configuration, credentials or rights";
    case VerbStatus::kConflict: return "evidence of a split brain; nothing was changed";
    case VerbStatus::kFatal: return "failed for good, perhaps half-way";
    case VerbStatus::kTimeout: return "not back in time and killed: whether it was done is unknown";
    case VerbStatus::kCrashed: return "its process died";
    case VerbStatus::kGarbage: return "what it answered is not an answer";
    case VerbStatus::kNotRunning: return "its process could not be started";
  }
  return "";
}

Colour verdict_colour(const std::string& word) {
  return word == "pass" || word == "done" ? Colour::kGood : Colour::kBad;
}

}  // namespace

Json module_json(const config::Module& module) {
  Json document{{"name", module.name},
                {"version", module.version},
                {"summary", module.summary},
                {"manual", module.manual},
                {"verbs", verb_list(module.verbs)},
                {"needs", needs_list(module.needs)},
                {"file", module.path},
                {"own", module.own},
                {"abi_minor", module.abi_minor},
                {"probe_user", config::kProbeUser},
                {"act_user", acting_user(module)}};
  Json keys = Json::array();
  for (const config::ModuleKey& key : module.keys) {
    Json one{{"name", key.name},
             {"type", type_word(key.type)},
             {"required", key.required},
             {"list", key.list},
             {"acts_only", key.acts_only}};
    one["default"] = key.has_default ? Json(key.default_text) : Json();
    one["domain"] = key.domain;
    const bool limited = key.minimum != 0 || key.maximum != 0;
    one["minimum"] = limited ? Json(limit_text(key, key.minimum)) : Json();
    one["maximum"] = limited ? Json(limit_text(key, key.maximum)) : Json();
    one["help"] = key.help;
    keys.push_back(std::move(one));
  }
  document["keys"] = std::move(keys);
  return document;
}

namespace {

/// If that is another name than its file's.
std::string calls_itself(const Json& module) {
  const std::string own = module.value("calls_itself", "");
  return own == module.value("name", "") ? std::string() : own;
}

}  // namespace

std::string render_plugin_list(const Json& modules, const Options& options) {
  using Row = std::array<std::string, 4>;
  std::vector<Row> rows{{"NAME", "VERSION", "VERBS", "SUMMARY"}};
  for (const Json& module : modules) {
    if (module.contains("error")) {
      rows.push_back({module.value("name", ""), "BROKEN", "-", module.value("error", "")});
      continue;
    }
    const auto needs = module.value("needs", std::vector<std::string>{});
    rows.push_back({module.value("name", ""), module.value("version", ""),
                    joined(module.value("verbs", std::vector<std::string>{})),
                    (calls_itself(module).empty() ? "" : "(calls itself " + calls_itself(module) + ") ") +
                        module.value("summary", "") + (needs.empty() ? "" : " (needs " + joined(needs) + ")")});
  }
  if (rows.size() == 1) return {};
  std::array<std::size_t, 3> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size() + 2);
  }
  std::string text;
  for (const Row& row : rows) {
    std::string head;
    for (std::size_t i = 0; i < widths.size(); ++i) head += padded(row[i], widths[i]);
    const std::string line = head + wrapped(row[3], head.size(), options.width);
    text += (row[1] == "BROKEN" ? paint(line, Colour::kBad, options.colour) : line) + "\n";
  }
  return text;
}

std::string render_manual(const config::Module& module, const Options& options) {
  std::string text =
      paint(module.name, Colour::kStrong, options.colour) + " " + module.version + " - " + module.summary + "\n";
  if (!module.manual.empty()) text += "\n" + block(module.manual, 0, options.width);
  const auto line = [&](const std::string& head, const std::string& value) {
    text += padded(head, 10) + wrapped(value, 10, options.width) + "\n";
  };
  text += "\n";
  line("Verbs", joined(verb_list(module.verbs)));
  line("Used by", uses(module));
  line("Runs as", run_as(module));
  const auto needs = needs_list(module.needs);
  if (!needs.empty()) {
    line("Needs", joined(needs) + (module.own ? "" : ", which only modules in Baton's own directory are given"));
  }
  line("File", module.path);
  text += "\nKeys of [plugin NAME] with module = " + module.name + "\n";
  for (const config::ModuleKey& key : module.keys) text += key_block(key.name, describe(key), key.help, options);
  if (module.keys.empty()) text += "  none of its own\n";
  return text + "\nKeys of every [plugin NAME]\n" + own_keys(options);
}

std::string verdict(const CallOutcome& outcome) {
  if (!is_probe(outcome)) return outcome.status == VerbStatus::kOk ? "done" : "failed";
  // A probe that did not come to an end says nothing about the state.
  return std::string(state_token(outcome.status == VerbStatus::kOk ? outcome.state : ProbeState::kUnknown));
}

int exit_of(const CallOutcome& outcome) {
  if (outcome.status == VerbStatus::kTimeout) return static_cast<int>(ExitCode::kTimedOut);
  const std::string word = verdict(outcome);
  return static_cast<int>(word == "pass" || word == "done" ? ExitCode::kOk : ExitCode::kFailed);
}

std::string consequence(const CallOutcome& outcome, const config::Plugin& plugin) {
  if (!is_probe(outcome)) return std::string(status_words(outcome.status));
  const auto times = [](std::uint32_t count) {
    return count == 1 ? std::string("at once") : "after " + std::to_string(count) + " such results in a row";
  };
  const std::string every = ", one every " + config::duration_text(plugin.interval);
  if (verdict(outcome) == "pass") {
    const std::string note = outcome.warning ? "; but a person should look" : "";
    return "the check passes " + times(plugin.rise) + (plugin.rise == 1 ? "" : every) + note;
  }
  const std::string unknown = verdict(outcome) == "unknown" ? "unknown counts as failed: " : "";
  return unknown + "the check fails " + times(plugin.fall) + (plugin.fall == 1 ? "" : every);
}

Json call_json(const CallOutcome& outcome, const CallFrame& frame) {
  Json document{{"ok", exit_of(outcome) == 0},         {"exit", exit_of(outcome)},
                {"section", frame.plugin.name},        {"module", frame.plugin.module},
                {"file", frame.plugin.about.path},     {"verb", verb_token(outcome.verb)},
                {"verdict", verdict(outcome)},         {"status", status_token(outcome.status)},
                {"state", state_token(outcome.state)}, {"role", role_token(outcome.role)},
                {"warning", outcome.warning},          {"sentence", outcome.sentence},
                {"position", outcome.position},        {"generation", outcome.generation}};
  document["lag_ms"] = outcome.lag_ms < 0 ? Json() : Json(outcome.lag_ms);
  document["lag_bytes"] = outcome.lag_bytes < 0 ? Json() : Json(outcome.lag_bytes);
  Json facts = Json::object();
  for (const auto& [key, value] : outcome.facts) facts[key] = value;
  document["facts"] = std::move(facts);
  document["refusals"] = outcome.refusals;
  document["user"] = frame.user;
  document["took_us"] = std::chrono::duration_cast<std::chrono::microseconds>(outcome.took).count();
  document["limit_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(frame.limit).count();
  document["consequence"] = consequence(outcome, frame.plugin);
  return document;
}

std::string render_call(const CallOutcome& outcome, const CallFrame& frame, const Options& options) {
  std::string text;
  const auto line = [&](const std::string& head, const std::string& value) {
    if (!value.empty()) text += padded(head, 12) + wrapped(value, 12, options.width) + "\n";
  };
  const std::string word = verdict(outcome);
  text += padded(std::string(verb_token(outcome.verb)), 12) + paint(word, verdict_colour(word), options.colour);
  if (outcome.status != VerbStatus::kOk) text += " (" + std::string(status_token(outcome.status)) + ")";
  if (outcome.warning) text += " with a warning";
  text += "\n";
  line("says", outcome.sentence);
  if (outcome.role != ApplicationRole::kNone) line("role", std::string(role_token(outcome.role)));
  if (outcome.lag_ms >= 0) line("lag", std::to_string(outcome.lag_ms) + " ms");
  if (outcome.lag_bytes >= 0) line("lag", std::to_string(outcome.lag_bytes) + " bytes");
  line("position", outcome.position);
  for (const std::string& refusal : outcome.refusals) line("refuses", refusal);
  for (const auto& [key, value] : outcome.facts) line("fact", key + " = " + value);
  line("took", milliseconds(outcome.took) + " of " + config::duration_text(frame.limit));
  line("ran as", frame.user + ", " + frame.plugin.about.path);
  line("the daemon", consequence(outcome, frame.plugin));
  return text;
}

}  // namespace baton::cli
