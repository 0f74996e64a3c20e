// The engine's side of plugin hosts, with real pages, bells and channels; the test is the host.
#include "daemon/engine_plugins.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "posix/clock.h"
#include "posix/unix_socket.h"

namespace baton::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Sink : PluginSink {
  void on_plugin_news(Instant, ports::PluginId plugin) override { news.push_back(plugin); }
  void on_probe_lost(Instant, ports::PluginId plugin, VerbStatus status, std::string_view sentence) override {
    lost.push_back({plugin, status, std::string{sentence}});
  }
  void on_act_result(Instant, const ports::ActResult& result) override { results.push_back(result); }
  struct Lost {
    ports::PluginId plugin;
    VerbStatus status;
    std::string sentence;
  };
  std::vector<ports::PluginId> news;
  std::vector<Lost> lost;
  std::vector<ports::ActResult> results;
};

class EnginePluginsTest : public testing::Test {
 protected:
  EnginePluginsTest() : loop_(*posix::EventLoop::create()) {
    plugins_ = std::make_unique<EnginePlugins>(loop_, [this](const ipc::PluginHostEnd& end) { ends_.push_back(end); });
    page_ = *posix::shared_memfd("page", ipc::kProbePageSize);
    memory_ = *posix::Mapping::read_write(page_.get());
    bell_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    config::Plugin section;
    section.name = "db";
    section.deadline = seconds{2};
    plugins_->use_plugin(7, section);
    turn();
  }

  /// One turn of the engine's loop, without waiting.
  void turn() { turn(posix::now()); }
  void turn(Instant at) {
    ASSERT_TRUE(loop_.turn(posix::now()));
    plugins_->dispatch(at, sink_);
  }
  template <class Condition>
  bool eventually(Condition condition, Nanos limit = seconds{5}) {
    const Instant until = posix::now() + limit;
    while (!condition() && posix::now() < until) {
      EXPECT_TRUE(loop_.turn(std::min(until, plugins_->next_deadline().value_or(until))));
      plugins_->dispatch(posix::now(), sink_);
    }
    return condition();
  }

  void probe_host(std::uint64_t incarnation) {
    std::vector<posix::Fd> fds;
    fds.push_back(*posix::reopen_read_only(page_.get()));
    fds.emplace_back(::dup(bell_.get()));
    plugins_->on_host(posix::now(), {"db", ipc::HostKind::kProbe, incarnation}, std::move(fds));
    turn();
  }
  ipc::ProbeOutcome outcome(std::uint64_t incarnation, std::uint64_t sequence) const {
    ipc::ProbeOutcome one;
    one.incarnation = incarnation;
    one.sequence = sequence;
    one.streak = 1;
    one.state = ProbeState::kPass;
    one.started = one.finished = posix::now();
    one.sentence = "it lives";
    return one;
  }
  void write(const ipc::ProbeOutcome& one) { ipc::write_outcome(memory_.bytes(), one); }
  void ring() {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(bell_.get(), &one, sizeof one), 8);
  }

  void act_host(std::uint64_t incarnation) {
    auto pair = *posix::seqpacket_pair();
    host_ = std::move(pair.first);
    std::vector<posix::Fd> fds;
    fds.push_back(std::move(pair.second));
    plugins_->on_host(posix::now(), {"db", ipc::HostKind::kAct, incarnation}, std::move(fds));
    turn();
  }
  void order(std::uint64_t ticket, std::string_view instance = "web", PluginVerb verb = PluginVerb::kEnter,
             Nanos deadline = seconds{2}) {
    ports::ActOrder one;
    one.ticket = ticket;
    one.plugin = 7;
    one.verb = verb;
    one.instance = instance;
    one.from = vrrp::State::kBackup;
    one.to = vrrp::State::kActive;
    one.reason = Reason::kActiveDownExpired;
    one.deadline = deadline;
    plugins_->act(one);
    turn();
  }
  /// What the host is asked, if it is.
  std::optional<ipc::ActRequest> asked() {
    std::array<std::uint8_t, ipc::kMaxHostMessage> buffer;
    const auto received = posix::receive_message(host_.get(), buffer);
    if (!received || received->status != posix::IoStatus::kDone) return std::nullopt;
    return *ipc::decode_request(ConstBytes{buffer}.first(received->message.size));
  }
  void answer(std::uint64_t nonce, VerbStatus status = VerbStatus::kOk, const std::string& sentence = "done") {
    ipc::ActAnswer one;
    one.nonce = nonce;
    one.status = status;
    one.sentence = sentence;
    one.took = milliseconds{3};
    ASSERT_TRUE(posix::send_message(host_.get(), ipc::encode(one)));
    turn();
    turn();
  }
  void down(ipc::HostKind kind, std::uint64_t incarnation, bool given_up = false, int status = 11,
            const std::string& sentence = "killed by signal 11") {
    plugins_->on_host_down(posix::now(), {"db", kind, incarnation, given_up, status, sentence});
    turn();
  }

  posix::EventLoop loop_;
  Sink sink_;
  std::vector<ipc::PluginHostEnd> ends_;
  posix::Fd page_, bell_, host_;
  posix::Mapping memory_;
  std::unique_ptr<EnginePlugins> plugins_;
};

