#include "daemon/report_line.h"

#include <gtest/gtest.h>

namespace baton::daemon {
namespace {

IpAddress address(const char* text) { return *IpAddress::parse(text); }

std::string fields_of(const ReportLine& line) {
  std::string all;
  for (const log::Field& field : line.fields) all += std::string{field.key} + "=" + field.value + "\n";
  return all;
}

ports::Report transition() {
  ports::Report report;
  report.kind = ports::EventKind::kTransition;
  report.instance = 3;
  report.from = vrrp::State::kBackup;
  report.to = vrrp::State::kActive;
  report.reason = Reason::kActiveResigned;
  report.other = address("10.0.0.2");
  return report;
}

ports::InstanceState instance(std::string_view name, std::uint32_t first_router, std::uint8_t routers) {
  ports::InstanceState state;
  name.copy(state.name.data(), state.name.size() - 1);
  state.first_router_slot = first_router;
  state.router_count = routers;
  return state;
}

ports::RouterState router(std::uint8_t vrid) {
  ports::RouterState state;
  state.vrid = vrid;
  return state;
}

ports::Report move(ports::HandoverPhase phase) {
  ports::Report report;
  report.kind = ports::EventKind::kMove;
  report.instance = 3;
  report.move = phase;
  return report;
}

class ReportContextsTest : public ::testing::Test {
 protected:
  ReportContextsTest() : contexts([this] { return ++drawn; }) {
    contexts.publish_router(5, router(51));
    contexts.publish_router(6, router(51));
    contexts.publish_instance(3, instance("web", 5, 2));
    contexts.set_peers({{.host = "db2", .addresses = {address("192.0.2.9"), address("10.0.0.2")}, .defined_at = {}}});
  }
  std::uint64_t drawn = 0x10;
  ReportContexts contexts;
};

TEST(ReportLineTest, ATransitionCarriesWhatMonitoringAsksFor) {
  const ReportContext context{.instance = "web", .vrids = {51, 52}, .peer = "db2", .correlation = 0x1f};
  const ReportLine line = report_line(transition(), context);
  EXPECT_EQ(line.event, "transition");
  EXPECT_EQ(line.level, log::Level::kInfo);
  EXPECT_EQ(fields_of(line),
            "instance=web\nvrid=51\nvrid=52\nfrom=backup\nto=active\nreason=active_resigned\nother=10.0.0.2\npeer=db2\n"
            "correlation_id=000000000000001f\n");
  EXPECT_EQ(line.text, "the Active resigned (priority 0)");
}

TEST(ReportLineTest, WhatDoesNotApplyIsLeftOut) {
  ports::Report report;
  report.kind = ports::EventKind::kAlarm;
  report.alarm = ports::Alarm::kStall;
  report.duration_ns = 1'500'000;
  const ReportLine line = report_line(report, {});
  EXPECT_EQ(line.level, log::Level::kWarning);
  EXPECT_EQ(fields_of(line), "alarm=stall\nduration_us=1500\n");
}

TEST_F(ReportContextsTest, NamesWhatStandsBehindTheSlots) {
  const ReportContext context = contexts.context_of(transition());
  EXPECT_EQ(context.instance, "web");
  EXPECT_EQ(context.vrids, std::vector<std::uint8_t>{51});  // both families' is one
  EXPECT_EQ(context.peer, "db2");
}

TEST_F(ReportContextsTest, OfTheHostItKnowsNoInstance) {
  ports::Report report;
  report.instance = ports::kNoInstance;
  report.other = address("10.0.0.3");
  const ReportContext context = contexts.context_of(report);
  EXPECT_EQ(context.instance, "");
  EXPECT_EQ(context.peer, "");
  EXPECT_EQ(context.correlation, 0U);
}

TEST_F(ReportContextsTest, WhatFollowsATransitionBelongsToItUntilTheNext) {
  EXPECT_EQ(contexts.context_of(transition()).correlation, 0x11U);
  ports::Report acted;
  acted.kind = ports::EventKind::kActed;
  acted.instance = 3;
  EXPECT_EQ(contexts.context_of(acted).correlation, 0x11U);
  contexts.publish_instance(3, instance("web", 5, 2));  // its state changes all the time
  EXPECT_EQ(contexts.context_of(acted).correlation, 0x11U);
  EXPECT_EQ(contexts.context_of(transition()).correlation, 0x12U);
}

TEST_F(ReportContextsTest, APlannedMoveHasItsOwnNumberFromTheFirstWordToTheLast) {
  auto state = instance("web", 5, 2);
  state.handover.number = 0xabcd;
  contexts.publish_instance(3, state);
  EXPECT_EQ(contexts.context_of(move(ports::HandoverPhase::kBlocking)).correlation, 0xabcdU);
  EXPECT_EQ(contexts.context_of(transition()).correlation, 0xabcdU);
  EXPECT_EQ(contexts.context_of(move(ports::HandoverPhase::kTaken)).correlation, 0xabcdU);
  EXPECT_EQ(contexts.context_of(transition()).correlation, 0x11U);  // a later one is none of it
}

TEST_F(ReportContextsTest, ASlotThatIsUsedAgainInheritsNothing) {
  contexts.context_of(transition());
  contexts.retire_instance(3);
  EXPECT_EQ(contexts.context_of(transition()).instance, "");
  contexts.publish_router(7, router(99));
  contexts.publish_instance(3, instance("mail", 7, 1));
  ports::Report acted;
  acted.kind = ports::EventKind::kActed;
  acted.instance = 3;
  const ReportContext context = contexts.context_of(acted);
  EXPECT_EQ(context.instance, "mail");
  EXPECT_EQ(context.vrids, std::vector<std::uint8_t>{99});
  EXPECT_EQ(context.correlation, 0U);
}

}  // namespace
}  // namespace baton::daemon
