#include "base/shortened.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(ShortenedTest, WhatFitsStaysAsItIs) {
  EXPECT_EQ(shortened("", 10), "");
  EXPECT_EQ(shortened("ten bytes.", 10), "ten bytes.");
}

TEST(ShortenedTest, ASentenceEndsAtAWordAndSaysThatThereWasMore) {
  EXPECT_EQ(shortened("replication is still streaming", 25), "replication is still...");
  EXPECT_EQ(shortened("replication is still streaming", 23), "replication is still...");
  EXPECT_EQ(shortened("replication is still streaming", 22), "replication is...");
  EXPECT_EQ(shortened("it refuses: the link is up", 16), "it refuses...");
}

TEST(ShortenedTest, AnEndlessWordIsCutButNeverACharacter) {
  EXPECT_EQ(shortened("0123456789abcdef", 10), "0123456...");
  EXPECT_EQ(shortened("a 0123456789abcdef", 10), "a 01234...");
  EXPECT_EQ(shortened("\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", 10), "\xE2\x82\xAC\xE2\x82\xAC...");
  EXPECT_EQ(shortened("\xF0\x9F\x98\x80\xF0\x9F\x98\x80", 4), "...");
}

}  // namespace
}  // namespace baton