// --- Probes --------------------------------------------------------------------------------------------------------

TEST_F(EnginePluginsTest, ARingBringsNewsOnceAndTheOutcomeIsRead) {
  probe_host(1);
  write(outcome(1, 1));
  ring();
  turn();
  EXPECT_THAT(sink_.news, ElementsAre(7));
  const ports::ProbeReading reading = plugins_->read_probe(7);
  EXPECT_EQ(reading.sequence, 1u);
  EXPECT_EQ(reading.state, ProbeState::kPass);
  EXPECT_EQ(reading.sentence.view(), "it lives");
  ring();  // nothing new is no news
  ASSERT_TRUE(eventually([&] { return !plugins_->next_deadline(); }));
  EXPECT_THAT(sink_.news, ElementsAre(7));
}

TEST_F(EnginePluginsTest, ARenewalWithoutARingCostsNothing) {
  probe_host(1);
  write(outcome(1, 1));
  turn();
  EXPECT_EQ(plugins_->next_deadline(), std::nullopt);
  EXPECT_THAT(sink_.news, IsEmpty());
  EXPECT_EQ(plugins_->read_probe(7).sequence, 1u);
}

TEST_F(EnginePluginsTest, ABellThatPluginCodeMadeBlockingDoesNotBlock) {
  probe_host(1);
  ring();
  // The plugin takes its ring back between our wait and our read, with a descriptor that blocks by now.
  ASSERT_EQ(::fcntl(bell_.get(), F_SETFL, 0), 0);
  ASSERT_TRUE(loop_.wait(posix::now()));
  std::uint64_t rings = 0;
  ASSERT_EQ(::read(bell_.get(), &rings, sizeof rings), 8);
  ::alarm(5);  // it would wait for ever
  loop_.dispatch();
  ::alarm(0);
}

TEST_F(EnginePluginsTest, GarbageIsToldOnceAndEndsTheHost) {
  probe_host(1);
  std::fill(memory_.bytes().begin(), memory_.bytes().end(), std::uint8_t{0xA5});
  for (int i = 0; i < 3; ++i) {
    ring();
    ASSERT_FALSE(eventually([] { return false; }, milliseconds{30}));
  }
  ASSERT_EQ(sink_.lost.size(), 1u);
  EXPECT_EQ(sink_.lost[0].status, VerbStatus::kGarbage);
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].section, "db");
  EXPECT_EQ(ends_[0].incarnation, 1u);
  EXPECT_EQ(plugins_->read_probe(7).sequence, 0u);
}

TEST_F(EnginePluginsTest, AHostThatFollowsAGarbageWriterIsBelievedAndFoundOutAgain) {
  probe_host(1);
  std::fill(memory_.bytes().begin(), memory_.bytes().end(), std::uint8_t{0xA5});
  ring();
  turn();
  down(ipc::HostKind::kProbe, 1, false, 15, "killed by signal 15");
  probe_host(2);
  EXPECT_EQ(sink_.lost.size(), 1u);  // what the old one left there is not the new one's fault
  ring();
  turn();
  ASSERT_EQ(sink_.lost.size(), 2u);
  EXPECT_EQ(ends_.back().incarnation, 2u);
  probe_host(3);
  write(outcome(3, 1));
  ring();
  turn();
  EXPECT_EQ(plugins_->read_probe(7).sequence, 1u);
  EXPECT_EQ(sink_.lost.size(), 2u);
}

