// Sections, keys and hosts: what is unknown, what is twice, and how several files merge.
#include "config/document.h"

#include "config/keepalived_words.h"
#include "config/keys.h"
#include "tests/config/findings.h"

namespace baton::config {
namespace {

constexpr const char* kPeers = "[peer db1]\naddress = 10.0.0.1\n[peer db2]\naddress = 10.0.0.2\n";

TEST(Document, AnUnknownSectionIsAnErrorAndItsKeysAreNotJudged) {
  const Loaded loaded = parse_text(instance("[instanse db]\nfoo = 1\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E020 5:2"));
  EXPECT_EQ(loaded.diagnostics[0].message, "unknown section `instanse`");
  EXPECT_EQ(loaded.diagnostics[0].help, "did you mean `instance`?");
  EXPECT_THAT(findings(instance("[Instance db]\n")), ElementsAre("E020 5:2"));
}

TEST(Document, AnUnknownKeyIsAnErrorThatSaysWhatWasMeant) {
  const Loaded loaded = parse_text(instance("prioritty = 100\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E023 5:1"));
  EXPECT_EQ(loaded.diagnostics[0].message, "[instance] has no key `prioritty`");
  EXPECT_EQ(loaded.diagnostics[0].help, "did you mean `priority`?");
  EXPECT_EQ(loaded.diagnostics[0].width, 9u);
}

TEST(Document, AWordOfKeepalivedNamesBatonsOwnAndImport) {
  const Loaded loaded =
      parse_text(instance("state = MASTER\nadvert_int = 1\nvirtual_ip = 10.0.0.50\nnopreempt = yes\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E023 5:1", "E023 6:1", "E023 7:1", "E023 8:1"));
  EXPECT_EQ(loaded.diagnostics[0].help,
            "that is keepalived's: leave it out: `priority` and `preempt` decide; "
            "`batonctl import` converts a keepalived.conf");
  EXPECT_THAT(loaded.diagnostics[1].help, HasSubstr("`advertisement_interval` with a unit"));
  EXPECT_THAT(loaded.diagnostics[2].help, HasSubstr("`address`"));
  EXPECT_THAT(loaded.diagnostics[3].help, HasSubstr("`preempt` = no"));  // not: did you mean `preempt`?
}

TEST(Document, WhatIsSaidOfKeepalivedsWordsNamesKeysThatThereAre) {
  for (const char* word : {"state",
                           "nopreempt",
                           "advert_int",
                           "virtual_ipaddress",
                           "virtual_ip",
                           "priority_weight",
                           "virtual_ipaddress_excluded",
                           "weight",
                           "script",
                           "vrrp_script",
                           "track_script",
                           "track_interface",
                           "track_process",
                           "track_file",
                           "vrrp_version",
                           "unicast_src_ip",
                           "mcast_src_ip",
                           "authentication",
                           "auth_type",
                           "auth_pass",
                           "notify_master",
                           "notify_backup",
                           "notify_fault",
                           "notify_stop",
                           "garp_master_delay",
                           "garp_master_repeat",
                           "garp_master_refresh",
                           "vrrp_startup_delay",
                           "use_vmac",
                           "router_id",
                           "smtp_alert"}) {
    const std::string help = keepalived_help(word);
    ASSERT_NE(help, "") << word;
    for (std::size_t begin = help.find('`'); begin != std::string::npos;) {
      const std::size_t end = help.find('`', begin + 1);
      const std::string key = help.substr(begin + 1, end - begin - 1);
      const auto has = [&](SectionType type) { return find_key(type, key) != nullptr; };
      EXPECT_TRUE(key == "batonctl import" || key == "command" || has(SectionType::kInstance) ||
                  has(SectionType::kPlugin))
          << word << ": " << key;
      begin = help.find('`', end + 1);
    }
    EXPECT_EQ(find_key(SectionType::kInstance, word), nullptr) << word;
  }
  EXPECT_EQ(keepalived_help("priority"), "");
}

TEST(Document, AKeyOfAnotherSectionIsSentThere) {
  const Loaded loaded = parse_text(instance("log_level = info\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E023 5:1"));
  EXPECT_EQ(loaded.diagnostics[0].help, "`log_level` belongs into a [daemon] section");
}

TEST(Document, AWordFarFromAllKeysGetsNoGuess) {
  const Loaded loaded = parse_text(instance("zzzzzz = 1\n"));
  ASSERT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_EQ(loaded.diagnostics[0].help, "");
}

TEST(Document, SectionNames) {
  EXPECT_THAT(findings(instance("[instance]\n")), ElementsAre("E021 5:2"));
  EXPECT_THAT(findings(instance("[daemon main]\n")), ElementsAre("E021 5:2"));
  EXPECT_THAT(findings(instance("[instance a b]\n")), ElementsAre("E021 5:2"));
  EXPECT_THAT(findings(instance("[instance a/b]\n")), ElementsAre("E021 5:2"));
  EXPECT_THAT(findings(instance("[instance " + std::string(33, 'n') + "]\n")), ElementsAre("E021 5:2"));
  EXPECT_THAT(findings(instance("[]\n")), ElementsAre("E016 5:2"));
  EXPECT_THAT(findings("[instance  " + std::string(29, 'n') +
                       "._-]\ninterface = eth0\nvirtual_router_id = 1\naddress = 10.0.0.1/24\n"),
              IsEmpty());
}

TEST(Document, ADuplicateScalarNamesBothLines) {
  const Loaded loaded = parse_text(instance("priority = 100\npreempt = no\npriority = 110\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E024 7:1"));
  EXPECT_EQ(loaded.diagnostics[0].message, "`priority` is set already, at baton.conf:5");
}

TEST(Document, ADuplicateForOneHostIsAnErrorToo) {
  EXPECT_THAT(findings(instance("priority@db1 = 100\npriority@db1 = 110\n") + kPeers),
              ElementsAre("W002 5:1", "E024 6:1"));
}

TEST(Document, TheLineOfAHostCountsWhereverItStands) {
  const std::string text = instance("priority@db1 = 110\npriority = 100\npriority@db2 = 90\n") + kPeers;
  EXPECT_EQ(config_of(text, on_host("db1")).instances.at(0).election.priority, Priority{110});
  EXPECT_EQ(config_of(text, on_host("db2")).instances.at(0).election.priority, Priority{90});
}

TEST(Document, ADuplicateSectionInOneFileNamesBothLines) {
  const Loaded loaded = parse_text(instance("[daemon]\nlog_level = debug\n[instance web]\npriority = 5\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E022 7:2"));
  EXPECT_EQ(loaded.diagnostics[0].message, "[instance web] stands in this file already, at baton.conf:1");
}

TEST(Document, AnEmptyDuplicateSectionIsSeenToo) {
  EXPECT_THAT(findings(instance("[instance web]\n")), ElementsAre("E022 5:2"));
}

TEST(Document, EmptySectionsAreSeen) {
  EXPECT_THAT(findings(instance("[daemon]\n")), ElementsAre("W010 5:2"));
  EXPECT_THAT(findings(instance("[instance empty]\n")), ElementsAre("E027 5:2", "E027 5:2", "E027 5:2"));
  EXPECT_THAT(findings(instance("[peer db1]\n")), ElementsAre("E027 5:2"));
}

TEST(Document, SectionsMergeAcrossFiles) {
  const Loaded loaded = parse(
      {{"baton.conf", instance("")}, {"conf.d/10.conf", "[instance web]\npriority = 42\naddress = 10.0.0.51/24\n"}},
      on_host("db1"));
  ASSERT_TRUE(loaded.config) << render_all(loaded.diagnostics);
  EXPECT_EQ(loaded.config->instances.at(0).election.priority, Priority{42});
  EXPECT_EQ(loaded.config->instances.at(0).addresses.size(), 2u);
  EXPECT_EQ(loaded.config->instances.at(0).defined_at, "baton.conf:1");
  EXPECT_THAT(loaded.files, ElementsAre("baton.conf", "conf.d/10.conf"));
}

TEST(Document, ADuplicateScalarAcrossFilesNamesBothFiles) {
  const Loaded loaded =
      parse({{"baton.conf", instance("priority = 5\n")}, {"conf.d/10.conf", "[instance web]\npriority = 42\n"}},
            on_host("db1"));
  ASSERT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_EQ(loaded.diagnostics[0].file, "conf.d/10.conf");
  EXPECT_EQ(brief(loaded.diagnostics[0]), "E024 2:1");
  EXPECT_EQ(loaded.diagnostics[0].message, "`priority` is set already, at baton.conf:5");
}

TEST(Document, ASectionTwiceInADropInIsAnError) {
  const Loaded loaded = parse({{"baton.conf", instance("")},
                               {"conf.d/10.conf", "[instance web]\npriority = 42\n[instance web]\npreempt = no\n"}},
                              on_host("db1"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E022 3:2"));
  EXPECT_EQ(loaded.diagnostics[0].message, "[instance web] stands in this file already, at conf.d/10.conf:1");
}

TEST(Document, AnEmptyValueEmptiesAList) {
  const std::string base = instance("");
  const Loaded loaded =
      parse({{"baton.conf", base}, {"conf.d/10.conf", "[instance web]\naddress =\naddress = 10.0.0.99/24\n"}},
            on_host("db1"));
  ASSERT_TRUE(loaded.config) << render_all(loaded.diagnostics);
  ASSERT_EQ(loaded.config->instances.at(0).addresses.size(), 1u);
  EXPECT_EQ(loaded.config->instances.at(0).addresses[0].text(), "10.0.0.99/24");
}

TEST(Document, AHostsLinesOfAListJoinTheOthersInOrder) {
  const std::string text = instance("address@db2 = 10.0.0.52/24\naddress = 10.0.0.53/24\npriority@db1 = 7\n") + kPeers;
  EXPECT_EQ(config_of(text, on_host("db1")).instances.at(0).addresses.size(), 2u);
  const Instance second = config_of(text, on_host("db2")).instances.at(0);
  ASSERT_EQ(second.addresses.size(), 3u);
  EXPECT_EQ(second.addresses[1].text(), "10.0.0.52/24");
}

TEST(Document, AScalarNeedsAValue) {
  const Loaded loaded = parse_text(instance("priority =\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E028 5:11"));
  EXPECT_EQ(loaded.diagnostics[0].help, "the default is 100");
}

TEST(Document, AKeyForAnUnknownHostIsAnError) {
  const Loaded loaded = parse_text(instance("priority = 90\npriority@db3 = 110\n") + kPeers);
  ASSERT_THAT(briefs(loaded), ElementsAre("W002 5:1", "E025 6:10"));
  EXPECT_EQ(loaded.diagnostics[1].message, "no [peer db3] section names this host");
  EXPECT_EQ(loaded.diagnostics[1].help, "did you mean `db1`?");
  EXPECT_THAT(findings(instance("priority@db1 = 110\n")), ElementsAre("E025 5:10"));
}

TEST(Document, ThisHostMustBeListedOnceAnyIs) {
  const std::string text = instance("priority@db1 = 110\n") + kPeers;
  const Loaded loaded = parse_text(text, on_host("web7"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E026"));
  EXPECT_EQ(loaded.diagnostics[0].message, "no [peer] section names this host, `web7`");
  EXPECT_EQ(loaded.diagnostics[0].help,
            "listed are db1, db2; --host NAME chooses another name than the short host name");
  EXPECT_THAT(findings(instance(""), on_host("web7")), IsEmpty());
}

TEST(Document, MistakesInTheOtherHostsLinesAreFoundHere) {
  const std::string text = instance("priority@db1 = 110\npriority@db2 = 300\n") + kPeers;
  EXPECT_THAT(findings(text, on_host("db1")), ElementsAre("E031 6:16"));
}

TEST(Document, AKeyThatIsMissingOnTheOtherHostIsFoundHere) {
  const Loaded loaded = parse_text(
      "[instance web]\ninterface@db1 = eth0\nvirtual_router_id = 1\naddress = 10.0.0.9/24\npriority@db1 = 5\n" +
      std::string(kPeers));
  ASSERT_THAT(briefs(loaded), ElementsAre("E027 1:2"));
  EXPECT_EQ(loaded.diagnostics[0].message, "[instance web] has no `interface` on host db2");
}

}  // namespace
}  // namespace baton::config
