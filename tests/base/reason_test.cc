#include "base/reason.h"

#include <gtest/gtest.h>

#include <set>

namespace baton {
namespace {

TEST(ReasonTest, EachHasATokenAndWordsOfItsOwn) {
  std::set<std::string_view> tokens, words;
  for (unsigned number = 0; number < 64; ++number) {
    const auto reason = static_cast<Reason>(number);
    if (reason_token(reason) == "unknown") continue;
    EXPECT_TRUE(tokens.insert(reason_token(reason)).second) << reason_token(reason);
    EXPECT_TRUE(words.insert(reason_words(reason)).second) << reason_words(reason);
    EXPECT_GT(reason_words(reason).size(), 5u) << reason_token(reason);
  }
  // As many as enum Reason has: a new one without words would be "unknown" here.
  EXPECT_EQ(tokens.size(), 55u);
}

}  // namespace
}  // namespace baton
