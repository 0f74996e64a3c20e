#include "cli/bundle.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "posix/fd.h"

namespace baton::cli {
namespace {

std::string written(const std::vector<ArchiveFile>& files, std::int64_t seconds, Compression compression) {
  const posix::Fd file{::memfd_create("archive", MFD_CLOEXEC)};
  const auto done = write_archive(file.get(), "x.tar", files, seconds, compression);
  EXPECT_TRUE(done) << done.error().message();
  std::string text(64 * 1024, '\0');
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return text;
}

// Offsets: IEEE Std 1003.1, pax, "ustar Interchange Format".
TEST(ArchiveTest, AHeaderAndThePaddedTextForEachFile) {
  const std::vector<ArchiveFile> files{{"a/b", "hello"}, {"a/c", std::string(512, 'x')}};
  const std::string archive = written(files, 0755, Compression::kNone);
  ASSERT_GE(archive.size(), (1 + 1 + 1 + 1 + 2) * 512U);
  EXPECT_EQ(archive.substr(0, 4), std::string("a/b\0", 4));
  EXPECT_EQ(archive.substr(100, 6), "000600");
  EXPECT_EQ(archive.substr(124, 11), "00000000005");
  EXPECT_EQ(archive.substr(136, 11), "00000000755");
  EXPECT_EQ(archive.substr(156, 1), "0");
  EXPECT_EQ(archive.substr(257, 5), "ustar");
  EXPECT_EQ(archive.substr(512, 7), std::string("hello\0\0", 7));
  EXPECT_EQ(archive.substr(1024, 4), std::string("a/c\0", 4));
  EXPECT_EQ(archive.substr(1024 + 124, 11), "00000001000");
  EXPECT_EQ(archive.find_first_not_of('\0', 2048), std::string::npos);
}

// RFC 1952 section 2.3.1: ID1, ID2, CM = deflate.
TEST(ArchiveTest, GzipOnDemand) {
  const std::string archive = written({{"a", std::string(30000, 'x')}}, 0, Compression::kGzip);
  EXPECT_EQ(archive.substr(0, 3), "\x1f\x8b\x08");
  EXPECT_LT(archive.size(), 1000U);
}

TEST(ArchiveTest, WhatCannotBeWrittenIsAnErrorWithItsErrno) {
  const posix::Fd full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
  const std::vector<ArchiveFile> files{{"a", "x"}};
  const auto done = write_archive(full.get(), "/dev/full", files, 0, Compression::kGzip);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(), "write archive: /dev/full: No space left on device");
}

TEST(BundleTest, NothingGoesInUnscrubbedAndTheManifestSaysWhatIsMissingAndWhy) {
  Bundle bundle{"report", Scrubber{{"hunter2"}}};
  bundle.add("a.txt", "some text", "it is hunter2");
  bundle.add_json("b.json", "a document", Json{{"x", "hunter2"}});
  bundle.add("c.txt", "half", "x", "cut by hunter2");
  bundle.miss("nft.txt", "the packet filter", "nft is not installed");
  const auto files = bundle.files("Head\n");
  ASSERT_EQ(files.size(), 4U);
  EXPECT_EQ(files[0].name, "report/MANIFEST");
  EXPECT_EQ(files[1].name, "report/a.txt");
  for (const ArchiveFile& file : files) EXPECT_EQ(file.text.find("hunter2"), std::string::npos) << file.name;
  EXPECT_EQ(bundle.manifest("Head\n"),
            "Head\n\n"
            "FILE                  BYTES  WHAT\n"
            "a.txt                    14  some text\n"
            "b.json                   22  a document\n"
            "c.txt                     1  half (not all: cut by ********)\n"
            "nft.txt                   -  the packet filter (not there: nft is not installed)\n");
  const Json entries = bundle.manifest_json();
  EXPECT_EQ(entries[0]["bytes"], 14);
  EXPECT_TRUE(entries[0]["trouble"].is_null());
  EXPECT_TRUE(entries[3]["bytes"].is_null());
  EXPECT_EQ(entries[3]["trouble"], "nft is not installed");
}

}  // namespace
}  // namespace baton::cli
