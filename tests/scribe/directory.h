// A directory of its own for one test, removed afterwards.
#pragma once

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "posix/fd.h"
#include "posix/file.h"

namespace baton::scribe::test {

class Directory {
 public:
  Directory() {
    char pattern[] = "/tmp/baton-scribe-XXXXXX";
    path_ = ::mkdtemp(pattern);
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  int fd() const { return fd_.get(); }
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  std::string read(const std::string& name) const {
    const auto bytes = posix::read_file(path(name), 1 << 20);
    return bytes ? std::string{bytes->begin(), bytes->end()} : std::string{};
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << text;
  }

 private:
  std::string path_;
  posix::Fd fd_;
};

}  // namespace baton::scribe::test