TEST_F(EnginePluginsTest, AnOutcomeOfAnotherIncarnationIsGarbage) {
  probe_host(1);
  write(outcome(99, 1));
  ring();
  turn();
  EXPECT_THAT(sink_.lost, IsEmpty());  // the guardian may be about to say whose it is
  ASSERT_TRUE(eventually([&] { return !sink_.lost.empty(); }));
  EXPECT_THAT(sink_.lost[0].sentence, HasSubstr("belongs to another"));
  EXPECT_EQ(plugins_->read_probe(7).sequence, 0u);
}

TEST_F(EnginePluginsTest, AHostThatIsQuickerThanTheWordOfItIsNotSuspected) {
  probe_host(1);
  write(outcome(1, 5));
  ring();
  turn();
  write(outcome(2, 6));
  ring();
  turn();
  probe_host(2);
  EXPECT_EQ(plugins_->read_probe(7).sequence, 6u);
  EXPECT_FALSE(eventually([&] { return !sink_.lost.empty(); }, milliseconds{300}));
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(EnginePluginsTest, AHostThatRefusesToWorkHasSaidWhy) {
  probe_host(1);
  ipc::ProbeOutcome why = outcome(1, 1);
  why.status = VerbStatus::kConfig;
  why.state = ProbeState::kUnknown;
  write(why);
  ring();
  turn();
  down(ipc::HostKind::kProbe, 1, true, 65 << 8, "it died 5 times within a minute");
  EXPECT_THAT(sink_.lost, IsEmpty());
  EXPECT_EQ(plugins_->read_probe(7).status, VerbStatus::kConfig);
  probe_host(2);
  down(ipc::HostKind::kProbe, 2, false, 65 << 8, "refused to work");  // without a word
  ASSERT_EQ(sink_.lost.size(), 1u);
  EXPECT_EQ(sink_.lost[0].status, VerbStatus::kCrashed);
}

TEST_F(EnginePluginsTest, AHostThatCouldNotBeStartedIsALossAlthoughNobodyKnewOfIt) {
  probe_host(1);
  write(outcome(1, 1));
  ring();
  turn();
  down(ipc::HostKind::kProbe, 1, false, 9, "killed by signal 9");
  down(ipc::HostKind::kProbe, 2, false, -1, "cannot be started: Resource temporarily unavailable");
  ASSERT_EQ(sink_.lost.size(), 2u);
  EXPECT_EQ(sink_.lost[1].status, VerbStatus::kNotRunning);
}

TEST_F(EnginePluginsTest, TheOutcomeOfTheHostBeforeStillCounts) {
  probe_host(1);
  write(outcome(1, 5));
  ring();
  turn();
  probe_host(2);
  probe_host(3);  // the second one never came to an outcome
  EXPECT_EQ(plugins_->read_probe(7).sequence, 5u);
  EXPECT_THAT(sink_.lost, IsEmpty());
}

TEST_F(EnginePluginsTest, AnOutcomeFromTheFutureIsGarbage) {
  probe_host(1);
  ipc::ProbeOutcome one = outcome(1, 1);
  one.finished += seconds{60};
  write(one);
  ring();
  turn();
  ASSERT_EQ(sink_.lost.size(), 1u);
  EXPECT_THAT(sink_.lost[0].sentence, HasSubstr("future"));
}

TEST_F(EnginePluginsTest, AFloodOfRingsWakesAtMostOnceInAPauseAndEndsTheHost) {
  probe_host(1);
  write(outcome(1, 1));
  std::uint64_t sequence = 1;
  int turns = 0;
  const Instant begin = posix::now();
  ASSERT_TRUE(eventually(
      [&] {
        ++turns;
        if (!ends_.empty()) return true;
        write(outcome(1, ++sequence));
        ring();
        return false;
      },
      seconds{9}));
  // 200 rings at one in 20 ms.
  EXPECT_GE(posix::now() - begin, seconds{4});
  EXPECT_LT(turns, 1000);
  EXPECT_THAT(ends_[0].sentence, HasSubstr("floods results"));
  turn();
  ASSERT_EQ(sink_.lost.size(), 1u);
  EXPECT_EQ(sink_.lost[0].status, VerbStatus::kGarbage);
}

TEST_F(EnginePluginsTest, ADeathWithoutAnOutcomeIsALoss) {
  probe_host(1);
  down(ipc::HostKind::kProbe, 1);
  ASSERT_EQ(sink_.lost.size(), 1u);
  EXPECT_EQ(sink_.lost[0].status, VerbStatus::kCrashed);
  EXPECT_EQ(sink_.lost[0].sentence, "its process was killed by signal 11");
}

TEST_F(EnginePluginsTest, ADeathAfterATimeoutThatIsOnThePageIsNoSecondLoss) {
  probe_host(1);
  ipc::ProbeOutcome late = outcome(1, 1);
  late.state = ProbeState::kUnknown;
  late.status = VerbStatus::kTimeout;
  write(late);
  ring();
  down(ipc::HostKind::kProbe, 1, false, 9, "killed by signal 9");
  EXPECT_THAT(sink_.lost, IsEmpty());
  EXPECT_THAT(sink_.news, ElementsAre(7));
}

TEST_F(EnginePluginsTest, WhatCannotBeStartedDoesNotRun) {
  down(ipc::HostKind::kProbe, 1, false, -1, "cannot be started: Resource temporarily unavailable");
  ASSERT_EQ(sink_.lost.size(), 1u);
  EXPECT_EQ(sink_.lost[0].status, VerbStatus::kNotRunning);
  EXPECT_EQ(sink_.lost[0].sentence, "cannot be started: Resource temporarily unavailable");
}

// --- Acts ----------------------------------------------------------------------------------------------------------

TEST_F(EnginePluginsTest, AnActIsAskedAndAnsweredOnce) {
  act_host(1);
  order(41);
  turn();
  const auto request = asked();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->verb, PluginVerb::kEnter);
  EXPECT_EQ(request->instance, "web");
  EXPECT_EQ(request->from_state, "backup");
  EXPECT_EQ(request->to_state, "active");
  EXPECT_EQ(request->reason, "active_down_expired");
  EXPECT_EQ(request->timeout, seconds{2});
  answer(request->nonce, VerbStatus::kRefused, "not now");
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].ticket, 41u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kRefused);
  EXPECT_EQ(sink_.results[0].sentence.view(), "not now");
  EXPECT_EQ(sink_.results[0].took, milliseconds{3});
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(EnginePluginsTest, OneActAtATimeInTheirOrder) {
  act_host(1);
  order(1);
  order(2, "mail");
  turn();
  const auto first = asked();
  ASSERT_TRUE(first);
  EXPECT_FALSE(asked());
  answer(first->nonce);
  const auto second = asked();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->instance, "mail");
}

