#include "scribe/capture_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/scribe/directory.h"

namespace baton::scribe {
namespace {

using test::Directory;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr std::int64_t kNoon = 1'795'348'800;  // 2026-11-22 12:00:00 UTC
constexpr std::int64_t kSecond = 1'000'000'000;

std::vector<std::string> names(const Directory& directory) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path("captures")))
    found.push_back(entry.path().filename());
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::uint8_t> bytes(std::size_t size) { return std::vector<std::uint8_t>(size, 0x2A); }

TEST(CaptureNameTest, SaysTimeAndRecords) {
  const CaptureName name{.time_s = kNoon + 62, .first = 123, .last = 130};
  EXPECT_EQ(name.text(), "20261122T120102Z-123-130.pcapng");
  EXPECT_EQ(CaptureName::parse("20261122T120102Z-123-130.pcapng"), name);
}

TEST(CaptureNameTest, WhatReadsDifferentlyIsNoneOfOurs) {
  for (const char* text :
       {"", "history", "20261122T120102Z-123-130.pcap", "20261122T120102Z-123.pcapng",
        "20261122T120102Z-0123-130.pcapng", "20261122T120102Z-123-130.pcapng.gz", "20261332T120102Z-1-1.pcapng",
        "20261122T120102Z--1-1.pcapng", "20261122T120102Z-99999999999999999999-1.pcapng", ".unfinished"}) {
    EXPECT_FALSE(CaptureName::parse(text)) << text;
  }
}

TEST(CaptureFilesTest, ARecordFindsItsCaptureAcrossARestart) {
  const Directory directory;
  {
    CaptureFiles files{directory.fd(), {}};
    ASSERT_TRUE(files.save({kNoon, 5, 7}, bytes(10)));
    EXPECT_EQ(files.find(5, kNoon * kSecond), "captures/20261122T120000Z-5-7.pcapng");
  }
  const CaptureFiles files{directory.fd(), {}};
  EXPECT_EQ(files.find(7, (kNoon + 14) * kSecond), "captures/20261122T120000Z-5-7.pcapng");
  EXPECT_EQ(files.find(4, kNoon * kSecond), "");
  EXPECT_EQ(files.find(8, kNoon * kSecond), "");
  EXPECT_EQ(files.find(6, (kNoon + 61) * kSecond), "") << "a history that began anew counts from 1 again";
  EXPECT_EQ(files.find(6, (kNoon - 1) * kSecond), "");
}

TEST(CaptureFilesTest, OnlyItsOwnerReadsIt) {
  const Directory directory;
  CaptureFiles files{directory.fd(), {}};
  ASSERT_TRUE(files.save({kNoon, 1, 1}, bytes(10)));
  struct stat status {};
  ASSERT_EQ(::stat(directory.path("captures/20261122T120000Z-1-1.pcapng").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(status.st_size, 10);
}

TEST(CaptureFilesTest, TheOldestGoWhenThereAreTooMany) {
  const Directory directory;
  CaptureFiles files{directory.fd(), {.files = 2, .bytes = 1000}};
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(files.save({kNoon + static_cast<std::int64_t>(i), i, i}, bytes(10)));
  }
  EXPECT_THAT(names(directory), ElementsAre("20261122T120002Z-2-2.pcapng", "20261122T120003Z-3-3.pcapng"));
  EXPECT_EQ(files.find(1, (kNoon + 1) * kSecond), "");
}

TEST(CaptureFilesTest, TheOldestGoWhenTheyAreTooLargeTogetherAlsoThoseOfBefore) {
  const Directory directory;
  {
    CaptureFiles files{directory.fd(), {}};
    ASSERT_TRUE(files.save({kNoon + 1, 1, 1}, bytes(400)));
    ASSERT_TRUE(files.save({kNoon + 2, 2, 2}, bytes(400)));
  }
  directory.write("captures/notes.txt", std::string(5000, 'x'));  // somebody else's: neither counted nor removed
  CaptureFiles files{directory.fd(), {.files = 10, .bytes = 1000}};
  ASSERT_TRUE(files.save({kNoon + 3, 3, 3}, bytes(200)));
  EXPECT_EQ(names(directory).size(), 4u);
  ASSERT_TRUE(files.save({kNoon + 4, 4, 4}, bytes(1)));
  EXPECT_THAT(names(directory), UnorderedElementsAre("20261122T120002Z-2-2.pcapng", "20261122T120003Z-3-3.pcapng",
                                                     "20261122T120004Z-4-4.pcapng", "notes.txt"));
}

TEST(CaptureFilesTest, AFileThatIsGoneIsNotNamed) {
  const Directory directory;
  CaptureFiles files{directory.fd(), {}};
  ASSERT_TRUE(files.save({kNoon, 1, 1}, bytes(10)));
  std::filesystem::remove(directory.path("captures/20261122T120000Z-1-1.pcapng"));
  EXPECT_EQ(files.find(1, kNoon * kSecond), "");
}

TEST(CaptureFilesTest, ALinkInTheWayIsNotFollowedAndAnUnfinishedFileGoes) {
  const Directory directory;
  const Directory elsewhere;
  std::filesystem::create_directory(directory.path("captures"));
  elsewhere.write("precious", "precious");
  std::filesystem::create_symlink(elsewhere.path("precious"), directory.path("captures/.unfinished"));
  CaptureFiles files{directory.fd(), {}};
  ASSERT_TRUE(files.save({kNoon, 1, 1}, bytes(10)));
  EXPECT_EQ(elsewhere.read("precious"), "precious");
  EXPECT_THAT(names(directory), ElementsAre("20261122T120000Z-1-1.pcapng"));
}

TEST(CaptureFilesTest, WithoutAFolderSavingFailsAndNothingElse) {
  const Directory directory;
  directory.write("captures", "a file");
  CaptureFiles files{directory.fd(), {}};
  EXPECT_FALSE(files.save({kNoon, 1, 1}, bytes(10)));
  EXPECT_EQ(files.find(1, kNoon * kSecond), "");
}

}  // namespace
}  // namespace baton::scribe
