#include "base/notice.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(NoticeTest, EachStandsOnceInOrderAndSaysWhatItMeans) {
  std::string_view before;
  for (const Notice& notice : notice_table()) {
    EXPECT_LT(before, notice.id);
    EXPECT_GT(notice.meaning.size(), 20u) << notice.id;
    EXPECT_EQ(notice.meaning.back(), '.') << notice.id;
    EXPECT_TRUE(notice.remedy.empty() || notice.remedy.back() == '.') << notice.id;
    before = notice.id;
  }
  EXPECT_EQ(notice_table().front().id, "channel_unwatched");
  EXPECT_EQ(notice_table().back().id, "watchdog_unfed");
}

}  // namespace
}  // namespace baton
