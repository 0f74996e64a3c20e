// Reads configuration and secret files: regular files only, once, up to a limit, and not while somebody writes to them.
// The one place in this room that calls the system.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "config/codes.h"
#include "config/reader.h"

namespace baton::config {

struct FileTrouble {
  Code code = Code::kUnreadable;
  std::string file;
  std::string message;
  std::string help;
};

struct FilesRead {
  std::vector<SourceText> sources;  ///< FILE, then conf.d/*.conf beside it by name
  std::vector<FileTrouble> troubles;
};

FilesRead read_files(const std::string& path);

/// The file of a secret, at most 32768 bytes.
Result<SecretText> read_secret_file(const std::string& path);

}  // namespace baton::config
