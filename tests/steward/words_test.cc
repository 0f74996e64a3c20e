#include "steward/words.h"

#include <gtest/gtest.h>

#include "base/message_id.h"
#include "tests/steward/views.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;
using ports::Alarm;
using ports::EventKind;
using test::ip;

const HostNames kNames{{{ip("10.0.0.2"), "db2"}}};

TEST(WordsTest, AddressOfAPeerIsShownWithItsHost) {
  EXPECT_EQ(kNames.text(ip("10.0.0.2")), "db2 (10.0.0.2)");
  EXPECT_EQ(kNames.text(ip("10.0.0.9")), "10.0.0.9");
}

TEST(WordsTest, ReasonSentenceBeginsWithTheWordsThatLogAndHistoryUse) {
  for (unsigned number = 0; number < 64; ++number) {
    const auto reason = static_cast<Reason>(number);
    const std::string sentence =
        reason_sentence(reason, {.other = ip("10.0.0.2"), .other_priority = 110, .own_priority = 100}, kNames);
    EXPECT_TRUE(sentence.starts_with(reason_words(reason))) << sentence;
  }
}

TEST(WordsTest, HigherPriorityNamesTheOtherAndBothNumbers) {
  EXPECT_EQ(reason_sentence(Reason::kHigherPriority,
                            {.other = ip("10.0.0.2"), .other_priority = 110, .own_priority = 100}, kNames),
            "a router of higher priority is Active: db2 (10.0.0.2), 110 against 100 here");
}

TEST(WordsTest, ReasonWithoutFactsStandsAlone) {
  EXPECT_EQ(reason_sentence(Reason::kHigherPriority, {}, kNames), "a router of higher priority is Active");
}

TEST(WordsTest, ActiveDownExpiredSaysHowLongWasWaited) {
  EXPECT_EQ(reason_sentence(Reason::kActiveDownExpired, ReasonFacts{.other = {}, .down_interval = 3'609'375us}, kNames),
            "no Active was heard for Active_Down_Interval (3.609 s)");
}

TEST(WordsTest, EveryAlarmHasASentenceOfItsOwnAndAdvice) {
  for (unsigned number = 1; number <= static_cast<unsigned>(Alarm::kSameGeneration); ++number) {
    ports::Report report;
    report.alarm = static_cast<Alarm>(number);
    EXPECT_NE(alarm_sentence(report, kNames), ports::alarm_token(report.alarm)) << number;
    EXPECT_GT(alarm_advice(report.alarm).size(), 20u) << ports::alarm_token(report.alarm);
  }
}

TEST(WordsTest, EveryAlarmHasWordsThatNameNobody) {
  for (unsigned number = 1; number < 256; ++number) {
    const auto alarm = static_cast<Alarm>(number);
    if (ports::alarm_token(alarm) == "unknown") continue;
    const std::string words = alarm_words(alarm);
    EXPECT_GT(words.size(), 20u) << ports::alarm_token(alarm);
    EXPECT_EQ(words.find('?'), std::string::npos) << words;
    EXPECT_EQ(words.find("::"), std::string::npos) << words;
    EXPECT_EQ(words.find("0.0.0.0"), std::string::npos) << words;
    EXPECT_GT(alarm_advice(alarm).size(), 20u) << ports::alarm_token(alarm);
    EXPECT_EQ(message_id("alarm", ports::alarm_token(alarm)).size(), 32U) << ports::alarm_token(alarm);
  }
  EXPECT_EQ(alarm_words(Alarm::kRival), "another router announces a virtual address, which this host holds");
}

TEST(WordsTest, ACheckIsNamedWithItsOwnWords) {
  EXPECT_EQ(reason_sentence(Reason::kCheckFailed, {.other = {}, .plugin = "app", .sentence = "HTTP 503"}, kNames),
            "a required check fails: app (HTTP 503)");
  ports::Report report;
  report.kind = EventKind::kCheck;
  report.plugin = ports::PluginName{"app"};
  report.probe = ProbeState::kFail;
  report.sentence = ports::Sentence{"HTTP 503"};
  EXPECT_EQ(report_sentence(report, kNames), "check app fails: HTTP 503");
  report.probe = ProbeState::kUnknown;
  report.sentence = ports::Sentence{"no answer within 800 ms"};
  EXPECT_EQ(report_sentence(report, kNames), "check app gives no answer: no answer within 800 ms");
  report.probe = ProbeState::kPass;
  report.sentence = ports::Sentence{""};
  EXPECT_EQ(report_sentence(report, kNames), "check app passes");
}

