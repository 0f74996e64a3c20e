#include "linux/capture_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "vrrp/packet.h"

namespace baton::linux {
namespace {

/// The kernel writes frames into blocks of shared memory and hands over a block at a time: no call, no wake-up and no
/// queue for each frame. A small frame takes some 150 bytes.
constexpr unsigned kBlockSize = 32u << 10;
constexpr unsigned kBlocks = 8;
constexpr unsigned kFrameSize = 2048;  ///< only a unit for the kernel's check of the numbers
/// A block that is not full is handed over after this time.
constexpr unsigned kHandOver_ms = 50;
/// It is cut when it is read: a filter that cuts would hide how long the frame was.
constexpr std::uint32_t kWholeFrame = 0x40000;

constexpr std::uint16_t kLoadByte = BPF_LD | BPF_B | BPF_ABS;
constexpr std::uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint16_t kLoadHalf = BPF_LD | BPF_H | BPF_ABS;
constexpr std::uint16_t kJump = BPF_JMP | BPF_JA;
constexpr std::uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr std::uint16_t kReturn = BPF_RET | BPF_K;
constexpr std::uint32_t kVlanPresent = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT);
constexpr std::uint32_t kPacketType = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);

/// A jump counts the instructions that it leaves out. Loads behind the end of the frame reject it. All numbers are
/// checked by tests/linux/capture_test.cc against a real interface.
constexpr sock_filter kFilter[] = {
    /* 0 */ {kLoadWord, 0, 0, kVlanPresent},
    /* 1 */ {kIfEqual, 0, 18, 0},
    /* 2 */ {kLoadWord, 0, 0, kPacketType},
    /* 3 */ {kIfEqual, 16, 0, PACKET_OTHERHOST},
    /* 4 */ {kLoadHalf, 0, 0, 12},  // EtherType
    /* 5 */ {kIfEqual, 15, 0, ETH_P_ARP},
    /* 6 */ {kIfEqual, 7, 0, ETH_P_IP},
    /* 7 */ {kIfEqual, 0, 12, ETH_P_IPV6},
    /* 8 */ {kLoadByte, 0, 0, 14 + 6},  // next header
    /* 9 */ {kIfEqual, 11, 0, vrrp::kIpProtocol},
    /* 10 */ {kIfEqual, 5, 0, IPPROTO_ICMPV6},
    /* 11 */ {kIfEqual, 0, 8, IPPROTO_FRAGMENT},
    /* 12 */ {kLoadByte, 0, 0, 14 + 40},  // what is in the fragments
    /* 13 */ {kJump, 0, 0, 1},
    /* 14 */ {kLoadByte, 0, 0, 14 + 9},  // protocol
    /* 15 */ {kIfEqual, 5, 4, vrrp::kIpProtocol},
    /* 16 */ {kLoadByte, 0, 0, 14 + 40},  // ICMPv6 type
    /* 17 */ {kIfEqual, 3, 0, ND_ROUTER_ADVERT},
    /* 18 */ {kIfEqual, 2, 0, ND_NEIGHBOR_SOLICIT},
    /* 19 */ {kIfEqual, 1, 0, ND_NEIGHBOR_ADVERT},
    /* 20 */ {kReturn, 0, 0, 0},
    /* 21 */ {kReturn, 0, 0, kWholeFrame},
};

}  // namespace

