#include "ipc/messages.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::ipc {
namespace {

using std::chrono::seconds;

ports::Report full_report() {
  ports::Report report;
  report.kind = ports::EventKind::kAlarm;
  report.alarm = ports::Alarm::kVipMismatch;
  report.instance = 7;
  report.from = vrrp::State::kBackup;
  report.to = vrrp::State::kActive;
  report.reason = Reason::kActiveDownExpired;
  report.decode_error = 4;
  report.priority = 200;
  report.other = *IpAddress::parse("10.0.0.2");
  report.other_mac = *MacAddress::parse("02:00:00:00:00:07");
  report.address = *IpAddress::parse("2001:db8::50");
  report.sys_errno = 13;
  report.duration_ns = -5;
  report.at = Instant{seconds{77}};
  report.plugin = ports::PluginName{"app"};
  report.verb = PluginVerb::kLeave;
  report.outcome = VerbStatus::kCrashed;
  report.probe = ProbeState::kPass;
  report.sentence = ports::Sentence{"killed by signal 11"};
  report.lost = ports::LostText{"1683 bytes"};
  report.position_age_ns = 812'000'000;
  return report;
}

template <class T>
T round_trip(const T& message) {
  const auto bytes = encode(message);
  EXPECT_LE(bytes.size(), kMaxMessage);
  const auto back = decode(bytes);
  EXPECT_TRUE(back.has_value());
  EXPECT_EQ(encode(*back), bytes);
  return std::get<T>(*back);
}

// magic "BTIP", version 1, type 15 (Intent) or as given, length, nonce: big-endian.
TEST(MessagesTest, HeaderIsMagicVersionTypeLengthNonce) {
  const std::vector<std::uint8_t> expected = {'B', 'T', 'I', 'P', 0, 1, 0, 7, 0, 0, 0, 29, 0, 0, 0,
                                              0,   0,   0,   1,   2, 1, 0, 0, 0, 0, 0, 0,  1, 0};
  EXPECT_EQ(encode(ReloadRequest{.nonce = 0x102, .dry_run = true, .confirm_within_ns = 256}), expected);
}

TEST(MessagesTest, EveryFieldOfAReportSurvives) {
  ReportMessage message{"web", 9, 3, full_report()};
  const ReportMessage back = round_trip(message);
  EXPECT_EQ(back.instance, "web");
  EXPECT_EQ(back.sequence, 9U);
  EXPECT_EQ(back.dropped, 3U);
  EXPECT_EQ(back.report.alarm, ports::Alarm::kVipMismatch);
  EXPECT_EQ(back.report.instance, 7U);
  EXPECT_EQ(back.report.from, vrrp::State::kBackup);
  EXPECT_EQ(back.report.to, vrrp::State::kActive);
  EXPECT_EQ(back.report.reason, Reason::kActiveDownExpired);
  EXPECT_EQ(back.report.decode_error, 4);
  EXPECT_EQ(back.report.priority, 200);
  EXPECT_EQ(back.report.other.text(), "10.0.0.2");
  EXPECT_EQ(back.report.other_mac.text(), "02:00:00:00:00:07");
  EXPECT_EQ(back.report.address.text(), "2001:db8::50");
  EXPECT_EQ(back.report.sys_errno, 13);
  EXPECT_EQ(back.report.duration_ns, -5);
  EXPECT_EQ(back.report.at, Instant{seconds{77}});
  EXPECT_EQ(back.report.lost.view(), "1683 bytes");
  EXPECT_EQ(back.report.position_age_ns, 812'000'000);
}

TEST(MessagesTest, EachTypeComesBackAsItself) {
  EXPECT_EQ(round_trip(Configuration{5}).nonce, 5U);
  round_trip(Terminate{});
  EXPECT_EQ(round_trip(ChannelReplaced{Process::kScribe}).peer, Process::kScribe);
  round_trip(Ready{});
  const Membership membership = round_trip(Membership{"eth0", Family::kIpv6});
  EXPECT_EQ(membership.interface, "eth0");
  EXPECT_EQ(membership.family, Family::kIpv6);
  round_trip(Goodbye{});
  EXPECT_TRUE(round_trip(ReloadResult{1, true, false}).valid);
  EXPECT_FALSE(round_trip(ReloadResult{1, true, false}).applied);
  EXPECT_TRUE(round_trip(ReloadResult{.nonce = 1, .waits = true}).waits);
  EXPECT_TRUE(round_trip(ConfirmRequest{7, true}).revert);
  EXPECT_TRUE(round_trip(ConfirmResult{7, true}).waited);
  const ReloadState state = round_trip(ReloadState{9'000'000'000, true, "rolled back"});
  EXPECT_EQ(state.deadline_ns, 9'000'000'000);
  EXPECT_TRUE(state.rolled_back);
  EXPECT_EQ(state.news, "rolled back");
  const Lifecycle news = round_trip(Lifecycle{Process::kEngine, Reason::kTooManyDeaths, 9, 1234});
  EXPECT_EQ(news.reason, Reason::kTooManyDeaths);
  EXPECT_EQ(news.wait_status, 9);
  EXPECT_EQ(news.at_ns, 1234);
  EXPECT_TRUE(round_trip(Recovered{true}).drained);
  EXPECT_EQ(round_trip(Recovered{false, 3'600'000'000'000}).frozen_for_ns, 3'600'000'000'000);
  const auto command = round_trip(CommandMessage{3, {engine::Verb::kFreeze, "web", seconds{7200}, true}});
  EXPECT_EQ(command.command.verb, engine::Verb::kFreeze);
  EXPECT_EQ(command.command.duration, seconds{7200});
  EXPECT_TRUE(command.command.dry_run);
  const auto result = round_trip(CommandResultMessage{3, {false, true, {"refused:", "frozen"}}});
  EXPECT_TRUE(result.result.refused_by_safety);
  EXPECT_EQ(result.result.lines, (std::vector<std::string>{"refused:", "frozen"}));
  EXPECT_EQ(round_trip(History{"web", full_report()}).report.priority, 200);
  EXPECT_EQ(round_trip(Intent{1, "web", "drain"}).what, "drain");
  EXPECT_EQ(round_trip(IntentRecorded{77}).ticket, 77U);
  const ports::DataRecord record{.instance = "pg",
                                 .role = ports::DataRole::kPromoting,
                                 .generation = 7,
                                 .dirty = true,
                                 .promoted = 6,
                                 .position = std::string(1023, 'p'),
                                 .holder = "db2",
                                 .same_boot = true};
  EXPECT_EQ(round_trip(Remember{5, record}).record, record);
  EXPECT_EQ(round_trip(Remember{5, record}).ticket, 5U);
  EXPECT_EQ(round_trip(Recalled{false, record}).record, record);
  EXPECT_TRUE(round_trip(Recalled{true, {}}).last);
  ports::PeerFact fact{.host = "db2", .instance = "pg", .generation = 7, .position = std::string(1023, 'p')};
  fact.position_age = seconds{3};
  fact.against.set(Reason::kDrained);
  fact.handover = {.phase = ports::HandoverPhase::kGiven,
                   .gives = true,
                   .with = "db1",
                   .number = 77,
                   .position = std::string(1023, 'f'),
                   .sentence = "why"};
  fact.promise = {.to = "db1", .generation = 6};
  fact.left = true;
  const ports::PeerFact told = round_trip(PeerNews{fact}).fact;
  const PeerCheck check = round_trip(PeerCheck{"db2", "app", true});
  EXPECT_EQ(check.host + check.section, "db2app");
  EXPECT_TRUE(check.passes);
  EXPECT_EQ(told.against, fact.against);
  EXPECT_TRUE(told.left);
  EXPECT_EQ(told.handover, fact.handover);
  EXPECT_EQ(told.promise, fact.promise);
  EXPECT_EQ(told.position, fact.position);
  EXPECT_EQ(told.position_age, seconds{3});
  EXPECT_EQ(round_trip(HistoryQuery{1, 50, "web"}).limit, 50U);
  EXPECT_EQ(round_trip(HistoryEntry{1, 2, 3, "web", full_report()}).wall_clock_ns, 3);
  EXPECT_EQ(round_trip(HistoryEnd{6}).nonce, 6U);
  EXPECT_EQ(round_trip(ReexecRequest{8}).nonce, 8U);
  const ReexecResult reexec = round_trip(ReexecResult{9, false, true, "a reload is under way"});
  EXPECT_EQ(reexec.nonce, 9U);
  EXPECT_FALSE(reexec.done);
  EXPECT_TRUE(reexec.busy);
  EXPECT_EQ(reexec.sentence, "a reload is under way");
  round_trip(Prepared{});
  round_trip(StepAside{});
  round_trip(SteppedAside{});
  round_trip(TakeOver{.drained = true, .frozen_until_ns = 1'000'000'007});
}

TEST(MessagesTest, WhatIsSaidOfPluginsSurvives) {
  const ports::Report report =
      round_trip(ReportMessage{.instance = "web", .sequence = 1, .dropped = 0, .report = full_report()}).report;
  EXPECT_EQ(report.plugin.view(), "app");
  EXPECT_EQ(report.verb, PluginVerb::kLeave);
  EXPECT_EQ(report.outcome, VerbStatus::kCrashed);
  EXPECT_EQ(report.probe, ProbeState::kPass);
  EXPECT_EQ(report.sentence.view(), "killed by signal 11");
  const PluginHost host = round_trip(PluginHost{.section = "app", .kind = HostKind::kAct, .incarnation = 9});
  EXPECT_EQ(host.section, "app");
  EXPECT_EQ(host.kind, HostKind::kAct);
  EXPECT_EQ(host.incarnation, 9u);
  const PluginHostDown down = round_trip(PluginHostDown{.section = "app",
                                                        .kind = HostKind::kProbe,
                                                        .incarnation = 8,
                                                        .given_up = true,
                                                        .wait_status = 11,
                                                        .sentence = "gone"});
  EXPECT_TRUE(down.given_up);
  EXPECT_EQ(down.incarnation, 8u);
  EXPECT_EQ(down.wait_status, 11);
  EXPECT_EQ(down.sentence, "gone");
  const PluginHostEnd end =
      round_trip(PluginHostEnd{.section = "app", .kind = HostKind::kAct, .incarnation = 7, .sentence = "garbage"});
  EXPECT_EQ(end.incarnation, 7u);
  EXPECT_EQ(end.sentence, "garbage");
}

TEST(MessagesTest, LongListsAreCutAndSaySo) {
  Reloaded message;
  for (int i = 0; i < 1020; ++i) message.summary.unchanged.push_back("instance-" + std::to_string(i));
  message.summary.added = {"web"};
  const Reloaded back = round_trip(message);
  EXPECT_EQ(back.summary.unchanged.front(), "instance-0");
  EXPECT_EQ(back.summary.unchanged.back(), "...");
  EXPECT_LT(back.summary.unchanged.size(), 1020U);
  EXPECT_EQ(back.summary.added, (std::vector<std::string>{"web"}));
}

TEST(MessagesTest, LongLinesAreCutNotRefused) {
  CommandResultMessage message;
  message.result.lines = {std::string(100'000, 'x')};
  EXPECT_EQ(round_trip(message).result.lines.front().size(), 512U);
}

TEST(MessagesTest, EveryPrefixOfAMessageIsRefused) {
  const auto bytes = encode(ReportMessage{"web", 9, 3, full_report()});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode(ConstBytes{bytes}.first(size)).has_value()) << size;
  }
}

TEST(MessagesTest, TrailingBytesAreRefused) {
  auto bytes = encode(Recovered{true});
  bytes.push_back(0);
  EXPECT_FALSE(decode(bytes).has_value());
  bytes[11] = static_cast<std::uint8_t>(bytes.size());  // even with the length made right
  EXPECT_FALSE(decode(bytes).has_value());
}

TEST(MessagesTest, WhatTheRecorderNeedsAndLeavesSurvives) {
  const RecordLink link = round_trip(RecordLink{"eth0", 10'000'000'000});
  EXPECT_EQ(link.interface, "eth0");
  EXPECT_EQ(link.window_ns, 10'000'000'000);
  HistoryEntry entry;
  entry.report = full_report();
  entry.capture = "/var/lib/baton/captures/20261122T120000Z-7-7.pcapng";
  EXPECT_EQ(round_trip(entry).capture, entry.capture);
}

TEST(MessagesTest, UnknownVersionAndTypeAreRefused) {
  auto bytes = encode(Recovered{true});
  bytes[5] = 2;
  EXPECT_FALSE(decode(bytes).has_value());
  bytes[5] = 1;
  bytes[7] = 20;
  EXPECT_FALSE(decode(bytes).has_value());
}

TEST(MessagesTest, ValuesOutOfRangeAreRefused) {
  auto process = encode(ChannelReplaced{Process::kScribe});
  process.back() = 4;
  EXPECT_FALSE(decode(process).has_value());
  auto flag = encode(Recovered{true});
  flag[flag.size() - 9] = 2;  // before the eight bytes of frozen_for_ns
  EXPECT_FALSE(decode(flag).has_value());
  auto family = encode(Membership{"eth0", Family::kIpv6});
  family.back() = 5;
  EXPECT_FALSE(decode(family).has_value());
  auto reason = encode(Lifecycle{Process::kEngine, Reason::kAdopted, 0, 0});
  reason[21] = 11;  // between the reasons that exist
  EXPECT_FALSE(decode(reason).has_value());
}

TEST(MessagesTest, ANonceWhereNoneBelongsIsRefused) {
  auto bytes = encode(Ready{});
  bytes[19] = 1;
  EXPECT_FALSE(decode(bytes).has_value());
}

TEST(MessagesTest, EachDirectionAllowsOnlyItsOwn) {
  EXPECT_TRUE(allowed(Process::kGuardian, Process::kEngine, StepAside{}));
  EXPECT_FALSE(allowed(Process::kGuardian, Process::kSteward, StepAside{}));
  EXPECT_TRUE(allowed(Process::kEngine, Process::kGuardian, SteppedAside{}));
  EXPECT_FALSE(allowed(Process::kSteward, Process::kGuardian, SteppedAside{}));
  EXPECT_TRUE(allowed(Process::kSteward, Process::kGuardian, ReexecRequest{}));
  EXPECT_FALSE(allowed(Process::kEngine, Process::kGuardian, ReexecRequest{}));
  EXPECT_TRUE(allowed(Process::kEngine, Process::kGuardian, Ready{}));
  EXPECT_FALSE(allowed(Process::kSteward, Process::kGuardian, Ready{}));
  EXPECT_TRUE(allowed(Process::kSteward, Process::kEngine, CommandMessage{}));
  EXPECT_FALSE(allowed(Process::kScribe, Process::kEngine, CommandMessage{}));
  EXPECT_FALSE(allowed(Process::kSteward, Process::kEngine, Terminate{}));
  EXPECT_TRUE(allowed(Process::kGuardian, Process::kScribe, Terminate{}));
  EXPECT_FALSE(allowed(Process::kGuardian, Process::kScribe, Configuration{}));
  EXPECT_TRUE(allowed(Process::kSteward, Process::kGuardian, ConfirmRequest{}));
  EXPECT_FALSE(allowed(Process::kEngine, Process::kGuardian, ConfirmRequest{}));
  EXPECT_TRUE(allowed(Process::kGuardian, Process::kScribe, History{}));
  EXPECT_FALSE(allowed(Process::kGuardian, Process::kScribe, ReloadState{}));
  EXPECT_TRUE(allowed(Process::kGuardian, Process::kScribe, RecordLink{}));
  EXPECT_FALSE(allowed(Process::kGuardian, Process::kSteward, RecordLink{}));
}

}  // namespace
}  // namespace baton::ipc
