#include "base/message_id.h"

#include <gtest/gtest.h>

#include <set>

#include "base/notice.h"

namespace baton {
namespace {

bool well_formed(std::string_view id) {
  return id.size() == 32 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos && id[12] == '4' &&
         std::string_view{"89ab"}.find(id[16]) != std::string_view::npos;
}

TEST(MessageIdTest, EachIsARandomIdAndStandsForOneKindAlone) {
  std::set<std::string_view> ids;
  std::set<std::string_view> tokens;
  for (const MessageKind& kind : message_kind_table()) {
    EXPECT_TRUE(well_formed(kind.message_id)) << kind.token;
    EXPECT_TRUE(ids.insert(kind.message_id).second) << kind.token;
    EXPECT_TRUE(tokens.insert(kind.token).second) << kind.token;
    EXPECT_EQ(kind.subject.empty(), kind.text.empty()) << kind.token;
  }
  for (const Notice& notice : notice_table()) {
    EXPECT_TRUE(well_formed(notice.message_id)) << notice.id;
    EXPECT_TRUE(ids.insert(notice.message_id).second) << notice.id;
  }
}

TEST(MessageIdTest, TheTableIsInOrder) {
  std::string_view before;
  for (const MessageKind& kind : message_kind_table()) {
    EXPECT_LT(before, kind.token);
    before = kind.token;
  }
}

TEST(MessageIdTest, IdsAreFixedForEver) {
  EXPECT_EQ(message_id("transition", "active"), "c537962cd4ee427285709dfbf7cac8ea");
  EXPECT_EQ(message_id("transition", "backup"), "64a4952d975945beb30bdd6bc9e2feda");
  EXPECT_EQ(message_id("transition", "initialize"), "49471c422ae3465db6a452ddf9d47c04");
  EXPECT_EQ(message_id("alarm", "rival"), "9695999403bd4a0ab90d928ca6009811");
  EXPECT_EQ(message_id("rival", ""), "9695999403bd4a0ab90d928ca6009811");
  EXPECT_EQ(message_id("engine_died", "active"), "a41df893d453438d8b6d0274e8b9c0f8");
  EXPECT_EQ(message_id("watchdog_unfed", ""), "bd5d596566834c5ba5011ff74e19ec63");
}

TEST(MessageIdTest, ALineAndAnAlarmOfOneNameAreTwoKinds) {
  EXPECT_EQ(message_id("scribe_silent", ""), "c37fed0a73c94b00bcac7fabac682c27");
  EXPECT_EQ(message_id("alarm", "scribe_silent"), "247dc2e9d4e847d5b92070acc469c767");
}

TEST(MessageIdTest, WhatIsNoKindHasNone) {
  EXPECT_EQ(message_id("no_such_event", ""), "");
  EXPECT_EQ(message_id("transition", "elsewhere"), "");
  EXPECT_EQ(message_id("alarm", ""), "");
}

}  // namespace
}  // namespace baton
