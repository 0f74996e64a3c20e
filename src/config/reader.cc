#include "config/reader.h"

#include <algorithm>
#include <utility>

#include "config/build.h"
#include "config/document.h"
#include "config/files.h"
#include "config/hash.h"
#include "config/lint.h"
#include "config/report.h"
#include "config/values.h"

namespace baton::config {
namespace {

constexpr std::size_t kMaxHosts = 32;

/// HOST must be one of the [peer] sections, or its key@HOST lines would be passed over in silence.
void check_host(const Document& document, const ParseOptions& options, const std::string& file, Report& report) {
  if (document.hosts.empty() ||
      std::find(document.hosts.begin(), document.hosts.end(), options.host) != document.hosts.end()) {
    return;
  }
  const std::vector<std::string_view> candidates(document.hosts.begin(), document.hosts.end());
  std::string list;
  for (const std::string& host : document.hosts) list += (list.empty() ? "" : ", ") + host;
  std::string help = did_you_mean(options.host, candidates);
  if (help.empty()) help = "listed are " + list;
  if (!options.host_from_command_line) help += "; --host NAME chooses another name than the short host name";
  report.add_file(Code::kHostNotListed, file, "no [peer] section names this host, `" + options.host + "`",
                  std::move(help));
}

/// Limits that would make the rest slow or meaningless. False: stop here.
bool check_limits(const Document& document, const std::string& file, Report& report) {
  const std::size_t instances = document.count(SectionType::kInstance);
  if (instances > kMaxInstances) {
    report.add_file(Code::kTooMany, file,
                    "there are " + std::to_string(instances) + " instances; at most " + std::to_string(kMaxInstances) +
                        " are possible",
                    "give an instance more addresses: one VRID can hold many");
    return false;
  }
  const std::size_t plugins = document.count(SectionType::kPlugin);
  if (plugins > kMaxPlugins) {
    report.add_file(Code::kTooMany, file,
                    "there are " + std::to_string(plugins) + " [plugin] sections; at most " +
                        std::to_string(kMaxPlugins) + " are possible");
    return false;
  }
  if (document.hosts.size() > kMaxHosts) {
    report.add_file(Code::kTooMany, file,
                    "there are " + std::to_string(document.hosts.size()) + " [peer] sections; at most " +
                        std::to_string(kMaxHosts) + " are possible");
    return false;
  }
  if (instances == 0 && !report.failed()) {
    report.add_file(Code::kNothingConfigured, file, "there is no [instance NAME] section: nothing to do",
                    "an empty file is mostly one that was cut off; etc/baton.conf is an example");
    return false;
  }
  return true;
}

/// The Config of the selected host; all other hosts are built and checked too, since they read the same text.
Config build_all(const Document& document, const ParseOptions& options, Report& report) {
  Config selected = build(document, options, report);
  selected.hash = sha256_hex(canonical_text(document));
  if (!options.judge) return selected;
  lint_document(document, report);
  lint_host(document, selected, options.interfaces, report);
  // Other hosts' secrets and users are not here.
  ParseOptions elsewhere;
  elsewhere.modules = options.modules;
  elsewhere.is_other_host = true;
  std::vector<Config> all;
  for (const std::string& host : document.hosts) {
    if (host == options.host) {
      all.push_back(selected);
      continue;
    }
    elsewhere.host = host;
    all.push_back(build(document, elsewhere, report));
    lint_host(document, all.back(), std::nullopt, report);
  }
  lint_hosts(document, all, report);
  return selected;
}

Loaded parse_files(std::vector<SourceText> sources, const std::vector<FileTrouble>& troubles,
                   const ParseOptions& options) {
  std::vector<SourceFile> files;
  files.reserve(sources.size());
  Loaded loaded;
  for (SourceText& source : sources) {
    loaded.files.push_back(source.name);
    files.emplace_back(std::move(source.name), std::move(source.text));
  }
  Report report(files);
  for (const FileTrouble& trouble : troubles)
    report.add_file(trouble.code, trouble.file, trouble.message, trouble.help);
  const std::string main_file = files.empty() ? std::string() : files.front().name();
  const Document document = read_document(files, report);
  if (check_limits(document, main_file, report)) {
    check_host(document, options, main_file, report);
    Config config = build_all(document, options, report);
    if (!report.failed()) loaded.config = std::move(config);
  }
  loaded.diagnostics = report.take();
  if (has_errors(loaded.diagnostics)) loaded.config.reset();
  return loaded;
}

}  // namespace

Loaded parse(std::vector<SourceText> sources, const ParseOptions& options) {
  std::vector<FileTrouble> troubles;
  std::size_t total = 0;
  for (const SourceText& source : sources) total += source.text.size();
  if (total > kMaxFileSize) {
    troubles.push_back({Code::kFileTooLarge,
                        sources.front().name,
                        "all files together have more than " + std::to_string(kMaxFileSize) + " bytes",
                        {}});
    sources.clear();
  }
  return parse_files(std::move(sources), troubles, options);
}

Loaded load(const LoadOptions& options) {
  FilesRead files = read_files(options.path);
  ParseOptions parse_options = options.parse;
  parse_options.read_secret = options.skip_secrets ? SecretReader{} : SecretReader{read_secret_file};
  return parse_files(std::move(files.sources), files.troubles, parse_options);
}

}  // namespace baton::config
