// Files read and written with care: never through a symbolic link in the last step, never without a size limit, never
// half.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "posix/fd.h"
#include "posix/rights.h"

namespace baton::posix {

/// Makes the directory if it is missing, refuses a symbolic link, and gives it this owner and mode. Returns it open for
/// openat (O_RDONLY).
Result<Fd> prepare_directory(const std::string& path, const User& owner, mode_t mode);

/// A regular file, whole. EFBIG beyond `limit`; EISDIR, EINVAL for what is no regular file (a FIFO does not hang).
Result<std::vector<std::uint8_t>> read_file(const std::string& path, std::size_t limit);
/// The same relative to a directory, not following a symbolic link.
Result<std::vector<std::uint8_t>> read_file_at(int directory, const std::string& name, std::size_t limit);

/// Replaces `name` in the directory: written beside it, fsynced, renamed, directory fsynced. Either old or new, never
/// half.
Result<void> write_file_atomically(int directory, const std::string& name, ConstBytes bytes, mode_t mode);

/// "/root (mode 0700)": the first directory on the way to `path` that not everybody may enter; "": there is none.
std::string closed_directory(const std::string& path);

}  // namespace baton::posix
