// What a dead Baton left is found and removed, and nothing else.
#include "linux/cleanup.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstdlib>

#include "linux/journal.h"
#include "tests/linux/netns.h"

namespace baton::linux {
namespace {

using namespace std::chrono_literals;
using ports::AddressStatus;
using ports::AddressVerb;

class CleanupTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    char name[] = "/tmp/bt_cleanup_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path_ = name;
    directory_ = posix::Fd{::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  }
  void TearDown() override {
    NetnsTest::TearDown();
    shell("rm -r " + path_);
  }
  std::string path_;
  posix::Fd directory_;
};

TEST_F(CleanupTest, MarkedAddressesGoAndAllOthersStay) {
  shell(
      "ip addr add 10.9.0.1/24 dev bt0 && ip addr add 2001:db8:9::1/64 dev bt0 nodad && ip addr add 10.9.1.1/24 dev "
      "bt1");
  open({.runtime_dir = directory_.get()});
  watch_bt0();
  for (int i = 50; i < 100; ++i) perform(AddressVerb::kInstall, "10.9.0." + std::to_string(i) + "/24", 100s);
  perform(AddressVerb::kInstall, "2001:db8:9::50/64", 100s);
  network.reset();
  const auto report = cleanup(directory_.get());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->complete());
  ASSERT_EQ(report->entries.size(), 51u);
  EXPECT_EQ(report->entries[0].interface, "bt0");
  EXPECT_EQ(report->entries[0].prefix.text(), "10.9.0.50/24");
  EXPECT_EQ(shell("ip -o -4 addr show dev bt0 | wc -l"), "1\n");
  EXPECT_TRUE(kernel_has("bt0", "10.9.0.1/24"));
  EXPECT_TRUE(kernel_has("bt0", "2001:db8:9::1/64"));
  EXPECT_FALSE(kernel_has("bt0", "2001:db8:9::50/64"));
  EXPECT_TRUE(kernel_has("bt1", "10.9.1.1/24"));
  EXPECT_EQ(shell("cat " + path_ + "/addresses"), "");
  EXPECT_TRUE(cleanup(directory_.get())->entries.empty());
}

TEST_F(CleanupTest, AdministratorsSecondaryAddressSurvives) {
  open();
  watch_bt0();
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  shell("ip addr add 10.9.0.1/24 dev bt0");
  network.reset();
  shell("echo 0 > /proc/sys/net/ipv4/conf/bt0/promote_secondaries");
  ASSERT_TRUE(cleanup(-1));
  EXPECT_FALSE(kernel_has("bt0", "10.9.0.50/24"));
  EXPECT_TRUE(kernel_has("bt0", "10.9.0.1/24"));
}

TEST_F(CleanupTest, JournalNamesWhatIsHeldAndForgetsWhatWasRemoved) {
  open({.runtime_dir = directory_.get()});
  watch_bt0();
  const std::string ifindex = std::to_string(::if_nametoindex("bt0"));
  perform(AddressVerb::kInstall, "10.9.0.50/24", 100s);
  perform(AddressVerb::kInstall, "10.9.0.51/24", 100s);
  perform(AddressVerb::kRemove, "10.9.0.50/24");
  shell("ip addr add 10.9.0.60/24 dev bt0");
  perform(AddressVerb::kInstall, "10.9.0.60/24", 100s);  // somebody else's
  network.reset();
  const Journal journal = Journal::load(directory_.get());
  EXPECT_THAT(journal.entries(),
              testing::ElementsAre(JournalEntry{"bt0", {std::stoi(ifindex), *Prefix::parse("10.9.0.51/24")}}));
}

TEST_F(CleanupTest, FullRuntimeDirectoryStopsNoAddress) {
  shell("mount -t tmpfs -o size=4k,nr_inodes=3 none " + path_ + " && touch " + path_ + "/a " + path_ +
        "/b 2>/dev/null || true");
  directory_ = posix::Fd{::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  open({.runtime_dir = directory_.get()});
  watch_bt0();
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.50/24", 100s).status, AddressStatus::kDone);
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.51/24", 100s).status, AddressStatus::kDone);
  ASSERT_EQ(sink.troubles.size(), 1u);
  EXPECT_EQ(sink.troubles[0].trouble, Trouble::kJournal);
  EXPECT_EQ(sink.troubles[0].sys_errno, ENOSPC);
  network.reset();
  directory_.reset();
  shell("umount " + path_);
}

// Kernels before 5.18: the journal alone says what is ours.
TEST_F(CleanupTest, WithoutKernelMarksTheJournalDecides) {
  const NetworkOptions old_kernel{.runtime_dir = directory_.get(), .kernel_marks = false};
  shell("ip addr add 10.9.0.60/24 dev bt0");
  open(old_kernel);
  watch_bt0();
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.50/24", 100s).status, AddressStatus::kDone);
  EXPECT_EQ(perform(AddressVerb::kInstall, "10.9.0.60/24", 100s).status, AddressStatus::kForeign);
  ASSERT_TRUE(until([&] { return sink.last("10.9.0.50/24") != nullptr; }));
  EXPECT_FALSE(kernel_address("bt0", "10.9.0.50/24")->proto);
  EXPECT_TRUE(sink.last("10.9.0.50/24")->ours);
  EXPECT_FALSE(sink.last("10.9.0.60/24")->ours);
  sink = {};
  open(old_kernel);
  watch_bt0();
  EXPECT_TRUE(sink.last("10.9.0.50/24")->ours);
  EXPECT_FALSE(sink.last("10.9.0.60/24")->ours);
  EXPECT_EQ(perform(AddressVerb::kRefresh, "10.9.0.60/24", 3s).status, AddressStatus::kForeign);
  EXPECT_EQ(perform(AddressVerb::kRemove, "10.9.0.60/24").status, AddressStatus::kForeign);
  EXPECT_EQ(perform(AddressVerb::kRefresh, "10.9.0.50/24", 200s).status, AddressStatus::kDone);
  EXPECT_EQ(perform(AddressVerb::kRemove, "10.9.0.50/24").status, AddressStatus::kDone);
  EXPECT_FALSE(kernel_has("bt0", "10.9.0.50/24"));
  EXPECT_TRUE(kernel_has("bt0", "10.9.0.60/24"));
}

TEST_F(CleanupTest, ResignationLeavesAsGiven) {
  const posix::Fd wire{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(0x88B5))};
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(0x88B5);
  address.sll_ifindex = static_cast<int>(::if_nametoindex("bt1"));
  ASSERT_EQ(::bind(wire.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  std::vector<std::uint8_t> frame(60, 7);
  frame[12] = 0x88, frame[13] = 0xB5;
  ASSERT_TRUE(send_frame_once("bt0", frame));
  std::vector<std::uint8_t> heard(100);
  ssize_t size = -1;
  EXPECT_TRUE(eventually([&] { return (size = ::recv(wire.get(), heard.data(), heard.size(), 0)) > 0; }));
  heard.resize(static_cast<std::size_t>(size));
  EXPECT_EQ(heard, frame);
  const auto missing = send_frame_once("bt9", frame);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().subject, "bt9");
}

}  // namespace
}  // namespace baton::linux
