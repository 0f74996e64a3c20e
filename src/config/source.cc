#include "config/source.h"

#include <ini.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace baton::config {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

bool is_key_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; }

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/// inih's inline comment: a `;` after white space. npos if there is none.
std::size_t find_inline_comment(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == ';' && (text[i - 1] == ' ' || text[i - 1] == '\t')) return i;
  }
  return std::string_view::npos;
}

enum class LineKind : std::uint8_t { kNothing, kHeader, kEntry };

/// Reads the lines of one file in order and fills the sections.
class SourceReader {
 public:
  SourceReader(const SourceFile& file, std::uint32_t index, Report& report)
      : file_(file), index_(index), report_(report) {}

  std::vector<RawSection> run() {
    check_whole_file();
    kinds_.reserve(file_.line_count());
    for (std::uint32_t number = 1; number <= file_.line_count(); ++number) {
      if (report_.full()) {
        report_.cut_short();
        break;
      }
      kinds_.push_back(read_line(number));
    }
    feed_inih();
    return std::move(sections_);
  }

 private:
  void check_whole_file() {
    const std::string& text = file_.text();
    if (text.starts_with("\xEF\xBB\xBF")) {
      report_.add(Code::kByteOrderMark, {index_, 1, 1, 1}, "the file begins with a byte order mark",
                  "save it as UTF-8 without a byte order mark");
    }
    if (!text.empty() && text.back() != '\n') {
      report_.add(Code::kCutOff, place(file_.line_count(), file_.line(file_.line_count()).size(), 1),
                  "the last line has no newline: the file may have been cut off while being written",
                  "if it is complete, end the last line with a newline");
    }
  }

  Place place(std::uint32_t line, std::size_t offset, std::size_t width) const {
    return {index_, line, static_cast<std::uint32_t>(offset + 1), static_cast<std::uint32_t>(width)};
  }

  LineKind read_line(std::uint32_t number) {
    std::string_view line = file_.line(number);
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) return LineKind::kNothing;
    if (!check_characters(number, line)) return LineKind::kNothing;
    const std::string_view content = trimmed(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') return LineKind::kNothing;
    if (line.size() > kMaxLineLength) {
      report_.add(Code::kLineTooLong, place(number, kMaxLineLength, line.size() - kMaxLineLength),
                  "the line has " + std::to_string(line.size()) + " bytes; at most " + std::to_string(kMaxLineLength) +
                      " can be read",
                  "give a list one item a line by repeating the key, or put a long text into a file and name that");
      if (content.front() == '[') start_section({}, place(number, 0, 1), /*broken=*/true);
      return LineKind::kNothing;
    }
    if (line.front() == ' ' || line.front() == '\t') {
      report_.add(Code::kIndented, place(number, 0, line.find_first_not_of(kBlanks)),
                  "the line is indented, as if it continued the one before",
                  "start it in the first column; to give a list more items, repeat the key");
      if (content.front() == '[') start_section({}, place(number, 0, 1), /*broken=*/true);
      return LineKind::kNothing;
    }
    return line.front() == '[' ? read_header(number, line) : read_entry(number, line);
  }

  /// Plain text only. One finding a line; for Windows line ends one a file.
  bool check_characters(std::uint32_t number, std::string_view line) {
    const std::size_t bad = find_unprintable(line);
    if (bad == std::string_view::npos) return true;
    if (line[bad] == '\r' && bad + 1 == line.size()) {
      if (!windows_lines_) {
        report_.add(Code::kWindowsLines, place(number, bad, 1), "the line ends in CR LF, as Windows writes it",
                    "convert the file: sed -i 's/\\r$//' " + file_.name());
      }
      windows_lines_ = true;
      return false;
    }
    char code[8];
    std::snprintf(code, sizeof code, "0x%02X", static_cast<unsigned>(static_cast<unsigned char>(line[bad])));
    const bool is_control = static_cast<unsigned char>(line[bad]) < 0x80;
    report_.add(Code::kNotText, place(number, bad, 1),
                line[bad] == '\0' ? std::string("the line holds a NUL byte")
                : is_control      ? std::string("the line holds the control character ") + code
                                  : std::string("the line holds the byte ") + code + ", which is not UTF-8 text here",
                is_control ? "" : "save the file as UTF-8");
    // What follows belongs to a section whose name could not be read.
    if (!line.empty() && line.front() == '[') start_section({}, place(number, 0, 1), /*broken=*/true);
    return false;
  }

  void start_section(std::string_view name, const Place& name_place, bool broken) {
    sections_.push_back({.name = name, .place = name_place, .broken = broken, .entries = {}});
  }

