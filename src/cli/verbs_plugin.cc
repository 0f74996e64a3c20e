// The verbs about plugins: which there are, their manuals, and one call of one of them. None needs the daemon.
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "cli/load.h"
#include "cli/output.h"
#include "cli/plugin_call.h"
#include "cli/plugin_text.h"
#include "cli/suggestion.h"
#include "cli/verbs.h"
#include "ipc/module_catalog.h"
#include "ipc/section_order.h"

namespace baton::cli {
namespace {

using steward::ExitCode;

/// Verbs that only look.
bool is_act(PluginVerb verb) {
  return verb != PluginVerb::kProbe && verb != PluginVerb::kPosition && verb != PluginVerb::kCanPromote &&
         verb != PluginVerb::kVerify;
}

std::string nearest_of(const std::string& word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string nearest = nearest_word(word, views);
  return nearest.empty() || nearest == word ? std::string() : "; did you mean '" + nearest + "'?";
}

Trouble usage(std::string text) { return {ExitCode::kUsage, std::move(text)}; }

std::string verbs_of(const config::Plugin& plugin) {
  std::string text;
  for (std::size_t i = 0; i < kPluginVerbs; ++i) {
    const auto verb = static_cast<PluginVerb>(i);
    if (plugin.about.verbs.has(verb)) text += (text.empty() ? "" : ", ") + std::string(verb_token(verb));
  }
  return text;
}

/// What stands against the call, before anything runs.
std::optional<Trouble> objection(const config::Plugin& plugin, PluginVerb verb, bool really) {
  if (!plugin.about.verbs.has(verb)) {
    return usage("module '" + plugin.module + "' has no " + std::string(verb_token(verb)) + "; it has " +
                 verbs_of(plugin));
  }
  if (is_act(verb) && !really) {
    return Trouble{ExitCode::kRefused,
                   std::string(verb_token(verb)) + " acts on this host: say --really if you mean it"};
  }
  if (::geteuid() != 0) {
    const std::string user = verb == PluginVerb::kProbe ? plugin.probe_user() : plugin.act_user();
    return Trouble{ExitCode::kNotPermitted,
                   "plugins run as users of their own, here '" + user + "': only root can try them"};
  }
  for (const config::Setting& setting : plugin.settings) {
    if (!setting.is_secret || setting.values.empty() || !setting.digest.empty()) continue;
    return Trouble{ExitCode::kFailed, "`" + setting.key + "` is a systemd credential, which the daemon alone is given"};
  }
  return std::nullopt;
}

}  // namespace

int plugin_list(const Options& options) {
  ipc::ModuleCatalog catalog{ipc::find_places(options.plugin_dir)};
  const auto files = catalog.look();
  if (!files) return report_trouble({ExitCode::kFailed, files.error().message()}, options);
  Json modules = Json::array();
  bool broken = !files->others.empty();
  for (const std::string& name : files->names) {
    if (const auto module = catalog.describe(name)) {
      // By the file's name it is found, whatever it calls itself.
      Json one = module_json(*module);
      one["name"] = name;
      one["calls_itself"] = module->name;
      modules.push_back(std::move(one));
    } else {
      broken = true;
      modules.push_back({{"name", name}, {"error", module.error().message()}});
    }
  }
  for (const std::string& file : files->others) {
    modules.push_back({{"name", file},
                       {"error",
                        "no section can name it: the file of a plugin is NAME.so, the name 1 to 32 characters of "
                        "A-Z, a-z, 0-9, _, . and -"}});
  }
  const int exit = static_cast<int>(broken ? ExitCode::kFailed : ExitCode::kOk);
  const std::string& directory = catalog.places().plugin_dir;
  if (options.json) {
    print_json({{"ok", !broken}, {"exit", exit}, {"plugin_dir", directory}, {"modules", modules}});
  } else {
    print(modules.empty() ? "no plugins in " + directory + "\n"
                          : render_plugin_list(modules, options) + "in " + directory + "\n");
  }
  return exit;
}

int plugin_help(const Options& options, const std::string& module) {
  ipc::ModuleCatalog catalog{ipc::find_places(options.plugin_dir)};
  const auto described = catalog.describe(module);
  if (!described) {
    return report_trouble({ExitCode::kFailed, described.error().message()}, options);
  }
  if (options.json) {
    print_json(module_json(*described));
  } else {
    print(render_manual(*described, options));
  }
  return 0;
}

int plugin_test(const Options& options, const PluginTestArguments& arguments) {
  const auto verb = verb_from(arguments.verb);
  if (!verb) return report_trouble(usage("there is no verb '" + arguments.verb + "'"), options);
  ipc::ModuleCatalog catalog{ipc::find_places(options.plugin_dir)};
  const config::Loaded loaded = load_file(arguments.file, catalog);
  if (!loaded.config) {
    return report_invalid(options, loaded,
                          {{"file", arguments.file.file}, {"diagnostics", diagnostics_json(loaded.diagnostics)}});
  }
  std::vector<std::string> names;
  for (const config::Plugin& plugin : loaded.config->plugins) names.push_back(plugin.name);
  const auto found = std::find(names.begin(), names.end(), arguments.section);
  if (found == names.end()) {
    return report_trouble(usage(arguments.file.file + " has no [plugin " + arguments.section + "]" +
                                nearest_of(arguments.section, names)),
                          options);
  }
  const config::Plugin& plugin = loaded.config->plugins[static_cast<std::size_t>(found - names.begin())];
  if (auto trouble = objection(plugin, *verb, arguments.really)) return report_trouble(*trouble, options);
  const bool is_probe = *verb == PluginVerb::kProbe;
  const ipc::HostOrder order =
      ipc::section_order(*loaded.config, plugin, is_probe ? ipc::HostKind::kProbe : ipc::HostKind::kAct);
  const auto outcome = call_once(catalog.places().host_program, order, *verb);
  if (!outcome) return report_trouble({ExitCode::kFailed, outcome.error().message()}, options);
  const CallFrame frame{plugin, order.user, is_probe ? order.timeout : order.deadline};
  if (options.json) {
    print_json(call_json(*outcome, frame));
  } else {
    print(render_call(*outcome, frame, options));
  }
  return exit_of(*outcome);
}

}  // namespace baton::cli
