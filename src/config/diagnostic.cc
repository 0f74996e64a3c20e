#include "config/diagnostic.h"

#include <algorithm>
#include <tuple>

namespace baton::config {
namespace {

constexpr std::string_view kReset = "\033[0m";
constexpr std::string_view kBold = "\033[1m";

std::string_view severity_word(Severity severity) { return severity == Severity::kError ? "error" : "warning"; }
std::string_view severity_colour(Severity severity) {
  return severity == Severity::kError ? "\033[1;31m" : "\033[1;35m";
}

/// Blanks up to `column`, tabs kept, so that the caret stands under the text in every terminal; UTF-8 continuation
/// bytes take no room.
std::string caret_line(const Diagnostic& diagnostic) {
  const std::string& line = diagnostic.source_line;
  const auto is_continuation = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; };
  const std::size_t begin = std::min<std::size_t>(diagnostic.column - 1, line.size());
  std::string caret;
  for (std::size_t i = 0; i < begin; ++i) {
    if (!is_continuation(line[i])) caret += line[i] == '\t' ? '\t' : ' ';
  }
  caret += '^';
  const std::size_t end = std::min<std::size_t>(begin + std::max<std::size_t>(diagnostic.width, 1), line.size());
  for (std::size_t i = begin + 1; i < end; ++i) {
    if (!is_continuation(line[i])) caret += '~';
  }
  return caret;
}

std::string count_text(std::size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

}  // namespace

bool has_errors(std::span<const Diagnostic> diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& diagnostic) { return diagnostic.severity == Severity::kError; });
}

void sort_diagnostics(std::vector<Diagnostic>& diagnostics, std::span<const std::string> files) {
  const auto rank = [&](const std::string& file) {
    return std::find(files.begin(), files.end(), file) - files.begin();
  };
  const auto key = [&](const Diagnostic& d) {
    return std::tuple(rank(d.file), std::string_view(d.file), d.line, d.column, std::string_view(d.code),
                      std::string_view(d.message));
  };
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return key(a) < key(b); });
  const auto same = [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.file, a.line, a.column, a.code, a.message) ==
           std::tie(b.file, b.line, b.column, b.code, b.message);
  };
  diagnostics.erase(std::unique(diagnostics.begin(), diagnostics.end(), same), diagnostics.end());
}

std::string render(const Diagnostic& diagnostic, RenderOptions options) {
  const auto paint = [&](std::string_view colour, const std::string& text) {
    return options.colour ? std::string(colour) + text + std::string(kReset) : text;
  };
  std::string place = diagnostic.file;
  if (diagnostic.line != 0) place += ":" + std::to_string(diagnostic.line);
  if (diagnostic.line != 0 && diagnostic.column != 0) place += ":" + std::to_string(diagnostic.column);
  if (!place.empty()) place += ": ";
  std::string text = paint(kBold, place);
  text += paint(severity_colour(diagnostic.severity),
                std::string(severity_word(diagnostic.severity)) + "[" + diagnostic.code + "]:");
  text += " " + diagnostic.message + "\n";
  if (!diagnostic.source_line.empty()) {
    text += "    " + diagnostic.source_line + "\n";
    if (diagnostic.column != 0) {
      text += "    " + paint(severity_colour(diagnostic.severity), caret_line(diagnostic)) + "\n";
    }
  }
  if (!diagnostic.help.empty()) text += "    " + paint(kBold, "help:") + " " + diagnostic.help + "\n";
  return text;
}

std::string render_all(std::span<const Diagnostic> diagnostics, RenderOptions options) {
  if (diagnostics.empty()) return {};
  std::string text;
  std::size_t errors = 0;
  for (const Diagnostic& diagnostic : diagnostics) {
    text += render(diagnostic, options);
    errors += diagnostic.severity == Severity::kError ? 1 : 0;
  }
  const std::size_t warnings = diagnostics.size() - errors;
  if (errors != 0) text += count_text(errors, "error");
  if (errors != 0 && warnings != 0) text += ", ";
  if (warnings != 0) text += count_text(warnings, "warning");
  return text + "\n";
}

}  // namespace baton::config
