// Addresses on a real kernel: exclusively ours, marked, ageing, and nobody else's.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_addr.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "tests/linux/netns.h"

namespace baton::linux {
namespace {

using namespace std::chrono_literals;
using ports::AddressStatus;
using ports::AddressVerb;

class AddressTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    open();
    watch_bt0();
  }
};

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string listed(const std::string& prefix) {
  return shell_any("ip -o addr show dev bt0 to " + prefix.substr(0, prefix.find('/')));
}

TEST_F(AddressTest, InstalledAddressHasMarkLifetimeAndBroadcast) {
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.50/24", 3s).status, AddressStatus::kDone);
  const std::string line = listed("10.9.0.50/24");
  EXPECT_TRUE(says(line, "inet 10.9.0.50/24 brd 10.9.0.255 scope global")) << line;
  EXPECT_TRUE(says(line, "valid_lft 3sec preferred_lft 3sec")) << line;
  const auto address = kernel_address("bt0", "10.9.0.50/24");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->proto, 0x62);
  ASSERT_TRUE(until([&] { return sink.last("10.9.0.50/24") != nullptr; }));
  EXPECT_TRUE(sink.last("10.9.0.50/24")->ours);
}

TEST_F(AddressTest, HostPrefixHasNoBroadcastAddress) {
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.50/32", 3s).status, AddressStatus::kDone);
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.60/31", 3s).status, AddressStatus::kDone);
  EXPECT_FALSE(says(listed("10.9.0.50"), "brd")) << listed("10.9.0.50");
  EXPECT_FALSE(says(listed("10.9.0.60"), "brd")) << listed("10.9.0.60");
}

TEST_F(AddressTest, LifetimeIsRoundedUpToWholeSecondsAndZeroIsPermanent) {
  perform(AddressVerb::kInstall, "10.9.0.50/24", 2500ms);
  EXPECT_TRUE(says(listed("10.9.0.50"), "valid_lft 3sec")) << listed("10.9.0.50");
  perform(AddressVerb::kInstall, "10.9.0.51/24", 0s);
  EXPECT_TRUE(says(listed("10.9.0.51"), "valid_lft forever")) << listed("10.9.0.51");
}

TEST_F(AddressTest, Ipv6IsUsableAtOnceAndGetsItsLifetimeAfterwards) {
  EXPECT_EQ(perform(AddressVerb::kInstall, "2001:db8:9::50/64", 5s).status, AddressStatus::kDone);
  const auto address = kernel_address("bt0", "2001:db8:9::50/64");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED), 0u);
  EXPECT_NE(address->flags & IFA_F_NODAD, 0u);
  EXPECT_NE(address->flags & IFA_F_NOPREFIXROUTE, 0u);
  EXPECT_EQ(address->proto, 0x62);
  EXPECT_TRUE(eventually([] { return says(listed("2001:db8:9::50"), "valid_lft 5sec"); })) << listed("2001:db8:9::50");
  EXPECT_EQ(kernel_address("bt0", "2001:db8:9::50/64")->proto, 0x62);
}

TEST_F(AddressTest, Ipv6LifetimeLeavesTheHostsConnectedRouteAlone) {
  shell("ip addr add 2001:db8:9::1/64 dev bt0 nodad");
  perform(AddressVerb::kInstall, "2001:db8:9::50/64", 1s);
  ASSERT_TRUE(eventually([] { return says(listed("2001:db8:9::50"), "sec"); }));
  const std::string route = shell("ip -6 route show 2001:db8:9::/64 dev bt0");
  EXPECT_TRUE(says(route, "2001:db8:9::/64 proto kernel")) << route;
  EXPECT_FALSE(says(route, "expires")) << route;
  ASSERT_TRUE(eventually([] { return !kernel_has("bt0", "2001:db8:9::50/64"); }));
  EXPECT_TRUE(says(shell("ip -6 route show 2001:db8:9::/64 dev bt0"), "2001:db8:9::/64 proto kernel"));
}

TEST_F(AddressTest, AnothersAddressIsReportedAndLeftAsItIs) {
  shell("ip addr add 10.9.0.50/24 dev bt0 && ip addr add 2001:db8:9::50/64 dev bt0 nodad");
  for (const std::string prefix : {"10.9.0.50/24", "2001:db8:9::50/64"}) {
    EXPECT_EQ(perform(AddressVerb::kInstall, prefix, 3s).status, AddressStatus::kForeign);
    EXPECT_EQ(perform(AddressVerb::kRefresh, prefix, 3s).status, AddressStatus::kForeign);
    EXPECT_EQ(perform(AddressVerb::kRemove, prefix).status, AddressStatus::kForeign);
    const auto address = kernel_address("bt0", prefix);
    ASSERT_TRUE(address) << prefix;
    EXPECT_FALSE(address->proto) << prefix;
    EXPECT_NE(address->flags & IFA_F_PERMANENT, 0u) << prefix;
    ASSERT_NE(sink.last(prefix), nullptr);
    EXPECT_FALSE(sink.last(prefix)->ours);
  }
}

