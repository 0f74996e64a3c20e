// The flight recorder's socket on a real veth pair: what its filter lets through, both ways, and that nobody widens it.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "linux/capture_socket.h"
#include "tests/linux/netns.h"

namespace baton::linux {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t kMark = 0x99;  // last byte of the sender's MAC address: what the kernel itself says is not asked

class CaptureTest : public NetnsTest {
 protected:
  struct Heard {
    std::uint8_t last = 0;
    bool outgoing = false;
    std::uint32_t length = 0;
    std::size_t kept = 0;
    bool operator==(const Heard&) const = default;
  };

  void SetUp() override {
    NetnsTest::SetUp();
    auto socket = open_capture_socket();
    ASSERT_TRUE(socket) << socket.error().message();
    raw_ = socket->get();
    auto capture = CaptureSocket::open(std::move(*socket), "bt0");
    ASSERT_TRUE(capture) << capture.error().message();
    capture_ = std::move(*capture);
  }

  static Bytes frame(std::uint16_t type, std::uint8_t last, std::size_t size = 80) {
    Bytes bytes(size);
    std::fill_n(bytes.begin(), 6, 0xFF);
    bytes[6] = 0x02;
    bytes[11] = kMark;
    bytes[12] = static_cast<std::uint8_t>(type >> 8);
    bytes[13] = static_cast<std::uint8_t>(type & 0xFF);
    bytes.back() = last;
    return bytes;
  }
  static Bytes ipv4(std::uint8_t protocol, std::uint8_t last) {
    Bytes bytes = frame(ETH_P_IP, last);
    bytes[14] = 0x45;
    bytes[23] = protocol;
    return bytes;
  }
  /// `inner`: the byte behind the header, an ICMPv6 type or what a fragment header says is next.
  static Bytes ipv6(std::uint8_t next, std::uint8_t inner, std::uint8_t last) {
    Bytes bytes = frame(ETH_P_IPV6, last);
    bytes[14] = 0x60;
    bytes[20] = next;
    bytes[54] = inner;
    return bytes;
  }
  static void send(const char* interface, const Bytes& bytes) {
    // One for all: the kernel takes its time to close a packet socket.
    static const posix::Fd socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
    ASSERT_EQ(
        ::sendto(socket.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address),
        static_cast<ssize_t>(bytes.size()))
        << std::strerror(errno);
  }
  /// What was heard up to a last frame that is known to pass.
  std::vector<Heard> heard() {
    constexpr std::uint8_t kEnd = 0xEE;
    send("bt1", ipv4(112, kEnd));
    std::vector<Heard> found;
    bool ended = false;
    EXPECT_TRUE(eventually([&] {
      capture_->read(100, [&](const ports::CapturedFrame& one) {
        if (one.bytes.size() < 12 || one.bytes[11] != kMark) return;
        EXPECT_GT(one.wall_clock_ns, 1'700'000'000'000'000'000);
        if (one.bytes.back() == kEnd) ended = true;
        if (one.bytes.back() != kEnd) found.push_back({one.bytes.back(), one.outgoing, one.length, one.bytes.size()});
      });
      return ended;
    }));
    return found;
  }

