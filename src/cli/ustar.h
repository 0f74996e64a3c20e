// A tape archive in memory: POSIX ustar, plain files of one directory. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace baton::cli {

struct ArchiveFile {
  std::string name;  ///< relative, at most 100 bytes
  std::string text;
};

/// Every file is of mode 0600 and of `seconds` since the epoch, owner 0.
std::string ustar(std::span<const ArchiveFile> files, std::int64_t seconds);

}  // namespace baton::cli