TEST_F(EnginePluginsTest, AForeignNonceIsGarbageAndEndsTheHost) {
  act_host(1);
  order(41);
  turn();
  const auto request = asked();
  ASSERT_TRUE(request);
  answer(request->nonce + 1);
  answer(request->nonce);  // too late: it is not believed any more
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kGarbage);
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].kind, ipc::HostKind::kAct);
}

TEST_F(EnginePluginsTest, WhatIsNoAnswerIsGarbageAndEndsTheHost) {
  act_host(1);
  order(41);
  turn();
  const std::array<std::uint8_t, 3> noise{1, 2, 3};
  ASSERT_TRUE(posix::send_message(host_.get(), noise));
  turn();
  turn();
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kGarbage);
  EXPECT_EQ(ends_.size(), 1u);
}

TEST_F(EnginePluginsTest, AnAnswerWithoutAQuestionEndsTheHostAndIsNoResult) {
  act_host(1);
  answer(1);
  EXPECT_EQ(ends_.size(), 1u);
  EXPECT_THAT(sink_.results, IsEmpty());
}

TEST_F(EnginePluginsTest, AnActThatIsCalledOffLosesItsProcessAtOnce) {
  act_host(1);
  order(41);
  order(42);
  turn();
  ASSERT_TRUE(asked());
  plugins_->call_off(42);  // it has not begun
  turn();
  EXPECT_THAT(sink_.results, IsEmpty());
  EXPECT_THAT(ends_, IsEmpty());
  plugins_->call_off(41);
  turn();
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].ticket, 41u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kTimeout);
  EXPECT_EQ(sink_.results[0].sentence.view(), "called off: its grant ends, or it is not wanted any more");
  EXPECT_EQ(ends_.size(), 1u);
}

TEST_F(EnginePluginsTest, ALateAnswerIsATimeoutHalfASecondAfterTheDeadline) {
  act_host(1);
  const Instant begin = posix::now();
  order(41);
  turn();
  const auto request = asked();
  ASSERT_TRUE(request);
  turn(begin + milliseconds{2490});
  EXPECT_THAT(sink_.results, IsEmpty());
  turn(posix::now() + milliseconds{2510});
  turn();
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kTimeout);
  EXPECT_EQ(sink_.results[0].sentence.view(), "no answer within 2 s");
  ASSERT_EQ(ends_.size(), 1u);
  answer(request->nonce);
  EXPECT_EQ(sink_.results.size(), 1u);
}