  LineKind read_header(std::uint32_t number, std::string_view line) {
    const std::size_t close = line.find(']');
    const auto broken = [&](Code code, const Place& at, std::string message, std::string help) {
      report_.add(code, at, std::move(message), std::move(help));
      start_section({}, place(number, 0, line.size()), /*broken=*/true);
      return LineKind::kNothing;
    };
    if (close == std::string_view::npos) {
      return broken(Code::kBadHeader, place(number, line.size(), 1), "the section line has no `]`",
                    "write [instance NAME]");
    }
    const std::string_view inside = line.substr(1, close - 1);
    const std::string_view behind = trimmed(line.substr(close + 1));
    if (!behind.empty()) {
      return broken(Code::kBadHeader, place(number, line.find(behind, close + 1), behind.size()),
                    "there is text behind the `]`", "a key stands on a line of its own, and so does a comment");
    }
    if (inside.find_first_of("[;#=\"") != std::string_view::npos) {
      const std::size_t at = inside.find_first_of("[;#=\"");
      return broken(Code::kBadHeader, place(number, at + 1, 1), "a section name cannot hold this character",
                    "write [instance NAME]");
    }
    const std::string_view name = trimmed(inside);
    if (inside.size() > kMaxSectionLength) {
      return broken(Code::kSectionTooLong, place(number, 1, inside.size()),
                    "the section name has " + std::to_string(inside.size()) + " bytes; at most " +
                        std::to_string(kMaxSectionLength) + " can be read",
                    "a name may have 32 characters");
    }
    const std::size_t begin = name.empty() ? 1 : line.find(name, 1);
    start_section(name, place(number, begin, std::max<std::size_t>(name.size(), 1)), /*broken=*/false);
    return LineKind::kHeader;
  }

  LineKind read_entry(std::uint32_t number, std::string_view line) {
    const std::size_t separator = line.find_first_of("=:");
    if (separator == std::string_view::npos) {
      report_.add(Code::kNoEquals, place(number, 0, trimmed(line).size()),
                  "the line is neither a section nor `key = value` nor a comment", "");
      return LineKind::kNothing;
    }
    if (line[separator] == ':') {
      report_.add(Code::kColon, place(number, separator, 1), "a colon stands where `=` is expected",
                  "write " + std::string(trimmed(line.substr(0, separator))) + " = " +
                      std::string(trimmed(line.substr(separator + 1))));
      return LineKind::kNothing;
    }
    const std::string_view full_key = trimmed(line.substr(0, separator));
    if (!check_key(number, line, full_key)) return LineKind::kNothing;
    const std::string_view behind = line.substr(separator + 1);
    // inih looks for the comment in the text behind `=`; a `;` right behind `=` is a part of the value.
    const std::size_t comment = find_inline_comment(behind);
    if (comment != std::string_view::npos) {
      report_.add(Code::kInlineComment, place(number, separator + 1 + comment, behind.size() - comment),
                  "a semicolon behind a blank starts a comment: the value would end here",
                  "put the comment on a line of its own; a value cannot hold ` ;`");
      return LineKind::kNothing;
    }
    if (sections_.empty()) {
      report_.add(Code::kKeyOutside, place(number, 0, full_key.size()), "the key stands before the first section",
                  "write [instance NAME] above it");
      return LineKind::kNothing;
    }
    const std::size_t at = full_key.find('@');
    const std::string_view value = trimmed(behind);
    const std::size_t value_offset = value.empty() ? separator + 1 : line.find(value, separator + 1);
    sections_.back().entries.push_back({.key = full_key.substr(0, at),
                                        .host = at == std::string_view::npos ? "" : full_key.substr(at + 1),
                                        .value = value,
                                        .key_place = place(number, 0, full_key.size()),
                                        .value_place = place(number, value_offset, value.size())});
    return LineKind::kEntry;
  }

  bool check_key(std::uint32_t number, std::string_view line, std::string_view full_key) {
    if (full_key.empty()) {
      report_.add(Code::kBadKey, place(number, 0, 1), "there is no key before `=`", "write key = value");
      return false;
    }
    const std::size_t at = full_key.find('@');
    const std::string_view key = full_key.substr(0, at);
    const auto bad = std::find_if_not(key.begin(), key.end(), is_key_character);
    if (key.empty() || bad != key.end()) {
      const auto offset = static_cast<std::size_t>(bad - key.begin());
      report_.add(Code::kBadKey, place(number, offset, 1), "a key consists of a-z, 0-9, `_` and `-`",
                  line[offset] == ' ' ? "is the `=` missing?" : "");
      return false;
    }
    if (at == std::string_view::npos) return true;
    const std::string_view host = full_key.substr(at + 1);
    const auto bad_host = std::find_if_not(host.begin(), host.end(), is_host_character);
    if (host.empty() || bad_host != host.end()) {
      report_.add(Code::kBadKey, place(number, at + 1 + static_cast<std::size_t>(bad_host - host.begin()), 1),
                  "a host name is expected behind `@`", "write key@HOST = value");
      return false;
    }
    return true;
  }

