// Frames in and out through real packet sockets, and unicast through raw ones.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>

#include "tests/linux/netns.h"
#include "vrrp/frame.h"

namespace baton::linux {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;

const MacAddress kPeerMac{{0x02, 0, 0, 0, 0, 0x99}};

Bytes ethernet(const MacAddress& to, std::uint16_t type, const Bytes& payload) {
  Bytes frame(to.bytes.begin(), to.bytes.end());
  frame.insert(frame.end(), kPeerMac.bytes.begin(), kPeerMac.bytes.end());
  frame.push_back(static_cast<std::uint8_t>(type >> 8));
  frame.push_back(static_cast<std::uint8_t>(type & 0xFF));
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

/// A minimal IPv4 packet: what the filter looks at is the protocol.
Bytes ipv4(std::uint8_t protocol, std::uint8_t flags = 0, std::size_t size = 40) {
  Bytes packet(size);
  packet[0] = 0x45;
  packet[3] = static_cast<std::uint8_t>(size);
  packet[6] = flags;
  packet[8] = 255;
  packet[9] = protocol;
  return packet;
}

Bytes ipv6(std::uint8_t next_header, std::uint8_t icmp_type = 0, bool with_source = true) {
  Bytes packet(80);
  packet[0] = 0x60;
  packet[5] = 40;
  packet[6] = next_header;
  packet[7] = 255;
  if (with_source) packet[8] = 0xFE, packet[9] = 0x80, packet[23] = 1;
  packet[40] = icmp_type;
  return packet;
}

class FramesTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    shell("ip link set bt0 address 02:00:00:00:00:01");
    open();
    watch_bt0();
    wire_ = posix::Fd{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL))};
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex("bt1"));
    ASSERT_EQ(::bind(wire_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void inject(const Bytes& frame) {
    ASSERT_EQ(::send(wire_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  /// What of `frames` arrives. A last frame, known to pass, shows that all before it had their chance.
  std::vector<Bytes> what_passes(const std::vector<Bytes>& frames) {
    const Bytes last = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112, 0, 44));
    sink.frames.clear();
    for (const Bytes& frame : frames) inject(frame);
    inject(last);
    std::vector<Bytes> passed;
    EXPECT_TRUE(until([&] {
      for (const auto& frame : sink.frames) {
        if (frame.bytes == last) return true;
      }
      return false;
    }));
    for (int i = 0; i < 3; ++i) turn(1ms);  // the three sockets are read one after the other
    for (const auto& frame : sink.frames) {
      // The kernel's own ND chatter on a fresh link is not what is asked here.
      const bool injected = std::equal(kPeerMac.bytes.begin(), kPeerMac.bytes.end(), frame.bytes.begin() + 6);
      if (injected && frame.bytes != last) passed.push_back(frame.bytes);
    }
    return passed;
  }
  /// The next frame from our side on the wire that `wanted` likes.
  std::optional<Bytes> on_wire(const std::function<bool(const Bytes&)>& wanted) {
    std::optional<Bytes> found;
    eventually(
        [&] {
          Bytes buffer(2048);
          sockaddr_ll from{};
          socklen_t length = sizeof from;
          ssize_t size = 0;
          while ((size = ::recvfrom(wire_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from),
                                    &length)) > 0) {
            Bytes frame(buffer.begin(), buffer.begin() + size);
            if (from.sll_pkttype != PACKET_OUTGOING && wanted(frame)) return found = frame, true;
          }
          return false;
        },
        2s);
    return found;
  }

  posix::Fd wire_;
};

TEST_F(FramesTest, AdvertsOfBothFamiliesArriveWhole) {
  const Bytes v4 = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112));
  const Bytes v6 = ethernet(vrrp::multicast_mac(Family::kIpv6), ETH_P_IPV6, ipv6(112));
  Bytes padded = v4;
  padded.resize(1514);  // padding of a whole frame is kept: the parser cuts it
  const auto passed = what_passes({v4, v6, padded});
  EXPECT_THAT(passed, testing::UnorderedElementsAre(v4, v6, padded));
}

TEST_F(FramesTest, FragmentsArriveToBeCountedAndOrdinaryTrafficDoesNot) {
  const MacAddress us = *MacAddress::parse("02:00:00:00:00:01");
  const Bytes fragment = ethernet(us, ETH_P_IP, ipv4(112, 0x20));
  const auto passed =
      what_passes({fragment, ethernet(us, ETH_P_IP, ipv4(6)), ethernet(us, ETH_P_IP, ipv4(17)),
                   ethernet(us, ETH_P_IPV6, ipv6(6)), ethernet(us, 0x88CC, ipv4(112)), ethernet(us, ETH_P_IP, {})});
  EXPECT_THAT(passed, testing::ElementsAre(fragment));
}

