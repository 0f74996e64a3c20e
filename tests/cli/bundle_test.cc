#include "cli/bundle.h"

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

/// Of the header at `offset`, up to its NUL.
std::string field(const std::string& archive, std::size_t offset) { return archive.c_str() + offset; }

TEST(UstarTest, AHeaderAndThePaddedTextForEachFileAndTwoEmptyBlocks) {
  const std::vector<ArchiveFile> files{{"a/b", "hello"}, {"a/c", std::string(512, 'x')}};
  const std::string archive = ustar(files, 0755);
  ASSERT_EQ(archive.size(), (1 + 1 + 1 + 1 + 2) * 512U);
  EXPECT_EQ(field(archive, 0), "a/b");
  EXPECT_EQ(field(archive, 100), "0000600");
  EXPECT_EQ(field(archive, 124), "00000000005");
  EXPECT_EQ(field(archive, 136), "00000000755");
  EXPECT_EQ(archive[156], '0');
  EXPECT_EQ(field(archive, 257), "ustar");
  EXPECT_EQ(archive.substr(512, 7), std::string("hello\0\0", 7));
  EXPECT_EQ(field(archive, 1024), "a/c");
  EXPECT_EQ(field(archive, 1024 + 124), "00000001000");
  EXPECT_EQ(archive.find_first_not_of('\0', 2048), std::string::npos);
  // 97+47+98 of the name, 48*6+54 of the mode, 2*48*7 of the owner, 48*10+53 of the size, 48*8+55+53+53 of the time, 48
  // of the type, 559 of "ustar", 96 of "00", and 8 spaces: octal 6335.
  EXPECT_EQ(field(archive, 148), "006335");
  EXPECT_EQ(archive[155], ' ');
}

TEST(BundleTest, NothingGoesInUnscrubbedAndTheManifestSaysWhatIsMissingAndWhy) {
  Bundle bundle{"report", Scrubber{{"hunter2"}}};
  bundle.add("a.txt", "some text", "it is hunter2");
  bundle.add_json("b.json", "a document", Json{{"x", "hunter2"}});
  bundle.add("c.txt", "half", "x", "cut by hunter2");
  bundle.miss("nft.txt", "the packet filter", "nft is not installed");
  const std::string archive = bundle.archive("Head\n", 0);
  EXPECT_EQ(archive.find("hunter2"), std::string::npos);
  EXPECT_EQ(field(archive, 0), "report/MANIFEST");
  EXPECT_EQ(bundle.manifest("Head\n"),
            "Head\n\n"
            "FILE                  BYTES  WHAT\n"
            "a.txt                    14  some text\n"
            "b.json                   22  a document\n"
            "c.txt                     1  half (not all: cut by ********)\n"
            "nft.txt                   -  the packet filter (not there: nft is not installed)\n");
  const Json entries = bundle.manifest_json();
  EXPECT_EQ(entries[0]["bytes"], 14);
  EXPECT_TRUE(entries[0]["trouble"].is_null());
  EXPECT_TRUE(entries[3]["bytes"].is_null());
  EXPECT_EQ(entries[3]["trouble"], "nft is not installed");
}

}  // namespace
}  // namespace baton::cli
