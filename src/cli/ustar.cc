#include "cli/ustar.h"

#include <array>
#include <cstdio>

#include "base/check.h"

namespace baton::cli {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameSize = 100;

/// IEEE Std 1003.1, pax, "ustar Interchange Format": offsets of the fields of a header.
enum Offset : std::size_t {
  kMode = 100,
  kUid = 108,
  kGid = 116,
  kSize = 124,
  kTime = 136,
  kChecksum = 148,
  kType = 156,
  kMagic = 257,
  kVersion = 263,
};

using Block = std::array<char, kBlock>;

void put(Block& block, std::size_t offset, std::string_view text) { text.copy(block.data() + offset, text.size()); }

/// `digits` octal digits and a NUL.
void put_octal(Block& block, std::size_t offset, int digits, std::uint64_t value) {
  std::array<char, 24> text{};
  const int size = std::snprintf(text.data(), text.size(), "%0*llo", digits, static_cast<unsigned long long>(value));
  CHECK(size == digits);
  put(block, offset, {text.data(), static_cast<std::size_t>(size)});
}

std::string header(const ArchiveFile& file, std::int64_t seconds) {
  CHECK(!file.name.empty() && file.name.size() <= kNameSize);
  Block block{};
  put(block, 0, file.name);
  put_octal(block, kMode, 7, 0600);
  put_octal(block, kUid, 7, 0);
  put_octal(block, kGid, 7, 0);
  put_octal(block, kSize, 11, file.text.size());
  put_octal(block, kTime, 11, static_cast<std::uint64_t>(seconds));
  block[kType] = '0';
  put(block, kMagic, "ustar");
  put(block, kVersion, "00");
  // The sum is taken with spaces in its own place.
  put(block, kChecksum, "        ");
  std::uint64_t sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  put_octal(block, kChecksum, 6, sum);
  block[kChecksum + 6] = '\0';
  return {block.begin(), block.end()};
}

}  // namespace

std::string ustar(std::span<const ArchiveFile> files, std::int64_t seconds) {
  std::string archive;
  for (const ArchiveFile& file : files) {
    archive += header(file, seconds);
    archive += file.text;
    archive.append((kBlock - file.text.size() % kBlock) % kBlock, '\0');
  }
  archive.append(2 * kBlock, '\0');
  return archive;
}

}  // namespace baton::cli
