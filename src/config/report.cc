#include "config/report.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace baton::config {
namespace {

constexpr std::size_t kShownLine = 200;

/// Length of the well-formed UTF-8 sequence (Unicode table 3-7) that `text` begins with; 0 for none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1, 0x80, 0xBF) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return follows(1, low, high) && follows(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return follows(1, low, high) && follows(2, 0x80, 0xBF) && follows(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

/// Length of the printable character at the front; 0 if it is none. Controls are C0 (but tab), DEL and C1
/// (U+0080..U+009F).
std::size_t printable_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if ((first < 0x20 && first != '\t') || first == 0x7F) return 0;
  const std::size_t length = utf8_length(text);
  if (length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) return 0;
  return length;
}

/// `key = ********` if the line sets a secret.
std::string masked(std::string_view line, bool is_secret) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return std::string(line);
  std::string_view key = line.substr(0, equals);
  key = key.substr(0, key.find('@'));
  while (!key.empty() && (key.back() == ' ' || key.back() == '\t')) key.remove_suffix(1);
  if (!is_secret && !is_secret_key(key)) return std::string(line);
  return std::string(line.substr(0, equals)) + "= " + std::string(kMask);
}

}  // namespace

SourceFile::SourceFile(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {
  if (!text_.empty()) starts_.push_back(0);
  for (std::size_t i = 0; i + 1 < text_.size(); ++i) {
    if (text_[i] == '\n') starts_.push_back(static_cast<std::uint32_t>(i + 1));
  }
}

std::string_view SourceFile::line(std::uint32_t number) const {
  if (number == 0 || number > starts_.size()) return {};
  const std::size_t begin = starts_[number - 1];
  const std::size_t end = number < starts_.size() ? starts_[number] : text_.size();
  std::string_view line = std::string_view(text_).substr(begin, end - begin);
  if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  return line;
}

bool is_secret_key(std::string_view key) {
  if (key.ends_with("_file")) return false;
  constexpr std::array<std::string_view, 5> kWords{"password", "passwd", "secret", "token", "api_key"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return key.find(word) != std::string_view::npos; });
}

std::size_t find_unprintable(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = printable_length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = printable_length(text.substr(i));
    if (length == 0) {
      out += '?';
      ++i;
    } else {
      out += text.substr(i, length);
      i += length;
    }
  }
  return out;
}

std::string Report::text(const Place& place) const {
  CHECK(place.file < files_.size());
  return files_[place.file].name() + ":" + std::to_string(place.line);
}

void Report::add(Code code, const Place& place, std::string message, std::string help) {
  CHECK(place.file < files_.size());
  failed_ = failed_ || code_severity(code) == Severity::kError;
  if (!has_room(code_severity(code))) return;
  const SourceFile& file = files_[place.file];
  std::string_view line = file.line(place.line);
  std::string shown = printable(masked(line.substr(0, kShownLine), place.is_secret));
  if (line.size() > kShownLine) shown += "...";
  keep({.severity = code_severity(code),
        .code = std::string(code_text(code)),
        .file = file.name(),
        .line = place.line,
        .column = place.column,
        .width = place.width,
        .message = printable(message),
        .source_line = std::move(shown),
        .help = printable(help)});
}

void Report::add_file(Code code, std::string file, std::string message, std::string help) {
  failed_ = failed_ || code_severity(code) == Severity::kError;
  if (!has_room(code_severity(code))) return;
  keep({.severity = code_severity(code),
        .code = std::string(code_text(code)),
        .file = std::move(file),
        .message = printable(message),
        .help = printable(help)});
}

bool Report::has_room(Severity severity) {
  if ((severity == Severity::kError ? errors_ : warnings_) < kMaxDiagnostics) return true;
  (severity == Severity::kError ? overflowed_ : warnings_cut_) = true;
  return false;
}

void Report::keep(Diagnostic diagnostic) {
  const std::string identity = diagnostic.code + '\n' + diagnostic.file + '\n' + std::to_string(diagnostic.line) + ':' +
                               std::to_string(diagnostic.column) + '\n' + diagnostic.message;
  if (!seen_.insert(identity).second) return;
  ++(diagnostic.severity == Severity::kError ? errors_ : warnings_);
  diagnostics_.push_back(std::move(diagnostic));
}

std::vector<Diagnostic> Report::take() {
  std::vector<std::string> names;
  names.reserve(files_.size());
  for (const SourceFile& file : files_) names.push_back(file.name());
  sort_diagnostics(diagnostics_, names);
  // A flood of warnings is no error: the configuration stays usable, and no error hides behind them.
  if (warnings_cut_) {
    diagnostics_.push_back({.severity = Severity::kWarning,
                            .code = std::string(code_text(Code::kTooManyWarnings)),
                            .file = names.empty() ? std::string() : names.front(),
                            .message = "more warnings than the " + std::to_string(kMaxDiagnostics) + " shown"});
  }
  if (overflowed_) {
    diagnostics_.push_back(
        {.severity = Severity::kError,
         .code = std::string(code_text(Code::kTooManyDiagnostics)),
         .file = names.empty() ? std::string() : names.front(),
         .message = "more errors than the " + std::to_string(kMaxDiagnostics) + " shown: mend these first"});
    failed_ = true;
  }
  seen_.clear();
  errors_ = warnings_ = 0;
  return std::exchange(diagnostics_, {});
}

}  // namespace baton::config
