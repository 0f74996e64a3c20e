// The order of times of a promotion, each rule on both sides of its edge, and what each protection says of itself.
#include "config/protection.h"

#include "tests/config/findings.h"

namespace baton::config {
namespace {

using namespace std::chrono_literals;

using testing::Contains;
using testing::Each;
using testing::Not;

constexpr const char* kSections =
    "[plugin pg]\nmodule = postgres\n[plugin etcd]\nmodule = etcd\nlease = 10s\n[plugin ipmi]\nmodule = fence-agents\n";

/// The lines of `more` are lines 5 and on.
std::string pg(const std::string& more) { return instance("promote = pg\n" + more) + kSections; }

Protection protection_of(const std::string& text) {
  const std::vector<Protection> all = protections(config_of(text));
  EXPECT_EQ(all.size(), 1u);
  return all.empty() ? Protection{} : all.front();
}

TEST(PromotionTimes, AutoWaitsForTheAddressesToLapse) {
  const Protection found = protection_of(pg("grant = witness\nwitness = etcd\n"));
  EXPECT_EQ(found.times.address_lifetime, 3s);
  EXPECT_EQ(found.times.takeover_wait, 3s);
  EXPECT_EQ(found.times.lease, Nanos{10s});
  EXPECT_FALSE(found.times.watchdog);
}

TEST(PromotionTimes, ManyAddressesLiveLonger) {
  std::string addresses;
  for (int i = 0; i < 256; ++i) addresses += "extra_address = 10.1.0." + std::to_string(i) + "/8\n";
  EXPECT_EQ(protection_of(pg("grant = manual\n" + addresses)).times.address_lifetime, 15s);
}

TEST(PromotionTimes, TheShortestLeaseOfAllWitnessesCounts) {
  const std::string text =
      pg("grant = witness\nwitness = etcd\nwitness = second\n") + "[plugin second]\nmodule = etcd\nlease = 6s\n";
  EXPECT_EQ(protection_of(text).times.lease, Nanos{6s});
}

TEST(PromotionTimes, NobodyTakesOverBeforeTheAddressesHaveLapsed) {
  const Loaded loaded = parse_text(pg("grant = manual\naddress_lifetime = 6s\ntakeover_wait = 5s\n"));
  EXPECT_THAT(briefs(loaded), Contains("E061 8:17"));
  EXPECT_EQ(
      loaded.diagnostics.front().message,
      "takeover_wait: 5s is shorter than the address lifetime of 6s: the addresses of a host that fell silent may "
      "still be there");
  EXPECT_THAT(findings(pg("grant = manual\naddress_lifetime = 6s\ntakeover_wait = 6s\n")),
              Not(Contains(testing::StartsWith("E"))));
}

TEST(PromotionTimes, ATakeoverWaitBelowTheLeasePromisesTooMuch) {
  const std::string with = "grant = witness\nwitness = etcd\ntakeover_wait = ";
  EXPECT_THAT(findings(pg(with + "9s\n")), Contains("W016 8:17"));
  EXPECT_THAT(findings(pg(with + "10s\n")), Not(Contains(testing::StartsWith("W016"))));
}

TEST(PromotionTimes, UnsafeWaitsForNothing) {
  EXPECT_EQ(protection_of(pg("grant = unsafe\n")).times.takeover_wait, 0s);
  EXPECT_THAT(findings(pg("grant = unsafe\ntakeover_wait = 2s\n")), Contains("W008 7:1"));
}

std::string watched(const std::string& timeout, const std::string& more = "") {
  return pg("grant = witness\nwitness = etcd\n" + more) +
         "[daemon]\nwatchdog = /dev/watchdog\nwatchdog_timeout = " + timeout + "\n";
}

// Lines 1 to 4, promote, grant, witness; then seven of the plugins, [daemon] and watchdog: watchdog_timeout is line 17.
TEST(PromotionTimes, AWatchdogIsShorterThanHalfALeaseAndLongerThanTheAddresses) {
  const auto of = [](const std::string& timeout) {
    std::vector<std::string> found;
    for (const std::string& one : findings(watched(timeout))) {
      if (one.ends_with(" 17:20")) found.push_back(one);
    }
    return found;
  };
  EXPECT_THAT(of("3s"), ElementsAre("W016 17:20"));
  EXPECT_THAT(of("4s"), IsEmpty());
  EXPECT_THAT(of("5s"), IsEmpty());
  EXPECT_THAT(of("6s"), ElementsAre("W016 17:20"));
  EXPECT_THAT(of("10s"), ElementsAre("E061 17:20"));
  EXPECT_THAT(of("2500ms"), Contains("E030 17:20"));
  EXPECT_THAT(of("1s"), Contains("E031 17:20"));
}

// A loop that stands still is fed for one second more.
TEST(PromotionTimes, WhoTakesOverWithoutAWitnessWaitsForTheWatchdog) {
  const std::string dog = "[daemon]\nwatchdog = /dev/watchdog\n";
  EXPECT_EQ(protection_of(pg("grant = manual\n") + dog).times.takeover_wait, 6s);
  EXPECT_EQ(protection_of(watched("5s")).times.takeover_wait, 3s) << "with one, for the grant";
  EXPECT_THAT(findings(pg("grant = manual\ntakeover_wait = 5s\n") + dog), Contains("E061 7:17"));
  EXPECT_THAT(findings(pg("grant = manual\ntakeover_wait = 6s\n") + dog), Not(Contains(testing::StartsWith("E"))));
}

TEST(Protection, AWatchdogEndsAHostThatHangsAndSaysWhatItCannot) {
  const Protection found = protection_of(watched("5s"));
  EXPECT_EQ(found.watchdog, "/dev/watchdog");
  EXPECT_THAT(found.holds, Contains(HasSubstr("is reset by /dev/watchdog within 6s")));
  EXPECT_THAT(found.open, Each(Not(HasSubstr("a holder that is frozen"))));
  EXPECT_THAT(found.open, Contains(HasSubstr("a paused machine")));
}

TEST(PromotionTimes, AddressesThatNeverLapseAreNamed) {
  EXPECT_THAT(findings(pg("grant = manual\naddress_lifetime = permanent\n")), Contains("W016 7:20"));
  EXPECT_THAT(findings(pg("grant = follow\naddress_lifetime = permanent\n")), Each(Not(testing::StartsWith("W016"))));
}

TEST(PromotionTimes, AnActThatIsEndedBeforeItsOwnWaitIsOver) {
  const std::string lines = "drain_timeout = 30s\ndeadline = ";
  const std::string text = instance("promote = pg\ngrant = manual\n") + "[plugin pg]\nmodule = postgres\n";
  EXPECT_THAT(findings(text + lines + "30s\n"), ElementsAre("W016 9:17"));
  EXPECT_THAT(findings(text + lines + "31s\n"), IsEmpty());
}

TEST(PromotionTimes, ALinkThatCountsAsAliveForTooLong) {
  const std::string text = instance("promote = r\ngrant = manual\n") + "[plugin r]\nmodule = redis\nlink_silence = ";
  EXPECT_THAT(findings(text + "15s\n"), ElementsAre("W016 9:16"));
  EXPECT_THAT(findings(text + "14s\n"), IsEmpty());
}

TEST(PromotionTimes, AGroupsTimesAreThoseOfItsLead) {
  const std::string text = instance("address_lifetime = 8s\n") +
                           "[group db]\nmember = web\npromote = pg\ngrant = manual\n" +
                           "takeover_wait = 7s\n[plugin pg]\nmodule = postgres\n";
  EXPECT_THAT(findings(text), ElementsAre("E061 10:17"));
}

TEST(Protection, OnlyWhatPromotesHasOne) {
  EXPECT_THAT(protections(config_of(instance(""))), IsEmpty());
  const Protection found = protection_of(pg("grant = manual\n"));
  EXPECT_EQ(found.object, "instance web");
  EXPECT_EQ(found.grant, Grant::kManual);
}

TEST(Protection, AWitnessGrantsOneAndDoesNotEndAFrozenOne) {
  const Protection found = protection_of(pg("grant = witness\nwitness = etcd\n"));
  EXPECT_THAT(found.holds,
              ElementsAre("at most one host at a time holds the grant: etcd gives it to one, for 10s at a time; where "
                          "that cannot be asked nobody is promoted",
                          "a holder that cannot renew its grant begins to demote 3.3s before it ends",
                          "a host that was the writable one promotes after a crash only with proof that no other has "
                          "taken over since",
                          "a host that comes back does not take the role from the one that has it"));
  EXPECT_THAT(found.open, ElementsAre(HasSubstr("a holder that is frozen"), HasSubstr("not yet sent is lost")));
}

TEST(Protection, APeersWordOrAFenceOrNobody) {
  Config config = config_of(pg("grant = manual\n"));
  config.instances[0].election.grant = Grant::kPeer;
  EXPECT_THAT(protections(config).at(0).holds, Contains(HasSubstr("will not promote that generation")));
  EXPECT_THAT(protections(config).at(0).open, Contains(HasSubstr("there is no fence: then nobody is promoted")));
  config.instances[0].election.fence = {"ipmi"};
  EXPECT_THAT(protections(config).at(0).holds, Contains(HasSubstr("or after ipmi has ended them")));
  EXPECT_THAT(protections(config).at(0).open, Contains(HasSubstr("nobody is promoted, rather than two")));
}

TEST(Protection, WithAPeersGrantTheDatabasesOwnFenceIsNamedAndWhatItCannotDo) {
  Config config = config_of(pg("grant = manual\n"));
  for (Plugin& plugin : config.plugins) {
    if (plugin.name == "pg") plugin.about.verbs.add(PluginVerb::kFence);
  }
  EXPECT_THAT(protections(config).at(0).own_fences, ElementsAre("pg"));
  EXPECT_THAT(protections(config).at(0).holds, Contains(HasSubstr("is made a standby from here by pg before another")));
  config.instances[0].election.grant = Grant::kFollow;
  EXPECT_THAT(protections(config).at(0).own_fences, IsEmpty());
  config.instances[0].election.grant = Grant::kPeer;
  const Protection own = protections(config).at(0);
  EXPECT_THAT(own.own_fences, ElementsAre("pg"));
  EXPECT_THAT(own.holds, Contains(HasSubstr("or after pg has made the other host's database, which still answers, a "
                                            "standby from here")));
  EXPECT_THAT(own.open, Contains(HasSubstr("its database cannot be reached, either, and there is no fence section")));
  EXPECT_THAT(own.open, Each(Not(HasSubstr("and there is no fence:"))));
  config.instances[0].election.fence = {"ipmi"};
  const Protection both = protections(config).at(0);
  EXPECT_THAT(both.holds, Contains(HasSubstr("a standby from here, or after ipmi has ended them")));
  EXPECT_THAT(both.open, Contains(HasSubstr("with a fence that fails nobody is promoted")));
}

TEST(Protection, UnsafeSaysThatBothPromoteUnlessThereIsAFence) {
  EXPECT_THAT(protection_of(pg("grant = unsafe\n")).open, Contains(HasSubstr("both hosts promote")));
  const Protection fenced = protection_of(pg("grant = unsafe\nfence = ipmi\n"));
  EXPECT_THAT(fenced.open, Each(Not(HasSubstr("both hosts promote"))));
  EXPECT_THAT(fenced.holds, Contains(HasSubstr("ipmi has to end the other hosts")));
}

TEST(Protection, ResumeAloneIsAGapExceptWhereAWitnessIsAsked) {
  const auto has_gap = Contains(HasSubstr("resume_alone = yes"));
  EXPECT_THAT(protection_of(pg("grant = manual\nresume_alone = yes\n")).open, has_gap);
  EXPECT_THAT(protection_of(pg("grant = manual\n")).open, Not(has_gap));
  EXPECT_THAT(protection_of(pg("grant = witness\nwitness = etcd\nresume_alone = yes\n")).open, Not(has_gap));
}

TEST(Protection, WhoFollowsPromisesWhatTheDatabaseDoes) {
  const Protection found = protection_of(pg("grant = follow\n"));
  EXPECT_THAT(found.holds, Contains(HasSubstr("Baton promotes nothing")));
  EXPECT_THAT(found.open, ElementsAre(HasSubstr("with two voters")));
}

}  // namespace
}  // namespace baton::config
