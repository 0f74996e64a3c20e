// The names in a directory whose entries come and go while it is read, as those of /proc do.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace baton::linux {

/// Sorted; as far as it could be read.
inline std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code trouble;
  std::filesystem::directory_iterator entry{directory, trouble};
  while (!trouble && entry != std::filesystem::directory_iterator{}) {
    names.push_back(entry->path().filename().string());
    entry.increment(trouble);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace baton::linux
