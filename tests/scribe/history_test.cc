#include "scribe/history.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "base/crc32.h"
#include "scribe/record.h"
#include "tests/scribe/directory.h"

namespace baton::scribe {
namespace {

using test::Directory;

ports::Report transition(Reason reason) {
  ports::Report report;
  report.kind = ports::EventKind::kTransition;
  report.reason = reason;
  return report;
}

void append(History& history, int count, const std::string& instance = "web") {
  for (int i = 0; i < count; ++i) history.append(instance, transition(Reason::kStartup), 1000 + i);
}

std::vector<std::uint64_t> sequences(const History& history, std::uint32_t limit = 1000,
                                     const std::string& instance = "") {
  std::vector<std::uint64_t> numbers;
  for (const Record& record : history.newest(limit, instance)) numbers.push_back(record.sequence);
  return numbers;
}

/// While it lives, no file may grow beyond `bytes`: writing behaves as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST(HistoryTest, WhatWasSavedIsThereAfterARestartAndNumbersGoOn) {
  Directory directory;
  {
    History history(directory.fd(), 10);
    append(history, 3);
    EXPECT_TRUE(history.save());
  }
  History history(directory.fd(), 10);
  EXPECT_EQ(sequences(history), (std::vector<std::uint64_t>{1, 2, 3}));
  append(history, 1);
  EXPECT_EQ(sequences(history), (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST(HistoryTest, FileIsForItsOwnerAlone) {
  Directory directory;
  History history(directory.fd(), 10);
  struct stat status {};
  ASSERT_EQ(::stat(directory.path("history.2").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST(HistoryTest, NewestAreChosenAndGivenOldestFirst) {
  Directory directory;
  History history(directory.fd(), 10);
  append(history, 2, "web");
  append(history, 2, "mail");
  append(history, 1, "web");
  EXPECT_EQ(sequences(history, 2), (std::vector<std::uint64_t>{4, 5}));
  EXPECT_EQ(sequences(history, 2, "web"), (std::vector<std::uint64_t>{2, 5}));
  EXPECT_TRUE(sequences(history, 2, "none").empty());
}

TEST(HistoryTest, TornLastRecordIsIgnoredAndOverwritten) {
  Directory directory;
  {
    History history(directory.fd(), 10);
    append(history, 2);
    EXPECT_TRUE(history.save());
  }
  directory.write("history.2", directory.read("history.2").substr(0, 384 + 50));
  {
    History history(directory.fd(), 10);
    EXPECT_EQ(sequences(history), (std::vector<std::uint64_t>{1}));
    append(history, 1);
    EXPECT_TRUE(history.save());
  }
  History history(directory.fd(), 10);
  EXPECT_EQ(sequences(history), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(history.damaged(), 0u);
  EXPECT_EQ(directory.read("history.2").size(), 768u);
}

TEST(HistoryTest, DamagedRecordCostsItselfAlone) {
  Directory directory;
  {
    History history(directory.fd(), 10);
    append(history, 3);
    EXPECT_TRUE(history.save());
  }
  std::string bytes = directory.read("history.2");
  bytes[384 + 30] ^= 1;
  directory.write("history.2", bytes);
  const History history(directory.fd(), 10);
  EXPECT_EQ(sequences(history), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(history.damaged(), 1u);
}

TEST(HistoryTest, RotationCapsTheFilesAndKeepsTheNewest) {
  Directory directory;
  {
    History history(directory.fd(), 4);
    append(history, 3);
    EXPECT_TRUE(history.save());
    append(history, 4);
    EXPECT_TRUE(history.save());
    append(history, 3);
    EXPECT_TRUE(history.save());
    EXPECT_EQ(sequences(history), (std::vector<std::uint64_t>{7, 8, 9, 10}));
  }
  EXPECT_EQ(directory.read("history.2.1").size(), 4u * 384);
  EXPECT_EQ(directory.read("history.2").size(), 2u * 384);
  EXPECT_EQ(sequences(History(directory.fd(), 4)), (std::vector<std::uint64_t>{7, 8, 9, 10}));
}

TEST(HistoryTest, FullDiskKeepsAnsweringAndCatchesUpInOrder) {
  Directory directory;
  History history(directory.fd(), 10);
  append(history, 1);
  EXPECT_TRUE(history.save());
  {
    const FullDisk full(384 + 60);
    append(history, 2);
    EXPECT_FALSE(history.save());
    EXPECT_NE(history.failure(), 0);
    EXPECT_EQ(sequences(history), (std::vector<std::uint64_t>{1, 2, 3}));
  }
  append(history, 1);
  EXPECT_TRUE(history.save());
  EXPECT_EQ(history.failure(), 0);
  EXPECT_EQ(sequences(History(directory.fd(), 10)), (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST(HistoryTest, MemoryStaysBoundedWhileTheDiskIsFull) {
  Directory directory;
  History history(directory.fd(), 4);
  const FullDisk full(0);
  append(history, 100);
  EXPECT_FALSE(history.save());
  EXPECT_EQ(sequences(history), (std::vector<std::uint64_t>{97, 98, 99, 100}));
}

TEST(HistoryTest, SymbolicLinksDirectoriesAndPipesAreNotOurFile) {
  Directory directory;
  directory.write("elsewhere", "precious");
  ASSERT_EQ(::symlink("elsewhere", directory.path("history.2").c_str()), 0);
  History linked(directory.fd(), 4);
  append(linked, 1);
  EXPECT_FALSE(linked.save());
  EXPECT_EQ(linked.failure(), ELOOP);
  EXPECT_EQ(directory.read("elsewhere"), "precious");

  ASSERT_EQ(::unlink(directory.path("history.2").c_str()), 0);
  ASSERT_EQ(::mkfifo(directory.path("history.2").c_str(), 0600), 0);
  History piped(directory.fd(), 4);
  append(piped, 1);
  EXPECT_FALSE(piped.save());
  EXPECT_EQ(sequences(piped), (std::vector<std::uint64_t>{1}));
}

/// What a daemon of format 1 left is shown, and numbering goes on.
TEST(HistoryTest, AHistoryOfFormat1IsReadAndContinued) {
  Directory directory;
  Record old{.sequence = 41, .wall_clock_ns = 5, .instance = "web", .report = {}};
  old.report.kind = ports::EventKind::kNotice;
  const RecordBytes whole = encode_record(old);
  std::string bytes{whole.begin(), whole.begin() + 124};
  bytes[3] = '1';
  const std::uint32_t crc = crc32({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(crc >> shift);
  directory.write("history", bytes);
  History history(directory.fd(), 10);
  append(history, 1);
  EXPECT_TRUE(history.save());
  EXPECT_EQ(sequences(history), (std::vector<std::uint64_t>{41, 42}));
  EXPECT_EQ(directory.read("history"), bytes);
  EXPECT_EQ(sequences(History(directory.fd(), 10)), (std::vector<std::uint64_t>{41, 42}));
}

}  // namespace
}  // namespace baton::scribe
