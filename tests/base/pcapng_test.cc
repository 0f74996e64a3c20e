#include "base/pcapng.h"

#include <gtest/gtest.h>

#include <string>

namespace baton::pcapng {
namespace {

std::string hex(const Bytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

TEST(PcapngTest, HeadHasMagicVersionAndTheNameOfTheProgram) {
  Bytes file;
  append_head(file, "");
  EXPECT_EQ(hex(file),
            "0a0d0d0a"
            "0000002c"
            "1a2b3c4d"
            "0001"
            "0000"
            "ffffffffffffffff"
            "0004"
            "0005"
            "4261746f6e"
            "000000"  // shb_userappl "Baton"
            "00000000"
            "0000002c");
}

TEST(PcapngTest, HeadCarriesTheComment) {
  Bytes file;
  append_head(file, "web");
  EXPECT_EQ(hex(file).substr(48, 16), "0001000377656200");
  EXPECT_EQ(file[7], 0x34);
  EXPECT_EQ(file.size(), 0x34u);
}

TEST(PcapngTest, InterfaceIsEthernetInNanoseconds) {
  Bytes file;
  append_interface(file, "eth0", 4200);
  EXPECT_EQ(hex(file),
            "00000001"
            "00000028"
            "0001"
            "0000"
            "00001068"
            "0002"
            "0004"
            "65746830"
            "0009"
            "0001"
            "09000000"
            "00000000"
            "00000028");
}

TEST(PcapngTest, PacketHasItsTimeBothLengthsAndItsDirection) {
  const Bytes bytes{0xaa, 0xbb, 0xcc, 0xdd, 0xee};
  Bytes file;
  append_packet(file, {.interface = 2,
                       .wall_clock_ns = 0x0102030405060708,
                       .length = 60,
                       .outgoing = true,
                       .bytes = bytes,
                       .comment = "ok"});
  EXPECT_EQ(hex(file),
            "00000006"
            "0000003c"
            "00000002"
            "01020304"
            "05060708"
            "00000005"
            "0000003c"
            "aabbccddee000000"
            "0001"
            "0002"
            "6f6b0000"
            "0002"
            "0004"
            "00000002"
            "00000000"
            "0000003c");
  Bytes in;
  append_packet(in, {.length = 5, .outgoing = false, .bytes = bytes});
  EXPECT_EQ(hex(in).substr(72, 16), "0002000400000001");
}

TEST(PcapngTest, StatisticsCountWhatWasDropped) {
  Bytes file;
  append_statistics(file, 1, 7, 258);
  EXPECT_EQ(hex(file),
            "00000005"
            "00000028"
            "00000001"
            "00000000"
            "00000007"
            "0005"
            "0008"
            "0000000000000102"
            "00000000"
            "00000028");
}

TEST(PcapngTest, ACommentThatIsTooLongIsCut) {
  Bytes file;
  append_head(file, std::string(70'000, 'x'));
  EXPECT_EQ(file.size(), 24u + 4 + 65'536 + 12 + 4 + 4);  // 65535 and its padding
}

}  // namespace
}  // namespace baton::pcapng