TEST_F(FramesTest, ClaimsOfAddressesArriveAndOrdinaryResolutionDoesNot) {
  const MacAddress all{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
  const Bytes arp = ethernet(all, ETH_P_ARP, Bytes(46, 1));
  const Bytes advertisement = ethernet(vrrp::multicast_mac(Family::kIpv6), ETH_P_IPV6, ipv6(58, 136));
  const Bytes duplicate_detection = ethernet(vrrp::multicast_mac(Family::kIpv6), ETH_P_IPV6, ipv6(58, 135, false));
  const Bytes resolution = ethernet(vrrp::multicast_mac(Family::kIpv6), ETH_P_IPV6, ipv6(58, 135));
  const Bytes echo = ethernet(vrrp::multicast_mac(Family::kIpv6), ETH_P_IPV6, ipv6(58, 128));
  EXPECT_THAT(what_passes({arp, advertisement, duplicate_detection, resolution, echo}),
              testing::UnorderedElementsAre(arp, advertisement, duplicate_detection));
}

TEST_F(FramesTest, VlanCopiesAndOtherHostsFramesDoNotArrive) {
  Bytes tagged = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_8021Q, {});
  const Bytes tag = {0x00, 0x05, 0x08, 0x00};
  tagged.insert(tagged.end(), tag.begin(), tag.end());
  const Bytes packet = ipv4(112);
  tagged.insert(tagged.end(), packet.begin(), packet.end());
  shell("ip link set bt0 promisc on");
  const Bytes other = ethernet(*MacAddress::parse("02:00:00:00:00:55"), ETH_P_IP, ipv4(112));
  EXPECT_THAT(what_passes({tagged, other}), testing::IsEmpty());
}

TEST_F(FramesTest, OwnFramesLeaveInOrderAndDoNotComeBack) {
  const Bytes first = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112, 0, 41));
  const Bytes second = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112, 0, 42));
  network->frames().send_frame(0, first);
  network->frames().send_frame(0, second);
  network->frames().flush();
  const auto is_vrrp = [](const Bytes& frame) { return frame[12] == 8 && frame[13] == 0 && frame[23] == 112; };
  EXPECT_EQ(on_wire(is_vrrp), first);
  EXPECT_EQ(on_wire(is_vrrp), second);
  EXPECT_THAT(what_passes({}), testing::IsEmpty());
  for (const auto& frame : sink.frames) EXPECT_NE(frame.bytes, first);
}

TEST_F(FramesTest, FloodIsReadWithPausesAndNothingIsLost) {
  const Bytes frame = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112));
  // Every 10 s there is a look at who else speaks; nothing else but a pause wants to wake up soon.
  const auto pauses = [&] { return *network->next_wakeup() - posix::now() <= 4ms; };
  std::size_t sent = 0;
  while (!pauses() && sent < 100'000) {
    for (int i = 0; i < 20; ++i, ++sent) inject(frame);
    turn(1ms);
  }
  ASSERT_TRUE(pauses()) << "frames by the thousand a second, and no pause";
  inject(frame);
  network->drain_frames(posix::now(), sink);  // a deadline does not wait for the pause
  ++sent;
  EXPECT_EQ(sink.frames.size(), sent);
  // Silence again: the sockets are waited for as before.
  EXPECT_TRUE(until([&] { return !pauses(); }));
  inject(frame);
  EXPECT_TRUE(until([&] { return sink.frames.size() == sent + 1; }));
}

TEST_F(FramesTest, RefusedFramesAreToldOncePerChange) {
  shell("ip link set bt0 mtu 200");
  ASSERT_TRUE(until([&] { return sink.links.back().mtu == 200; }));
  const Bytes big = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112, 0, 250));
  const Bytes small = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112));
  for (int i = 0; i < 3; ++i) {
    network->frames().send_frame(0, big);
    network->frames().flush();
    turn(1ms);
  }
  ASSERT_EQ(sink.send_errors.size(), 1u);
  EXPECT_EQ(sink.send_errors[0].link, 0u);
  EXPECT_EQ(sink.send_errors[0].sys_errno, EMSGSIZE);
  network->frames().send_frame(0, small);
  network->frames().flush();
  turn(1ms);
  ASSERT_EQ(sink.send_errors.size(), 2u);
  EXPECT_EQ(sink.send_errors[1].sys_errno, 0);
}

