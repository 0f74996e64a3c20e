#include "posix/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace baton::posix {
namespace {

constexpr int kAllSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Result<std::size_t> size_of(int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return fail("ask size of shared memory", errno);
  return static_cast<std::size_t>(facts.st_size);
}

}  // namespace

Result<Fd> sealed_memfd(const std::string& name, ConstBytes bytes) {
  Fd memory{::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory.valid()) return fail("make sealed memory", errno, name);
  while (!bytes.empty()) {
    const ssize_t written = ::write(memory.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail("write sealed memory", errno, name);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (::fcntl(memory.get(), F_ADD_SEALS, kAllSeals) != 0) return fail("seal memory", errno, name);
  return memory;
}

Result<std::vector<std::uint8_t>> read_sealed(int fd, std::size_t limit) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return fail("read sealed memory", errno);
  if ((seals & kAllSeals) != kAllSeals) return fail("read memory that is not sealed", EPERM);
  const auto size = size_of(fd);
  if (!size) return Unexpected<Error>{size.error()};
  if (*size > limit) return fail("read sealed memory", EFBIG);
  std::vector<std::uint8_t> bytes(*size);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail("read sealed memory", errno);
    done += static_cast<std::size_t>(count);
  }
  return bytes;
}

Result<Fd> shared_memfd(const std::string& name, std::size_t size) {
  Fd memory{::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory.valid()) return fail("make shared memory", errno, name);
  if (::ftruncate(memory.get(), static_cast<off_t>(size)) != 0) return fail("size shared memory", errno, name);
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return fail("seal shared memory", errno, name);
  }
  return memory;
}

Result<Fd> reopen_read_only(int fd) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  Fd reader{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!reader.valid()) return fail("reopen shared memory", errno, path);
  return reader;
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

Mapping::~Mapping() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

Result<Mapping> Mapping::map(int fd, int protection) {
  const auto size = size_of(fd);
  if (!size) return Unexpected<Error>{size.error()};
  if (*size == 0) return fail("map shared memory", EINVAL);
  void* start = ::mmap(nullptr, *size, protection, MAP_SHARED, fd, 0);
  if (start == MAP_FAILED) return fail("map shared memory", errno);
  return Mapping{std::span{static_cast<std::uint8_t*>(start), *size}};
}

Result<Mapping> Mapping::read_write(int fd) { return map(fd, PROT_READ | PROT_WRITE); }
Result<Mapping> Mapping::read_only(int fd) { return map(fd, PROT_READ); }

}  // namespace baton::posix
