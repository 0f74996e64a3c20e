#include "engine/eligibility.h"

#include <gtest/gtest.h>

namespace baton::engine {
namespace {

bool releases(const Facts& facts) { return must_release(facts, against(facts)); }

TEST(EligibilityTest, NothingSpeaksAgainstAHealthyHost) { EXPECT_TRUE(against({}).empty()); }

TEST(EligibilityTest, EachFactIsItsOwnReason) {
  EXPECT_TRUE(against({.drained = true}).has(Reason::kDrained));
  EXPECT_TRUE(against({.switched_over = true}).has(Reason::kSwitchover));
  EXPECT_TRUE(against({.frozen = true}).has(Reason::kFrozen));
  EXPECT_TRUE(against({.startup_delay = true}).has(Reason::kStartupDelay));
  EXPECT_TRUE(against({.address_fight = true}).has(Reason::kAddressFight));
  EXPECT_TRUE(against({.address_foreign = true}).has(Reason::kAddressForeign));
  EXPECT_TRUE(against({.install_failed = true}).has(Reason::kInstallFailed));
  EXPECT_TRUE(against({.send_failed = true}).has(Reason::kSendFailed));
  EXPECT_TRUE(against({.duplicate_host = true}).has(Reason::kDuplicateHost));
  EXPECT_TRUE(against({.no_addresses = true}).has(Reason::kNoVirtualAddresses));
}

TEST(EligibilityTest, AFrozenActiveGivesNothingByItselfExceptWhatItCannotServe) {
  EXPECT_FALSE(releases({.frozen = true}));
  EXPECT_FALSE(releases({.frozen = true, .startup_delay = true}));
  EXPECT_TRUE(releases({.frozen = true, .install_failed = true}));
  EXPECT_TRUE(releases({.startup_delay = true}));
}

TEST(EligibilityTest, EffectivePriorityIsClampedAndTheOwnersIs255) {
  EXPECT_EQ(effective_priority(Priority{100}, false, 20), Priority{120});
  EXPECT_EQ(effective_priority(Priority{100}, false, -253), Priority{1});
  EXPECT_EQ(effective_priority(Priority{200}, false, 100), Priority{254});
  EXPECT_EQ(effective_priority(Priority{100}, true, -50), Priority{255});
}

}  // namespace
}  // namespace baton::engine
