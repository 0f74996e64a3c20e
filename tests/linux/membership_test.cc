// Group membership as the kernel shows it, and that it lives as long as one duplicate of the socket does.
#include "linux/membership.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <unistd.h>

#include "tests/linux/netns.h"

namespace baton::linux {
namespace {

// /proc of this thread's namespace. 224.0.0.18 stands there as 120000E0 (host order), ff02::12 as it is.
bool in_ipv4_group() { return shell("cat /proc/thread-self/net/igmp | grep -c 120000E0 || true") != "0\n"; }
bool in_ipv6_group() {
  return shell("grep bt0 /proc/thread-self/net/igmp6 | grep -c ff020000000000000000000000000012 || true") != "0\n";
}

class MembershipTest : public NetnsTest {};

TEST_F(MembershipTest, WatchedLinkJoinsTheGroupsOfItsFamilies) {
  open();
  network->links().watch(0, "bt0", true, false);
  ASSERT_TRUE(until([&] { return sink.memberships.size() == 1; }));
  EXPECT_EQ(sink.memberships[0].interface, "bt0");
  EXPECT_EQ(sink.memberships[0].family, Family::kIpv4);
  EXPECT_EQ(sink.memberships[0].ifindex, static_cast<int>(::if_nametoindex("bt0")));
  EXPECT_TRUE(in_ipv4_group());
  EXPECT_FALSE(in_ipv6_group());
  network->links().watch(0, "bt0", true, true);  // a reload that adds the other family
  ASSERT_TRUE(until([&] { return sink.memberships.size() == 2; }));
  EXPECT_TRUE(in_ipv6_group());
  network->links().forget(0);
  ASSERT_TRUE(until([&] { return sink.memberships.size() == 4; })) << "whoever keeps duplicates is told to close them";
  EXPECT_EQ(sink.memberships[2].fd, -1);
  EXPECT_EQ(sink.memberships[3].fd, -1);
  EXPECT_TRUE(eventually([] { return !in_ipv4_group() && !in_ipv6_group(); }));
}

TEST_F(MembershipTest, DuplicateKeepsTheMembershipAndASuccessorAdoptsIt) {
  open();
  network->links().watch(0, "bt0", true, true);
  ASSERT_TRUE(until([&] { return sink.memberships.size() == 2; }));
  std::vector<posix::Fd> kept;
  for (const MembershipSocket& socket : sink.memberships) kept.emplace_back(::dup(socket.fd));
  network.reset();
  EXPECT_TRUE(in_ipv4_group());
  EXPECT_TRUE(in_ipv6_group());
  sink = {};
  open();
  network->adopt_membership("bt0", Family::kIpv4, std::move(kept[0]));
  network->adopt_membership("bt0", Family::kIpv6, std::move(kept[1]));
  watch_bt0();
  perform(ports::AddressVerb::kRemove, "10.9.0.50/24");  // behind anything the worker was asked before
  EXPECT_TRUE(sink.memberships.empty()) << "nothing was joined anew";
  EXPECT_TRUE(in_ipv4_group());
  network.reset();
  EXPECT_FALSE(in_ipv4_group());
  EXPECT_FALSE(in_ipv6_group());
}

TEST_F(MembershipTest, MembershipOfAnInterfaceThatIsGoneIsNotTaken) {
  auto old = join_vrrp_group(static_cast<int>(::if_nametoindex("bt0")), Family::kIpv4);
  ASSERT_TRUE(old);
  EXPECT_EQ(membership_ifindex(old->get(), Family::kIpv4), static_cast<int>(::if_nametoindex("bt0")));
  shell("ip link del bt0 && ip link add bt0 type veth peer name bt1 && ip link set bt0 up && ip link set bt1 up");
  open();
  network->adopt_membership("bt0", Family::kIpv4, std::move(*old));
  network->links().watch(0, "bt0", true, false);
  ASSERT_TRUE(until([&] { return sink.memberships.size() == 2; }));
  EXPECT_EQ(sink.memberships[0].fd, -1) << "the old one is given up";
  EXPECT_GE(sink.memberships[1].fd, 0);
  EXPECT_TRUE(in_ipv4_group());
}

TEST_F(MembershipTest, RecreatedInterfaceIsJoinedAgain) {
  open();
  network->links().watch(0, "bt0", true, true);
  ASSERT_TRUE(until([&] { return sink.memberships.size() == 2; }));
  shell("ip link del bt0 && ip link add bt0 type veth peer name bt1 && ip link set bt0 up && ip link set bt1 up");
  ASSERT_TRUE(until([&] { return sink.memberships.size() == 6; }));
  EXPECT_EQ(sink.memberships[2].fd, -1);
  EXPECT_EQ(sink.memberships[3].fd, -1);
  EXPECT_GE(sink.memberships[5].fd, 0);
  EXPECT_EQ(sink.memberships[5].ifindex, static_cast<int>(::if_nametoindex("bt0")));
  EXPECT_TRUE(in_ipv4_group());
  EXPECT_TRUE(in_ipv6_group());
}

TEST_F(MembershipTest, RefusedGroupIsSaidOnceAndTriedAgain) {
  shell("ip link set bt0 mtu 1200");  // below IPv6's least: no IPv6 on the interface
  open();
  network->links().watch(0, "bt0", false, true);
  ASSERT_TRUE(until([&] { return !sink.troubles.empty(); }));
  EXPECT_EQ(sink.troubles[0].trouble, Trouble::kMembership);
  EXPECT_NE(sink.troubles[0].sys_errno, 0);
  shell("ip link set bt0 mtu 1500");
  ASSERT_TRUE(until([&] { return sink.memberships.size() == 1; }));
  EXPECT_EQ(sink.troubles.size(), 2u);
  EXPECT_EQ(sink.troubles[1].sys_errno, 0);
}

}  // namespace
}  // namespace baton::linux
