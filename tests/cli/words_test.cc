// Durations as operators write them, suggestions, and diagnostics between structs and JSON.
#include <gtest/gtest.h>

#include <array>

#include "cli/config_json.h"
#include "cli/duration.h"
#include "cli/suggestion.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;

TEST(DurationTest, UnitsAndTheirSums) {
  EXPECT_EQ(parse_duration("2h"), Nanos{2h});
  EXPECT_EQ(parse_duration("90s"), Nanos{90s});
  EXPECT_EQ(parse_duration("1h30m"), Nanos{90min});
  EXPECT_EQ(parse_duration("1d1ms"), Nanos{24h + 1ms});
}

TEST(DurationTest, EverythingElseIsRefused) {
  for (const char* text :
       {"", "2", "h", "2x", "-2h", "2 h", "30m1h", "1h1h", "2.5h", "99999999999999999999h", "10000001s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(SuggestionTest, NearestWordWithinAThird) {
  constexpr std::array<std::string_view, 3> kKnown{"status", "switchover", "drain"};
  EXPECT_EQ(nearest_word("statsu", kKnown), "status");
  EXPECT_EQ(nearest_word("switch-over", kKnown), "switchover");
  EXPECT_EQ(nearest_word("drian", kKnown), "");  // two of five letters
  EXPECT_EQ(nearest_word("dran", kKnown), "drain");
  EXPECT_EQ(nearest_word("frobnicate", kKnown), "");
}

TEST(ConfigJsonTest, DiagnosticSurvivesTheWayThroughJson) {
  const config::Diagnostic diagnostic{.severity = config::Severity::kWarning,
                                      .code = "W001",
                                      .file = "/etc/baton/baton.conf",
                                      .line = 7,
                                      .column = 3,
                                      .width = 4,
                                      .message = "m",
                                      .source_line = "s",
                                      .help = "h"};
  const Json json = diagnostics_json(std::array{diagnostic});
  EXPECT_EQ(json.dump(),
            R"([{"severity":"warning","code":"W001","file":"/etc/baton/baton.conf","line":7,"column":3,"width":4,)"
            R"("message":"m","source_line":"s","help":"h"}])");
  EXPECT_EQ(diagnostics_from(json), std::vector{diagnostic});
}

TEST(ConfigJsonTest, DiffSurvivesTheWayThroughJson) {
  const std::vector<config::ObjectChange> changes{
      {config::ChangeKind::kChanged, "instance web", {{"priority", {"100"}, {"110"}}}},
      {config::ChangeKind::kRemoved, "peer db3", {}}};
  const Json json = diff_json(changes);
  EXPECT_EQ(
      json.dump(),
      R"([{"kind":"changed","object":"instance web","keys":[{"key":"priority","before":["100"],"after":["110"]}]},)"
      R"({"kind":"removed","object":"peer db3","keys":[]}])");
  EXPECT_EQ(diff_from(json), changes);
}

TEST(ConfigJsonTest, StrangeJsonGivesEmptyFieldsAndNoThrow) {
  EXPECT_EQ(diagnostics_from(Json::parse(R"([{"line": "x", "message": 3}, 7])")).size(), 2u);
  EXPECT_EQ(diff_from(Json::parse(R"([{"keys": 3}, null])")).size(), 2u);
}

}  // namespace
}  // namespace baton::cli
