// How a finding looks, and the table of codes.
#include "config/diagnostic.h"

#include <set>

#include "config/codes.h"
#include "tests/config/findings.h"

namespace baton::config {
namespace {

TEST(Diagnostics, AreShownWithLineCaretAndHelp) {
  const Loaded loaded = parse_text(instance("prioritty = 100\naddress = 10.0.0.300\n"));
  EXPECT_EQ(render_all(loaded.diagnostics),
            "baton.conf:5:1: error[E023]: [instance] has no key `prioritty`\n"
            "    prioritty = 100\n"
            "    ^~~~~~~~~\n"
            "    help: did you mean `priority`?\n"
            "baton.conf:6:11: error[E030]: address: `10.0.0.300` is no IPv4 or IPv6 address\n"
            "    address = 10.0.0.300\n"
            "              ^~~~~~~~~~\n"
            "    help: names are not resolved: write the address in numbers\n"
            "2 errors\n");
}

TEST(Diagnostics, ColourOnlyWhenAsked) {
  const Diagnostic warning{.severity = Severity::kWarning,
                           .code = "W001",
                           .file = "f",
                           .line = 1,
                           .column = 2,
                           .width = 1,
                           .message = "m",
                           .source_line = "abc",
                           .help = "h"};
  EXPECT_EQ(render(warning), "f:1:2: warning[W001]: m\n    abc\n     ^\n    help: h\n");
  EXPECT_EQ(render(warning, {.colour = true}),
            "\033[1mf:1:2: \033[0m\033[1;35mwarning[W001]:\033[0m m\n    abc\n    \033[1;35m ^\033[0m\n    "
            "\033[1mhelp:\033[0m h\n");
}

TEST(Diagnostics, TheCaretStandsUnderTextBehindTabsAndUmlauts) {
  const Diagnostic error{.code = "E030",
                         .file = "f",
                         .line = 1,
                         .column = 5,
                         .width = 3,
                         .message = "m",
                         .source_line =
                             "a\t\xC3\xBC"
                             "b\xC3\xA4"
                             "c",
                         .help = {}};
  EXPECT_EQ(render(error),
            "f:1:5: error[E030]: m\n    a\t\xC3\xBC"
            "b\xC3\xA4"
            "c\n     \t ^~\n");
}

TEST(Diagnostics, AWholeFileHasNoLine) {
  const Diagnostic error{.code = "E002", .file = "/etc/baton", .message = "m"};
  EXPECT_EQ(render(error), "/etc/baton: error[E002]: m\n");
}

TEST(Diagnostics, CountErrorsAndWarnings) {
  const Loaded loaded = parse_text(instance("priority = x\nmin_gap = 5\ncooldown = 1s\n"));
  EXPECT_THAT(render_all(loaded.diagnostics), testing::EndsWith("\n1 error, 2 warnings\n"));
  EXPECT_EQ(render_all({}), "");
}

// F85: one run, every error, each with its line.
TEST(Diagnostics, AHundredErrorsAreAllListedInOrder) {
  std::string text = instance("");
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    text += "bad_key_" + std::to_string(i) + " = 1\n";
    expected.push_back("E023 " + std::to_string(5 + i) + ":1");
  }
  EXPECT_EQ(findings(text), expected);
}

TEST(Diagnostics, ErrorsOfSeveralFilesAreSortedByTheOrderOfReading) {
  const Loaded loaded = parse({{"z.conf", instance("a = 1\n")},
                               {"conf.d/b.conf", "[instance web]\nb = 1\n"},
                               {"conf.d/c.conf", "[instance web]\nc = 1\n"}},
                              on_host("db1"));
  std::vector<std::string> files;
  for (const Diagnostic& diagnostic : loaded.diagnostics) files.push_back(diagnostic.file);
  EXPECT_THAT(files, ElementsAre("z.conf", "conf.d/b.conf", "conf.d/c.conf"));
}

TEST(Diagnostics, AFloodIsCut) {
  std::string text = instance("");
  for (int i = 0; i < 5000; ++i) text += "x" + std::to_string(i) + "\n";
  const Loaded loaded = parse_text(text);
  ASSERT_EQ(loaded.diagnostics.size(), 1001u);
  EXPECT_EQ(loaded.diagnostics.back().code, "E099");
}

TEST(Diagnostics, AFloodOfWarningsIsCutButNoError) {
  // Every host has priority 100: one W002 an instance.
  std::string text = "[peer db1]\naddress = 10.0.0.1\n[peer db2]\naddress = 10.0.0.2\n";
  for (int i = 0; i < 1020; ++i) {
    text += "[instance i" + std::to_string(i) + "]\ninterface = eth" + std::to_string(i / 255) +
            "\nvirtual_router_id = " + std::to_string(i % 255 + 1) + "\naddress = 10.1." + std::to_string(i / 250) +
            "." + std::to_string(i % 250 + 1) + "/32\n";
  }
  const Loaded loaded = parse_text(text);
  EXPECT_TRUE(loaded.config);
  ASSERT_EQ(loaded.diagnostics.size(), 1001u);
  EXPECT_EQ(loaded.diagnostics.front().code, "W002");
  EXPECT_EQ(loaded.diagnostics.back().code, "W099");
}

TEST(Diagnostics, SecretsAreMasked) {
  const Loaded loaded =
      parse_text(instance("[plugin p]\nmodule = m\npassword = hunter2 ;x\napi_token = \x01hunter2\n"));
  EXPECT_EQ(loaded.diagnostics.size(), 3u);
  EXPECT_THAT(render_all(loaded.diagnostics), Not(HasSubstr("hunter2")));
  EXPECT_THAT(render_all(loaded.diagnostics), HasSubstr("password = ********"));
}

TEST(Diagnostics, TerminalsAreNotSentWhatTheFileHolds) {
  const Loaded loaded = parse_text(instance("priority = \x1b]0;x\x07\n"));
  EXPECT_THAT(render_all(loaded.diagnostics), Not(HasSubstr("\x1b")));
}

TEST(Codes, AreUniqueSortedAndExplained) {
  std::set<std::string_view> seen;
  std::string_view last_error, last_warning;
  for (const CodeEntry& entry : code_table()) {
    EXPECT_TRUE(seen.insert(entry.code).second) << entry.code;
    EXPECT_EQ(entry.code.size(), 4u);
    std::string_view& last = entry.code[0] == 'E' ? last_error : last_warning;
    EXPECT_LT(last, entry.code);
    last = entry.code;
    EXPECT_GE(entry.title.size(), 5u) << entry.code;
    EXPECT_GE(entry.explanation.size(), 20u) << entry.code;
    EXPECT_EQ(find_code(entry.code), &entry);
  }
  EXPECT_EQ(find_code("E000"), nullptr);
}

// Stable: a code in a script or a manual keeps its meaning.
TEST(Codes, KeepTheirNumbers) {
  EXPECT_EQ(code_text(Code::kUnreadable), "E001");
  EXPECT_EQ(code_text(Code::kLineTooLong), "E010");
  EXPECT_EQ(code_text(Code::kUnknownKey), "E023");
  EXPECT_EQ(code_text(Code::kBadInterval), "E033");
  EXPECT_EQ(code_text(Code::kVridTwice), "E050");
  EXPECT_EQ(code_text(Code::kGrant), "E060");
  EXPECT_EQ(code_text(Code::kTimes), "E061");
  EXPECT_EQ(code_text(Code::kWeakGrant), "W015");
  EXPECT_EQ(code_text(Code::kTimesGap), "W016");
  EXPECT_EQ(code_text(Code::kTooManyDiagnostics), "E099");
  EXPECT_EQ(code_text(Code::kOutsidePrefix), "W001");
  EXPECT_EQ(code_text(Code::kOwnAddress), "W013");
  EXPECT_EQ(code_severity(Code::kOutsidePrefix), Severity::kWarning);
  EXPECT_EQ(code_severity(Code::kTooManyDiagnostics), Severity::kError);
}

}  // namespace
}  // namespace baton::config
