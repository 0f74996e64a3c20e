// Checksum auto (design section 6): which v3/IPv4 forms are sent, after what was heard.
#include "engine/advertiser.h"

#include "tests/engine/bench.h"

namespace baton::engine {
namespace {

using vrrp::ChecksumForm;
constexpr Forms kPseudo{true, false};
constexpr Forms kPlain{false, true};
constexpr Forms kBoth{true, true};
constexpr bool kObeyed = true;
constexpr bool kActive = true;

TEST(FormChoiceTest, StartsWithThePseudoHeaderForm) { EXPECT_EQ(FormChoice{config::Checksum::kAuto}.forms(), kPseudo); }

TEST(FormChoiceTest, FollowsTheRouterThatItYieldsToAfterThreeAdverts) {
  FormChoice choice{config::Checksum::kAuto};
  choice.heard(kStart, ChecksumForm::kMessageOnly, kObeyed, !kActive);
  EXPECT_EQ(choice.forms(), kBoth);
  choice.heard(kStart + 1s, ChecksumForm::kMessageOnly, kObeyed, !kActive);
  EXPECT_EQ(choice.forms(), kBoth);
  choice.heard(kStart + 2s, ChecksumForm::kMessageOnly, kObeyed, !kActive);
  EXPECT_EQ(choice.forms(), kPlain);
}

TEST(FormChoiceTest, ARouterThatShouldYieldDecidesNothing) {
  FormChoice choice{config::Checksum::kAuto};
  for (int i = 0; i < 5; ++i) choice.heard(kStart + i * 1s, ChecksumForm::kMessageOnly, !kObeyed, !kActive);
  EXPECT_TRUE(choice.forms().pseudo_header);
}

TEST(FormChoiceTest, WhereBothAreHeardBothAreSent) {
  FormChoice choice{config::Checksum::kAuto};
  for (int i = 0; i < 3; ++i) choice.heard(kStart + i * 1s, ChecksumForm::kMessageOnly, kObeyed, !kActive);
  choice.heard(kStart + 3s, ChecksumForm::kPseudoHeader, !kObeyed, !kActive);
  EXPECT_EQ(choice.forms(), kBoth);
  EXPECT_TRUE(choice.mixed(kStart + 3s));
  EXPECT_FALSE(choice.mixed(kStart + 64s));
}

TEST(FormChoiceTest, OneForgedFrameNeverTakesAFormAwayFromAnActive) {
  FormChoice choice{config::Checksum::kAuto};
  EXPECT_TRUE(choice.heard(kStart, ChecksumForm::kMessageOnly, !kObeyed, kActive));
  EXPECT_EQ(choice.forms(), kBoth);
  EXPECT_FALSE(choice.heard(kStart + 1s, ChecksumForm::kPseudoHeader, !kObeyed, kActive));
  EXPECT_EQ(choice.forms(), kBoth);
}

TEST(FormChoiceTest, WhileActiveItChangesAtMostOnceInTenSeconds) {
  FormChoice choice{config::Checksum::kAuto};
  for (int i = 0; i < 3; ++i) choice.heard(kStart + i * 1s, ChecksumForm::kMessageOnly, kObeyed, !kActive);
  ASSERT_EQ(choice.forms(), kPlain);  // changed last at kStart + 2 s
  EXPECT_FALSE(choice.heard(kStart + 5s, ChecksumForm::kPseudoHeader, !kObeyed, kActive));
  EXPECT_EQ(choice.forms(), kPlain);
  EXPECT_TRUE(choice.heard(kStart + 12s, ChecksumForm::kPseudoHeader, !kObeyed, kActive));
  EXPECT_EQ(choice.forms(), kBoth);
}

TEST(FormChoiceTest, AConfiguredFormStays) {
  FormChoice choice{config::Checksum::kMessageOnly};
  for (int i = 0; i < 5; ++i) choice.heard(kStart + i * 1s, ChecksumForm::kPseudoHeader, kObeyed, !kActive);
  EXPECT_EQ(choice.forms(), kPlain);
}

TEST(AdvertiserTest, BothFormsAreTwoFramesAndUnicastGoesToEachPeer) {
  FakeDoors doors;
  Advertiser advertiser;
  Advertiser::Contents contents;
  contents.advert.vrid = Vrid{10};
  contents.advert.max_advertise_interval = 1s;
  contents.advert.addresses = {ip("192.0.2.1")};
  contents.mac = kMac;
  contents.source = ip("192.0.2.10");
  contents.forms = kBoth;
  advertiser.set(contents);
  advertiser.send(doors, Priority{100});
  ASSERT_EQ(doors.adverts.size(), 2u);
  EXPECT_EQ(doors.adverts[0].form, ChecksumForm::kPseudoHeader);
  EXPECT_EQ(doors.adverts[1].form, ChecksumForm::kMessageOnly);

  contents.forms = kPseudo;
  contents.peers = {ip("192.0.2.11"), ip("192.0.2.12")};
  advertiser.set(contents);
  advertiser.send(doors, Priority{100});
  ASSERT_EQ(doors.unicast.size(), 2u);
  EXPECT_EQ(doors.adverts.size(), 2u);
  for (const UnicastMessage& sent : doors.unicast) {
    // C-06: the pseudo-header has the real destination.
    const auto advert = vrrp::decode(sent.message, {sent.source, sent.destination, 255});
    ASSERT_TRUE(advert.has_value());
    EXPECT_EQ(advert->checksum_form, ChecksumForm::kPseudoHeader);
  }
}

}  // namespace
}  // namespace baton::engine
