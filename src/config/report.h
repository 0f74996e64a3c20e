// Collects diagnostics while sources are read: knows the lines, so that each finding is shown with its text. Keeps at
// most kMaxDiagnostics errors and as many warnings, each once; masks the values of secret keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "config/codes.h"
#include "config/diagnostic.h"

namespace baton::config {

inline constexpr std::size_t kMaxDiagnostics = 1000;

/// A stretch of one line of one source file. Line 0: the file as a whole.
struct Place {
  std::uint32_t file = 0;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t width = 0;
  bool is_secret = false;  ///< the value on the line must not be shown
};

/// A file in memory, cut into lines.
class SourceFile {
 public:
  SourceFile(std::string name, std::string text);
  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }
  std::uint32_t line_count() const { return static_cast<std::uint32_t>(starts_.size()); }
  /// Line `number` from 1, without its newline; "" if there is none.
  std::string_view line(std::uint32_t number) const;

 private:
  std::string name_;
  std::string text_;
  std::vector<std::uint32_t> starts_;
};

class Report {
 public:
  /// `files` must outlive the report and not move.
  explicit Report(const std::vector<SourceFile>& files) : files_(files) {}

  void add(Code code, const Place& place, std::string message, std::string help = {});
  /// About the configuration as a whole, or a file that is not among the sources.
  void add_file(Code code, std::string file, std::string message, std::string help = {});

  /// True once an error was added.
  bool failed() const { return failed_; }
  /// No more are kept: expensive searches for help may stop.
  bool full() const { return errors_ >= kMaxDiagnostics; }
  /// An error was found that is not described, as the report is full.
  void cut_short() { failed_ = overflowed_ = true; }
  /// "FILE:LINE".
  std::string text(const Place& place) const;
  /// Sorted. The report is empty afterwards.
  std::vector<Diagnostic> take();

 private:
  /// False when as many of that severity are kept as are shown.
  bool has_room(Severity severity);
  void keep(Diagnostic diagnostic);

  const std::vector<SourceFile>& files_;
  std::vector<Diagnostic> diagnostics_;
  std::unordered_set<std::string> seen_;
  bool failed_ = false;
  bool overflowed_ = false;
  bool warnings_cut_ = false;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
};

/// True for key names whose values are never shown: "password", "auth_token", but not "password_file".
bool is_secret_key(std::string_view key);
inline constexpr std::string_view kMask = "********";

/// The first position of `text` that is no UTF-8, a NUL or a control character other than tab; npos if it is plain
/// text.
std::size_t find_unprintable(std::string_view text);
/// `text` with what is unprintable as '?'.
std::string printable(std::string_view text);

}  // namespace baton::config
