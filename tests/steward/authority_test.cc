#include "steward/authority.h"

#include <gtest/gtest.h>

namespace baton::steward {
namespace {

constexpr AuthorityGroups kGroups{.view = 901, .admin = 902};

posix::PeerCredentials user(uid_t uid, gid_t gid, std::vector<gid_t> groups = {}) {
  return {.pid = 1, .uid = uid, .gid = gid, .groups = std::move(groups)};
}

TEST(AuthorityTest, RootChanges) { EXPECT_EQ(authority_of(user(0, 5), kGroups), Authority::kChange); }

TEST(AuthorityTest, GroupRootAloneIsNothing) { EXPECT_EQ(authority_of(user(1000, 0, {0}), kGroups), Authority::kNone); }

TEST(AuthorityTest, AdminGroupChangesAsPrimaryAndAsSupplementary) {
  EXPECT_EQ(authority_of(user(1000, 902), kGroups), Authority::kChange);
  EXPECT_EQ(authority_of(user(1000, 1000, {4, 902}), kGroups), Authority::kChange);
}

TEST(AuthorityTest, ViewGroupReads) {
  EXPECT_EQ(authority_of(user(1000, 901), kGroups), Authority::kRead);
  EXPECT_EQ(authority_of(user(1000, 1000, {901}), kGroups), Authority::kRead);
}

TEST(AuthorityTest, BothGroupsChange) {
  EXPECT_EQ(authority_of(user(1000, 1000, {901, 902}), kGroups), Authority::kChange);
}

TEST(AuthorityTest, AnybodyElseIsRefused) {
  EXPECT_EQ(authority_of(user(1000, 1000, {4, 27}), kGroups), Authority::kNone);
}

TEST(AuthorityTest, GroupThatDoesNotExistHasNoMembers) {
  EXPECT_EQ(authority_of(user(1000, 0, {0}), AuthorityGroups{.view = 0, .admin = 0}), Authority::kNone);
}

}  // namespace
}  // namespace baton::steward