TEST_F(FramesTest, RefusedFrameDoesNotTakeTheOthersWithIt) {
  shell("ip link set bt0 mtu 200");
  ASSERT_TRUE(until([&] { return sink.links.back().mtu == 200; }));
  const Bytes big = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112, 0, 250));
  const Bytes small = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112));
  network->frames().send_frame(0, big);
  network->frames().send_frame(0, small);
  network->frames().flush();
  EXPECT_EQ(on_wire([](const Bytes& frame) { return frame[12] == 8 && frame[23] == 112; }), small);
}

TEST_F(FramesTest, InterfaceDownIsASendError) {
  shell("ip link set bt0 down");
  ASSERT_TRUE(until([&] { return !sink.links.back().up; }));
  network->frames().send_frame(0, ethernet(kPeerMac, ETH_P_IP, ipv4(112)));
  network->frames().flush();
  turn(1ms);
  ASSERT_EQ(sink.send_errors.size(), 1u);
  EXPECT_EQ(sink.send_errors[0].sys_errno, ENETDOWN);
}

TEST_F(FramesTest, RecreatedInterfaceIsHeardAgain) {
  shell("ip link del bt0");
  ASSERT_TRUE(until([&] { return !sink.links.back().present; }));
  shell("ip link add bt0 type veth peer name bt1 && ip link set bt1 up && ip link set bt0 up");
  ASSERT_TRUE(until([&] { return sink.links.back().up; }));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex("bt1"));
  wire_ = posix::Fd{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
  ASSERT_EQ(::bind(wire_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const Bytes frame = ethernet(vrrp::multicast_mac(Family::kIpv4), ETH_P_IP, ipv4(112));
  EXPECT_THAT(what_passes({frame}), testing::ElementsAre(frame));
}

TEST_F(FramesTest, UnicastHasTtl255ControlClassAndTheGivenSource) {
  shell(
      "ip addr add 10.9.0.1/24 dev bt0 && ip addr add 10.9.0.7/24 dev bt0 && ip neigh add 10.9.0.2 lladdr "
      "02:00:00:00:00:99 dev bt0");
  const Bytes message = {0x31, 1, 100, 0, 0, 100, 0, 0};
  network->frames().send_unicast(0, *IpAddress::parse("10.9.0.7"), *IpAddress::parse("10.9.0.2"), message);
  network->frames().flush();
  const auto frame = on_wire([](const Bytes& bytes) { return bytes[12] == 8 && bytes[13] == 0 && bytes[23] == 112; });
  ASSERT_TRUE(frame);
  EXPECT_EQ((*frame)[14 + 1], 0xC0);
  EXPECT_EQ((*frame)[14 + 6] & 0x40, 0x40) << "never fragmented";
  EXPECT_EQ((*frame)[14 + 8], 255);
  EXPECT_THAT(Bytes(frame->begin() + 26, frame->begin() + 34), testing::ElementsAre(10, 9, 0, 7, 10, 9, 0, 2));
  EXPECT_EQ(Bytes(frame->begin() + 34, frame->end()), message);
}

TEST_F(FramesTest, UnicastIpv6HasHopLimit255AndLeavesTheChecksumAlone) {
  shell("ip addr add 2001:db8:9::1/64 dev bt0 nodad && ip neigh add 2001:db8:9::2 lladdr 02:00:00:00:00:99 dev bt0");
  const Bytes message = {0x31, 1, 100, 0, 0, 100, 0xAB, 0xCD};
  network->frames().send_unicast(0, *IpAddress::parse("2001:db8:9::1"), *IpAddress::parse("2001:db8:9::2"), message);
  const auto frame =
      on_wire([](const Bytes& bytes) { return bytes[12] == 0x86 && bytes[13] == 0xDD && bytes[20] == 112; });
  ASSERT_TRUE(frame);
  EXPECT_EQ((*frame)[14], 0x6C) << "version 6, class 0xC0";
  EXPECT_EQ((*frame)[14 + 1] & 0xF0, 0x00);
  EXPECT_EQ((*frame)[14 + 7], 255);
  EXPECT_EQ(Bytes(frame->begin() + 54, frame->end()), message);
}

TEST_F(FramesTest, UnicastRefusedByTheFirewallIsASendError) {
  shell("ip addr add 10.9.0.1/24 dev bt0");
  shell(
      "nft add table ip bt && nft add chain ip bt out '{ type filter hook output priority 0; }' && nft add rule ip bt "
      "out ip protocol 112 drop");
  network->frames().send_unicast(0, *IpAddress::parse("10.9.0.1"), *IpAddress::parse("10.9.0.2"), Bytes(8));
  turn(1ms);
  ASSERT_EQ(sink.send_errors.size(), 1u);
  EXPECT_EQ(sink.send_errors[0].sys_errno, EPERM);
  shell("nft delete table ip bt");
}

}  // namespace
}  // namespace baton::linux
