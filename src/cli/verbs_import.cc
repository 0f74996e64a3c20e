// import: keepalived.conf to baton.conf. Reads files, never the running system; what it prints has passed the reader of
// the daemon.
#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cli/config_json.h"
#include "cli/keepalived_write.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "config/reader.h"
#include "config/values.h"
#include "ipc/module_catalog.h"
#include "posix/file.h"

namespace baton::cli {
namespace {

using keepalived::HostPart;
using keepalived::Outcome;
using keepalived::Remark;
using steward::ExitCode;

Unexpected<Trouble> usage(std::string text) { return Unexpected<Trouble>{Trouble{ExitCode::kUsage, std::move(text)}}; }

std::optional<std::string> read_file(const std::string& path) {
  const auto bytes = posix::read_file(path, keepalived::kMaxFile);
  if (bytes) return std::string{bytes->begin(), bytes->end()};
  errno = bytes.error().sys_errno;
  return std::nullopt;
}

std::vector<std::string> match_files(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), GLOB_BRACE, nullptr, &found) == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;
}

const keepalived::Files kFiles{read_file, match_files};

struct Source {
  std::string host;  ///< "" where one file stands for all
  std::string id;    ///< for its `@id` lines
  std::string file;
};

Unexpected<Trouble> syntax(const keepalived::SyntaxError& error) {
  return Unexpected<Trouble>{Trouble{ExitCode::kConfigInvalid, text_of(error.place) + ": " + error.message}};
}

/// A file alone: for the host that is named, for each that its `@id` lines name, or for all alike.
Expected<std::vector<Source>, Trouble> one_file(const std::string& file, const std::string& host) {
  if (!host.empty()) return std::vector<Source>{{"", host, file}};
  const auto ids = keepalived::ids_of(file, kFiles);
  if (!ids) return syntax(ids.error());
  if (ids->all.empty()) return std::vector<Source>{{"", "", file}};
  if (ids->all.size() == 1) {
    const std::string id = *ids->all.begin();
    return usage(file + " has lines for @" + id + " alone: name the hosts as " + id + "=" + file + " OTHER=" + file +
                 ", or one with --host");
  }
  std::vector<Source> sources;
  for (const std::string& id : ids->all) sources.push_back({id, id, file});
  return sources;
}

/// "HOST=FILE"; nullopt if there is no `=` behind a name.
std::optional<std::pair<std::string, std::string>> named(const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos || !config::is_valid_name(word.substr(0, equals))) return std::nullopt;
  return std::pair{word.substr(0, equals), word.substr(equals + 1)};
}

Expected<std::vector<Source>, Trouble> sources_of(const ImportArguments& arguments) {
  const std::vector<std::string>& words = arguments.files;
  if (words.size() == 1 && !named(words[0])) return one_file(words[0], arguments.host);
  if (!arguments.host.empty()) return usage("--host is for one FILE; HOST=FILE names the hosts already");
  std::vector<Source> sources;
  for (const std::string& word : words) {
    const auto pair = named(word);
    if (!pair) return usage("several files need to be told apart: write HOST=" + word);
    const bool twice =
        std::any_of(sources.begin(), sources.end(), [&](const Source& one) { return one.host == pair->first; });
    if (twice) return usage("host " + pair->first + " is named twice");
    sources.push_back({pair->first, pair->first, pair->second});
  }
  return sources;
}

Expected<keepalived::PeerAddresses, Trouble> peers_of(const ImportArguments& arguments) {
  keepalived::PeerAddresses peers;
  for (const std::string& word : arguments.peers) {
    const auto pair = named(word);
    if (!pair || !config::parse_address(pair->second)) return usage("--peer: expected HOST=ADDRESS, not " + word);
    peers[pair->first].push_back(pair->second);
  }
  return peers;
}

void remark_source(const Source& source, const std::vector<Source>& all, HostPart& part) {
  const auto look_at = [&](std::string text, std::string why) {
    part.conversion.remarks.push_back({{source.file, 0}, std::move(text), Outcome::kLookAt, std::move(why)});
  };
  if (source.host.empty()) {
    look_at("one host's file", "the other's priority is not in it; with both files (HOST=FILE HOST=FILE) it would be");
  }
  if (all.size() < 2 || source.host.empty()) return;
  const auto ids = keepalived::ids_of(source.file, kFiles);
  if (ids && !ids->all.empty() && !ids->any_negative && !ids->all.contains(source.id)) {
    look_at("@" + source.id, "no line is for this host: name it as keepalived does (keepalived -i NAME)");
  }
}

