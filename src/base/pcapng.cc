#include "base/pcapng.h"

namespace baton::pcapng {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0A0D0D0A;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kInterfaceStatistics = 5;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr std::uint16_t kLinkTypeEthernet = 1;
// Options: the numbers count anew in each kind of block, but for the comment.
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kApplication = 4;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kTimeResolution = 9;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kDropped = 5;
constexpr std::uint8_t kNanoseconds = 9;  // 10^-9 s
constexpr std::uint32_t kInbound = 1;
constexpr std::uint32_t kOutbound = 2;
constexpr std::size_t kMostText = 0xFFFF;

/// A block under construction: its length is known, and stands on both ends, once it is complete.
class Block {
 public:
  Block(Bytes& file, std::uint32_t type) : file_(file), begin_(file.size()) {
    u32(type);
    u32(0);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    const auto length = static_cast<std::uint32_t>(file_.size() - begin_ + 4);
    u32(length);
    for (std::size_t i = 0; i < 4; ++i) file_[begin_ + 4 + i] = static_cast<std::uint8_t>(length >> (24 - 8 * i));
  }

  void u16(std::uint16_t value) {
    file_.push_back(static_cast<std::uint8_t>(value >> 8));
    file_.push_back(static_cast<std::uint8_t>(value));
  }
  void u32(std::uint32_t value) {
    u16(static_cast<std::uint16_t>(value >> 16));
    u16(static_cast<std::uint16_t>(value));
  }
  void u64(std::uint64_t value) {
    u32(static_cast<std::uint32_t>(value >> 32));
    u32(static_cast<std::uint32_t>(value));
  }
  void padded(ConstBytes bytes) {
    file_.insert(file_.end(), bytes.begin(), bytes.end());
    file_.resize((file_.size() - begin_ + 3) / 4 * 4 + begin_);
  }
  void text(std::uint16_t option, std::string_view value) {
    if (value.empty()) return;
    value = value.substr(0, kMostText);
    u16(option);
    u16(static_cast<std::uint16_t>(value.size()));
    padded({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
  }
  void end_of_options() { u32(0); }

 private:
  Bytes& file_;
  std::size_t begin_;
};

}  // namespace

void append_head(Bytes& file, std::string_view comment) {
  Block block{file, kSectionHeader};
  block.u32(kByteOrderMagic);
  block.u16(1);
  block.u16(0);
  block.u64(~std::uint64_t{0});  // the section's length: not told
  block.text(kComment, comment);
  block.text(kApplication, "Baton");
  block.end_of_options();
}

void append_interface(Bytes& file, std::string_view name, std::uint32_t snap) {
  Block block{file, kInterfaceDescription};
  block.u16(kLinkTypeEthernet);
  block.u16(0);
  block.u32(snap);
  block.text(kInterfaceName, name);
  block.u16(kTimeResolution);
  block.u16(1);
  block.padded({&kNanoseconds, 1});
  block.end_of_options();
}

void append_packet(Bytes& file, const Packet& packet) {
  Block block{file, kEnhancedPacket};
  block.u32(packet.interface);
  block.u64(static_cast<std::uint64_t>(packet.wall_clock_ns));
  block.u32(static_cast<std::uint32_t>(packet.bytes.size()));
  block.u32(packet.length);
  block.padded(packet.bytes);
  block.text(kComment, packet.comment);
  block.u16(kPacketFlags);
  block.u16(4);
  block.u32(packet.outgoing ? kOutbound : kInbound);
  block.end_of_options();
}

void append_statistics(Bytes& file, std::uint32_t interface, std::int64_t wall_clock_ns, std::uint64_t dropped) {
  Block block{file, kInterfaceStatistics};
  block.u32(interface);
  block.u64(static_cast<std::uint64_t>(wall_clock_ns));
  block.u16(kDropped);
  block.u16(8);
  block.u64(dropped);
  block.end_of_options();
}

}  // namespace baton::pcapng
