// The state x event matrix of RFC 9568 §6.4 (and our additions): one row per state and event, with the exact actions in
// order, the state afterwards and the next deadline. All times are offsets from the start, worked by hand.
#include <gtest/gtest.h>

#include <functional>

#include "tests/vrrp/machine.h"

namespace baton::vrrp {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kNone{-1};  ///< no deadline
constexpr State kInitialize = State::kInitialize;
constexpr State kBackup = State::kBackup;
constexpr State kActive = State::kActive;

RouterParameters with_priority(int priority) {
  RouterParameters parameters = usual();
  parameters.priority = Priority{static_cast<std::uint8_t>(priority)};
  return parameters;
}
RouterParameters with_interval(Nanos interval) {
  RouterParameters parameters = usual();
  parameters.advertisement_interval = interval;
  return parameters;
}
RouterParameters without_preempt() {
  RouterParameters parameters = usual();
  parameters.preempt = false;
  return parameters;
}
RouterParameters version2(int priority = 100) {
  RouterParameters parameters = with_priority(priority);
  parameters.version = Version::kV2;
  return parameters;
}
RouterParameters member(int priority = 100) {
  RouterParameters parameters = with_priority(priority);
  parameters.member = true;
  return parameters;
}
RouterParameters not_lead() {
  RouterParameters parameters = usual();
  parameters.lead = false;
  return parameters;
}

// ---- Where a row starts -------------------------------------------------------------------------------------------

VirtualRouter initialize(RouterParameters parameters = usual()) { return VirtualRouter{parameters}; }

/// Started at 0: the Active_Down_Timer stands at 3.609375 s.
VirtualRouter backup(RouterParameters parameters = usual()) {
  VirtualRouter router{parameters};
  router.handle(kStart, Startup{});
  return router;
}

/// Heard 200 at 1 s: the timer stands at 4.609375 s.
VirtualRouter backup_of_200() {
  VirtualRouter router = backup();
  router.handle(kStart + 1s, heard(200));
  return router;
}

VirtualRouter held(RouterParameters parameters = usual()) {
  VirtualRouter router = backup(parameters);
  router.handle(kStart, SetHold{true});
  return router;
}

VirtualRouter held_owner() {
  VirtualRouter router = initialize(with_priority(255));
  router.handle(kStart, SetHold{true});
  router.handle(kStart, Startup{});
  return router;
}

VirtualRouter held_and_expired() {
  VirtualRouter router = held();
  router.handle(kStart + 3'609'375us, DeadlineReached{});
  return router;
}

/// preempt_delay 5 s, and 50 was heard at 1, 2 and 3 s. The timer fired at 3.609375 s: the delay ends at 8.609375 s,
/// and the timer stands at 3 + 3.609375 = 6.609375 s.
VirtualRouter preempt_delay_runs() {
  RouterParameters parameters = usual();
  parameters.preempt_delay = 5s;
  VirtualRouter router = backup(parameters);
  for (const Nanos at : {1s, 2s, 3s}) router.handle(kStart + at, heard(50));
  router.handle(kStart + 3'609'375us, DeadlineReached{});
  return router;
}

VirtualRouter member_expired() {
  VirtualRouter router = backup(member());
  router.handle(kStart + 3'609'375us, DeadlineReached{});
  return router;
}

/// Took over at 3.609375 s: the Adver_Timer stands at 4.609375 s.
VirtualRouter active(RouterParameters parameters = usual()) {
  VirtualRouter router = backup(parameters);
  router.handle(kStart + 3'609'375us, DeadlineReached{});
  return router;
}

VirtualRouter owner(RouterParameters parameters = with_priority(255)) { return backup(parameters); }

// ---- The table ----------------------------------------------------------------------------------------------------

struct Row {
  std::string name;
  VirtualRouter router;
  Nanos at;
  Event event;
  Actions actions;
  State state;
  Nanos deadline;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

Actions transition(State from, State to, Reason reason) { return {ReportTransition{from, to, reason}}; }
Actions leaves(State to, Reason reason) { return {RemoveVips{}, ReportTransition{kActive, to, reason}}; }
Actions leaves_with_farewell(State to, Reason reason) {
  return {RemoveVips{}, SendAdvert{Priority{0}}, ReportTransition{kActive, to, reason}};
}
Actions noting(Remark remark, const Actions& then = {}) {
  Actions all{Note{remark}};
  for (const Action& action : then) all.push_back(action);
  return all;
}
const Actions kAsserts{SendAdvert{Priority{100}}, Note{Remark::kLowerAnswered}};

std::vector<Row> initialize_rows() {
  return {
      {"InitializeStartup", initialize(), 0s, Startup{}, transition(kInitialize, kBackup, Reason::kStartup), kBackup,
       3'609'375us},
      {"InitializeStartup254", initialize(with_priority(254)), 0s, Startup{},
       transition(kInitialize, kBackup, Reason::kStartup), kBackup, 3'007'812'500ns},
      {"InitializeStartupOwner", initialize(with_priority(255)), 0s, Startup{},
       takes_over(255, Reason::kOwnerStartup, kInitialize), kActive, 1s},
      {"InitializeStartupVersion2FiveSeconds", initialize([] {
         RouterParameters parameters = version2();
         parameters.advertisement_interval = 5s;
         return parameters;
       }()),
       0s, Startup{}, transition(kInitialize, kBackup, Reason::kStartup), kBackup, 15'609'375us},
      {"InitializeShutdown", initialize(), 0s, Shutdown{}, {}, kInitialize, kNone},
      {"InitializeDeadline", initialize(), 9s, DeadlineReached{}, {}, kInitialize, kNone},
      {"InitializePriority0", initialize(), 0s, heard(0), {}, kInitialize, kNone},
      {"InitializeHigher", initialize(), 0s, heard(200), {}, kInitialize, kNone},
      {"InitializeEqual", initialize(), 0s, heard(100), {}, kInitialize, kNone},
      {"InitializeLower", initialize(), 0s, heard(50), {}, kInitialize, kNone},
      {"InitializeHold", initialize(), 0s, SetHold{true}, {}, kInitialize, kNone},
      {"InitializeStepDown", initialize(), 0s, StepDown{}, {}, kInitialize, kNone},
      {"InitializeTakeOver", initialize(), 0s, TakeOver{}, {}, kInitialize, kNone},
      {"InitializeParameters", initialize(), 0s, ParametersChanged{with_priority(255)}, {}, kInitialize, kNone},
  };
}

std::vector<Row> backup_rows() {
  return {
      {"BackupStartup", backup(), 2s, Startup{}, {}, kBackup, 3'609'375us},
      {"BackupShutdownIsSilent", backup(), 2s, Shutdown{}, transition(kBackup, kInitialize, Reason::kShutdown),
       kInitialize, kNone},
      {"BackupDeadlineNotYet", backup(), 3'609'374'999ns, DeadlineReached{}, {}, kBackup, 3'609'375us},
      {"BackupDeadline", backup(), 3'609'375us, DeadlineReached{}, takes_over(100, Reason::kActiveDownExpired), kActive,
       4'609'375us},
      {"BackupPriority0ArmsSkewTime", backup(), 2s, heard(0), {}, kBackup, 2'609'375us},
      {"BackupPriority0NeverLengthens", backup(), 3'500ms, heard(0), {}, kBackup, 3'609'375us},
      {"BackupHigher", backup(), 2s, heard(200), {}, kBackup, 5'609'375us},
      {"BackupHigherFromSmallerAddress", backup(), 2s, heard(101, kSmaller), {}, kBackup, 5'609'375us},
      // Learned 2 s: 3 * 2 + 156/256 * 2 = 7.21875.
      {"BackupHigherLearnsTheInterval", backup(), 2s, heard(200, kGreater, 2s), noting(Remark::kIntervalMismatch),
       kBackup, 9'218'750us},
      {"BackupEqualFromGreaterAddress", backup(), 2s, heard(100), noting(Remark::kEqualPriority), kBackup, 5'609'375us},
      {"BackupEqualFromSmallerAddress", backup(), 2s, heard(100, kSmaller), noting(Remark::kEqualPriority), kBackup,
       5'609'375us},
      {"BackupLowerIsDiscarded", backup(), 2s, heard(99), {}, kBackup, 3'609'375us},
      {"BackupLowerWithoutPreempt", backup(without_preempt()), 2s, heard(99), {}, kBackup, 5'609'375us},
      {"BackupForeignOwner", backup(), 2s, heard(255), noting(Remark::kForeignOwner), kBackup, 5'609'375us},
      {"BackupOwnAddress", backup(), 2s, heard(200, kOwn), noting(Remark::kSameSource), kBackup, 3'609'375us},
      {"BackupHold", backup(), 2s, SetHold{true}, {}, kBackup, 3'609'375us},
      {"BackupStepDown", backup(), 2s, StepDown{}, {}, kBackup, 3'609'375us},
      {"BackupTakeOver", backup(), 2s, TakeOver{Reason::kSwitchover}, takes_over(100, Reason::kSwitchover), kActive,
       3s},
      {"BackupParametersPriority", backup(), 2s, ParametersChanged{with_priority(200)}, {}, kBackup, 3'218'750us},
      {"BackupParametersInterval", backup(), 2s, ParametersChanged{with_interval(2s)}, {}, kBackup, 7'218'750us},
      {"BackupParametersOwner", backup(), 2s, ParametersChanged{with_priority(255)},
       takes_over(255, Reason::kOwnerStartup), kActive, 3s},
      {"BackupOf200Deadline", backup_of_200(), 4'609'375us, DeadlineReached{},
       takes_over(100, Reason::kActiveDownExpired), kActive, 5'609'375us},
      {"BackupOf200ParametersPriority",
       backup_of_200(),
       2s,
       ParametersChanged{with_priority(200)},
       {},
       kBackup,
       4'218'750us},
      {"BackupOf200ParametersIntervalStaysLearned",
       backup_of_200(),
       2s,
       ParametersChanged{with_interval(2s)},
       {},
       kBackup,
       4'609'375us},
      {"BackupVersion2NeverLearns", backup(version2()), 2s, heard(200, kGreater, 2s), noting(Remark::kIntervalMismatch),
       kBackup, 5'609'375us},
      {"BackupVersion2Priority0", backup(version2()), 2s, heard(0), {}, kBackup, 2'609'375us},
  };
}

std::vector<Row> held_rows() {
  return {
      {"HeldDeadline", held(), 3'609'375us, DeadlineReached{}, {}, kBackup, kNone},
      {"HeldLowerIsObeyed", held(), 2s, heard(50), {}, kBackup, 5'609'375us},
      {"HeldHigher", held(), 2s, heard(200), {}, kBackup, 5'609'375us},
      {"HeldTakeOver", held(), 2s, TakeOver{}, {}, kBackup, 3'609'375us},
      {"HeldRelease", held(), 2s, SetHold{false}, {}, kBackup, 3'609'375us},
      {"HeldParametersOwner", held(), 2s, ParametersChanged{with_priority(255)}, {}, kBackup, 3'003'906'250ns},
      {"HeldAgain", held(), 2s, SetHold{true}, {}, kBackup, 3'609'375us},
      // Held when it started, an owner listens like any other; then 3 + 1/256 s.
      {"HeldOwnerRelease", held_owner(), 2s, SetHold{false}, {}, kBackup, 3'003'906'250ns},
      {"HeldExpiredDeadline", held_and_expired(), 9s, DeadlineReached{}, {}, kBackup, kNone},
      {"HeldExpiredPriority0", held_and_expired(), 4s, heard(0), {}, kBackup, kNone},
      {"HeldExpiredLower", held_and_expired(), 4s, heard(50), {}, kBackup, 7'609'375us},
      {"HeldExpiredHigher", held_and_expired(), 4s, heard(200), {}, kBackup, 7'609'375us},
      {"HeldExpiredRelease", held_and_expired(), 4s, SetHold{false}, takes_over(100, Reason::kActiveDownExpired),
       kActive, 5s},
      {"HeldExpiredShutdown", held_and_expired(), 4s, Shutdown{}, transition(kBackup, kInitialize, Reason::kShutdown),
       kInitialize, kNone},
  };
}

std::vector<Row> preempt_delay_rows() {
  return {
      {"PreemptDelayLowerIsObeyed", preempt_delay_runs(), 4s, heard(50), {}, kBackup, 7'609'375us},
      {"PreemptDelayHigherEndsIt", preempt_delay_runs(), 6s, heard(200), {}, kBackup, 9'609'375us},
      {"PreemptDelayEqualEndsIt", preempt_delay_runs(), 6s, heard(100, kSmaller), noting(Remark::kEqualPriority),
       kBackup, 9'609'375us},
      {"PreemptDelayActiveDies", preempt_delay_runs(), 6'609'375us, DeadlineReached{},
       takes_over(100, Reason::kActiveDownExpired), kActive, 7'609'375us},
      {"PreemptDelayActiveResigns", preempt_delay_runs(), 4s, heard(0), {}, kBackup, 4'609'375us},
      {"PreemptDelayHold", preempt_delay_runs(), 4s, SetHold{true}, {}, kBackup, 6'609'375us},
      {"PreemptDelayTakeOver", preempt_delay_runs(), 4s, TakeOver{Reason::kSwitchover},
       takes_over(100, Reason::kSwitchover), kActive, 5s},
  };
}

std::vector<Row> active_rows() {
  return {
      {"ActiveStartup", active(), 4s, Startup{}, {}, kActive, 4'609'375us},
      {"ActiveShutdown", active(), 4s, Shutdown{}, leaves_with_farewell(kInitialize, Reason::kShutdown), kInitialize,
       kNone},
      {"ActiveShutdownWithoutFarewell", active(), 4s, Shutdown{Reason::kInterfaceDown, false},
       leaves(kInitialize, Reason::kInterfaceDown), kInitialize, kNone},
      {"ActiveDeadlineNotYet", active(), 4'609'374'999ns, DeadlineReached{}, {}, kActive, 4'609'375us},
      {"ActiveDeadline", active(), 4'609'375us, DeadlineReached{}, {SendAdvert{Priority{100}}}, kActive, 5'609'375us},
      {"ActiveDeadlineLate", active(), 5'500ms, DeadlineReached{}, {SendAdvert{Priority{100}}}, kActive, 5'609'375us},
      {"ActiveDeadlineSkipsWhatWasMissed",
       active(),
       7'700ms,
       DeadlineReached{},
       {SendAdvert{Priority{100}}},
       kActive,
       8'609'375us},
      {"ActivePriority0", active(), 4s, heard(0), {SendAdvert{Priority{100}}}, kActive, 5s},
      {"ActiveHigher", active(), 4s, heard(101), leaves(kBackup, Reason::kHigherPriority), kBackup, 7'609'375us},
      {"ActiveHigherFromSmallerAddress", active(), 4s, heard(101, kSmaller), leaves(kBackup, Reason::kHigherPriority),
       kBackup, 7'609'375us},
      {"ActiveHigherLearnsTheInterval", active(), 4s, heard(200, kGreater, 2s),
       noting(Remark::kIntervalMismatch, leaves(kBackup, Reason::kHigherPriority)), kBackup, 11'218'750us},
      {"ActiveHigherWithoutPreempt", active(without_preempt()), 4s, heard(200),
       leaves(kBackup, Reason::kHigherPriority), kBackup, 7'609'375us},
      {"ActiveEqualFromGreaterAddress", active(), 4s, heard(100),
       noting(Remark::kEqualPriority, leaves(kBackup, Reason::kEqualPriorityHigherAddress)), kBackup, 7'609'375us},
      {"ActiveEqualFromSmallerAddress", active(), 4s, heard(100, kSmaller), noting(Remark::kEqualPriority, kAsserts),
       kActive, 4'609'375us},
      {"ActiveLower", active(), 4s, heard(99), kAsserts, kActive, 4'609'375us},
      {"ActiveLowerWithoutPreempt", active(without_preempt()), 4s, heard(99), kAsserts, kActive, 4'609'375us},
      {"ActiveForeignOwnerIsObeyed", active(), 4s, heard(255),
       noting(Remark::kForeignOwner, leaves(kBackup, Reason::kHigherPriority)), kBackup, 7'609'375us},
      {"ActiveOwnAddress", active(), 4s, heard(200, kOwn), noting(Remark::kSameSource), kActive, 4'609'375us},
      {"ActiveHold", active(), 4s, SetHold{true}, {}, kActive, 4'609'375us},
      {"ActiveStepDown", active(), 4s, StepDown{Reason::kDrained}, leaves_with_farewell(kBackup, Reason::kDrained),
       kBackup, 7'609'375us},
      {"ActiveStepDownWithoutFarewell", active(), 4s, StepDown{Reason::kStall, false}, leaves(kBackup, Reason::kStall),
       kBackup, 7'609'375us},
      {"ActiveTakeOver", active(), 4s, TakeOver{}, {}, kActive, 4'609'375us},
      {"ActiveParametersPriority", active(), 4s, ParametersChanged{with_priority(50)}, {}, kActive, 4'609'375us},
      {"ActiveParametersShorterInterval", active(), 4s, ParametersChanged{with_interval(100ms)}, {}, kActive, 4'100ms},
      {"ActiveParametersLongerInterval", active(), 4s, ParametersChanged{with_interval(2s)}, {}, kActive, 4'609'375us},
      {"ActiveVersion2LosingAdvertIsSilent", active(version2()), 4s, heard(99), {}, kActive, 4'609'375us},
      {"ActiveVersion2LosingTieIsSilent", active(version2()), 4s, heard(100, kSmaller), noting(Remark::kEqualPriority),
       kActive, 4'609'375us},
      {"ActiveVersion2Priority0", active(version2()), 4s, heard(0), {SendAdvert{Priority{100}}}, kActive, 5s},
      {"ActiveVersion2Higher", active(version2()), 4s, heard(101), leaves(kBackup, Reason::kHigherPriority), kBackup,
       7'609'375us},
  };
}

std::vector<Row> owner_and_member_rows() {
  RouterParameters no_preempt_owner = with_priority(255);
  no_preempt_owner.preempt = false;
  return {
      {"OwnerWithoutPreemptStartup", initialize(no_preempt_owner), 0s, Startup{},
       takes_over(255, Reason::kOwnerStartup, kInitialize), kActive, 1s},
      // 3 + 1/256 s after 0.5 s.
      {"OwnerHearsOwnerOfGreaterAddress", owner(), 500ms, heard(255),
       noting(Remark::kSecondOwner, leaves(kBackup, Reason::kEqualPriorityHigherAddress)), kBackup, 3'503'906'250ns},
      {"OwnerHearsOwnerOfSmallerAddress",
       owner(),
       500ms,
       heard(255, kSmaller),
       {Note{Remark::kSecondOwner}, SendAdvert{Priority{255}}, Note{Remark::kLowerAnswered}},
       kActive,
       1s},
      {"OwnerHears254",
       owner(),
       500ms,
       heard(254),
       {SendAdvert{Priority{255}}, Note{Remark::kLowerAnswered}},
       kActive,
       1s},
      {"OwnerVersion2DiscardsOwner", owner(version2(255)), 500ms, heard(255), noting(Remark::kSecondOwner), kActive,
       1s},
      {"OwnerVersion2DiscardsPriority0", owner(version2(255)), 500ms, heard(0), {}, kActive, 1s},
      {"MemberDeadline", backup(member()), 3'609'375us, DeadlineReached{}, {DownExpired{}}, kBackup, kNone},
      {"MemberStartupOwner",
       initialize(member(255)),
       0s,
       Startup{},
       {ReportTransition{kInitialize, kBackup, Reason::kStartup}, DownExpired{}},
       kBackup,
       kNone},
      {"MemberExpiredLower", member_expired(), 4s, heard(50), {}, kBackup, kNone},
      {"MemberExpiredHigher", member_expired(), 4s, heard(200), {}, kBackup, 7'609'375us},
      {"MemberExpiredTakeOver", member_expired(), 4s, TakeOver{Reason::kActiveDownExpired},
       takes_over(100, Reason::kActiveDownExpired), kActive, 5s},
      {"MemberExpiredHold", member_expired(), 4s, SetHold{true}, {}, kBackup, kNone},
      {"NotLeadEqualFromGreaterAddress", active(not_lead()), 4s, heard(100), noting(Remark::kEqualPriority), kActive,
       4'609'375us},
      {"NotLeadEqualFromSmallerAddress", active(not_lead()), 4s, heard(100, kSmaller), noting(Remark::kEqualPriority),
       kActive, 4'609'375us},
      {"NotLeadHigher", active(not_lead()), 4s, heard(101), leaves(kBackup, Reason::kHigherPriority), kBackup,
       7'609'375us},
      {"NotLeadLower", active(not_lead()), 4s, heard(99), kAsserts, kActive, 4'609'375us},
  };
}

class StateEventTest : public ::testing::TestWithParam<Row> {};

TEST_P(StateEventTest, Row) {
  Row row = GetParam();
  const Actions actions = row.router.handle(kStart + row.at, row.event);
  EXPECT_EQ(actions, row.actions);
  EXPECT_EQ(row.router.state(), row.state);
  const auto deadline = row.router.next_deadline();
  EXPECT_EQ(deadline ? (*deadline - kStart).count() : kNone.count(), row.deadline.count());
}

std::string row_name(const ::testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Initialize, StateEventTest, ::testing::ValuesIn(initialize_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Backup, StateEventTest, ::testing::ValuesIn(backup_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Held, StateEventTest, ::testing::ValuesIn(held_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(PreemptDelay, StateEventTest, ::testing::ValuesIn(preempt_delay_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Active, StateEventTest, ::testing::ValuesIn(active_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(OwnerAndMember, StateEventTest, ::testing::ValuesIn(owner_and_member_rows()), row_name);

}  // namespace
}  // namespace baton::vrrp
