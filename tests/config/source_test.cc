// Each finding about inih r55 (it cuts, joins, or passes over) is refused with its place, and nothing of the line
// reaches the values.
#include "config/source.h"

#include "config/effective.h"
#include "tests/config/findings.h"

namespace baton::config {
namespace {

TEST(Source, ALineOfInihsLimitIsReadWhole) {
  // "module = m" needs a plugin section; a value of 197 - 7 bytes fills the line exactly.
  const std::string value(190, 'x');
  const Config config = config_of(instance("[plugin p]\nmodule = m\nquery= " + value.substr(0, 190) + "\n"));
  ASSERT_EQ(config.plugins.size(), 1u);
  EXPECT_EQ(config.plugins[0].settings[0].values.at(0), value);
}

TEST(Source, AnOverlongLineIsRefusedAndItsTailIsNoNewKey) {
  // As measured: 196 bytes of value, then `priority=255`, which inih takes for a line of its own.
  const std::string line = "interface = " + std::string(196, 'x') + "priority=255";
  EXPECT_THAT(findings(instance(line + "\n")), ElementsAre("E010 5:198"));
}

TEST(Source, AnOverlongLineSaysHowToWriteIt) {
  const Loaded loaded = parse_text(instance("address = " + std::string(200, '1') + "\n"));
  ASSERT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_EQ(loaded.diagnostics[0].message, "the line has 210 bytes; at most 197 can be read");
  EXPECT_EQ(loaded.diagnostics[0].help,
            "give a list one item a line by repeating the key, or put a long text into a file and name that");
}

TEST(Source, AnOverlongCommentIsHarmless) {
  EXPECT_THAT(findings(instance("# " + std::string(5000, 'c') + "\n")), IsEmpty());
}

TEST(Source, AnIndentedLineIsNoContinuation) {
  // inih delivers the second line as another value of `address`.
  EXPECT_THAT(findings(instance("  address = 10.0.0.51/24\n")), ElementsAre("E011 5:1"));
  EXPECT_THAT(findings(instance("\tpriority = 5\n")), ElementsAre("E011 5:1"));
}

TEST(Source, AnIndentedSectionDoesNotGiveItsKeysToTheOneBefore) {
  EXPECT_THAT(findings(instance(" [instance db]\ninterface = eth1\n")), ElementsAre("E011 5:1"));
}

TEST(Source, CommentsMayBeIndented) { EXPECT_THAT(findings(instance("   # why\n\t; and why\n   \n")), IsEmpty()); }

TEST(Source, TextBehindTheBracketIsRefused) {
  EXPECT_THAT(findings("[instance web] interface = eth0\n"), ElementsAre("E016 1:16"));
  EXPECT_THAT(findings(instance("[peer db1] # the first\naddress = 10.0.0.1\n")), ElementsAre("E016 5:12"));
}

TEST(Source, ABracketThatIsNeverClosedIsRefused) {
  EXPECT_THAT(findings(instance("[peer db1\naddress = 10.0.0.1\n")), ElementsAre("E016 5:10"));
}

TEST(Source, ACommentInsideTheBracketsIsRefused) {
  EXPECT_THAT(findings(instance("[peer db1 ;old]\naddress = 10.0.0.1\n")), ElementsAre("E016 5:11"));
}

TEST(Source, ASectionNameThatInihWouldCutIsRefused) {
  // 49 bytes fit inih; two names that differ in the 50th would become one section.
  EXPECT_THAT(findings(instance("[plugin " + std::string(43, 'n') + "]\nmodule = m\n")), ElementsAre("E017 5:2"));
  EXPECT_THAT(findings(instance("[plugin " + std::string(42, 'n') + "]\nmodule = m\n")), ElementsAre("E021 5:2"));
}

TEST(Source, AnEmptyKeyIsRefused) {
  EXPECT_THAT(findings(instance("= 5\n")), ElementsAre("E014 5:1"));
  EXPECT_THAT(findings(instance("@db1 = 5\n")), ElementsAre("E014 5:1"));
  EXPECT_THAT(findings(instance("priority@ = 5\n")), ElementsAre("E014 5:10"));
}

TEST(Source, AKeyWithABlankIsRefused) { EXPECT_THAT(findings(instance("priority 5 = 5\n")), ElementsAre("E014 5:9")); }

TEST(Source, ASemicolonBehindABlankWouldCutTheValue) {
  // A password with " ;" would arrive without its end.
  EXPECT_THAT(findings(instance("[plugin p]\nmodule = m\npassword = abc ;def\n")),
              ElementsAre("W010 5:2", "E015 7:16"));
  EXPECT_THAT(findings(instance("priority = 5\t; low\n")), ElementsAre("E015 5:14"));
  EXPECT_THAT(findings(instance("priority = ;5\n")), ElementsAre("E015 5:12"));
}

TEST(Source, ASemicolonInsideAWordIsPartOfTheValue) {
  const Config config = config_of(instance("[plugin p]\nmodule = m\nquery = select 1;\n"));
  EXPECT_EQ(config.plugins.at(0).settings.at(0).values.at(0), "select 1;");
}

TEST(Source, AHashIsPartOfTheValueAndExplained) {
  const Loaded loaded = parse_text(instance("priority = 110 # better\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E030 5:12"));
  EXPECT_EQ(loaded.diagnostics[0].help, "a comment stands on a line of its own");
}

TEST(Source, AColonIsNoSeparator) {
  // inih would read the key "address 2001".
  EXPECT_THAT(findings(instance("address 2001:db8::1\n")), ElementsAre("E013 5:13"));
  const Loaded loaded = parse_text(instance("priority: 5\n"));
  ASSERT_THAT(briefs(loaded), ElementsAre("E013 5:9"));
  EXPECT_EQ(loaded.diagnostics[0].help, "write priority = 5");
}

TEST(Source, ColonsInAValueAreKept) {
  EXPECT_EQ(config_of(instance("address = 2001:db8::1/64\n")).instances.at(0).addresses.at(2).text(), "2001:db8::1/64");
}

TEST(Source, ALineWithoutEqualsIsRefused) { EXPECT_THAT(findings(instance("preempt\n")), ElementsAre("E012 5:1")); }

TEST(Source, AKeyBeforeTheFirstSectionIsRefused) {
  EXPECT_THAT(findings("priority = 5\n" + instance("")), ElementsAre("E018 1:1"));
}

TEST(Source, AllBrokenLinesAreFoundInOneRun) {
  // inih itself returns the first error line only.
  EXPECT_THAT(findings(instance("one\ntwo\n= three\nfour : 4\n")),
              ElementsAre("E012 5:1", "E012 6:1", "E014 7:1", "E013 8:6"));
}

TEST(Source, TextBehindANulIsNotLost) {
  const std::string line = std::string("priority = 5") + '\0' + "0\n";
  EXPECT_THAT(findings(instance(line)), ElementsAre("E005 5:13"));
}

TEST(Source, ControlCharactersAreRefused) {
  EXPECT_THAT(findings(instance("priority = 5\x1b[2J\n")), ElementsAre("E005 5:13"));
  EXPECT_THAT(findings(instance("priority = 5\v\n")), ElementsAre("E005 5:13"));
  // U+0085, a control character in two bytes.
  EXPECT_THAT(findings(instance("priority = 5\xC2\x85\n")), ElementsAre("E005 5:13"));
  EXPECT_THAT(findings(instance("priority = 5\r5\n")), ElementsAre("E005 5:13"));
}

TEST(Source, Latin1IsRefusedAndUtf8IsNot) {
  EXPECT_THAT(findings(instance("# gr\xFC\xDF\n")), ElementsAre("E005 5:5"));
  EXPECT_THAT(findings(instance("# gr\xC3\xBC\xC3\x9F\n")), IsEmpty());
  // Overlong, surrogate, beyond U+10FFFF, cut short.
  EXPECT_THAT(findings(instance("#\xC0\xAF\n#\xED\xA0\x80\n#\xF4\x90\x80\x80\n#\xE2\x82\n")),
              ElementsAre("E005 5:2", "E005 6:2", "E005 7:2", "E005 8:2"));
}

TEST(Source, WindowsLineEndsAreToldOnce) {
  const Loaded loaded = parse_text("[instance web]\r\ninterface = eth0\r\n");
  ASSERT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_EQ(brief(loaded.diagnostics[0]), "E007 1:15");
  EXPECT_EQ(loaded.diagnostics[0].help, "convert the file: sed -i 's/\\r$//' baton.conf");
}

TEST(Source, AByteOrderMarkIsRefused) {
  EXPECT_THAT(findings("\xEF\xBB\xBF# comment\n" + instance("")), ElementsAre("E006 1:1"));
}

TEST(Source, AFileThatEndsInsideALineIsRefused) {
  // `priority = 11` may have been 110.
  EXPECT_THAT(findings(instance("priority = 11")), ElementsAre("E008 5:14"));
}

TEST(Source, TheValueThatInihDeliversIsTheOneWritten) {
  const Config config = config_of(instance("[plugin p]\nmodule = m\na=1=2\nb =  x  y \t\nc = \"q\"\nd = [x]\n"));
  const Properties all = properties(config.plugins.at(0));
  EXPECT_EQ(Properties(all.end() - 4, all.end()),
            (Properties{{"a", "1=2"}, {"b", "x  y"}, {"c", "\"q\""}, {"d", "[x]"}}));
}

TEST(Source, KeysOfABrokenSectionAreNotGivenToTheOneBefore) {
  const Loaded loaded = parse_text(instance("[peer\nvirtual_router_id = 7\n"));
  EXPECT_THAT(briefs(loaded), ElementsAre("E016 5:6"));
}

}  // namespace
}  // namespace baton::config
