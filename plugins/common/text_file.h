// A small file as a text, with the reason in words if it cannot be had. Header only.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace baton::plugin {

struct TextFile {
  std::string text;
  std::string error;  ///< "/etc/ca.pem: Permission denied", "" if all is well
};

inline TextFile read_text_file(const std::string& path, std::size_t maximum) {
  TextFile file;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    file.error = path + ": " + std::strerror(errno);
    return file;
  }
  std::array<char, 16384> chunk;
  for (;;) {
    const ssize_t count = ::read(descriptor, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) file.error = path + ": " + std::strerror(errno);
    if (count <= 0) break;
    file.text.append(chunk.data(), static_cast<std::size_t>(count));
    if (file.text.size() <= maximum) continue;
    file.error = path + ": larger than " + std::to_string(maximum) + " bytes";
    break;
  }
  ::close(descriptor);
  return file;
}

}  // namespace baton::plugin
