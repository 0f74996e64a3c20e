#include "scribe/intent.h"

#include <gtest/gtest.h>

#include "tests/scribe/directory.h"

namespace baton::scribe {
namespace {

using test::Directory;

TEST(IntentTest, NoFileMeansNotDrained) {
  const Directory directory;
  const LoadedIntentions loaded = load_intentions(directory.fd());
  EXPECT_FALSE(loaded.intentions.drained);
  EXPECT_EQ(loaded.trouble, "");
}

TEST(IntentTest, DrainedSurvivesAndUndrainToo) {
  const Directory directory;
  ASSERT_TRUE(save_intentions(directory.fd(), {.drained = true}));
  EXPECT_TRUE(load_intentions(directory.fd()).intentions.drained);
  EXPECT_EQ(load_intentions(directory.fd()).trouble, "");
  ASSERT_TRUE(save_intentions(directory.fd(), {.drained = false}));
  EXPECT_FALSE(load_intentions(directory.fd()).intentions.drained);
}

TEST(IntentTest, AFreezeSurvivesBesideADrainAndAFileWithoutOneIsReadAsBefore) {
  const Directory directory;
  for (const bool drained : {false, true}) {
    const Intentions said{.drained = drained, .frozen_until_ns = 1'795'230'000'000'000'000};
    ASSERT_TRUE(save_intentions(directory.fd(), said));
    EXPECT_EQ(load_intentions(directory.fd()).intentions, said);
  }
  EXPECT_EQ(intentions_text({.drained = false, .frozen_until_ns = 7}).substr(0, 41),
            "baton-intent 1\ndrained no\nfrozen_until 7\n");
  EXPECT_EQ(intentions_text({.drained = true}).find("frozen"), std::string::npos);
}

TEST(IntentTest, FileIsTextThatPeopleCanRead) {
  const std::string text = intentions_text({.drained = true});
  EXPECT_EQ(text.substr(0, 27), "baton-intent 1\ndrained yes\n");
}

TEST(IntentTest, AFileThatCannotBeUnderstoodCountsAsDrained) {
  const Directory directory;
  const std::string good = intentions_text({.drained = false});
  for (const std::string& bad : {std::string{}, good.substr(0, good.size() - 1), good + "x", std::string(5000, 'a'),
                                 std::string{"baton-intent 1\ndrained no\ncrc32 00000000\n"}}) {
    directory.write("intent", bad);
    const LoadedIntentions loaded = load_intentions(directory.fd());
    EXPECT_TRUE(loaded.intentions.drained) << bad.substr(0, 40);
    EXPECT_NE(loaded.trouble, "") << bad.substr(0, 40);
  }
}

TEST(IntentTest, SymbolicLinkIsNotFollowed) {
  const Directory directory;
  directory.write("elsewhere", intentions_text({.drained = false}));
  ASSERT_EQ(::symlink("elsewhere", directory.path("intent").c_str()), 0);
  EXPECT_TRUE(load_intentions(directory.fd()).intentions.drained);
}

}  // namespace
}  // namespace baton::scribe
