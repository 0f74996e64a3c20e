#include "cli/render.h"

#include <gtest/gtest.h>

#include "cli/terminal.h"

namespace baton::cli {
namespace {

constexpr const char* kWeb = R"json({
  "name": "web", "role": "active", "addresses": ["10.0.0.50/24"], "addresses_wanted": 1, "addresses_held": 1,
  "active": {"this_host": true, "host": "db1"}, "effective_priority": 110, "since_ms": 133000, "eligible": true,
  "why": "no Active was heard for Active_Down_Interval (3.570 s)",
                     "alarm_details" : []
})json";
constexpr const char* kMail = R"json({
  "name": "mail", "role": "backup", "addresses": ["10.0.0.51/24", "10.0.0.52/24"], "addresses_wanted": 2, "addresses_held": 0,
  "active": {"this_host": false, "host": "db2", "address": "10.0.0.2"}, "effective_priority": 90, "since_ms": 7199000,
  "eligible": true, "why": "a router of higher priority is Active: db2 (10.0.0.2), 110 against 90 here", "alarm_details": []})json";

Json status_of(std::initializer_list<const char*> instances) {
  Json status{{"host", "db1"}, {"engine", "running"}, {"instances", Json::array()}};
  for (const char* instance : instances) status["instances"].push_back(Json::parse(instance));
  return status;
}

TEST(RenderStatusTest, TableFitsEightyColumns) {
  EXPECT_EQ(render_status(status_of({kWeb, kMail}), {}),
            "INSTANCE  VIP           HERE    ACTIVE IS  PRIO  SINCE  WHY\n"
            "web       10.0.0.50/24  ACTIVE  this host  110   2m13s  no Active was heard for\n"
            "                                                        Active_Down_Interval\n"
            "                                                        (3.570 s)\n"
            "mail      10.0.0.51/24  BACKUP  db2        90    1h59m  a router of higher\n"
            "          10.0.0.52/24                                  priority is Active: db2\n"
            "                                                        (10.0.0.2), 110 against\n"
            "                                                        90 here\n");
}

TEST(RenderStatusTest, WideTerminalNeedsOneLineAnInstance) {
  EXPECT_EQ(render_status(status_of({kWeb}), {.width = 120}),
            "INSTANCE  VIP           HERE    ACTIVE IS  PRIO  SINCE  WHY\n"
            "web       10.0.0.50/24  ACTIVE  this host  110   2m13s  no Active was heard for Active_Down_Interval "
            "(3.570 s)\n");
}

TEST(RenderStatusTest, LongAddressesPushTheReasonBelow) {
  Json status = status_of({kWeb});
  status["instances"][0]["addresses"] = {"2001:db8:1:2:3:4:5:50/64"};
  EXPECT_EQ(render_status(status, {}),
            "INSTANCE  VIP                       HERE    ACTIVE IS  PRIO  SINCE\n"
            "web       2001:db8:1:2:3:4:5:50/64  ACTIVE  this host  110   2m13s\n"
            "  no Active was heard for Active_Down_Interval (3.570 s)\n");
}

TEST(RenderStatusTest, HalfInstalledAddressesAreCounted) {
  Json status = status_of({kWeb});
  status["instances"][0]["addresses_wanted"] = 3;
  EXPECT_NE(render_status(status, {}).find("ACTIVE   this host"), std::string::npos);
  EXPECT_NE(render_status(status, {}).find("1/3 set"), std::string::npos);
}

TEST(RenderStatusTest, AClaimantIsNotShownAsActive) {
  Json status = status_of({kWeb});
  Json& web = status["instances"][0];
  web["addresses_held"] = 0;
  web["data"] = {{"role", "claiming"}, {"step", "granting"}, {"generation", 3}, {"dirty", false}};
  EXPECT_NE(render_status(status, {}).find("CLAIMING  nobody yet"), std::string::npos);
  web["data"]["role"] = "promoting";
  EXPECT_NE(render_status(status, {}).find("PROMOTING  nobody yet"), std::string::npos);
  web["data"]["role"] = "demoting";
  EXPECT_NE(render_status(status, {}).find("DEMOTING  this host"), std::string::npos);
  web["data"]["role"] = "active";
  EXPECT_NE(render_status(status, {}).find("ACTIVE   this host"), std::string::npos);
  web["data"]["role"] = "promoting";  // one that served when its engine was replaced
  web["addresses_held"] = 1;
  EXPECT_NE(render_status(status, {}).find("ACTIVE  this host"), std::string::npos);
}

TEST(RenderStatusTest, AHostThatWasStoppedIsToldFromOneThatIsNotHeard) {
  Json status = status_of({kWeb});
  status["peers"] = Json::array({{{"host", "db2"}, {"heard", false}, {"stopped", false}}});
  EXPECT_NE(render_status(status, {}).find("\ndb2: not heard on the peer channel\n"), std::string::npos);
  status["peers"][0]["stopped"] = true;
  EXPECT_NE(render_status(status, {}).find("\ndb2: its Baton has been stopped\n"), std::string::npos);
}

