// Another program of this host that speaks VRRP: noticed, and heard only then.
#include "linux/speakers.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <sstream>

#include "tests/linux/netns.h"
#include "vrrp/frame.h"

namespace baton::linux {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(SpeakersTest, OnlySocketsOfProtocol112AreFoundByTheirInode) {
  const auto found = [](const char* text) {
    std::istringstream table{text};
    return vrrp_sockets(table);
  };
  EXPECT_THAT(
      found("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref "
            "pointer drops\n"
            "  112: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7001 2 "
            "0000000000000000 0\n"
            "   72: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7002 2 "
            "0000000000000000 0\n"
            "   72: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7003 2 "
            "0000000000000000 0\n"),
      ElementsAre(7002, 7003));
  EXPECT_THAT(found(""), IsEmpty());
  EXPECT_THAT(found("72: 0:0070 2 3\n72: 0:0070 2 3 4 5 6 7 8 x 9\n"), IsEmpty());
}

class SpeakersNetTest : public NetnsTest {
 protected:
  static posix::Fd raw_socket() {
    posix::Fd socket{::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 112)};
    const ip_mreqn out{
        .imr_multiaddr = {}, .imr_address = {}, .imr_ifindex = static_cast<int>(::if_nametoindex("bt0"))};
    EXPECT_EQ(::setsockopt(socket.get(), IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof out), 0);
    return socket;
  }
  static void speak(const posix::Fd& socket) {
    sockaddr_in group{};
    group.sin_family = AF_INET;
    group.sin_addr.s_addr = htonl(0xE0000012);
    EXPECT_EQ(::sendto(socket.get(), "12345678", 8, 0, reinterpret_cast<sockaddr*>(&group), sizeof group), 8);
  }
  std::size_t heard_here() const {
    return static_cast<std::size_t>(
        std::count_if(sink.frames.begin(), sink.frames.end(), [](const auto& frame) { return frame.of_this_host; }));
  }
};

TEST_F(SpeakersNetTest, WhatItSendsIsHeardAndWhatWeSendIsNot) {
  shell("ip addr add 10.9.0.1/24 dev bt0");
  const posix::Fd other = raw_socket();
  open();
  watch_bt0();
  ASSERT_TRUE(until([&] { return speak(other), heard_here() > 0; }));
  EXPECT_EQ(sink.frames.back().bytes.size(), 14u + 20u + 8u);
  EXPECT_EQ(sink.frames.back().bytes[14 + 9], 112);
  const vrrp::Bytes ours =
      vrrp::multicast_frame(*MacAddress::parse("02:00:00:00:00:01"), *IpAddress::parse("10.9.0.1"), vrrp::Bytes(20));
  network->frames().send_frame(0, ours);
  network->frames().flush();
  const std::size_t before = heard_here();
  ASSERT_TRUE(until([&] { return speak(other), heard_here() > before + 2; }));  // so ours has had its chance
  for (const auto& frame : sink.frames) EXPECT_NE(frame.bytes, ours);
}

TEST_F(SpeakersNetTest, OurOwnSocketsAreNoOtherProgram) {
  open();
  watch_bt0();
  const std::vector<ino_t> nobody;
  EXPECT_TRUE(others_speak_vrrp(nobody)) << "ours are in the list";
  shell("ip addr add 10.9.0.1/24 dev bt0");
  // A socket that comes later is not looked for within the next seconds: what it says now is not heard.
  const posix::Fd later = raw_socket();
  EXPECT_FALSE(until([&] { return speak(later), heard_here() > 0; }, 500ms));
}

}  // namespace
}  // namespace baton::linux