TEST_F(EnginePluginsTest, AHostThatSaidThatACallWasLateGetsNoOtherAct) {
  act_host(1);
  order(41);
  order(42);
  turn();
  const auto request = asked();
  ASSERT_TRUE(request);
  answer(request->nonce, VerbStatus::kTimeout, "not done within 2000 ms");
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kTimeout);
  turn();
  EXPECT_FALSE(asked());
  EXPECT_THAT(ends_, IsEmpty());
  down(ipc::HostKind::kAct, 1, false, 71 << 8, "ended itself because a call was not back in time");
  act_host(2);
  const auto next = asked();
  ASSERT_TRUE(next);
  answer(next->nonce);
  ASSERT_EQ(sink_.results.size(), 2u);
  EXPECT_EQ(sink_.results[1].status, VerbStatus::kOk);
}

TEST_F(EnginePluginsTest, AHostThatSaysLateAndStaysIsEnded) {
  act_host(1);
  order(41);
  turn();
  answer(asked()->nonce, VerbStatus::kTimeout, "late");
  turn(posix::now() + milliseconds{900});
  EXPECT_THAT(ends_, IsEmpty());
  turn(posix::now() + milliseconds{1001});
  EXPECT_EQ(ends_.size(), 1u);
}

TEST_F(EnginePluginsTest, ADeathWithAnActInFlightIsACrash) {
  act_host(1);
  order(41);
  turn();
  host_.reset();
  turn();
  EXPECT_THAT(sink_.results, IsEmpty());  // how it died is better told by who saw it
  down(ipc::HostKind::kAct, 1);
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kCrashed);
  EXPECT_EQ(sink_.results[0].sentence.view(), "its process was killed by signal 11");
}

TEST_F(EnginePluginsTest, AHangUpWithoutADeathIsACrashAllTheSame) {
  act_host(1);
  order(41);
  turn();
  host_.reset();
  ASSERT_TRUE(eventually([&] { return !sink_.results.empty(); }, seconds{1}));
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kCrashed);
  EXPECT_EQ(ends_.size(), 1u);
  down(ipc::HostKind::kAct, 1);
  EXPECT_EQ(sink_.results.size(), 1u);
}

TEST_F(EnginePluginsTest, AnAnswerBeforeTheDeathCounts) {
  act_host(1);
  order(41);
  turn();
  ipc::ActAnswer one;
  one.nonce = asked()->nonce;
  ASSERT_TRUE(posix::send_message(host_.get(), ipc::encode(one)));
  host_.reset();
  down(ipc::HostKind::kAct, 1);
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kOk);
}

TEST_F(EnginePluginsTest, AnActWaitsForTheHostThatIsBeingStartedAnew) {
  act_host(1);
  host_.reset();
  down(ipc::HostKind::kAct, 1);
  order(41);
  turn(posix::now() + milliseconds{1900});
  EXPECT_THAT(sink_.results, IsEmpty());
  act_host(2);
  const auto request = asked();
  ASSERT_TRUE(request);
  answer(request->nonce);
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kOk);
}

TEST_F(EnginePluginsTest, AnActThatTheEndingHostNoLongerTakesGoesToTheNext) {
  act_host(1);
  order(40);
  const auto first = asked();
  ASSERT_TRUE(first);
  ::shutdown(host_.get(), SHUT_RD);  // as the guardian's end of the talk looks from here
  order(41);
  answer(first->nonce);  // what runs may finish
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kOk);
  turn();
  host_.reset();
  turn();
  down(ipc::HostKind::kAct, 1, false, 0, "ended: its settings have changed");
  EXPECT_EQ(sink_.results.size(), 1u);
  act_host(2);
  const auto second = asked();
  ASSERT_TRUE(second);
  answer(second->nonce);
  ASSERT_EQ(sink_.results.size(), 2u);
  EXPECT_EQ(sink_.results[1].ticket, 41u);
  EXPECT_EQ(sink_.results[1].status, VerbStatus::kOk);
}

