// A whole file through the reader: what it becomes on each host.
#include "config/reader.h"

#include <gtest/gtest.h>

namespace baton::config {
namespace {

using namespace std::chrono_literals;

constexpr const char* kTwoHosts = R"([instance web]
interface = eth0
virtual_router_id = 51
priority = 100
# db1 is preferred.
priority@db1 = 110
address = 10.0.0.50/24
address = 2001:db8::50/64
preempt = no

[peer db1]
address = 10.0.0.1
[peer db2]
address = 10.0.0.2
)";

Loaded parse_on(const std::string& host, const std::string& text) {
  return parse({{"baton.conf", text}}, {.host = host, .interfaces = {}, .read_secret = {}});
}

TEST(Reader, TwoHostsReadTheSameFileAndDifferWhereItSaysSo) {
  const Loaded first = parse_on("db1", kTwoHosts);
  const Loaded second = parse_on("db2", kTwoHosts);
  EXPECT_EQ(render_all(first.diagnostics), "");
  ASSERT_TRUE(first.config && second.config);
  ASSERT_EQ(first.config->instances.size(), 1u);
  const Instance& web = first.config->instances[0];
  EXPECT_EQ(web.name, "web");
  EXPECT_EQ(web.interface, "eth0");
  EXPECT_EQ(web.vrid, Vrid{51});
  EXPECT_EQ(web.election.priority, Priority{110});
  EXPECT_EQ(second.config->instances[0].election.priority, Priority{100});
  EXPECT_FALSE(web.election.preempt);
  EXPECT_EQ(web.advertisement_interval, 1s);
  EXPECT_EQ(web.defined_at, "baton.conf:1");
  ASSERT_EQ(web.addresses.size(), 3u);
  EXPECT_EQ(web.addresses[0].text(), "10.0.0.50/24");
  EXPECT_EQ(web.addresses[1].text(), "fe80::ba70:0:33/128");
  EXPECT_EQ(web.addresses[2].text(), "2001:db8::50/64");
  ASSERT_EQ(first.config->peers.size(), 2u);
  EXPECT_EQ(first.config->peers[1].addresses, std::vector<IpAddress>{*IpAddress::parse("10.0.0.2")});
  EXPECT_EQ(first.config->host, "db1");
  EXPECT_EQ(first.config->hash.size(), 64u);
  EXPECT_EQ(first.config->hash, second.config->hash);
}

}  // namespace
}  // namespace baton::config
