#include "daemon/last_resort.h"

#include <gtest/gtest.h>

#include <cstring>

namespace baton::daemon {
namespace {

constexpr ipc::BoardCapacity kSmall{4, 8};

MacAddress mac_of(const std::string& interface) {
  return interface == "eth0" ? *MacAddress::parse("02:00:00:00:00:01") : MacAddress{};
}

class LastResortTest : public ::testing::Test {
 protected:
  LastResortTest() {
    config::Instance web;
    web.name = "web";
    web.interface = "eth0";
    web.vrid = Vrid{51};
    web.addresses = {*Prefix::parse("10.0.0.50/24")};
    config_.instances = {web};
    ipc::format_board(memory_, kSmall);
  }

  void publish(vrrp::State state, const char* interface) {
    auto writer = ipc::BoardWriter::open(memory_);
    ports::RouterState router;
    router.vrid = 51;
    router.checksum_form = static_cast<std::uint8_t>(vrrp::ChecksumForm::kPseudoHeader);
    std::strncpy(router.interface.data(), interface, router.interface.size() - 1);
    const IpAddress source = *IpAddress::parse("10.0.0.1");
    std::copy(source.bytes().begin(), source.bytes().end(), router.primary.begin());
    writer->publish_router(0, router);
    ports::InstanceState instance;
    std::strcpy(instance.name.data(), "web");
    instance.state = state;
    instance.router_count = 1;
    writer->publish_instance(0, instance);
  }

  std::vector<Resignation> frames() {
    return resignations(*ipc::BoardReader::open(ConstBytes{memory_}), config_, &mac_of);
  }

  std::vector<std::uint64_t> storage_ = std::vector<std::uint64_t>(ipc::board_size(kSmall) / 8);
  MutableBytes memory_{reinterpret_cast<std::uint8_t*>(storage_.data()), storage_.size() * 8};
  config::Config config_;
};

TEST_F(LastResortTest, AnActiveRouterResignsWithPriorityZero) {
  publish(vrrp::State::kActive, "eth0");
  const auto made = frames();
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(made[0].interface, "eth0");
  // Ethernet; IPv4 20+12 bytes, TOS C0, TTL 255, protocol 112; VRRPv3 VRID 51 priority 0, one address, 100 cs.
  const std::vector<std::uint8_t> expected = {
      0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00,              // Ethernet
      0x45, 0xc0, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0xff, 0x70, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x01,  // IPv4
      0xe0, 0x00, 0x00, 0x12,                                                                          //
      0x31, 0x33, 0x00, 0x01, 0x00, 0x64, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x32,                          // VRRP
  };
  ASSERT_EQ(made[0].bytes.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const bool varies = (i >= 18 && i <= 21) || (i >= 24 && i <= 25) || (i >= 40 && i <= 41);  // id, flags, checksums
    EXPECT_TRUE(varies || made[0].bytes[i] == expected[i]) << i;
  }
  const auto parsed = vrrp::parse_frame(made[0].bytes);
  const auto* received = std::get_if<vrrp::VrrpFrame>(&parsed);
  ASSERT_NE(received, nullptr);
  const auto advert = vrrp::decode(received->payload, received->envelope);
  ASSERT_TRUE(advert.has_value());
  EXPECT_EQ(advert->priority, kResignPriority);
  EXPECT_EQ(advert->checksum_form, vrrp::ChecksumForm::kPseudoHeader);
}

TEST_F(LastResortTest, WhoWasNotActiveSaysNothing) {
  publish(vrrp::State::kBackup, "eth0");
  EXPECT_TRUE(frames().empty());
}

TEST_F(LastResortTest, EachUnicastPeerIsToldByItself) {
  config_.instances[0].unicast = true;
  config_.instances[0].unicast_peers = {
      {*IpAddress::parse("10.0.0.2")}, {*IpAddress::parse("2001:db8::2")}, {*IpAddress::parse("10.0.0.3")}};
  publish(vrrp::State::kActive, "eth0");
  const auto made = frames();
  ASSERT_EQ(made.size(), 2U);
  EXPECT_EQ(made[0].peer->text(), "10.0.0.2");
  EXPECT_EQ(made[1].peer->text(), "10.0.0.3");
  EXPECT_EQ(made[1].source.text(), "10.0.0.1");
  const auto advert = vrrp::decode(made[1].bytes, {made[1].source, *made[1].peer, 255});
  ASSERT_TRUE(advert.has_value());
  EXPECT_EQ(advert->priority, kResignPriority);
}

TEST_F(LastResortTest, AnInterfaceThatIsGoneIsLeftOut) {
  config_.instances[0].interface = "eth9";
  publish(vrrp::State::kActive, "eth9");
  EXPECT_TRUE(frames().empty());
}

TEST_F(LastResortTest, ARouterThatTheConfigurationNoLongerHasIsLeftOut) {
  config_.instances.clear();
  publish(vrrp::State::kActive, "eth0");
  EXPECT_TRUE(frames().empty());
}

}  // namespace
}  // namespace baton::daemon
