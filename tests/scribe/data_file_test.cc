#include "scribe/data_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/scribe/directory.h"

namespace baton::scribe {
namespace {

using ports::DataRecord;
using ports::DataRole;
using test::Directory;

DataRecord full() {
  return {.instance = "pg",
          .role = DataRole::kNeedsRejoin,
          .generation = 9,
          .dirty = true,
          .promoted = 7,
          .position = "0-1-17,1-2-3",
          .holder = "db2"};
}

// crc32 by Python's zlib.
constexpr const char* kText =
    "baton-state 1\ninstance pg\nrole needs_rejoin\ngeneration 9\npromoted 7\ndirty yes\nholder db2\nboot b00t\n"
    "position 0-1-17,1-2-3\ncrc32 63ab7fdb\n";

TEST(DataFileTest, IsTextThatPeopleCanRead) { EXPECT_EQ(data_record_text(full(), "b00t"), kText); }

TEST(DataFileTest, ComesBackAndKnowsItsBoot) {
  DataRecord expected = full();
  EXPECT_EQ(*parse_data_record(kText, "other"), expected);
  expected.same_boot = true;
  EXPECT_EQ(*parse_data_record(kText, "b00t"), expected);
}

TEST(DataFileTest, PromotionsCountWithinABoot) {
  DataRecord record{.instance = "pg", .role = DataRole::kActive, .generation = 9, .promoted = 9};
  record.promotions = {Instant{Nanos{17}}, Instant{Nanos{1'000'000'000'000}}};
  const std::string text = data_record_text(record, "b00t");
  EXPECT_THAT(text, testing::HasSubstr("\nboot b00t\npromotions 17 1000000000000\nposition \n"));
  EXPECT_EQ(parse_data_record(text, "b00t")->promotions, record.promotions);
  EXPECT_THAT(parse_data_record(text, "other")->promotions, testing::IsEmpty());
}

TEST(DataFileTest, EveryChangedByteAndEveryCutIsNoticed) {
  const std::string whole = kText;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] ^= 1;
    EXPECT_FALSE(parse_data_record(changed, "b00t").has_value()) << i;
    EXPECT_FALSE(parse_data_record(whole.substr(0, i), "b00t").has_value()) << i;
  }
}

TEST(DataFileTest, SavedRecordsAreLoadedAgainEachOfItsInstance) {
  Directory directory;
  DataRecord one = full();
  DataRecord other{.instance = "web", .role = DataRole::kActive, .generation = 1};
  const DataFiles files{directory.fd(), "b00t"};
  ASSERT_TRUE(files.save(one).has_value());
  ASSERT_TRUE(files.save(other).has_value());
  one.same_boot = other.same_boot = true;
  const DataFiles::Loaded loaded = DataFiles{directory.fd(), "b00t"}.load();
  EXPECT_THAT(loaded.records, testing::UnorderedElementsAre(one, other));
  EXPECT_TRUE(loaded.troubles.empty());
}

TEST(DataFileTest, WhatCannotBeUnderstoodIsFencedAndNamed) {
  Directory directory;
  const DataFiles files{directory.fd(), "b00t"};
  ASSERT_TRUE(files.save(full()).has_value());
  const int folder = ::openat(directory.fd(), "instances", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::renameat(folder, "pg.state", folder, "web.state"), 0);  // a file of another instance
  ::close(folder);
  const DataFiles::Loaded loaded = files.load();
  ASSERT_EQ(loaded.records.size(), 1U);
  EXPECT_EQ(loaded.records[0].instance, "web");
  EXPECT_EQ(loaded.records[0].role, DataRole::kFenced);
  EXPECT_THAT(loaded.troubles, testing::ElementsAre("instances/web.state: it is of instance pg"));
}

}  // namespace
}  // namespace baton::scribe