  int raw_ = -1;
  std::unique_ptr<CaptureSocket> capture_;
};

TEST_F(CaptureTest, HearsNothingBeforeItIsAttached) {
  send("bt1", ipv4(112, 1));
  ASSERT_TRUE(capture_->attach());
  EXPECT_THAT(heard(), IsEmpty());
}

TEST_F(CaptureTest, VrrpArpAndNdPassAndNothingElse) {
  ASSERT_TRUE(capture_->attach());
  const Bytes passing[] = {ipv4(112, 1),     frame(ETH_P_ARP, 2), ipv6(112, 0, 3), ipv6(58, 134, 4),
                           ipv6(58, 135, 5), ipv6(58, 136, 6),    ipv6(44, 112, 7)};
  const Bytes others[] = {ipv4(6, 11),       ipv4(17, 12),     ipv6(6, 112, 13),  ipv6(58, 133, 14),
                          ipv6(58, 137, 15), ipv6(44, 58, 16), frame(0x88CC, 17), frame(ETH_P_IP, 18, 20)};
  for (const Bytes& one : passing) send("bt1", one);
  for (const Bytes& one : others) send("bt1", one);
  std::vector<int> marks;
  for (const Heard& one : heard()) marks.push_back(one.last);
  EXPECT_THAT(marks, ElementsAre(1, 2, 3, 4, 5, 6, 7));
}

TEST_F(CaptureTest, KnowsWhatThisHostSends) {
  ASSERT_TRUE(capture_->attach());
  send("bt0", ipv4(112, 1));
  send("bt1", ipv4(112, 2));
  EXPECT_THAT(heard(), ElementsAre(Heard{1, true, 80, 80}, Heard{2, false, 80, 80}));
}

TEST_F(CaptureTest, LeavesOutFramesToOthersAndTaggedOnes) {
  ASSERT_TRUE(capture_->attach());
  Bytes to_another = ipv4(112, 1);
  to_another[0] = 0x02;
  send("bt1", to_another);
  Bytes tagged = ipv4(112, 2);
  tagged.insert(tagged.begin() + 12, {0x81, 0x00, 0x00, 0x07});
  send("bt1", tagged);
  EXPECT_THAT(heard(), IsEmpty());
}

TEST_F(CaptureTest, ALongFrameIsCutAndItsLengthTold) {
  shell("ip link set bt0 mtu 9000 && ip link set bt1 mtu 9000");
  ASSERT_TRUE(capture_->attach());
  send("bt1", frame(ETH_P_ARP, 0, 9000));
  EXPECT_THAT(heard(), ElementsAre(Heard{0, false, 9000, 4200}));
}

TEST_F(CaptureTest, TheFilterCannotBeReplaced) {
  const sock_filter everything{BPF_RET | BPF_K, 0, 0, 0x40000};
  const sock_fprog program{1, const_cast<sock_filter*>(&everything)};
  EXPECT_EQ(::setsockopt(raw_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::setsockopt(raw_, SOL_SOCKET, SO_DETACH_FILTER, nullptr, 0), -1);
}

TEST_F(CaptureTest, FindsAnInterfaceThatWasMadeAgain) {
  ASSERT_TRUE(capture_->attach());
  shell("ip link delete bt0");
  EXPECT_FALSE(capture_->attach());
  shell("ip link add bt0 type veth peer name bt1 && ip link set bt0 up && ip link set bt1 up");
  ASSERT_TRUE(capture_->attach());
  send("bt1", ipv4(112, 5));
  EXPECT_THAT(heard(), ElementsAre(Heard{5, false, 80, 80}));
}

TEST_F(CaptureTest, HearsEachFrameOnceAndInOrderHoweverManyThereAre) {
  ASSERT_TRUE(capture_->attach());
  std::size_t next = 0;
  for (int turn = 0; turn < 12; ++turn) {  // 6000 frames are more than the kernel's memory holds at once
    for (std::size_t i = 0; i < 500; ++i) send("bt1", ipv4(112, static_cast<std::uint8_t>((next + i) % 200)));
    for (const Heard& one : heard()) EXPECT_EQ(one.last, next++ % 200);
  }
  EXPECT_EQ(next, 6000u);
  EXPECT_EQ(capture_->lost(), 0u);
}

TEST_F(CaptureTest, AnInterfaceThatIsDownWakesNobody) {
  ASSERT_TRUE(capture_->attach());
  shell("ip link set bt0 down");
  capture_->read(1, [](const ports::CapturedFrame&) {});
  pollfd one{raw_, POLLIN, 0};
  EXPECT_EQ(::poll(&one, 1, 0), 0);
}

TEST_F(CaptureTest, CountsWhatTheKernelHadNoRoomFor) {
  ASSERT_TRUE(capture_->attach());
  EXPECT_EQ(capture_->lost(), 0u);
  for (int i = 0; i < 20'000; ++i) send("bt1", ipv4(112, 1));
  EXPECT_GT(capture_->lost(), 0u);
  EXPECT_EQ(capture_->lost(), 0u) << "each is told once";
}

}  // namespace
}  // namespace baton::linux