TEST(RenderStatusTest, APeersLineHasItsDatabaseAndWhatKeepsItFromTakingOver) {
  Json status = status_of({kWeb});
  status["peers"] = Json::parse(R"([{"host": "db2", "heard": true, "paths": 2, "paths_heard": 1, "instances": [
      {"name": "pg", "role": "backup", "against": ["no_grant", "frozen"],
       "data": {"role": "standby", "generation": 7}, "database": {"role": "replica", "lag_bytes": 12}}]}])");
  const auto line = [&] {
    const std::string text = render_status(status, {});
    const std::size_t start = text.find("\ndb2 ");
    return start == std::string::npos ? text : text.substr(start + 1, text.find('\n', start + 1) - start - 1);
  };
  EXPECT_EQ(line(),
            "db2 (heard on 1 of 2 paths): pg backup (cannot take over: frozen), data standby, generation 7, "
            "database replica, 12 bytes behind");
  Json& instance = status["peers"][0]["instances"][0];
  instance["against"] = Json::array({"no_grant"});
  instance["database"] = Json{{"role", "replica"}, {"lag_bytes", nullptr}, {"lag_ms", 2000}};
  EXPECT_EQ(line(),
            "db2 (heard on 1 of 2 paths): pg backup, data standby, generation 7, database replica, 2000 ms behind");
}

TEST(RenderStatusTest, NobodyHeardIsADash) {
  Json status = status_of({kMail});
  status["instances"][0]["active"] = nullptr;
  status["instances"][0]["role"] = "initialize";
  status["instances"][0]["why"] = "the interface does not exist";
  EXPECT_EQ(render_status(status, {}),
            "INSTANCE  VIP           HERE  ACTIVE IS  PRIO  SINCE  WHY\n"
            "mail      10.0.0.51/24  INIT  -          90    1h59m  the interface does not\n"
            "          10.0.0.52/24                                exist\n");
}

TEST(RenderStatusTest, DrainedFrozenAndADeadEngineComeFirst) {
  Json status = status_of({kWeb});
  status["drained"] = true;
  status["frozen"] = true;
  status["frozen_for_ms"] = 7'140'000;
  status["engine"] = "restarting";
  const std::string text = render_status(status, {});
  EXPECT_TRUE(
      text.starts_with("ENGINE RESTARTING: what follows is its last word\n"
                       "DRAINED: this host takes nothing until `batonctl undrain`\n"
                       "FROZEN: this host takes and gives nothing by itself for another 1h59m\n"
                       "INSTANCE"))
      << text;
}

TEST(RenderStatusTest, AProgramThatIsNotTheFileAnyMoreIsSaid) {
  Json status = status_of({kWeb});
  status["version"] = "0.1.0";
  status["running_old_binary"] = true;
  EXPECT_TRUE(
      render_status(status, {})
          .starts_with("OLD PROGRAM: version 0.1.0 runs, the file is another one (`batonctl reexec`)\nINSTANCE"))
      << render_status(status, {});
}

TEST(RenderStatusTest, AReloadThatWaitsOrWasRolledBackIsSaidFirst) {
  Json status = status_of({kWeb});
  status["confirm_within_ms"] = 37'000;
  EXPECT_TRUE(render_status(status, {})
                  .starts_with("RELOAD WAITS: rolled back in 37s unless you say `batonctl confirm`\nINSTANCE"))
      << render_status(status, {});
  status["confirm_within_ms"] = nullptr;
  status["rolled_back"] = true;
  status["config_path"] = "/etc/baton/baton.conf";
  EXPECT_TRUE(render_status(status, {})
                  .starts_with("ROLLED BACK: /etc/baton/baton.conf is not what runs "
                               "(`batonctl config diff`)\n"
                               "INSTANCE"))
      << render_status(status, {});
}

TEST(RenderStatusTest, AlarmsStandBelowWithAdvice) {
  Json status = status_of({kWeb});
  status["instances"][0]["alarm_details"] = Json::parse(R"json([{"alarm": "equal_priority",
      "text": "db2 (10.0.0.2) has the same priority as this host",
      "advice": "The greater source address decides. Give the hosts distinct priorities."}])json");
  const std::string text = render_status(status, {});
  EXPECT_NE(text.find("\n\n! web: equal_priority: db2 (10.0.0.2) has the same priority as this host\n"
                      "    The greater source address decides. Give the hosts distinct priorities.\n"),
            std::string::npos)
      << text;
}

TEST(RenderStatusTest, ColourOnlyWhenAskedFor) {
  EXPECT_EQ(render_status(status_of({kWeb}), {}).find('\033'), std::string::npos);
  EXPECT_NE(render_status(status_of({kWeb}), {.colour = true}).find("\033[1;32mACTIVE\033[0m"), std::string::npos);
}

