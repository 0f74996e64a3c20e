#include "cli/scrub.h"

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

std::string scrub(std::string_view text) { return Scrubber{}.scrub(text); }

TEST(ScrubTest, WhatIsKnownIsHiddenInEveryFormInWhichItMayStand) {
  const Scrubber scrubber{{"  s3cr\"et/1\n"}};
  EXPECT_EQ(scrubber.scrub("auth s3cr\"et/1 failed"), "auth ******** failed");
  EXPECT_EQ(scrubber.scrub(R"({"text": "s3cr\"et/1"})"), R"({"text": "********"})");
  EXPECT_EQ(scrubber.scrub("GET /?q=s3cr%22et%2F1"), "GET /?q=********");
}

TEST(ScrubTest, ALongerSecretIsHiddenWholeThoughAShorterOneIsPartOfIt) {
  EXPECT_EQ((Scrubber{{"abcd", "abcdefgh"}}.scrub("x abcdefgh abcd")), "x ******** ********");
}

TEST(ScrubTest, WhatIsTooShortToBeToldFromOtherTextStaysUnlessItIsAnnounced) {
  const Scrubber scrubber{{"eth"}};
  EXPECT_EQ(scrubber.scrub("interface eth0, password=eth"), "interface eth0, password=********");
}

TEST(ScrubTest, ANameAnnouncesItsValue) {
  EXPECT_EQ(scrub("password = two words\nuser = bob\n"), "password = ********\nuser = bob\n");
  EXPECT_EQ(scrub("PGPASSWORD=hunter2 psql"), "PGPASSWORD=******** psql");
  EXPECT_EQ(scrub(R"({"Api-Key":"x\"y","port":1})"), R"({"Api-Key":"********","port":1})");
  EXPECT_EQ(scrub(R"(text="{\"token\": \"abc\"}")"), R"(text="{\"token\": \"********\"}")");
  EXPECT_EQ(scrub("Authorization: Bearer abc.def\nHost: x"), "Authorization: ********\nHost: x");
  EXPECT_EQ(scrub("auth_pass 1234\nauth_pass=1234"), "auth_pass 1234\nauth_pass=********");
}

TEST(ScrubTest, AnOptionAnnouncesTheNextWord) {
  EXPECT_EQ(scrub("mysql --password hunter2 -h db"), "mysql --password ******** -h db");
  EXPECT_EQ(scrub("mysql --password=hunter2 -h db"), "mysql --password=******** -h db");
  EXPECT_EQ(scrub(R"(["--token", "hunter2", "x"])"), R"(["--token", "********", "x"])");
}

TEST(ScrubTest, TheNameOfAFileIsNoSecret) {
  EXPECT_EQ(scrub("password_file = /etc/baton/secrets/pg\npeer_key_file = /k\n"),
            "password_file = /etc/baton/secrets/pg\npeer_key_file = /k\n");
}

TEST(ScrubTest, WhatStandsBeforeTheAtOfAUrlIsHidden) {
  EXPECT_EQ(scrub("http://bob:hunter2@db1:8080/x"), "http://********@db1:8080/x");
  EXPECT_EQ(scrub("mongodb://bob:p%40ss@a,b/?x"), "mongodb://********@a,b/?x");
  EXPECT_EQ(scrub("redis://:pa/ss@db1:6379/0"), "redis://********@db1:6379/0");
  EXPECT_EQ(scrub("https://token@git/x"), "https://********@git/x");
  EXPECT_EQ(scrub("http://db1:8080/a@b http://[::1]:80/c@d http://db1/a@b"),
            "http://db1:8080/a@b http://[::1]:80/c@d http://db1/a@b");
}

TEST(ScrubTest, APrivateKeyIsHiddenUpToItsEnd) {
  EXPECT_EQ(scrub("a\n-----BEGIN EC PRIVATE KEY-----\nMHcC\nAQ==\n-----END EC PRIVATE KEY-----\nb"),
            "a\n-----BEGIN EC PRIVATE KEY-----********-----END EC PRIVATE KEY-----\nb");
  EXPECT_EQ(scrub("-----BEGIN PRIVATE KEY-----\nMHcC"), "-----BEGIN PRIVATE KEY-----********");
}

TEST(ScrubTest, PlainTextStaysAsItIs) {
  const std::string text =
      "level=info event=transition instance=web vrid=51 from=backup to=active reason=active_resigned\n"
      "2: eth0: <BROADCAST> mtu 1500 link/ether 02:00:00:00:00:01 inet 10.0.0.1/24\n"
      "the password is wrong; no token\n";
  EXPECT_EQ(scrub(text), text);
}

TEST(ScrubTest, ThePasswordOfAUrlIsKnownByItself) {
  EXPECT_EQ(url_secrets("http://bob:hunter2@db1/ x https://tok@b"),
            (std::vector<std::string>{"bob:hunter2", "hunter2", "tok"}));
}

}  // namespace
}  // namespace baton::cli
