// What is wrong with a configuration and where: values for people (render) and for programs (plain struct). Every
// diagnostic has a stable code with one entry in the table of codes.cc, from which the manual is made. Nothing here
// reads files or prints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::config {

enum class Severity : std::uint8_t { kError, kWarning };

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string code = {};  ///< "E012" or "W003"; never reused for another meaning
  std::string file = {};
  std::uint32_t line = 0;        ///< from 1; 0 = the file as a whole
  std::uint32_t column = 0;      ///< in bytes, from 1; 0 = the line as a whole
  std::uint32_t width = 0;       ///< of the offending text, in bytes; the caret line marks it
  std::string message = {};      ///< one sentence without a full stop; never a secret
  std::string source_line = {};  ///< as written; "" if there is none or it must not be shown
  std::string help = {};         ///< what was probably meant, or what to do; may be ""
  bool operator==(const Diagnostic&) const = default;
};

/// One row of the table of codes.
struct CodeEntry {
  std::string_view code;
  std::string_view title;
  std::string_view explanation;
};

/// All codes in ascending order, errors first.
std::span<const CodeEntry> code_table();
/// nullptr for an unknown code.
const CodeEntry* find_code(std::string_view code);

bool has_errors(std::span<const Diagnostic> diagnostics);

/// By file (in the order of first appearance in `files`, then by name), line, column, code; equal ones once.
void sort_diagnostics(std::vector<Diagnostic>& diagnostics, std::span<const std::string> files);

struct RenderOptions {
  bool colour = false;
};
/// `file:line:col: error[E012]: message`, the source line, a caret line and `help: ...`, each ended by a newline.
std::string render(const Diagnostic& diagnostic, RenderOptions options = {});
/// All of them and a last line "2 errors, 1 warning"; "" for none.
std::string render_all(std::span<const Diagnostic> diagnostics, RenderOptions options = {});

}  // namespace baton::config
