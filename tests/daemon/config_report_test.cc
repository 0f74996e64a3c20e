#include "daemon/config_report.h"

#include <gtest/gtest.h>

namespace baton::daemon {
namespace {

TEST(ConfigReportTest, NothingWrongAndNothingChangedIsTwoEmptyLists) {
  EXPECT_EQ(config_report({}, {}), R"({"diagnostics":[],"diff":[]})");
}

TEST(ConfigReportTest, ADiagnosticCarriesItsPlace) {
  const config::Diagnostic one{.severity = config::Severity::kWarning,
                               .code = "W002",
                               .file = "a.conf",
                               .line = 4,
                               .column = 1,
                               .width = 8,
                               .message = "say \"what\"",
                               .source_line = "priority\t= 1",
                               .help = ""};
  EXPECT_EQ(config_report({&one, 1}, {}),
            R"({"diagnostics":[{"severity":"warning","code":"W002","file":"a.conf","line":4,"column":1,"width":8,)"
            R"("message":"say \"what\"","source_line":"priority\u0009= 1","help":""}],"diff":[]})");
}

TEST(ConfigReportTest, AChangeShowsBeforeAndAfter) {
  const config::ObjectChange change{config::ChangeKind::kChanged, "instance web", {{"priority", {"100"}, {"110"}}}};
  EXPECT_EQ(config_report({}, {&change, 1}), R"({"diagnostics":[],"diff":[{"kind":"changed","object":"instance web",)"
                                             R"("keys":[{"key":"priority","before":["100"],"after":["110"]}]}]})");
}

}  // namespace
}  // namespace baton::daemon
