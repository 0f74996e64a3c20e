#include "cli/config_json.h"

#include "cli/render.h"

namespace baton::cli {
namespace {

std::string_view kind_token(config::ChangeKind kind) {
  switch (kind) {
    case config::ChangeKind::kAdded: return "added";
    case config::ChangeKind::kRemoved: return "removed";
    case config::ChangeKind::kChanged: return "changed";
  }
  return "changed";
}

config::ChangeKind kind_of(const std::string& token) {
  if (token == "added") return config::ChangeKind::kAdded;
  return token == "removed" ? config::ChangeKind::kRemoved : config::ChangeKind::kChanged;
}

std::vector<std::string> strings_of(const Json& list) {
  std::vector<std::string> strings;
  for (const Json& value : list) {
    if (value.is_string()) strings.push_back(value.get<std::string>());
  }
  return strings;
}

}  // namespace

Json diagnostics_json(std::span<const config::Diagnostic> diagnostics) {
  Json list = Json::array();
  for (const config::Diagnostic& one : diagnostics) {
    list.push_back({{"severity", one.severity == config::Severity::kError ? "error" : "warning"},
                    {"code", one.code},
                    {"file", one.file},
                    {"line", one.line},
                    {"column", one.column},
                    {"width", one.width},
                    {"message", one.message},
                    {"source_line", one.source_line},
                    {"help", one.help}});
  }
  return list;
}

Json diff_json(const std::vector<config::ObjectChange>& changes) {
  Json list = Json::array();
  for (const config::ObjectChange& change : changes) {
    Json keys = Json::array();
    for (const config::KeyChange& key : change.keys)
      keys.push_back({{"key", key.key}, {"before", key.before}, {"after", key.after}});
    list.push_back({{"kind", kind_token(change.kind)}, {"object", change.object}, {"keys", std::move(keys)}});
  }
  return list;
}

std::vector<config::Diagnostic> diagnostics_from(const Json& list) {
  std::vector<config::Diagnostic> diagnostics;
  for (const Json& one : list) {
    config::Diagnostic diagnostic;
    diagnostic.severity = text_of(one, "severity") == "warning" ? config::Severity::kWarning : config::Severity::kError;
    diagnostic.code = text_of(one, "code");
    diagnostic.file = text_of(one, "file");
    diagnostic.line = static_cast<std::uint32_t>(number_of(one, "line"));
    diagnostic.column = static_cast<std::uint32_t>(number_of(one, "column"));
    diagnostic.width = static_cast<std::uint32_t>(number_of(one, "width"));
    diagnostic.message = text_of(one, "message");
    diagnostic.source_line = text_of(one, "source_line");
    diagnostic.help = text_of(one, "help");
    diagnostics.push_back(std::move(diagnostic));
  }
  return diagnostics;
}

std::vector<config::ObjectChange> diff_from(const Json& list) {
  std::vector<config::ObjectChange> changes;
  for (const Json& one : list) {
    config::ObjectChange change;
    change.kind = kind_of(text_of(one, "kind"));
    change.object = text_of(one, "object");
    for (const Json& key : list_of(one, "keys")) {
      change.keys.push_back(
          {text_of(key, "key"), strings_of(list_of(key, "before")), strings_of(list_of(key, "after"))});
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace baton::cli
