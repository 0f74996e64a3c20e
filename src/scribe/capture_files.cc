#include "scribe/capture_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <memory>

namespace baton::scribe {
namespace {

constexpr const char* kFolder = "captures";
constexpr const char* kUnfinished = ".unfinished";
constexpr std::string_view kSuffix = ".pcapng";
constexpr std::int64_t kSecond = 1'000'000'000;
/// Records that share a capture lie closer together.
constexpr std::int64_t kLongestCapture_s = 60;

bool take_number(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

Result<void> write_all(int fd, ConstBytes bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return fail("write", size < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return {};
}

}  // namespace

std::string CaptureName::text() const {
  const auto seconds = static_cast<std::time_t>(time_s);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 24> time{};
  std::strftime(time.data(), time.size(), "%Y%m%dT%H%M%SZ", &parts);
  return std::string{time.data()} + "-" + std::to_string(first) + "-" + std::to_string(last) + std::string{kSuffix};
}

std::optional<CaptureName> CaptureName::parse(std::string_view text) {
  CaptureName name;
  std::tm parts{};
  const std::string whole{text};
  const char* rest = ::strptime(whole.c_str(), "%Y%m%dT%H%M%SZ-", &parts);
  if (rest == nullptr) return std::nullopt;
  name.time_s = ::timegm(&parts);
  std::string_view numbers{rest};
  if (!take_number(numbers, name.first) || !numbers.starts_with('-')) return std::nullopt;
  numbers.remove_prefix(1);
  if (!take_number(numbers, name.last)) return std::nullopt;
  // One name for one thing: what reads differently when it is written again is none of ours.
  return name.text() == text ? std::optional{name} : std::nullopt;
}

CaptureFiles::CaptureFiles(int state_directory, Limits limits) : limits_(limits) {
  ::mkdirat(state_directory, kFolder, 0750);
  folder_ = posix::Fd{::openat(state_directory, kFolder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
  if (!folder_.valid()) return;
  ::unlinkat(folder_.get(), kUnfinished, 0);
  load();
}

void CaptureFiles::load() {
  posix::Fd reader{::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  const std::unique_ptr<DIR, int (*)(DIR*)> directory{reader.valid() ? ::fdopendir(reader.get()) : nullptr,
                                                      &::closedir};
  if (!directory) return;
  reader.release();
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto name = CaptureName::parse(entry->d_name);
    struct stat status {};
    if (!name || ::fstatat(folder_.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(status.st_mode)) files_.push_back({*name, static_cast<std::uint64_t>(status.st_size)});
  }
  std::sort(files_.begin(), files_.end(), [](const File& a, const File& b) {
    return std::pair{a.name.time_s, a.name.first} < std::pair{b.name.time_s, b.name.first};
  });
}

Result<void> CaptureFiles::save(const CaptureName& name, ConstBytes bytes) {
  if (!folder_.valid()) return fail("open the folder captures", ENOENT);
  ::unlinkat(folder_.get(), kUnfinished, 0);
  const posix::Fd file{
      ::openat(folder_.get(), kUnfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file.valid()) return fail("create capture", errno);
  auto written = write_all(file.get(), bytes);
  if (written && ::renameat(folder_.get(), kUnfinished, folder_.get(), name.text().c_str()) != 0) {
    written = fail("rename capture", errno);
  }
  if (!written) {
    ::unlinkat(folder_.get(), kUnfinished, 0);
    return written;
  }
  files_.push_back({name, bytes.size()});
  make_room();
  return {};
}

void CaptureFiles::make_room() {
  std::uint64_t total = 0;
  for (const File& file : files_) total += file.size;
  while (!files_.empty() && (files_.size() > limits_.files || total > limits_.bytes)) {
    ::unlinkat(folder_.get(), files_.front().name.text().c_str(), 0);
    total -= files_.front().size;
    files_.erase(files_.begin());
  }
}

std::string CaptureFiles::find(std::uint64_t sequence, std::int64_t wall_clock_ns) const {
  const std::int64_t at_s = wall_clock_ns / kSecond;
  for (auto file = files_.rbegin(); file != files_.rend(); ++file) {
    const CaptureName& name = file->name;
    if (sequence < name.first || sequence > name.last) continue;
    if (at_s < name.time_s || at_s > name.time_s + kLongestCapture_s) continue;
    const std::string text = name.text();
    if (::faccessat(folder_.get(), text.c_str(), F_OK, 0) == 0) return std::string{kFolder} + "/" + text;
  }
  return {};
}

}  // namespace baton::scribe
