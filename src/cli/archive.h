// A tape archive in a file: POSIX ustar, plain files of one directory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"

namespace baton::cli {

struct ArchiveFile {
  std::string name;  ///< relative, at most 100 bytes
  std::string text;
};

enum class Compression : std::uint8_t { kNone, kGzip };

/// Writes the archive to `fd`, which stays open. Every file is of mode 0600 and of `seconds` since the epoch, owner 0.
/// Error: errno of the writing, and `path`, the name of the archive.
Result<void> write_archive(int fd, const std::string& path, std::span<const ArchiveFile> files, std::int64_t seconds,
                           Compression compression);

}  // namespace baton::cli
