#include "cli/protection_text.h"

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

using namespace std::chrono_literals;

config::Protection witnessed() {
  config::Protection protection;
  protection.object = "instance pg";
  protection.grant = config::Grant::kWitness;
  protection.witnesses = {"etcd"};
  protection.watchdog = "/dev/watchdog";
  protection.times = {.address_lifetime = 3s, .watchdog = 5s, .lease = 10s, .takeover_wait = 5s};
  protection.holds = {"one holds it"};
  protection.open = {"a frozen one", "a late one"};
  return protection;
}

TEST(ProtectionText, NamesWhatIsInForceThenWhatItDoesAndDoesNot) {
  EXPECT_EQ(render_protection(witnessed()),
            "instance pg: grant = witness (etcd), no fence, watchdog /dev/watchdog\n"
            "  times: address lifetime 3s, watchdog 5s, lease 10s, takeover wait 5s\n"
            "  guaranteed:\n"
            "    - one holds it\n"
            "  not guaranteed:\n"
            "    - a frozen one\n"
            "    - a late one\n");
}

TEST(ProtectionText, TheDatabasesOwnFenceComesBeforeTheOthers) {
  config::Protection protection;
  protection.object = "instance pg";
  protection.grant = config::Grant::kWitness;
  protection.own_fences = {"pg"};
  const auto head = [&] { return render_protection(protection).substr(0, render_protection(protection).find('\n')); };
  EXPECT_EQ(head(), "instance pg: grant = witness, no fence, no watchdog");
  protection.grant = config::Grant::kPeer;
  EXPECT_EQ(head(), "instance pg: grant = peer, fence pg (the database itself), no watchdog");
  protection.fences = {"ipmi"};
  EXPECT_EQ(head(), "instance pg: grant = peer, fence pg (the database itself), then ipmi, no watchdog");
  EXPECT_EQ(protection_json({protection}).at(0)["own_fence"].dump(), R"(["pg"])");
}

TEST(ProtectionText, WhatFollowsHasNoTimes) {
  config::Protection protection;
  protection.object = "instance pg";
  protection.grant = config::Grant::kFollow;
  protection.holds = {"it follows"};
  EXPECT_EQ(render_protection(protection), "instance pg: grant = follow\n  guaranteed:\n    - it follows\n");
}

TEST(ProtectionText, ForProgramsTimesAreMilliseconds) {
  const Json json = protection_json({witnessed()}).at(0);
  EXPECT_EQ(json["times"].dump(),
            R"({"address_lifetime_ms":3000,"watchdog_ms":5000,"lease_ms":10000,"takeover_wait_ms":5000})");
  EXPECT_EQ(json["grant"], "witness");
  EXPECT_EQ(json["fence"], Json::array());
  EXPECT_EQ(json["not_guaranteed"].size(), 2u);
}

}  // namespace
}  // namespace baton::cli
