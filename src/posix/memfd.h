// Memory that travels between processes: sealed messages of any size, and the shared mapping of the state board.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "posix/fd.h"

namespace baton::posix {

/// A memfd with these bytes that nobody can change any more.
Result<Fd> sealed_memfd(const std::string& name, ConstBytes bytes);
/// Refuses what is not sealed against writing, growing and shrinking, and what is larger than `limit` bytes.
Result<std::vector<std::uint8_t>> read_sealed(int fd, std::size_t limit);

/// A writable memfd of fixed size (sealed against growing and shrinking, so that no reader can get SIGBUS). Untouched
/// pages cost nothing.
Result<Fd> shared_memfd(const std::string& name, std::size_t size);
/// The same memory through a descriptor that cannot write. Needs /proc.
Result<Fd> reopen_read_only(int fd);

/// mmap that unmaps itself.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  static Result<Mapping> read_write(int fd);
  static Result<Mapping> read_only(int fd);

  /// Of a read-only mapping: reading only; writing is SIGSEGV.
  std::span<std::uint8_t> bytes() const { return bytes_; }
  ConstBytes const_bytes() const { return bytes_; }

 private:
  explicit Mapping(std::span<std::uint8_t> bytes) : bytes_(bytes) {}
  static Result<Mapping> map(int fd, int protection);
  std::span<std::uint8_t> bytes_;
};

}  // namespace baton::posix
