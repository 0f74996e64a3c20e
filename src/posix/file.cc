#include "posix/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

namespace baton::posix {
namespace {

Result<std::vector<std::uint8_t>> read_whole(const Fd& file, const std::string& name, std::size_t limit) {
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return fail("read", errno, name);
  if (S_ISDIR(facts.st_mode)) return fail("read", EISDIR, name);
  if (!S_ISREG(facts.st_mode)) return fail("read what is no regular file", EINVAL, name);
  std::vector<std::uint8_t> bytes;
  // The size may change while we read, so it is a hint only; the limit counts what was read.
  bytes.reserve(std::min(static_cast<std::size_t>(facts.st_size), limit) + 1);
  std::uint8_t chunk[16384];
  while (true) {
    const ssize_t count = ::read(file.get(), chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail("read", errno, name);
    if (count == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(count) > limit) return fail("read", EFBIG, name);
    bytes.insert(bytes.end(), chunk, chunk + count);
  }
}

Result<void> write_whole(int file, ConstBytes bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail("write", errno, name);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  if (::fsync(file) != 0) return fail("write to disk", errno, name);
  return {};
}

}  // namespace

Result<Fd> prepare_directory(const std::string& path, const User& owner, mode_t mode) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail("make directory", errno, path);
  Fd directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!directory.valid()) return fail("open directory", errno, path);
  struct stat facts {};
  if (::fstat(directory.get(), &facts) != 0) return fail("open directory", errno, path);
  const bool as_wanted = (facts.st_mode & 07777) == mode;
  // Made by tmpfiles.d, as a rule: then no right to give files away is needed.
  if (as_wanted && facts.st_uid == owner.uid && facts.st_gid == owner.gid) return directory;
  if (!as_wanted) {
    // Only the owner may set the mode (CAP_FOWNER is not asked for).
    if (::fchown(directory.get(), ::geteuid(), owner.gid) != 0) return fail("set owner of", errno, path);
    if (::fchmod(directory.get(), mode) != 0) return fail("set mode of", errno, path);
  }
  if (::fchown(directory.get(), owner.uid, owner.gid) != 0) return fail("set owner of", errno, path);
  return directory;
}

Result<std::vector<std::uint8_t>> read_file(const std::string& path, std::size_t limit) {
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!file.valid()) return fail("open", errno, path);
  return read_whole(file, path, limit);
}

Result<std::vector<std::uint8_t>> read_file_at(int directory, const std::string& name, std::size_t limit) {
  const Fd file{::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY)};
  if (!file.valid()) return fail("open", errno, name);
  return read_whole(file, name, limit);
}

Result<void> write_file_atomically(int directory, const std::string& name, ConstBytes bytes, mode_t mode) {
  const std::string fresh = "." + name + ".new";
  ::unlinkat(directory, fresh.c_str(), 0);
  const Fd file{::openat(directory, fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)};
  if (!file.valid()) return fail("make file", errno, fresh);
  if (auto done = write_whole(file.get(), bytes, fresh); !done) {
    ::unlinkat(directory, fresh.c_str(), 0);
    return done;
  }
  if (::renameat(directory, fresh.c_str(), directory, name.c_str()) != 0) {
    const int error = errno;
    ::unlinkat(directory, fresh.c_str(), 0);
    return fail("replace file", error, name);
  }
  if (::fsync(directory) != 0) return fail("write directory to disk", errno, name);
  return {};
}

std::string closed_directory(const std::string& path) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string directory = path.substr(0, std::max<std::size_t>(end, 1));
    struct stat facts {};
    if (::stat(directory.c_str(), &facts) != 0) return {};
    if ((facts.st_mode & S_IXOTH) != 0) continue;
    std::array<char, 16> mode{};
    std::snprintf(mode.data(), mode.size(), "%04o", facts.st_mode & 07777u);
    return directory + " (mode " + mode.data() + ")";
  }
  return {};
}

}  // namespace baton::posix