TEST_F(AddressTest, PredecessorsAddressIsTakenOverWithAFreshLifetime) {
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  perform(AddressVerb::kInstall, "2001:db8:9::50/64", 100s);
  open();
  sink = {};
  watch_bt0();
  ASSERT_NE(sink.last("10.9.0.50/24"), nullptr);
  EXPECT_TRUE(sink.last("10.9.0.50/24")->ours);
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.50/24", 500s).status, AddressStatus::kDone);
  EXPECT_EQ(perform(AddressVerb::kInstall, "2001:db8:9::50/64", 500s).status, AddressStatus::kDone);
  EXPECT_TRUE(says(listed("10.9.0.50"), "valid_lft 500sec")) << listed("10.9.0.50");
  EXPECT_TRUE(says(listed("2001:db8:9::50"), "valid_lft 500sec")) << listed("2001:db8:9::50");
}

TEST_F(AddressTest, RefreshRenewsTheLifetimeAndWithoutItTheAddressGoes) {
  perform(AddressVerb::kInstall, "10.9.0.50/24", 2s);
  EXPECT_EQ(perform(AddressVerb::kRefresh, "10.9.0.50/24", 300s).status, AddressStatus::kDone);
  EXPECT_TRUE(says(listed("10.9.0.50"), "valid_lft 300sec")) << listed("10.9.0.50");
  EXPECT_EQ(kernel_address("bt0", "10.9.0.50/24")->proto, 0x62);
  EXPECT_EQ(perform(AddressVerb::kRefresh, "10.9.0.50/24", 1s).status, AddressStatus::kDone);
  EXPECT_TRUE(until([&] { return !sink.last("10.9.0.50/24")->present; }));
  EXPECT_FALSE(kernel_has("bt0", "10.9.0.50/24"));
}

TEST_F(AddressTest, RefreshOfAnAddressThatIsGoneDoesNotBringItBack) {
  EXPECT_EQ(perform(AddressVerb::kRefresh, "10.9.0.50/24", 3s).status, AddressStatus::kRefused);
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  EXPECT_EQ(perform(AddressVerb::kRemove, "10.9.0.50/24").status, AddressStatus::kDone);
  EXPECT_EQ(perform(AddressVerb::kRefresh, "10.9.0.50/24", 3s).sys_errno, EADDRNOTAVAIL);
  EXPECT_FALSE(kernel_has("bt0", "10.9.0.50/24"));
}

TEST_F(AddressTest, AddressReplacedByTheAdministratorIsHisFromThenOn) {
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  shell("ip addr del 10.9.0.50/24 dev bt0 && ip addr add 10.9.0.50/24 dev bt0");
  ASSERT_TRUE(until([&] { return sink.last("10.9.0.50/24")->present && !sink.last("10.9.0.50/24")->ours; }));
  // The worker looks again when it has nothing else to do; after that nothing touches it.
  EXPECT_TRUE(
      until([&] { return perform(AddressVerb::kRefresh, "10.9.0.50/24", 3s).status == AddressStatus::kForeign; }));
  EXPECT_EQ(perform(AddressVerb::kRemove, "10.9.0.50/24").status, AddressStatus::kForeign);
  EXPECT_TRUE(kernel_has("bt0", "10.9.0.50/24"));
}

TEST_F(AddressTest, CommandsPastTheirTimeAreDropped) {
  ports::AddressCommand command;
  command.ticket = 77;
  command.prefix = *Prefix::parse("10.9.0.50/24");
  command.lifetime = 3s;
  command.not_after = posix::now() - 1ms;
  network->addresses().submit(command);
  network->addresses().flush();
  ASSERT_TRUE(until([&] { return sink.result(77) != nullptr; }));
  EXPECT_EQ(sink.result(77)->status, AddressStatus::kTooLate);
  EXPECT_FALSE(kernel_has("bt0", "10.9.0.50/24"));
}

TEST_F(AddressTest, RemovingWhatIsNotThereIsDone) {
  EXPECT_EQ(perform(AddressVerb::kRemove, "10.9.0.50/24").status, AddressStatus::kDone);
}

TEST_F(AddressTest, OwnersAddressIsNeitherMarkedNorAgedNorRemoved) {
  ports::AddressCommand command;
  command.prefix = *Prefix::parse("10.9.0.50/24");
  command.lifetime = 3s;
  command.owner = true;
  for (const AddressVerb verb :
       {AddressVerb::kInstall, AddressVerb::kInstall, AddressVerb::kRefresh, AddressVerb::kRemove}) {
    command.ticket = next_ticket++;
    command.verb = verb;
    network->addresses().submit(command);
    network->addresses().flush();
    ASSERT_TRUE(until([&] { return sink.result(command.ticket) != nullptr; }));
    EXPECT_EQ(sink.result(command.ticket)->status, AddressStatus::kDone);
    const auto address = kernel_address("bt0", "10.9.0.50/24");
    ASSERT_TRUE(address);
    EXPECT_FALSE(address->proto);
    EXPECT_NE(address->flags & IFA_F_PERMANENT, 0u);
  }
}