  struct Feed {
    SourceReader* reader = nullptr;
    std::uint32_t line = 0;            ///< the one that inih has now
    std::size_t section = 0;           ///< index of the current section plus one
    std::size_t entry = 0;             ///< the next entry of that section
    std::uint32_t delivered_line = 0;  ///< the last line for which the handler was called
  };

  /// Gives inih the accepted lines, and blank ones in place of all others, so that its line numbers are ours.
  static char* next_line(char* buffer, int size, void* context) {
    Feed& feed = *static_cast<Feed*>(context);
    SourceReader& reader = *feed.reader;
    reader.finish_line(feed);
    if (feed.line >= reader.kinds_.size()) return nullptr;
    ++feed.line;
    const LineKind kind = reader.kinds_[feed.line - 1];
    std::string_view text = kind == LineKind::kNothing ? std::string_view{} : reader.file_.line(feed.line);
    // Longer than this library's buffer (never with Debian's 200 bytes): finish_line reports that it was not delivered.
    if (size < 2) return nullptr;
    if (text.size() + 2 > static_cast<std::size_t>(size)) text = {};
    std::copy(text.begin(), text.end(), buffer);
    buffer[text.size()] = '\n';
    buffer[text.size() + 1] = '\0';
    return buffer;
  }

  static int deliver(void* context, const char* section, const char* name, const char* value) {
    Feed& feed = *static_cast<Feed*>(context);
    feed.reader->compare(feed, section, name, value == nullptr ? "" : value);
    return 1;
  }

  /// The entry that is expected at feed.line, or nullptr.
  const RawEntry* expected_entry(Feed& feed) const {
    // Sections before this line are behind us; broken ones are not fed, but their entries are.
    while (feed.section < sections_.size() && sections_[feed.section].place.line <= feed.line) {
      ++feed.section;
      feed.entry = 0;
    }
    if (feed.section == 0) return nullptr;
    const std::vector<RawEntry>& entries = sections_[feed.section - 1].entries;
    while (feed.entry < entries.size() && entries[feed.entry].key_place.line < feed.line) ++feed.entry;
    if (feed.entry == entries.size() || entries[feed.entry].key_place.line != feed.line) return nullptr;
    return &entries[feed.entry];
  }

  void compare(Feed& feed, std::string_view section, std::string_view name, std::string_view value) {
    const RawEntry* entry = expected_entry(feed);
    const bool twice = feed.delivered_line == feed.line;
    feed.delivered_line = feed.line;
    const bool in_broken = feed.section != 0 && sections_[feed.section - 1].broken;
    const bool same_section = in_broken || (feed.section != 0 && trimmed(section) == sections_[feed.section - 1].name);
    const std::string_view key =
        entry == nullptr ? std::string_view{} : trimmed(file_.line(feed.line).substr(0, entry->key_place.width));
    if (entry != nullptr && !twice && same_section && name == key && value == entry->value) return;
    report_.add(Code::kReadDifferently, place(feed.line, 0, 0), "the INI library reads this line differently",
                "write it in a simpler way");
  }

  void finish_line(const Feed& feed) {
    if (feed.line == 0 || kinds_[feed.line - 1] != LineKind::kEntry || feed.delivered_line == feed.line) return;
    report_.add(Code::kReadDifferently, place(feed.line, 0, 0), "the INI library does not read this line",
                "write it in a simpler way");
  }

  void feed_inih() {
    Feed feed;
    feed.reader = this;
    const int status = ini_parse_stream(next_line, &feed, deliver, &feed);
    if (status > 0 && !report_.failed()) {
      report_.add(Code::kReadDifferently, place(static_cast<std::uint32_t>(status), 0, 0),
                  "the INI library refuses this line", "write it in a simpler way");
    }
  }

  const SourceFile& file_;
  std::uint32_t index_;
  Report& report_;
  std::vector<RawSection> sections_;
  std::vector<LineKind> kinds_;
  bool windows_lines_ = false;
};

}  // namespace

std::vector<RawSection> read_source(const SourceFile& file, std::uint32_t index, Report& report) {
  return SourceReader(file, index, report).run();
}

}  // namespace baton::config
