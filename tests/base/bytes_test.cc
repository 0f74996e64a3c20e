#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/crc32.h"
#include "base/reason.h"

namespace baton {
namespace {

TEST(ByteReaderTest, ShortBufferTurnsNotOkAndYieldsZero) {
  const std::uint8_t bytes[] = {1, 2, 3};
  ByteReader reader{bytes};
  EXPECT_EQ(reader.u16(), 0x0102);
  EXPECT_EQ(reader.u32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
}

TEST(ByteWriterTest, WritesBigEndianAndStopsAtTheEnd) {
  std::uint8_t bytes[6] = {};
  ByteWriter writer{bytes};
  writer.u32(0x01020304);
  EXPECT_TRUE(writer.ok());
  writer.u32(5);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.size(), 4u);
  EXPECT_EQ(bytes[0], 1);
  EXPECT_EQ(bytes[3], 4);
}

TEST(ByteWriterTest, TextComesBack) {
  std::uint8_t bytes[16] = {};
  ByteWriter writer{bytes};
  writer.text("eth0");
  ByteReader reader{writer.written()};
  EXPECT_EQ(reader.text(), "eth0");
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(Crc32Test, MatchesThePublishedCheckValue) {
  const std::string_view text = "123456789";  // the CRC catalogue's check input for CRC-32/ISO-HDLC
  EXPECT_EQ(crc32({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}), 0xCBF43926u);
}

TEST(ReasonSetTest, ShowsTheLowestAndForgetsOnRequest) {
  ReasonSet set;
  EXPECT_EQ(set.first(), Reason::kNone);
  set.set(Reason::kDrained);
  set.set(Reason::kInterfaceDown);
  EXPECT_EQ(set.first(), Reason::kInterfaceDown);
  set.set(Reason::kInterfaceDown, false);
  EXPECT_EQ(set.first(), Reason::kDrained);
}

}  // namespace
}  // namespace baton
