// The readers of what the kernel and the network managers write about a host, from literal texts; and frames as they
// are noted while listening.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "linux/host_survey.h"
#include "linux/process_survey.h"
#include "linux/wire_scan.h"
#include "vrrp/frame.h"

namespace baton::linux {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(SurveyTest, DefaultRoutesOfTheKernelsTable) {
  EXPECT_THAT(
      default_route_interfaces("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
                               "eth1\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
                               "eth0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
                               "eth2\t00000000\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"),
      ElementsAre("eth1"));
  EXPECT_THAT(default_route_interfaces(""), IsEmpty());
}

TEST(SurveyTest, NeighboursWithAMac) {
  const auto found = arp_neighbours(
      "IP address       HW type     Flags       HW address            Mask     Device\n"
      "10.0.0.2         0x1         0x2         02:77:00:00:00:02     *        eth0\n"
      "10.0.0.3         0x1         0x0         00:00:00:00:00:00     *        eth0\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found.begin()->first.text(), "10.0.0.2");
  EXPECT_EQ(found.begin()->second.text(), "02:77:00:00:00:02");
}

TEST(SurveyTest, WhoJoinedTheGroups) {
  EXPECT_THAT(joined_vrrp_v4("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"
                             "1\tlo        :     1      V3\n"
                             "\t\t\t\t010000E0     1 0:00000000\t\t0\n"
                             "2\teth0      :     2      V3\n"
                             "\t\t\t\t120000E0     1 0:00000000\t\t0\n"
                             "\t\t\t\t010000E0     1 0:00000000\t\t0\n"),
              ElementsAre("eth0"));
  EXPECT_THAT(joined_vrrp_v6("2    eth0            ff020000000000000000000000000012     1 00000004 0\n"
                             "3    eth1            ff020000000000000000000000000001     1 0000000C 0\n"),
              ElementsAre("eth0"));
}

TEST(SurveyTest, WhatANetworkFileKeepsAndSets) {
  InterfaceManager manager;
  read_network_file(
      "[Match]\nName=eth0\nKeepConfiguration=yes\n[Network]\n# KeepConfiguration=yes\nAddress=10.0.0.1/24\n"
      "KeepConfiguration = static\n[Address]\nAddress=10.0.0.50/24\n",
      manager);
  EXPECT_EQ(manager.keep_configuration, "static");
  EXPECT_THAT(manager.static_addresses, ElementsAre("10.0.0.1/24", "10.0.0.50/24"));
  read_network_file("[Network]\nKeepConfiguration=yes\n", manager);  // a drop-in has the last word
  EXPECT_EQ(manager.keep_configuration, "yes");
}

TEST(SurveyTest, ValuesOfAStateFile) {
  const char* text = "# comment\nADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/a.network\n";
  EXPECT_EQ(state_value(text, "ADMIN_STATE"), "configured");
  EXPECT_EQ(state_value(text, "ADMIN"), "");
}

TEST(SurveyTest, OnlyLibrariesCountAsDeleted) {
  EXPECT_THAT(deleted_libraries("7f01-7f02 r-xp 0000 08:01 11 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
                                "7f02-7f03 r-xp 0000 08:01 12 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)\n"
                                "7f03-7f04 r--p 0000 08:01 12 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)\n"
                                "7f04-7f05 rw-s 0000 00:01 13 /memfd:baton-board.so (deleted)\n"
                                "7f05-7f06 rw-s 0000 00:01 14 /dev/zero (deleted)\n"),
              ElementsAre("/usr/lib/x86_64-linux-gnu/libssl.so.3"));
}

vrrp::Bytes advert_of(std::uint8_t vrid, std::uint8_t last_octet, std::uint8_t priority) {
  const auto source = *IpAddress::parse("10.0.0." + std::to_string(last_octet));
  vrrp::Advert advert;
  advert.vrid = Vrid{vrid};
  advert.priority = Priority{priority};
  advert.max_advertise_interval = 1s;
  advert.addresses = {*IpAddress::parse("10.0.0.50")};
  const auto message =
      vrrp::encode(advert, vrrp::ChecksumForm::kMessageOnly, source, vrrp::multicast_group(Family::kIpv4));
  return vrrp::multicast_frame(*MacAddress::parse("02:77:00:00:00:02"), source, message);
}

TEST(WireScanTest, SendersAreKeptApartAndCounted) {
  std::vector<HeardRouter> heard;
  for (int i = 0; i < 3; ++i) note_frame(heard, "eth0", false, advert_of(7, 2, 100));
  note_frame(heard, "eth0", false, advert_of(8, 2, 90));
  note_frame(heard, "eth0", true, advert_of(7, 2, 80));
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_EQ(heard[0].count, 3u);
  EXPECT_EQ(heard[0].source.text(), "10.0.0.2");
  EXPECT_EQ(heard[0].mac.text(), "02:77:00:00:00:02");
  EXPECT_EQ(heard[0].priority, 100);
  EXPECT_EQ(heard[0].interval, 1s);
  EXPECT_TRUE(heard[0].to_group);
  EXPECT_EQ(heard[1].vrid, 8);
  EXPECT_TRUE(heard[2].from_this_host);
}

TEST(WireScanTest, WhatCannotBeDecodedIsCountedApart) {
  std::vector<HeardRouter> heard;
  vrrp::Bytes frame = advert_of(7, 2, 100);
  frame[14 + 20 + 6] ^= 0xFF;  // the checksum
  note_frame(heard, "eth0", false, frame);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].bad, 1u);
  EXPECT_EQ(heard[0].count, 0u);
  note_frame(heard, "eth0", false, vrrp::gratuitous_arp({}, *IpAddress::parse("10.0.0.50"), vrrp::ArpForm::kRequest));
  EXPECT_EQ(heard.size(), 1u);
}

TEST(WireScanTest, AFloodOfSendersIsBounded) {
  std::vector<HeardRouter> heard;
  for (int i = 0; i < 2000; ++i) {
    note_frame(heard, "eth" + std::to_string(i / 200), false,
               advert_of(7, static_cast<std::uint8_t>(1 + i % 200), 100));
  }
  EXPECT_EQ(heard.size(), 1000u);
}

}  // namespace
}  // namespace baton::linux
