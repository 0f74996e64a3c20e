#include "scribe/history.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace baton::scribe {
namespace {

constexpr const char* kCurrent = "history.2";
constexpr const char* kPrevious = "history.2.1";
// Of format 1: read, never written.
constexpr const char* kCurrent1 = "history";
constexpr const char* kPrevious1 = "history.1";
constexpr int kOpenFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

/// A regular file; a FIFO or a directory under our name is no history.
posix::Fd open_regular(int directory, const char* name, int flags) {
  posix::Fd file{::openat(directory, name, flags | kOpenFlags, 0600)};
  struct stat status {};
  if (file.valid() && (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))) {
    errno = EINVAL;
    file.reset();
  }
  return file;
}

off_t size_of(int file) {
  struct stat status {};
  return ::fstat(file, &status) == 0 ? status.st_size : 0;
}

}  // namespace

History::History(int directory, std::uint32_t limit) : directory_(directory), limit_(std::max<std::size_t>(limit, 1)) {
  load(kPrevious1, kFormat1Size);
  load(kCurrent1, kFormat1Size);
  load(kPrevious, kRecordSize);
  load(kCurrent, kRecordSize);
  open_current();
}

void History::load(const char* name, std::size_t record_size) {
  const posix::Fd file = open_regular(directory_, name, O_RDONLY);
  if (!file.valid()) return;
  const std::size_t count = static_cast<std::size_t>(size_of(file.get())) / record_size;
  for (std::size_t i = count - std::min(count, limit_); i < count; ++i) {
    RecordBytes bytes{};
    const ssize_t size = ::pread(file.get(), bytes.data(), record_size, static_cast<off_t>(i * record_size));
    const std::optional<Record> record =
        size == static_cast<ssize_t>(record_size) ? decode_record(ConstBytes{bytes}.first(record_size)) : std::nullopt;
    if (!record) {
      ++damaged_;
      continue;
    }
    next_sequence_ = std::max(next_sequence_, record->sequence + 1);
    records_.push_back(*record);
    if (records_.size() > limit_) records_.pop_front();
  }
}

bool History::open_current() {
  file_ = open_regular(directory_, kCurrent, O_WRONLY | O_CREAT);
  if (!file_.valid()) {
    failure_ = errno;
    return false;
  }
  file_records_ = static_cast<std::size_t>(size_of(file_.get())) / kRecordSize;
  // A new file whose name is not on disk would lose its records with the power.
  if (::fsync(directory_) != 0) {
    failure_ = errno;
    file_.reset();
    return false;
  }
  return true;
}

std::uint64_t History::append(const std::string& instance, const ports::Report& report, std::int64_t wall_clock_ns) {
  records_.push_back(
      {.sequence = next_sequence_++, .wall_clock_ns = wall_clock_ns, .instance = instance, .report = report});
  ++unsaved_;
  if (records_.size() > limit_) {
    records_.pop_front();
    unsaved_ = std::min(unsaved_, records_.size());
  }
  return next_sequence_ - 1;
}

bool History::save() {
  if (unsaved_ == 0 && failure_ == 0) return true;
  if ((!file_.valid() && !open_current()) || !write_pending()) return false;
  if (::fdatasync(file_.get()) != 0) {
    failure_ = errno;
    return false;
  }
  failure_ = 0;
  return true;
}

/// Always at a record boundary: what a torn write left behind is overwritten.
bool History::write_pending() {
  while (unsaved_ != 0) {
    if (file_records_ >= limit_ && !rotate()) return false;
    const RecordBytes bytes = encode_record(records_[records_.size() - unsaved_]);
    const ssize_t size =
        ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(file_records_ * kRecordSize));
    if (size != static_cast<ssize_t>(kRecordSize)) {
      failure_ = size < 0 ? errno : ENOSPC;
      return false;
    }
    ++file_records_;
    --unsaved_;
  }
  return true;
}

bool History::rotate() {
  if (::fdatasync(file_.get()) != 0 || ::renameat(directory_, kCurrent, directory_, kPrevious) != 0) {
    failure_ = errno;
    return false;
  }
  return open_current();
}

std::vector<Record> History::newest(std::uint32_t limit, const std::string& instance) const {
  std::vector<Record> found;
  for (auto record = records_.rbegin(); record != records_.rend() && found.size() < limit; ++record) {
    if (instance.empty() || record->instance == instance) found.push_back(*record);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace baton::scribe
