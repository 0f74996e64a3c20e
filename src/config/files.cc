#include "config/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace baton::config {
namespace {

constexpr std::size_t kMaxSecret = 32768;
constexpr std::size_t kMaxDropIns = 1000;

class OpenFile {
 public:
  explicit OpenFile(const std::string& path)
      // Non-blocking: opening a FIFO must not wait for a writer.
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

struct DirectoryClose {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

bool same_version(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

struct Contents {
  std::string text;
  mode_t mode = 0;
};

Unexpected<FileTrouble> trouble(Code code, const std::string& path, std::string message, std::string help = {}) {
  return Unexpected<FileTrouble>{FileTrouble{code, path, std::move(message), std::move(help)}};
}

Unexpected<FileTrouble> system_trouble(const std::string& path, int error) {
  std::string help;
  if (error == ELOOP) help = "its symbolic links lead in a circle";
  if (error == ENOENT) help = "is the path right, and if it is a symbolic link, does its target exist?";
  return trouble(Code::kUnreadable, path, std::string("cannot read the file: ") + std::strerror(error), help);
}

Expected<Contents, FileTrouble> read_once(const std::string& path, std::size_t limit) {
  const OpenFile file(path);
  if (file.get() < 0) return system_trouble(path, errno);
  struct stat before {};
  if (::fstat(file.get(), &before) != 0) return system_trouble(path, errno);
  if (!S_ISREG(before.st_mode)) {
    return trouble(Code::kNotAFile, path, "this is " + std::string(kind_of(before.st_mode)) + ", not a file");
  }
  const auto too_large = [&] {
    return trouble(Code::kFileTooLarge, path, "the file has more than " + std::to_string(limit) + " bytes");
  };
  if (static_cast<std::uint64_t>(before.st_size) > limit) return too_large();
  Contents contents{.text = {}, .mode = before.st_mode};
  // One byte more than expected shows growth.
  contents.text.resize(static_cast<std::size_t>(before.st_size) + 1);
  std::size_t size = 0;
  while (size < contents.text.size()) {
    const ssize_t got = ::read(file.get(), contents.text.data() + size, contents.text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_trouble(path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  contents.text.resize(size);
  struct stat after {};
  if (::fstat(file.get(), &after) != 0) return system_trouble(path, errno);
  if (!same_version(before, after) || size != static_cast<std::size_t>(before.st_size)) {
    return trouble(Code::kFileChanged, path, "the file changed while it was read",
                   "write a new file and rename it over the old one, then try again");
  }
  return contents;
}

/// Names of conf.d/*.conf by bytes; hidden files are passed over. No directory: none.
Expected<std::vector<std::string>, FileTrouble> drop_ins(const std::string& directory_path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, DirectoryClose> directory(::opendir(directory_path.c_str()));
  if (directory == nullptr) {
    if (errno == ENOENT) return names;
    return system_trouble(directory_path, errno);
  }
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name.starts_with('.') || !name.ends_with(".conf")) continue;
    names.emplace_back(name);
    if (names.size() > kMaxDropIns) return trouble(Code::kTooMany, directory_path, "there are more than 1000 files");
    errno = 0;
  }
  if (errno != 0) return system_trouble(directory_path, errno);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

FilesRead read_files(const std::string& path) {
  FilesRead out;
  std::size_t total = 0;
  const auto add = [&](const std::string& file) {
    auto contents = read_once(file, kMaxFileSize);
    if (!contents) {
      out.troubles.push_back(contents.error());
      return;
    }
    total += contents->text.size();
    if (total > kMaxFileSize) {
      out.troubles.push_back({Code::kFileTooLarge,
                              file,
                              "all files together have more than " + std::to_string(kMaxFileSize) + " bytes",
                              {}});
      return;
    }
    out.sources.push_back({file, std::move(contents->text)});
  };
  add(path);
  const std::size_t slash = path.rfind('/');
  const std::string directory =
      slash == std::string::npos ? std::string("conf.d") : path.substr(0, slash + 1) + "conf.d";
  const auto names = drop_ins(directory);
  if (!names) {
    out.troubles.push_back(names.error());
    return out;
  }
  for (const std::string& name : *names) add(directory + "/" + name);
  return out;
}

Result<SecretText> read_secret_file(const std::string& path) {
  auto contents = read_once(path, kMaxSecret);
  if (!contents) return fail(contents.error().message);
  return SecretText{std::move(contents->text), (contents->mode & 077) != 0};
}

}  // namespace baton::config
