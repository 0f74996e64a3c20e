#include "daemon/config_report.h"

namespace baton::daemon {
namespace {

/// JSON string. Bytes above 127 pass as they are; the configuration reader has refused what is no UTF-8.
std::string quoted(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < ' ') {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

template <class Range, class Render>
std::string array(const Range& range, Render render) {
  std::string out = "[";
  for (const auto& item : range) out += (out.size() > 1 ? "," : "") + render(item);
  return out + ']';
}

std::string render_diagnostic(const config::Diagnostic& one) {
  const char* severity = one.severity == config::Severity::kError ? "error" : "warning";
  return "{\"severity\":" + quoted(severity) + ",\"code\":" + quoted(one.code) + ",\"file\":" + quoted(one.file) +
         ",\"line\":" + std::to_string(one.line) + ",\"column\":" + std::to_string(one.column) +
         ",\"width\":" + std::to_string(one.width) + ",\"message\":" + quoted(one.message) +
         ",\"source_line\":" + quoted(one.source_line) + ",\"help\":" + quoted(one.help) + "}";
}

std::string render_change(const config::ObjectChange& change) {
  const char* kind = change.kind == config::ChangeKind::kAdded     ? "added"
                     : change.kind == config::ChangeKind::kRemoved ? "removed"
                                                                   : "changed";
  const auto key = [](const config::KeyChange& one) {
    return "{\"key\":" + quoted(one.key) + ",\"before\":" + array(one.before, quoted) +
           ",\"after\":" + array(one.after, quoted) + "}";
  };
  return "{\"kind\":" + quoted(kind) + ",\"object\":" + quoted(change.object) + ",\"keys\":" + array(change.keys, key) +
         "}";
}

}  // namespace

std::string config_report(std::span<const config::Diagnostic> diagnostics,
                          std::span<const config::ObjectChange> changes) {
  return "{\"diagnostics\":" + array(diagnostics, render_diagnostic) + ",\"diff\":" + array(changes, render_change) +
         "}";
}

}  // namespace baton::daemon
