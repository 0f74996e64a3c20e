// Append-only lines, compacted by a whole write and a rename.
#include "linux/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

namespace baton::linux {
namespace {

constexpr const char* kFileName = "addresses";
constexpr const char* kNewFileName = "addresses.new";
constexpr std::size_t kReadLimit = 8u << 20;
constexpr std::size_t kIdleLines = 1024;

std::string line(char sign, const JournalEntry& entry) {
  return std::string{sign} + ' ' + std::to_string(entry.holding.ifindex) + ' ' + entry.interface + ' ' +
         entry.holding.prefix.text() + '\n';
}

/// The next word of `text`, cut from it.
std::string_view cut_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<JournalEntry> parse_entry(std::string_view text) {
  JournalEntry entry;
  const std::string_view number = cut_word(text);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), entry.holding.ifindex);
  if (error != std::errc{} || end != number.data() + number.size() || entry.holding.ifindex <= 0) return std::nullopt;
  entry.interface = cut_word(text);
  const auto prefix = Prefix::parse(text);
  if (entry.interface.empty() || !prefix) return std::nullopt;
  entry.holding.prefix = *prefix;
  return entry;
}

bool write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

std::set<JournalEntry> parse_journal(std::string_view text) {
  std::set<JournalEntry> entries;
  while (true) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return entries;  // the last line was torn
    std::string_view content = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::string_view sign = cut_word(content);
    const auto entry = parse_entry(content);
    if (!entry) continue;
    if (sign == "+") entries.insert(*entry);
    if (sign == "-") entries.erase(*entry);
  }
}

Journal Journal::load(int directory) {
  if (directory < 0) return Journal{posix::Fd{}};
  Journal journal{posix::Fd{::fcntl(directory, F_DUPFD_CLOEXEC, 0)}};
  const posix::Fd file{::openat(directory, kFileName, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  std::string text;
  char part[4096];
  while (file.valid() && text.size() < kReadLimit) {
    const ssize_t size = ::read(file.get(), part, sizeof part);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    text.append(part, static_cast<std::size_t>(size));
  }
  journal.entries_ = parse_journal(text);
  journal.damaged_ = !text.empty();  // begin with a whole, short file
  return journal;
}

void Journal::add(const JournalEntry& entry) {
  if (directory_.valid() && entries_.insert(entry).second) unwritten_ += line('+', entry);
}

void Journal::remove(const JournalEntry& entry) {
  if (directory_.valid() && entries_.erase(entry) != 0) unwritten_ += line('-', entry);
}

int Journal::flush() {
  if (!directory_.valid() || (unwritten_.empty() && !damaged_)) return 0;
  const bool long_winded = lines_ > 2 * entries_.size() + kIdleLines;
  const bool written = damaged_ || long_winded || !file_.valid() ? rewrite() : append() || rewrite();
  const int sys_errno = written ? 0 : errno;
  unwritten_.clear();
  damaged_ = !written;
  return sys_errno;
}

bool Journal::append() {
  if (!write_whole(file_.get(), unwritten_)) return false;
  lines_ += static_cast<std::size_t>(std::count(unwritten_.begin(), unwritten_.end(), '\n'));
  return true;
}

bool Journal::rewrite() {
  posix::Fd file{::openat(directory_.get(), kNewFileName,
                          O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR)};
  if (!file.valid()) return false;
  std::string text;
  for (const JournalEntry& entry : entries_) text += line('+', entry);
  if (!write_whole(file.get(), text) || ::renameat(directory_.get(), kNewFileName, directory_.get(), kFileName) != 0) {
    const int reason = errno;
    ::unlinkat(directory_.get(), kNewFileName, 0);
    errno = reason;
    return false;
  }
  file_ = std::move(file);
  lines_ = entries_.size();
  return true;
}

}  // namespace baton::linux
