// RFC 8347's last-event and new-master-reason (M-02).
#include <gtest/gtest.h>

#include "engine/mover.h"

namespace baton::engine {
namespace {

using ports::LastEvent;
using ports::NewMasterReason;
using vrrp::State;

LastEvent after(State to, Reason reason) { return last_event(to, reason, LastEvent::kNone); }

TEST(LastEventTest, EachCauseHasItsIdentity) {
  EXPECT_EQ(after(State::kBackup, Reason::kStartup), LastEvent::kStartup);
  EXPECT_EQ(after(State::kInitialize, Reason::kShutdown), LastEvent::kShutdown);
  EXPECT_EQ(after(State::kBackup, Reason::kHigherPriority), LastEvent::kHigherPriorityBackup);
  EXPECT_EQ(after(State::kBackup, Reason::kEqualPriorityHigherAddress), LastEvent::kHigherPriorityBackup);
  EXPECT_EQ(after(State::kActive, Reason::kActiveDownExpired), LastEvent::kMasterTimeout);
  EXPECT_EQ(after(State::kInitialize, Reason::kInterfaceDown), LastEvent::kInterfaceDown);
  EXPECT_EQ(after(State::kInitialize, Reason::kNoPrimaryAddress), LastEvent::kNoPrimaryIpAddress);
  EXPECT_EQ(after(State::kInitialize, Reason::kNoVirtualAddresses), LastEvent::kNoVirtualIpAddresses);
  EXPECT_EQ(after(State::kActive, Reason::kPreemptDelayOver), LastEvent::kPreemptHoldTimeout);
  EXPECT_EQ(after(State::kActive, Reason::kPreemptLower), LastEvent::kLowerPriorityMaster);
  EXPECT_EQ(after(State::kActive, Reason::kOwnerStartup), LastEvent::kOwnerPreempt);
}

TEST(LastEventTest, StartupKeepsWhatMadeItPossible) {
  EXPECT_EQ(last_event(State::kBackup, Reason::kStartup, LastEvent::kInterfaceUp), LastEvent::kInterfaceUp);
  EXPECT_EQ(last_event(State::kBackup, Reason::kStartup, LastEvent::kPrimaryIpAddress), LastEvent::kPrimaryIpAddress);
}

TEST(LastEventTest, NewMasterReason) {
  EXPECT_EQ(new_master_reason(State::kBackup, Reason::kHigherPriority), NewMasterReason::kNotMaster);
  EXPECT_EQ(new_master_reason(State::kActive, Reason::kPreemptLower), NewMasterReason::kPreempted);
  EXPECT_EQ(new_master_reason(State::kActive, Reason::kActiveDownExpired), NewMasterReason::kNoResponse);
  EXPECT_EQ(new_master_reason(State::kActive, Reason::kActiveResigned), NewMasterReason::kPriority);
}

}  // namespace
}  // namespace baton::engine