TEST(RenderStatusTest, StrangeDocumentsDoNotStopIt) {
  EXPECT_EQ(
      render_status(
          Json::parse(R"json({"instances": [{"name": 3, "addresses": "x", "active": 7, "since_ms": null}]})json"), {}),
      "INSTANCE  VIP  HERE  ACTIVE IS  PRIO  SINCE  WHY\n"
      "          -    -     -          0     -\n");
  EXPECT_EQ(render_status(nullptr, {}), "INSTANCE  VIP  HERE  ACTIVE IS  PRIO  SINCE  WHY\nno instances\n");
}

TEST(RenderExplainTest, ShowsTheNumbersThatWereCompared) {
  const Json explanation = Json::parse(R"json({"host": "db1", "instances": [{
    "name": "web", "role": "backup",
    "why": "a router of higher priority is Active: db2 (10.0.0.2), 110 against 100 here",
    "rule": "Backup: a greater priority wins. RFC 9568 6.4.2.",
    "last_transition": {"time": "2026-11-21T02:57:47.000Z", "ms_ago": 133000, "reason": "startup",
                        "text": "started; listening for an Active first"},
    "compared": [{"interface": "eth0", "address-family": "ipv4", "vrid": 51, "priority": 100, "source_address": "10.0.0.1",
                  "heard": {"address": "10.0.0.2", "host": "db2", "priority": 110, "ms_ago": 420},
                  "active_adver_interval_ms": 1000, "skew_us": 609375, "active_down_interval_us": 3609375,
                  "next_advert_ms": null, "down_timer_ms": 3189}],
    "against": [{"reason": "drained", "text": "this host is drained"}],
    "would_change": ["this host is drained: `batonctl undrain`"]}]})json");
  EXPECT_EQ(render_explain(explanation, {}),
            "web: BACKUP\n"
            "  a router of higher priority is Active: db2 (10.0.0.2), 110 against 100 here\n"
            "  Backup: a greater priority wins. RFC 9568 6.4.2.\n"
            "  last transition 2m13s ago (2026-11-21T02:57:47.000Z): started; listening for\n"
            "  an Active first\n"
            "Compared\n"
            "  eth0 ipv4 vrid 51\n"
            "    here   priority 100 from 10.0.0.1\n"
            "    heard  priority 110 from 10.0.0.2 (db2), at most 420 ms ago\n"
            "    Active_Down_Interval 3.609 s = 3 x 1 s + Skew_Time 609 ms\n"
            "    Active_Down_Timer fires in 3.189 s or later: each advert re-arms it\n"
            "Against being Active here\n"
            "  - this host is drained\n"
            "What would change it\n"
            "  - this host is drained: `batonctl undrain`\n");
}

TEST(RenderExplainTest, AClaimantHasNothingAgainstItButWhatItWaitsFor) {
  Json instance{{"name", "web"}, {"role", "active"}, {"why", "claims the role"}, {"waits_for", "claims the role"}};
  const auto rendered = [&] { return render_explain({{"instances", {instance}}}, {}); };
  EXPECT_NE(rendered().find("Against being Active here\n  nothing but what it waits for\n"), std::string::npos);
  instance["waits_for"] = nullptr;
  EXPECT_NE(rendered().find("Against being Active here\n  nothing\n"), std::string::npos);
  EXPECT_TRUE(rendered().starts_with("web: ACTIVE\n"));
  instance["data_role"] = "claiming";
  EXPECT_TRUE(rendered().starts_with("web: CLAIMING\n"));
  instance["addresses_held"] = 1;
  EXPECT_TRUE(rendered().starts_with("web: ACTIVE\n"));
}

TEST(RenderEventTest, OneLineAnEvent) {
  EXPECT_EQ(
      render_event(Json::parse(R"json({"time": "2026-11-21T03:00:12.345Z", "instance": "web", "event": "transition",
                                        "text": "Backup -> Active: the Active resigned (priority 0)"})json"),
                   {}),
      "2026-11-21T03:00:12.345Z  web           Backup -> Active: the Active resigned (priority 0)\n");
  EXPECT_EQ(render_event(Json::parse(R"json({"time": null, "instance": null, "text": "x"})json"), {}),
            "-  (host)        x\n");
  EXPECT_EQ(
      render_event(Json::parse(R"json({"time": null, "instance": "web", "text": "x", "capture": "/c/y"})json"), {}),
      "-  web           x\n  capture: /c/y\n");
}

TEST(TerminalTest, WrapBreaksAtSpacesAndKeepsLongWords) {
  EXPECT_EQ(wrap("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("unbreakable x", 4), (std::vector<std::string>{"unbreakable", "x"}));
  EXPECT_EQ(wrap("", 4), (std::vector<std::string>{""}));
}

TEST(TerminalTest, NoColorForbidsColour) {
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(colour_wanted(1));
  ::unsetenv("NO_COLOR");
}

}  // namespace
}  // namespace baton::cli
