// SPDX-License-Identifier: GPL-2.0-or-later
//
// Looks at files. Never opens what is no regular file, reads a bounded part, and never waits for a writer.
#include "look.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <regex.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <memory>

namespace baton_file {
namespace {

constexpr std::size_t kMostContent = 65536;

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

class Regex {
 public:
  explicit Regex(const std::string& pattern) : code_(::regcomp(&regex_, pattern.c_str(), REG_EXTENDED | REG_NEWLINE)) {}
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  ~Regex() {
    if (code_ == 0) ::regfree(&regex_);
  }
  std::string trouble() const {
    if (code_ == 0) return {};
    std::array<char, 256> words{};
    ::regerror(code_, &regex_, words.data(), words.size());
    return words.data();
  }
  /// The first group that took part, else the whole match.
  std::optional<std::string> find(const std::string& text) const {
    std::array<regmatch_t, 2> match{};
    if (code_ != 0 || ::regexec(&regex_, text.c_str(), match.size(), match.data(), 0) != 0) return std::nullopt;
    const regmatch_t& taken = match[1].rm_so >= 0 ? match[1] : match[0];
    return text.substr(static_cast<std::size_t>(taken.rm_so), static_cast<std::size_t>(taken.rm_eo - taken.rm_so));
  }

 private:
  regex_t regex_{};
  int code_;
};

/// The first `kMostContent` bytes; an errno if it cannot be had.
int read_start(const std::string& path, std::string* content) {
  // Whatever has taken the file's place since it was looked at: neither a FIFO nor a device may hold us up.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return errno;
  int error = 0;
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) error = errno;
  if (error == 0 && !S_ISREG(status.st_mode)) error = EINVAL;
  content->resize(kMostContent);
  std::size_t have = 0;
  while (error == 0 && have < content->size()) {
    const ssize_t count = ::read(descriptor, content->data() + have, content->size() - have);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) error = errno;
    if (count <= 0) break;
    have += static_cast<std::size_t>(count);
  }
  ::close(descriptor);
  content->resize(have);
  return error;
}

bool newer(const struct stat& left, const struct stat& right) {
  if (left.st_mtim.tv_sec != right.st_mtim.tv_sec) return left.st_mtim.tv_sec > right.st_mtim.tv_sec;
  return left.st_mtim.tv_nsec > right.st_mtim.tv_nsec;
}

}  // namespace

Found look_at(const std::string& path, bool link_itself) {
  Found found{.path = path};
  const int code = link_itself ? ::lstat(path.c_str(), &found.status) : ::stat(path.c_str(), &found.status);
  if (code != 0) found.error = errno;
  return found;
}

std::string kind_of(const struct stat& status) {
  switch (status.st_mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    case S_IFLNK: return "link";
    default: return "device";
  }
}

Found newest_in(const std::string& directory, const std::string& pattern, const baton::plugin::Call& call) {
  Found newest;
  const std::unique_ptr<DIR, DirectoryCloser> open{::opendir(directory.c_str())};
  if (open == nullptr) return {.path = directory, .error = errno};
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(open.get());
    if (entry == nullptr && errno != 0) return {.path = directory, .error = errno};
    if (entry == nullptr) return newest;
    if (call.remaining() < std::chrono::milliseconds{20}) return {.path = directory, .error = ETIMEDOUT};
    if (::fnmatch(pattern.c_str(), entry->d_name, FNM_PERIOD) != 0) continue;
    Found one = look_at(directory + (directory.ends_with('/') ? "" : "/") + entry->d_name, false);
    // What has gone since is not there; another error must not make an older file the newest.
    if (one.error == ENOENT) continue;
    if (one.error != 0) return one;
    if (S_ISREG(one.status.st_mode) && (newest.path.empty() || newer(one.status, newest.status)))
      newest = std::move(one);
  }
}

std::chrono::nanoseconds age_of(const struct stat& status) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::chrono::seconds{now.tv_sec - status.st_mtim.tv_sec} +
         std::chrono::nanoseconds{now.tv_nsec - status.st_mtim.tv_nsec};
}

std::optional<double> parse_number(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return std::nullopt;
  const char* first = text.data() + begin + (text[begin] == '+' ? 1 : 0);
  double value = 0;
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(value)) return std::nullopt;
  const char* rest = end;
  while (rest != text.data() + text.size() && std::strchr(" \t\r\n", *rest) != nullptr) ++rest;
  return rest == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

Number number_in(const std::string& path, const std::string& pattern) {
  Number number;
  std::string content;
  number.sys_errno = read_start(path, &content);
  if (number.sys_errno != 0) {
    number.error = path + ": " + std::strerror(number.sys_errno);
    return number;
  }
  std::optional<std::string> text;
  if (pattern.empty()) {
    text = Regex{"^[ \t\r\n]*([-+]?[0-9]+(\\.[0-9]+)?)"}.find(content.substr(0, 256));
  } else {
    text = Regex{pattern}.find(content);
  }
  if (content.empty()) {
    number.error = path + " is empty: no number in it";
  } else if (!text) {
    number.error = pattern.empty() ? path + " does not begin with a number" : path + " holds nothing like " + pattern;
  } else {
    number.text = *text;
    number.value = parse_number(*text);
    if (!number.value) number.error = path + ": '" + text->substr(0, 40) + "' is no number";
  }
  return number;
}

std::string pattern_trouble(const std::string& pattern) { return Regex{pattern}.trouble(); }

std::string time_words(std::chrono::nanoseconds time) {
  const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7200) return std::to_string(seconds / 60) + " min";
  if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
  return std::to_string(seconds / 86400) + " days " + std::to_string(seconds / 3600 % 24) + " h";
}

std::string size_words(std::int64_t bytes) {
  if (bytes < 10'000) return std::to_string(bytes) + " bytes";
  if (bytes < 10'000'000) return std::to_string(bytes / 1000) + " kB";
  if (bytes < 10'000'000'000) return std::to_string(bytes / 1'000'000) + " MB";
  return std::to_string(bytes / 1'000'000'000) + " GB";
}

}  // namespace baton_file
