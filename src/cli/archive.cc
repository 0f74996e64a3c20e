#include "cli/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>
#include <memory>
#include <new>

namespace baton::cli {
namespace {

struct FreeArchive {
  void operator()(archive* writer) const { ::archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

Unexpected<Error> failed(archive* writer, const std::string& path) {
  const int code = ::archive_errno(writer);
  // Its own errors are negative, or of the file format: they have words, and no errno.
  if (code > 0) return fail("write archive", code, path);
  const char* words = ::archive_error_string(writer);
  return fail(std::string{"write archive: "} + (words == nullptr ? "no reason given" : words), 0, path);
}

bool write_file(archive* writer, const ArchiveFile& file, std::int64_t seconds) {
  const std::unique_ptr<archive_entry, FreeEntry> entry{::archive_entry_new()};
  if (!entry) throw std::bad_alloc{};
  ::archive_entry_set_pathname(entry.get(), file.name.c_str());
  ::archive_entry_set_filetype(entry.get(), AE_IFREG);
  ::archive_entry_set_perm(entry.get(), 0600);
  ::archive_entry_set_mtime(entry.get(), seconds, 0);
  ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.text.size()));
  return ::archive_write_header(writer, entry.get()) == ARCHIVE_OK &&
         ::archive_write_data(writer, file.text.data(), file.text.size()) == static_cast<la_ssize_t>(file.text.size());
}

}  // namespace

Result<void> write_archive(int fd, const std::string& path, std::span<const ArchiveFile> files, std::int64_t seconds,
                           Compression compression) {
  const std::unique_ptr<archive, FreeArchive> writer{::archive_write_new()};
  if (!writer) throw std::bad_alloc{};
  const int filter = compression == Compression::kGzip ? ::archive_write_add_filter_gzip(writer.get())
                                                       : ::archive_write_add_filter_none(writer.get());
  if (filter != ARCHIVE_OK || ::archive_write_set_format_ustar(writer.get()) != ARCHIVE_OK ||
      ::archive_write_open_fd(writer.get(), fd) != ARCHIVE_OK) {
    return failed(writer.get(), path);
  }
  for (const ArchiveFile& file : files) {
    if (!write_file(writer.get(), file, seconds)) return failed(writer.get(), path);
  }
  if (::archive_write_close(writer.get()) != ARCHIVE_OK) return failed(writer.get(), path);
  return {};
}

}  // namespace baton::cli
