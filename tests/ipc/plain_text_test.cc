#include "ipc/plain_text.h"

#include <gtest/gtest.h>

#include <string>

namespace baton::ipc {
namespace {

TEST(PlainTextTest, ControlCharactersAndLineBreaksAreReplaced) {
  EXPECT_EQ(plain_text("bell \a, escape \033[31m, tab\tend\r\n", 100), "bell ?, escape ?[31m, tab end  ");
  EXPECT_EQ(plain_text(std::string{"a\0b", 3}, 100), "a?b");
}

TEST(PlainTextTest, ControlCharactersBeyondAsciiAreReplacedToo) {
  EXPECT_EQ(plain_text("\xC2\x9B"
                       "31m red",
                       100),
            "?31m red");                                    // U+009B is ESC [ in one
  EXPECT_EQ(plain_text("one\xC2\x85two", 100), "one two");  // U+0085, next line
  EXPECT_EQ(plain_text("a\xE2\x80\xA8"
                       "b\xE2\x80\xA9"
                       "c",
                       100),
            "a b c");  // U+2028, U+2029
  EXPECT_EQ(plain_text("gpj.\xE2\x80\xAE"
                       "exe",
                       100),
            "gpj.?exe");  // U+202E turns what follows
  EXPECT_EQ(plain_text("\xE2\x81\xA6"
                       "x\xE2\x81\xA9",
                       100),
            "?x?");  // U+2066, U+2069
}

TEST(PlainTextTest, TheirNeighboursStay) {
  const std::string text = "\xC2\xA0\xE2\x80\xA7\xE2\x80\xAF\xE2\x81\xA5\xE2\x81\xAA";  // U+A0 2027 202F 2065 206A
  EXPECT_EQ(plain_text(text, 100), text);
  EXPECT_TRUE(is_plain(text, 100));
}

TEST(PlainTextTest, ValidUtf8StaysAndEachOtherByteIsReplaced) {
  const std::string good =
      "Gr\xC3\xB6\xC3\x9F"
      "e \xE2\x82\xAC \xF0\x9F\x98\x80";
  EXPECT_EQ(plain_text(good, 100), good);
  EXPECT_EQ(plain_text("lone \x80, cut \xE2\x82, end \xC3", 100), "lone ?, cut ??, end ?");
  EXPECT_EQ(plain_text("\xC0\x9B\xE0\x82\x9B", 100), "?????");  // longer than need be: C1 in disguise
  EXPECT_EQ(plain_text("\xED\xA0\x80\xF4\x90\x80\x80\xFF", 100), "????????");
}

TEST(PlainTextTest, IsNotCutWithinACharacter) {
  EXPECT_EQ(plain_text(std::string{"ab\xE2\x82\xAC"}, 5), "ab\xE2\x82\xAC");
  EXPECT_EQ(plain_text(std::string{"ab\xE2\x82\xAC"}, 4), "ab");
  EXPECT_EQ(plain_text(static_cast<const char*>("ab\xE2\x82\xAC"), 4), "ab");
  EXPECT_EQ(plain_text(static_cast<const char*>(nullptr), 4), "");
  EXPECT_EQ(plain_text("abcdef", 3), "abc");
}

TEST(PlainTextTest, ASentenceThatIsTooLongEndsAtAWord) {
  EXPECT_EQ(plain_sentence("one two three", 13), "one two three");
  EXPECT_EQ(plain_sentence("one two three", 12), "one two...");
  EXPECT_EQ(plain_sentence("one\ntwo three", 12), "one two...");
  EXPECT_EQ(plain_sentence(static_cast<const char*>("one two three"), 12), "one two...");
  EXPECT_EQ(plain_sentence(static_cast<const char*>("0123456789\xE2\x82\xAC"), 12), "012345678...");
  EXPECT_EQ(plain_sentence(static_cast<const char*>(nullptr), 12), "");
}

TEST(PlainTextTest, OnlyWhatItWouldLeaveAloneIsPlain) {
  EXPECT_TRUE(
      is_plain("Gr\xC3\xB6\xC3\x9F"
               "e",
               7));
  EXPECT_FALSE(
      is_plain("Gr\xC3\xB6\xC3\x9F"
               "e",
               6));
  for (const char* text : {"\n", "\x7F", "\xC2\x9B", "\xE2\x80\xAE", "\xE2\x81\xA6", "\x80", "\xC3", "\xC0\x9B"}) {
    EXPECT_FALSE(is_plain(text, 10)) << text;
  }
}

}  // namespace
}  // namespace baton::ipc