TEST(WordsTest, AnActSaysItsResultAndHowLongItTook) {
  ports::Report report;
  report.kind = EventKind::kActed;
  report.plugin = ports::PluginName{"jobs"};
  report.verb = PluginVerb::kEnter;
  report.duration_ns = 5'000'000;
  EXPECT_EQ(report_sentence(report, kNames), "jobs: enter done in 5 ms");
  report.outcome = VerbStatus::kTimeout;
  report.sentence = ports::Sentence{"not done within 60000 ms"};
  EXPECT_EQ(report_sentence(report, kNames), "jobs: enter failed (timeout) in 5 ms: not done within 60000 ms");
}

TEST(WordsTest, APromotionAfterACrashSaysHowOldTheWordIsFromWhichTheLossIsCounted) {
  ports::Report report;
  report.kind = EventKind::kActed;
  report.plugin = ports::PluginName{"db"};
  report.verb = PluginVerb::kPromote;
  report.sentence = ports::Sentence{"promoted; at most 12 bytes are lost"};
  report.lost = ports::LostText{"12 bytes"};
  report.position_age_ns = 812'000'000;
  EXPECT_EQ(report_sentence(report, kNames),
            "db: promote done: promoted; at most 12 bytes are lost; the old holder's "
            "last position was 812 ms old by then");
}

TEST(WordsTest, ARefusalOfTheOtherHostIsToldOfThatHost) {
  ports::Report report;
  report.kind = ports::EventKind::kMove;
  report.move = ports::HandoverPhase::kRefused;
  report.gives = true;
  report.other = ip("10.0.0.2");
  report.sentence = ports::Sentence{"this host's data must rejoin first"};
  const HostNames names{{{ip("10.0.0.2"), "db2"}}};
  EXPECT_EQ(report_sentence(report, names), "planned move refused by db2 (10.0.0.2): db2's data must rejoin first");
  report.gives = false;
  EXPECT_EQ(report_sentence(report, names),
            "refused to take over from db2 (10.0.0.2): this host's data must rejoin first");
}

TEST(WordsTest, ASentenceThatIsTooLongEndsAtAWord) {
  const std::string words(190, 'x');
  EXPECT_EQ(ports::Sentence{words + " and more"}.view(), words + " and more");
  EXPECT_EQ(ports::Sentence{words + " and more of it"}.view(), words + " and...");
}

TEST(WordsTest, VipMismatchWarnsThatOldKeepalivedGoesMasterBesideUs) {
  ports::Report report;
  report.alarm = Alarm::kVipMismatch;
  report.other = ip("10.0.0.2");
  EXPECT_EQ(alarm_sentence(report, kNames),
            "db2 (10.0.0.2) advertises other virtual addresses than are configured here");
  EXPECT_NE(
      alarm_advice(Alarm::kVipMismatch).find("keepalived before 2.3.3 discards such adverts and goes MASTER beside us"),
      std::string_view::npos);
}

TEST(WordsTest, AlarmNamesHardwareAddressAndErrno) {
  ports::Report rival;
  rival.alarm = Alarm::kRival;
  rival.other_mac = MacAddress::parse("02:00:00:00:00:07").value();
  rival.address = ip("10.0.0.50");
  EXPECT_EQ(alarm_sentence(rival, kNames),
            "another router [02:00:00:00:00:07] announces the virtual address 10.0.0.50, which this host holds");
  ports::Report refused;
  refused.alarm = Alarm::kSendFailed;
  refused.sys_errno = EPERM;
  EXPECT_EQ(alarm_sentence(refused, kNames), "adverts cannot be sent: Operation not permitted");
}

TEST(WordsTest, RejectedAdvertsSayWhy) {
  ports::Report report;
  report.alarm = Alarm::kAdvertsRejected;
  report.other = ip("10.0.0.2");
  report.decode_error = static_cast<std::uint8_t>(vrrp::DecodeError::kChecksum);
  EXPECT_EQ(alarm_sentence(report, kNames), "adverts of db2 (10.0.0.2) are discarded: checksum-errors");
}

TEST(WordsTest, TransitionSentenceCarriesBothRolesAndTheReason) {
  ports::Report report;
  report.kind = EventKind::kTransition;
  report.from = vrrp::State::kBackup;
  report.to = vrrp::State::kActive;
  report.reason = Reason::kActiveResigned;
  report.other = ip("10.0.0.2");
  EXPECT_EQ(report_sentence(report, kNames), "Backup -> Active: the Active resigned (priority 0): db2 (10.0.0.2)");
}

TEST(WordsTest, EndOfAFailedActionNamesNobody) {
  ports::Report report;
  report.kind = EventKind::kAlarmCleared;
  report.alarm = Alarm::kFollowUpFailed;
  EXPECT_EQ(report_sentence(report, kNames), "over: no action is failed any more");
}

TEST(WordsTest, EndOfAnAlarmIsToldAsOver) {
  ports::Report report;
  report.kind = EventKind::kAlarmCleared;
  report.alarm = Alarm::kScribeSilent;
  EXPECT_EQ(report_sentence(report, kNames), "over: history and intent cannot be written");
}

}  // namespace
}  // namespace baton::steward