Expected<std::vector<HostPart>, Trouble> read_parts(const std::vector<Source>& sources, std::optional<int> version) {
  std::vector<HostPart> parts;
  for (const Source& source : sources) {
    const auto parsed = keepalived::parse(source.file, source.id, kFiles);
    if (!parsed) return syntax(parsed.error());
    HostPart part{source.host, source.file, keepalived::convert(*parsed, version)};
    remark_source(source, sources, part);
    parts.push_back(std::move(part));
  }
  return parts;
}

/// As the daemon would read it, on a host of which nothing is known.
config::Loaded verify(const Options& options, const std::string& text, const std::string& host) {
  ipc::ModuleCatalog modules{ipc::find_places(options.plugin_dir)};
  config::ParseOptions parse;
  parse.host = host.empty() ? "localhost" : host;
  // Where Baton is not installed, its modules' keys cannot be judged.
  if (modules.describe("exec")) parse.modules = &modules;
  return config::parse({{"baton.conf", text}}, parse);
}

Json remarks_json(const std::vector<Remark>& remarks, Outcome outcome) {
  Json list = Json::array();
  for (const Remark& remark : remarks) {
    if (remark.outcome != outcome) continue;
    list.push_back(
        {{"file", remark.place.file}, {"line", remark.place.line}, {"text", remark.text}, {"why", remark.why}});
  }
  return list;
}

Json document_of(const keepalived::Written& written) {
  return {{"text", written.text},
          {"not_converted", remarks_json(written.remarks, Outcome::kNotConverted)},
          {"look_at", remarks_json(written.remarks, Outcome::kLookAt)},
          {"not_needed", remarks_json(written.remarks, Outcome::kNotNeeded)}};
}

int report_nothing(const Options& options, const keepalived::Written& written) {
  const std::string error = "there is no vrrp_instance that could be converted";
  if (options.json) {
    Json document{{"ok", false}, {"exit", static_cast<int>(ExitCode::kFailed)}, {"error", error}};
    document.update(document_of(written));
    document.erase("text");
    print_json(document);
    return static_cast<int>(ExitCode::kFailed);
  }
  print(remarks_text(written.remarks));
  return report_trouble({ExitCode::kFailed, error}, options);
}

/// The block of keepalived's that a complaint is about.
void name_origins(const keepalived::Written& written, std::vector<config::Diagnostic>& diagnostics) {
  for (config::Diagnostic& one : diagnostics) {
    if (one.line == 0 || one.line > written.origins.size() || written.origins[one.line - 1].file.empty()) continue;
    one.message += " (from the block at " + text_of(written.origins[one.line - 1]) + ")";
  }
}

int report(const Options& options, const keepalived::Written& written, config::Loaded loaded) {
  name_origins(written, loaded.diagnostics);
  Json document = document_of(written);
  document["diagnostics"] = diagnostics_json(loaded.diagnostics);
  if (!loaded.config) {
    document["ok"] = false;
    document["exit"] = static_cast<int>(ExitCode::kConfigInvalid);
    document["error"] = "batond would not accept what this file says";
    if (options.json) {
      print_json(document);
      return static_cast<int>(ExitCode::kConfigInvalid);
    }
    print(config::render_all(loaded.diagnostics, {.colour = options.colour}));
    return report_trouble({ExitCode::kConfigInvalid, "batond would not accept what this file says"}, options);
  }
  if (options.json) {
    print_json(document);
  } else {
    print(written.text);
  }
  return 0;
}

}  // namespace

int import_keepalived(const Options& options, const ImportArguments& arguments) {
  const auto sources = sources_of(arguments);
  if (!sources) return report_trouble(sources.error(), options);
  const auto peers = peers_of(arguments);
  if (!peers) return report_trouble(peers.error(), options);
  std::optional<int> version;
  if (arguments.version != 0) version = arguments.version;
  auto parts = read_parts(*sources, version);
  if (!parts) return report_trouble(parts.error(), options);
  const keepalived::Written written = keepalived::write(std::move(*parts), *peers);
  if (written.instances == 0) return report_nothing(options, written);
  return report(options, written, verify(options, written.text, sources->front().host));
}

}  // namespace baton::cli