TEST_F(EnginePluginsTest, WithoutAHostAnActIsNotRunningAfterTwoSeconds) {
  order(41, "web", PluginVerb::kEnter, seconds{60});
  turn(posix::now() + milliseconds{1900});
  EXPECT_THAT(sink_.results, IsEmpty());
  turn(posix::now() + milliseconds{2001});
  turn();
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kNotRunning);
}

TEST_F(EnginePluginsTest, AHostThatIsGivenUpIsNotWaitedFor) {
  act_host(1);
  host_.reset();
  down(ipc::HostKind::kAct, 1, true, 11, "it died 5 times within a minute");
  order(41);
  turn();
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kNotRunning);
  EXPECT_EQ(sink_.results[0].sentence.view(), "it died 5 times within a minute");
}

TEST_F(EnginePluginsTest, OnlyTheNewestNoticeOfAnInstanceWaits) {
  act_host(1);
  order(1);
  order(0, "web", PluginVerb::kNotify);
  order(0, "mail", PluginVerb::kNotify);
  order(0, "web", PluginVerb::kNotify);
  turn();
  std::vector<std::string> seen;
  for (auto request = asked(); request; request = asked()) {
    seen.push_back(request->instance + " " + std::string{verb_token(request->verb)});
    answer(request->nonce);
  }
  EXPECT_THAT(seen, ElementsAre("web enter", "mail notify", "web notify"));
  EXPECT_EQ(sink_.results.size(), 1u);  // notices have none
}

TEST_F(EnginePluginsTest, AForgottenSectionEndsItsHostsAndSettlesItsActs) {
  probe_host(3);
  act_host(4);
  order(1);
  order(2, "mail");
  turn();
  plugins_->forget_plugin(7);
  turn();
  EXPECT_EQ(sink_.results.size(), 2u);
  ASSERT_EQ(ends_.size(), 2u);
  EXPECT_EQ(ends_[0].incarnation, 3u);
  EXPECT_EQ(ends_[1].incarnation, 4u);
}

// --- A new engine --------------------------------------------------------------------------------------------------

class InheritedPluginsTest : public EnginePluginsTest {
 protected:
  /// As an engine that takes over: the hosts are there before it has taken its first turn.
  void take_over(std::uint64_t incarnation, ipc::HostKind kind) {
    plugins_ = std::make_unique<EnginePlugins>(loop_, [this](const ipc::PluginHostEnd& end) { ends_.push_back(end); });
    std::vector<posix::Fd> fds;
    if (kind == ipc::HostKind::kAct) {
      auto pair = *posix::seqpacket_pair();
      host_ = std::move(pair.first);
      fds.push_back(std::move(pair.second));
    } else {
      fds.push_back(*posix::reopen_read_only(page_.get()));
      fds.emplace_back(::dup(bell_.get()));
    }
    plugins_->on_host(posix::now(), {"db", kind, incarnation}, std::move(fds));
    config::Plugin section;
    section.name = "db";
    section.deadline = seconds{2};
    plugins_->use_plugin(7, section);
  }
};

TEST_F(InheritedPluginsTest, TheFirstLookFindsWhatWasSaidBefore) {
  write(outcome(1, 12));
  take_over(1, ipc::HostKind::kProbe);
  EXPECT_EQ(plugins_->read_probe(7).sequence, 12u);
}

TEST_F(InheritedPluginsTest, AnOutcomeOfAHostThatOnlyTheOldEngineKnewIsNoGarbage) {
  write(outcome(1, 12));
  take_over(2, ipc::HostKind::kProbe);
  EXPECT_EQ(plugins_->read_probe(7).sequence, 0u);
  turn();
  EXPECT_THAT(sink_.lost, IsEmpty());
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(InheritedPluginsTest, TheAnswerToTheOldEngineIsPassedOverOnce) {
  take_over(1, ipc::HostKind::kAct);
  order(41);
  turn();
  const auto request = asked();
  ASSERT_TRUE(request);
  answer(request->nonce + 1000);
  EXPECT_THAT(sink_.results, IsEmpty());
  EXPECT_THAT(ends_, IsEmpty());
  answer(request->nonce);
  ASSERT_EQ(sink_.results.size(), 1u);
  EXPECT_EQ(sink_.results[0].status, VerbStatus::kOk);
  order(42);
  turn();
  answer(asked()->nonce + 1000);
  ASSERT_EQ(sink_.results.size(), 2u);
  EXPECT_EQ(sink_.results[1].status, VerbStatus::kGarbage);
}

}  // namespace
}  // namespace baton::daemon