TEST_F(AddressTest, LinkThatIsNotThereIsSaid) {
  network->links().watch(1, "bt9", true, true);
  ports::AddressCommand command;
  command.ticket = 5;
  command.link = 1;
  command.prefix = *Prefix::parse("10.9.0.50/24");
  network->addresses().submit(command);
  ASSERT_TRUE(until([&] { return sink.result(5) != nullptr; }));
  EXPECT_EQ(sink.result(5)->status, AddressStatus::kNoLink);
}

// The kernel's default deletes all other addresses of the subnet together with its first one.
TEST_F(AddressTest, AdministratorsAddressSurvivesWhenOursWasTheFirstOfTheSubnet) {
  ASSERT_EQ(shell("cat /proc/sys/net/ipv4/conf/all/promote_secondaries"), "0\n");
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  shell("ip addr add 10.9.0.1/24 dev bt0");
  ASSERT_TRUE(says(listed("10.9.0.1"), "secondary")) << listed("10.9.0.1");
  shell("echo 0 > /proc/sys/net/ipv4/conf/bt0/promote_secondaries");
  EXPECT_EQ(perform(AddressVerb::kRemove, "10.9.0.50/24").status, AddressStatus::kDone);
  EXPECT_FALSE(kernel_has("bt0", "10.9.0.50/24"));
  EXPECT_TRUE(kernel_has("bt0", "10.9.0.1/24"));
  EXPECT_TRUE(says(shell("ip route show 10.9.0.0/24"), "src 10.9.0.1"));
}

TEST_F(AddressTest, AdministratorsAddressSurvivesTheExpiryOfOurs) {
  perform(AddressVerb::kInstall, "10.9.0.50/24", 1s);
  shell("ip addr add 10.9.0.1/24 dev bt0");
  ASSERT_TRUE(says(listed("10.9.0.1"), "secondary")) << listed("10.9.0.1");
  ASSERT_TRUE(eventually([] { return !kernel_has("bt0", "10.9.0.50/24"); }));
  EXPECT_TRUE(kernel_has("bt0", "10.9.0.1/24"));
}

TEST_F(AddressTest, ConnectedRouteOutlivesAnAdministratorsReconfiguration) {
  shell("ip addr add 10.9.0.1/24 dev bt0");
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  shell("ip addr del 10.9.0.1/24 dev bt0");
  EXPECT_TRUE(kernel_has("bt0", "10.9.0.50/24"));
  shell("ip addr add 10.9.0.1/24 dev bt0");
  EXPECT_TRUE(says(shell("ip route show 10.9.0.0/24"), "dev bt0 proto kernel"));
  perform(AddressVerb::kRemove, "10.9.0.50/24");
  EXPECT_TRUE(kernel_has("bt0", "10.9.0.1/24"));
  EXPECT_TRUE(says(shell("ip route show 10.9.0.0/24"), "dev bt0 proto kernel"));
}

TEST_F(AddressTest, ManyAreAllAnsweredOnceAndInOrder) {
  std::vector<std::uint64_t> tickets;
  for (int i = 0; i < 500; ++i) {
    tickets.push_back(submit(AddressVerb::kInstall,
                             "10.8." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + "/32", 30s));
  }
  network->addresses().flush();
  ASSERT_TRUE(until([&] { return sink.results.size() >= 500; }));
  ASSERT_EQ(sink.results.size(), 500u);
  for (std::size_t i = 0; i < 500; ++i) {
    EXPECT_EQ(sink.results[i].ticket, tickets[i]);
    EXPECT_EQ(sink.results[i].status, AddressStatus::kDone);
  }
  ASSERT_TRUE(until([&] { return sink.last("10.8.1.250/32") != nullptr; }));
  EXPECT_EQ(shell("ip -o -4 addr show dev bt0 | wc -l"), "500\n");
}

TEST_F(AddressTest, LostCapabilityIsRefusedWithItsErrno) {
  std::thread{[this] {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct sets[2] = {};
    ASSERT_EQ(::syscall(SYS_capget, &header, sets), 0);
    sets[0].effective &= ~(1u << CAP_NET_ADMIN);
    ASSERT_EQ(::syscall(SYS_capset, &header, sets), 0);
    open();
    sink = {};
    watch_bt0();
    const auto result = perform(AddressVerb::kInstall, "10.9.0.50/24", 3s);
    EXPECT_EQ(result.status, AddressStatus::kRefused);
    EXPECT_EQ(result.sys_errno, EPERM);
    network.reset();
  }}.join();
  EXPECT_FALSE(kernel_has("bt0", "10.9.0.50/24"));
}

}  // namespace
}  // namespace baton::linux
