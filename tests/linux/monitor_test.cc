// What the kernel tells about links and addresses: at once, by name, only from the kernel, and never from a stale
// cache.
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "linux/host_facts.h"
#include "tests/linux/netns.h"

namespace baton::linux {
namespace {

using namespace std::chrono_literals;
using ports::AddressVerb;

class MonitorTest : public NetnsTest {
 protected:
  const ports::LinkState& link() const { return sink.links.back(); }
  bool told(const std::string& prefix, bool present) const {
    const ports::AddressFact* fact = sink.last(prefix);
    return fact != nullptr && fact->present == present;
  }
};

TEST_F(MonitorTest, FirstDumpTellsStateAndAddressesOfAWatchedLink) {
  shell("ip link set bt0 address 02:00:00:00:00:01 && ip link set bt0 mtu 1400 && ip addr add 10.9.0.1/24 dev bt0");
  open();
  watch_bt0();
  EXPECT_TRUE(link().present);
  EXPECT_EQ(link().mtu, 1400u);
  EXPECT_EQ(link().mac.text(), "02:00:00:00:00:01");
  EXPECT_TRUE(link().arp);
  EXPECT_GT(link().ifindex, 0);
  EXPECT_EQ(sink.dumps, 1);
  EXPECT_TRUE(told("10.9.0.1/24", true));
  EXPECT_EQ(sink.last("127.0.0.1/8"), nullptr);
}

TEST_F(MonitorTest, AddressDeletedBySomebodyElseIsToldWithin100Milliseconds) {
  open();
  watch_bt0();
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  ASSERT_TRUE(until([&] { return told("10.9.0.50/24", true); }));
  shell("ip addr del 10.9.0.50/24 dev bt0");
  const Instant deleted = posix::now();
  EXPECT_TRUE(until([&] { return told("10.9.0.50/24", false); }, 100ms));
  EXPECT_LE(posix::now() - deleted, 100ms);
}

TEST_F(MonitorTest, MereRefreshIsNoNews) {
  open();
  watch_bt0();
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  ASSERT_TRUE(until([&] { return told("10.9.0.50/24", true); }));
  sink.addresses.clear();
  perform(AddressVerb::kRefresh, "10.9.0.50/24", 200s);
  // The kernel tells of both in order; once the second is here, the first would have been.
  shell("ip addr add 10.9.0.99/24 dev bt0");
  ASSERT_TRUE(until([&] { return told("10.9.0.99/24", true); }));
  EXPECT_EQ(sink.last("10.9.0.50/24"), nullptr);
}

TEST_F(MonitorTest, CableAndSwitchAreSeen) {
  open();
  watch_bt0();
  shell("ip link set bt1 down");
  EXPECT_TRUE(until([&] { return link().present && !link().up; }));
  shell("ip link set bt1 up");
  EXPECT_TRUE(until([&] { return link().up; }));
  shell("ip link set bt0 down");
  EXPECT_TRUE(until([&] { return link().present && !link().up; }));
}

TEST_F(MonitorTest, MacMtuArpAndForwardingAreSeen) {
  open();
  watch_bt0();
  shell("ip link set bt0 address 02:00:00:00:00:77");
  EXPECT_TRUE(until([&] { return link().mac.text() == "02:00:00:00:00:77"; }));
  shell("ip link set bt0 mtu 1300");
  EXPECT_TRUE(until([&] { return link().mtu == 1300; }));
  shell("ip link set bt0 arp off");
  EXPECT_TRUE(until([&] { return !link().arp; }));
  EXPECT_FALSE(link().forwarding_v6);
  shell("echo 1 > /proc/sys/net/ipv6/conf/bt0/forwarding");
  EXPECT_TRUE(until([&] { return link().forwarding_v6; }));
  open();
  sink = {};
  watch_bt0();
  EXPECT_TRUE(link().forwarding_v6);
}

TEST_F(MonitorTest, InterfaceThatComesLateIsANormalState) {
  open();
  network->links().watch(0, "bt9", true, true);
  ASSERT_TRUE(until([&] { return !sink.links.empty(); }));
  EXPECT_FALSE(link().present);
  shell("ip link add bt9 type veth peer name bt8 && ip link set bt8 up && ip link set bt9 up");
  EXPECT_TRUE(until([&] { return link().up; }));
  shell("ip link del bt9");
  EXPECT_TRUE(until([&] { return !link().present; }));
}

TEST_F(MonitorTest, DeletedAndRecreatedInterfaceGetsItsAddressesAgain) {
  open();
  watch_bt0();
  const int before = link().ifindex;
  shell("ip link del bt0");
  EXPECT_TRUE(until([&] { return !link().present; }));
  shell("ip link add bt0 type veth peer name bt1 && ip link set bt1 up && ip link set bt0 up");
  ASSERT_TRUE(until([&] { return link().up; }));
  EXPECT_NE(link().ifindex, before);
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.50/24", 100s).status, ports::AddressStatus::kDone);
  EXPECT_TRUE(kernel_has("bt0", "10.9.0.50/24"));
}

TEST_F(MonitorTest, InterfaceRenamedAwayIsGoneAndOneRenamedIntoTheNameIsTaken) {
  shell("ip addr add 10.9.0.1/24 dev bt0 && ip addr add 10.9.0.2/24 dev bt1");
  open();
  watch_bt0();
  const int first = link().ifindex;
  shell("ip link set bt0 down && ip link set bt0 name bt0moved && ip link set bt0moved up");
  EXPECT_TRUE(until([&] { return !link().present; }));
  EXPECT_TRUE(told("10.9.0.1/24", false));
  shell("ip link set bt1 down && ip link set bt1 name bt0 && ip link set bt0 up");
  EXPECT_TRUE(until([&] { return link().up; }));
  EXPECT_NE(link().ifindex, first);
  EXPECT_TRUE(told("10.9.0.2/24", true));
}

TEST_F(MonitorTest, AddressesAreRemovedFromAnInterfaceThatWasRenamedAway) {
  open();
  watch_bt0();
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  shell("ip link set bt0 down && ip link set bt0 name bt0moved");
  ASSERT_TRUE(until([&] { return !link().present; }));
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.51/24", 100s).status, ports::AddressStatus::kNoLink);
  EXPECT_EQ(perform(AddressVerb::kRemove, "10.9.0.50/24").status, ports::AddressStatus::kDone);
  EXPECT_FALSE(kernel_has("bt0moved", "10.9.0.50/24"));
}

TEST_F(MonitorTest, LinkThatCannotBeHeardCountsAsDownUntilItsSocketsOpen) {
  open();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next_fd = ::dup(0);
  ::close(next_fd);
  // The send socket still fits, the first receive socket does not.
  const rlimit tight{.rlim_cur = static_cast<rlim_t>(next_fd) + 1, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  network->links().watch(0, "bt0", true, true);
  const bool told = until([&] { return !sink.links.empty(); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(told);
  EXPECT_TRUE(link().present);
  EXPECT_FALSE(link().up);
  ASSERT_FALSE(sink.troubles.empty());
  EXPECT_EQ(sink.troubles[0].trouble, Trouble::kSocket);
  EXPECT_EQ(sink.troubles[0].sys_errno, EMFILE);
  EXPECT_TRUE(until([&] { return link().up; }));
  EXPECT_EQ(sink.troubles.back().sys_errno, 0);
}

TEST_F(MonitorTest, TentativeAndDuplicateAddressesAreSaid) {
  open();
  watch_bt0();
  shell("ip addr add 2001:db8:9::7/64 dev bt0");
  ASSERT_TRUE(until([&] { return told("2001:db8:9::7/64", true); }));
  EXPECT_TRUE(sink.last("2001:db8:9::7/64")->tentative);
  EXPECT_TRUE(until([&] { return !sink.last("2001:db8:9::7/64")->tentative; }));
  shell("ip addr add 2001:db8:9::8/64 dev bt1 nodad && ip addr add 2001:db8:9::8/64 dev bt0");
  EXPECT_TRUE(until([&] {
    const auto* fact = sink.last("2001:db8:9::8/64");
    return fact && fact->dad_failed;
  }));
}

TEST_F(MonitorTest, LostEventsLeadToADumpWithTheTruth) {
  open({.monitor_buffer = 4096});
  watch_bt0();
  shell("ip addr add 10.9.0.1/24 dev bt0");
  ASSERT_TRUE(until([&] { return told("10.9.0.1/24", true); }));
  // Nobody reads meanwhile: far more events than the buffer holds.
  shell(
      "for i in $(seq 0 19); do for j in $(seq 1 250); do echo addr add 10.7.$i.$j/32 dev bt0; done; done > "
      "/tmp/bt_batch;"
      "echo addr del 10.9.0.1/24 dev bt0 >> /tmp/bt_batch; ip -batch /tmp/bt_batch; rm /tmp/bt_batch");
  ASSERT_TRUE(until([&] { return !sink.troubles.empty(); }));
  EXPECT_EQ(sink.troubles.front().trouble, Trouble::kNetlinkOverrun);
  EXPECT_EQ(sink.troubles.front().sys_errno, ENOBUFS);
  ASSERT_TRUE(until([&] { return sink.troubles.size() >= 2; }));
  EXPECT_EQ(sink.troubles.back().sys_errno, 0);
  EXPECT_GE(sink.dumps, 2);
  EXPECT_EQ(sink.last("10.9.0.1/24"), nullptr) << "the last dump must not contain what is gone";
  EXPECT_TRUE(told("10.7.0.1/32", true));
  EXPECT_TRUE(told("10.7.19.250/32", true));
}

/// Sends `bytes` to every netlink socket of this process that could be the monitor's, as another process would.
TEST_F(MonitorTest, MessagesThatAreNotTheKernelsAreDropped) {
  open();
  watch_bt0();
  struct {
    nlmsghdr header;
    ifaddrmsg address;
    rtattr attribute;
    std::uint8_t ip[4];
  } forged{};
  forged.header.nlmsg_len = sizeof forged;
  forged.header.nlmsg_type = RTM_NEWADDR;
  forged.address.ifa_family = AF_INET;
  forged.address.ifa_prefixlen = 24;
  forged.address.ifa_index = static_cast<unsigned>(link().ifindex);
  forged.attribute = {.rta_len = sizeof(rtattr) + 4, .rta_type = IFA_LOCAL};
  std::memcpy(forged.ip, "\x0a\x09\x00\x42", 4);
  const posix::Fd sender{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  // /proc/net/netlink: address, protocol (0), port id, groups, ... The monitor is the one with groups.
  const std::string port = shell("awk '$2 == 0 && $4 != \"00000000\" { print $3 }' /proc/net/netlink | tail -1");
  sockaddr_nl to{};
  to.nl_family = AF_NETLINK;
  to.nl_pid = static_cast<std::uint32_t>(std::stoul(port));
  ASSERT_EQ(::sendto(sender.get(), &forged, sizeof forged, 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
            static_cast<ssize_t>(sizeof forged));
  shell("ip addr add 10.9.0.99/24 dev bt0");
  ASSERT_TRUE(until([&] { return told("10.9.0.99/24", true); }));
  EXPECT_EQ(sink.last("10.9.0.66/24"), nullptr);
}

TEST_F(MonitorTest, BridgeLosingAPortIsNoInterfaceLost) {
  shell("ip link add btbr type bridge && ip link set bt0 master btbr && ip link set btbr up");
  open();
  watch_bt0();
  const std::size_t before = sink.links.size();
  shell("ip link set bt0 nomaster");
  shell("ip link set bt0 mtu 1444");
  ASSERT_TRUE(until([&] { return link().mtu == 1444; }));
  for (std::size_t i = before; i < sink.links.size(); ++i) EXPECT_TRUE(sink.links[i].present);
  shell("ip link del btbr");
}

TEST_F(MonitorTest, LinkWatchedLaterIsToldFromWhatIsKnown) {
  open();
  watch_bt0();
  const int dumps = sink.dumps;
  network->links().watch(1, "bt1", true, false);
  ASSERT_TRUE(until([&] { return sink.links.back().link == 1; }));
  EXPECT_TRUE(sink.links.back().up);
  EXPECT_EQ(sink.dumps, dumps);
}

TEST_F(MonitorTest, HostFactsAreTheHostsOwnAddressesWithoutFloatingOnes) {
  shell("ip link set bt0 mtu 1400 && ip addr add 10.9.0.1/24 dev bt0");
  open();
  watch_bt0();
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  const auto facts = interface_facts();
  ASSERT_TRUE(facts);
  for (const config::InterfaceFact& fact : *facts) {
    if (fact.name != "bt0") continue;
    EXPECT_EQ(fact.mtu, 1400u);
    int ipv4 = 0;
    for (const Prefix& prefix : fact.prefixes) {
      if (prefix.address.is_ipv6()) continue;
      EXPECT_EQ(prefix.text(), "10.9.0.1/24");
      ++ipv4;
    }
    EXPECT_EQ(ipv4, 1);
    return;
  }
  ADD_FAILURE() << "no bt0";
}

}  // namespace
}  // namespace baton::linux