Result<posix::Fd> open_capture_socket() {
  posix::Fd socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return fail("open capture socket", errno);
  const sock_fprog program{std::size(kFilter), const_cast<sock_filter*>(kFilter)};
  const int on = 1;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0 ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) != 0) {
    return fail("attach capture filter", errno);
  }
  const int version = TPACKET_V3;
  tpacket_req3 ring{};
  ring.tp_block_size = kBlockSize;
  ring.tp_block_nr = kBlocks;
  ring.tp_frame_size = kFrameSize;
  ring.tp_frame_nr = kBlockSize / kFrameSize * kBlocks;
  ring.tp_retire_blk_tov = kHandOver_ms;
  if (::setsockopt(socket.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0 ||
      ::setsockopt(socket.get(), SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) {
    return fail("memory of the capture socket", errno);
  }
  return socket;
}

/// The blocks, in the order in which the kernel fills them, and how far they are read.
class CaptureSocket::Blocks {
 public:
  static constexpr std::size_t kSize = std::size_t{kBlockSize} * kBlocks;

  /// Of kSize bytes, mapped.
  explicit Blocks(void* memory) : memory_(static_cast<std::uint8_t*>(memory)) {}
  ~Blocks() { ::munmap(memory_, kSize); }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;

  /// The oldest frame that is ours and was not read yet; nullptr: none. Valid until the next call.
  const tpacket3_hdr* next() {
    while (true) {
      tpacket_hdr_v1& block = header();
      if ((std::atomic_ref{block.block_status}.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) return nullptr;
      if (read_ < block.num_pkts) {
        offset_ = read_ == 0 ? block.offset_to_first_pkt : offset_ + next_offset_;
        ++read_;
        const auto* frame = reinterpret_cast<const tpacket3_hdr*>(memory_ + number_ * kBlockSize + offset_);
        next_offset_ = frame->tp_next_offset;
        return frame;
      }
      std::atomic_ref{block.block_status}.store(TP_STATUS_KERNEL, std::memory_order_release);
      number_ = (number_ + 1) % kBlocks;
      read_ = 0;
    }
  }

 private:
  tpacket_hdr_v1& header() { return reinterpret_cast<tpacket_block_desc*>(memory_ + number_ * kBlockSize)->hdr.bh1; }

  std::uint8_t* memory_;
  std::size_t number_ = 0;         ///< of the block
  std::uint32_t read_ = 0;         ///< frames of it
  std::size_t offset_ = 0;         ///< in it, of the frame read last
  std::uint32_t next_offset_ = 0;  ///< from that frame to the next
};

CaptureSocket::CaptureSocket(posix::Fd socket, std::string interface, std::unique_ptr<Blocks> blocks)
    : socket_(std::move(socket)), interface_(std::move(interface)), blocks_(std::move(blocks)) {}

Result<std::unique_ptr<CaptureSocket>> CaptureSocket::open(posix::Fd socket, std::string interface) {
  void* memory = ::mmap(nullptr, Blocks::kSize, PROT_READ | PROT_WRITE, MAP_SHARED, socket.get(), 0);
  if (memory == MAP_FAILED) return fail("map the memory of the capture socket", errno, interface);
  auto blocks = std::make_unique<Blocks>(memory);
  return std::unique_ptr<CaptureSocket>{new CaptureSocket{std::move(socket), std::move(interface), std::move(blocks)}};
}

CaptureSocket::~CaptureSocket() = default;

bool CaptureSocket::attach() {
  const auto wanted = static_cast<int>(::if_nametoindex(interface_.c_str()));
  if (wanted == 0) return false;
  sockaddr_ll bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return false;
  if (bound.sll_ifindex == wanted && bound.sll_protocol == htons(ETH_P_ALL)) return true;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = wanted;
  return ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::size_t CaptureSocket::read(std::size_t limit, const std::function<void(const ports::CapturedFrame&)>& take) {
  std::size_t total = 0;
  for (; total < limit; ++total) {
    const tpacket3_hdr* frame = blocks_->next();
    if (frame == nullptr) {
      // An interface that went down is an error of the socket until it is asked for: it would wake us for ever.
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      break;
    }
    const auto* start = reinterpret_cast<const std::uint8_t*>(frame);
    const auto* from = reinterpret_cast<const sockaddr_ll*>(start + TPACKET_ALIGN(sizeof *frame));
    take({.wall_clock_ns = std::int64_t{frame->tp_sec} * 1'000'000'000 + frame->tp_nsec,
          .length = frame->tp_len,
          .outgoing = from->sll_pkttype == PACKET_OUTGOING,
          .bytes = ConstBytes{start + frame->tp_mac, std::min(frame->tp_snaplen, ports::kSnapLength)}});
  }
  return total;
}

Nanos CaptureSocket::delay() const { return std::chrono::milliseconds{kHandOver_ms + 10}; }

std::uint64_t CaptureSocket::lost() {
  tpacket_stats_v3 counted{};
  socklen_t size = sizeof counted;
  if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &counted, &size) != 0) return 0;
  return counted.tp_drops;  // since it was asked last
}

}  // namespace baton::linux
