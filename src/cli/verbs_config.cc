// The verbs about configuration files: check (no daemon needed), config show, config diff.
#include "cli/config_json.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/protection_text.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "config/reader.h"
#include "ipc/module_catalog.h"

namespace baton::cli {
namespace {

using steward::ExitCode;

std::string count_words(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

int check(const Options& options, const FileArguments& arguments) {
  ipc::ModuleCatalog modules{ipc::find_places(options.plugin_dir)};
  const config::Loaded loaded = load_file(arguments, modules);
  Json document{{"valid", loaded.config.has_value()}, {"file", arguments.file}, {"files", loaded.files}};
  document["diagnostics"] = diagnostics_json(loaded.diagnostics);
  if (!loaded.config) return report_invalid(options, loaded, std::move(document));
  document["host"] = loaded.config->host;
  document["config_hash"] = loaded.config->hash;
  const std::vector<config::Protection> protections = config::protections(*loaded.config);
  document["protection"] = protection_json(protections);
  if (options.json) {
    print_json(document);
    return 0;
  }
  print(config::render_all(loaded.diagnostics, {.colour = options.colour}));
  print(arguments.file + ": valid for host " + loaded.config->host + ": " +
        count_words(loaded.config->instances.size(), "instance") + ", " +
        count_words(loaded.config->groups.size(), "group") + "\n");
  for (const config::Protection& one : protections) print(render_protection(one));
  return 0;
}

int config_show(const Options& options) {
  Json refusal;
  const auto running = running_configuration(options, refusal);
  if (!running)
    return refusal.is_null() ? report_trouble(running.error(), options) : report_refusal(refusal, "", options);
  if (options.json) {
    print_json(*running);
  } else {
    print(text_of(*running, "text"));
  }
  return 0;
}

int config_diff(const Options& options, const FileArguments& arguments) {
  Json refusal;
  const auto running = running_configuration(options, refusal);
  if (!running)
    return refusal.is_null() ? report_trouble(running.error(), options) : report_refusal(refusal, "", options);
  FileArguments file = arguments;
  const std::string own = text_of(*running, "path");
  if (!file.is_named && !own.empty()) file.file = own;
  file.host = text_of(*running, "host");
  ipc::ModuleCatalog modules{ipc::find_places(options.plugin_dir)};
  const config::Loaded fresh = load_file(file, modules);
  Json document{{"file", file.file}, {"diagnostics", diagnostics_json(fresh.diagnostics)}};
  if (!fresh.config) return report_invalid(options, fresh, std::move(document));
  const auto before = parse_running(*running, modules);
  if (!before) return report_trouble(before.error(), options);
  // Secrets do not travel: their files are compared, their contents are not.
  config::Config after = *fresh.config;
  for (config::Instance& instance : after.instances) instance.password.clear();
  const std::vector<config::ObjectChange> changes = config::diff(*before, after);
  if (options.json) {
    document["diff"] = diff_json(changes);
    print_json(document);
  } else {
    print(changes.empty() ? "no difference\n" : config::render_diff(changes));
  }
  return 0;
}

}  // namespace baton::cli
