#include "linux/journal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "tests/linux/netns.h"

namespace baton::linux {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

JournalEntry entry(const char* interface, int ifindex, const char* prefix) {
  return {interface, {ifindex, *Prefix::parse(prefix)}};
}

const JournalEntry kFirst = entry("eth0", 3, "10.0.0.50/24");
const JournalEntry kSecond = entry("eth1", 4, "2001:db8::50/64");

class JournalTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bt_journal_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path_ = name;
    open_directory();
  }
  void open_directory() {
    directory_ = posix::Fd{::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    ASSERT_TRUE(directory_.valid());
  }
  void TearDown() override {
    directory_.reset();
    shell("umount " + path_ + " 2>/dev/null || true; rm -r " + path_);
  }
  std::string content() const { return shell("cat " + path_ + "/addresses"); }

  std::string path_;
  posix::Fd directory_;
};

TEST_F(JournalTest, WhatWasAddedIsThereAfterARestart) {
  Journal journal = Journal::load(directory_.get());
  EXPECT_THAT(journal.entries(), IsEmpty());
  journal.add(kFirst);
  journal.add(kSecond);
  EXPECT_EQ(journal.flush(), 0);
  EXPECT_EQ(content(), "+ 3 eth0 10.0.0.50/24\n+ 4 eth1 2001:db8::50/64\n");
  EXPECT_THAT(Journal::load(directory_.get()).entries(), ElementsAre(kFirst, kSecond));
}

TEST_F(JournalTest, WhatWasRemovedIsNot) {
  Journal journal = Journal::load(directory_.get());
  journal.add(kFirst);
  journal.add(kSecond);
  journal.flush();
  journal.remove(kFirst);
  EXPECT_EQ(journal.flush(), 0);
  EXPECT_THAT(Journal::load(directory_.get()).entries(), ElementsAre(kSecond));
}

TEST_F(JournalTest, NothingIsWrittenBeforeFlush) {
  Journal journal = Journal::load(directory_.get());
  journal.add(kFirst);
  EXPECT_THAT(Journal::load(directory_.get()).entries(), IsEmpty());
}

TEST_F(JournalTest, GrowingFileIsWrittenAnewNowAndThen) {
  Journal journal = Journal::load(directory_.get());
  for (int i = 0; i < 2000; ++i) {
    journal.add(kFirst);
    journal.flush();
    journal.remove(kFirst);
    journal.flush();
  }
  journal.add(kSecond);
  journal.flush();
  EXPECT_LE(std::stoi(shell("wc -l < " + path_ + "/addresses")), 1030);
  EXPECT_THAT(Journal::load(directory_.get()).entries(), ElementsAre(kSecond));
}

TEST_F(JournalTest, FullDirectoryIsSaidAndHealsWhenThereIsRoom) {
  shell("mount -t tmpfs -o size=8k,nr_inodes=4 none " + path_);
  open_directory();
  shell("head -c 1000000 /dev/zero > " + path_ + "/fill 2>/dev/null || true");
  Journal journal = Journal::load(directory_.get());
  journal.add(kFirst);
  EXPECT_EQ(journal.flush(), ENOSPC);
  EXPECT_THAT(journal.entries(), ElementsAre(kFirst)) << "known all the same";
  EXPECT_EQ(journal.flush(), ENOSPC) << "still not written, although nothing new came";
  shell("rm " + path_ + "/fill");
  journal.add(kSecond);
  EXPECT_EQ(journal.flush(), 0);
  EXPECT_THAT(Journal::load(directory_.get()).entries(), ElementsAre(kFirst, kSecond));
  directory_.reset();
}

TEST_F(JournalTest, ReadOnlyDirectoryIsSaid) {
  shell("mount -t tmpfs -o ro none " + path_);
  open_directory();
  Journal journal = Journal::load(directory_.get());
  journal.add(kFirst);
  EXPECT_EQ(journal.flush(), EROFS);
  directory_.reset();
}

TEST_F(JournalTest, SymbolicLinkInItsPlaceIsNotFollowed) {
  shell("echo untouched > " + path_ + "/other; ln -s other " + path_ + "/addresses; ln -s other " + path_ +
        "/addresses.new");
  Journal journal = Journal::load(directory_.get());
  EXPECT_THAT(journal.entries(), IsEmpty());
  journal.add(kFirst);
  EXPECT_EQ(journal.flush(), ELOOP);
  EXPECT_EQ(shell("cat " + path_ + "/other"), "untouched\n");
}

TEST(JournalTextTest, TornAndForeignLinesAreLeftOut) {
  EXPECT_THAT(parse_journal("+ 3 eth0 10.0.0.50/24\n+ 4 eth1 2001:db8::50/64\n- 3 eth0 10.0.0.50/24\n"),
              ElementsAre(kSecond));
  EXPECT_THAT(parse_journal("+ 3 eth0 10.0.0.50/24\n+ 4 eth1 2001:db8::5"), ElementsAre(kFirst));
  EXPECT_THAT(
      parse_journal("+ 0 eth0 10.0.0.50/24\n+ x eth0 10.0.0.50/24\n+ 3  10.0.0.50/24\n+ 3 eth0 10.0.0.50/33\n+\n\n+ 3"),
      IsEmpty());
}

}  // namespace
}  // namespace baton::linux
