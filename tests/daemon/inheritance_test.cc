#include "daemon/inheritance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "ipc/messages.h"
#include "ipc/state_board.h"

namespace baton::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

Inheritance full() {
  Inheritance all;
  all.layouts = own_layouts();
  all.program = 4;
  all.version = "0.1.0";
  all.nonce = 77;
  all.asked = Instant{seconds{5}};
  all.facts = {.log_level = log::Level::kDebug,
               .history_limit = 500,
               .log_file = "/var/log/baton.log",
               .leaving_limit = seconds{60},
               .watchdog = "/dev/watchdog",
               .watchdog_timeout = seconds{10},
               .recorder = seconds{20},
               .interfaces = {"eth0", "eth1"}};
  all.configuration = 10;
  all.for_steward = 11;
  all.fleet = 29;
  all.board = 12;
  all.lock = 13;
  all.runtime_dir = 14;
  all.state_dir = 15;
  all.control = 16;
  all.log_pipe = 17;
  all.log_writer = {800, 18};
  all.workers[1] = {{801, 19}, 20, Instant{seconds{6}}, milliseconds{100}, Instant{seconds{7}}};
  all.ends = {{{-1, -1, -1, -1}, {-1, -1, 21, -1}, {-1, -1, -1, -1}, {-1, -1, -1, -1}}};
  all.memberships = {{"eth0", 4, 22}, {"eth1", 6, 23}};
  all.drained = true;
  all.frozen_until = Instant{seconds{90}};
  all.deaths = {Instant{seconds{1}}, Instant{seconds{2}}};
  all.watchdog = 24;
  all.watchdog_is_real = true;
  all.writable = {{"pg", Instant{seconds{33}}}};
  all.wishes = {{9, true, seconds{60}}};
  all.rolled_back = true;
  LeftHost host;
  host.order.section = "pg";
  host.order.settings = {{"password", {"secret"}}};
  host.child = {802, 25};
  host.page = 26;
  host.page_reader = 27;
  host.bell = 28;
  host.incarnation = 0xFFFF'FFFF'FFFF'FFFF;
  host.start_at = Instant{seconds{8}};
  host.why_ended = "its settings have changed";
  host.deaths = {Instant{seconds{3}}};
  host.given_up = true;
  all.hosts = {host};
  return all;
}

TEST(InheritanceTest, EveryFieldSurvives) {
  const auto bytes = encode(full());
  const auto back = decode_inheritance(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().message();
  EXPECT_EQ(encode(*back), bytes);
  EXPECT_EQ(back->program, 4);
  EXPECT_EQ(back->version, "0.1.0");
  EXPECT_EQ(back->nonce, 77U);
  EXPECT_EQ(back->facts.log_level, log::Level::kDebug);
  EXPECT_EQ(back->facts.history_limit, 500U);
  EXPECT_EQ(back->facts.watchdog_timeout, seconds{10});
  EXPECT_EQ(back->workers[1].child.pid, 801);
  EXPECT_EQ(back->workers[1].restart_at, Instant{seconds{7}});
  EXPECT_EQ(back->workers[2].child.pidfd, -1);
  EXPECT_FALSE(back->workers[2].restart_at);
  EXPECT_EQ(back->ends[1][2], 21);
  EXPECT_EQ(back->memberships[1].interface, "eth1");
  EXPECT_EQ(back->memberships[1].socket, 23);
  EXPECT_TRUE(back->drained);
  EXPECT_EQ(back->frozen_until, Instant{seconds{90}});
  EXPECT_EQ(back->deaths.size(), 2U);
  EXPECT_TRUE(back->watchdog_is_real);
  EXPECT_EQ(back->writable.at("pg"), Instant{seconds{33}});
  EXPECT_TRUE(back->wishes[0].dry_run);
  EXPECT_EQ(back->wishes[0].confirm_within, seconds{60});
  EXPECT_TRUE(back->rolled_back);
  EXPECT_EQ(back->facts.interfaces, (std::vector<std::string>{"eth0", "eth1"}));
  EXPECT_EQ(back->hosts[0].order.settings[0].second[0], "secret");
  EXPECT_EQ(back->hosts[0].incarnation, 0xFFFF'FFFF'FFFF'FFFF);
  EXPECT_EQ(back->hosts[0].engine_end, -1);
  EXPECT_TRUE(back->hosts[0].given_up);
}

TEST(InheritanceTest, AllDescriptorsAreNamedOnceAndNothingElse) {
  const std::vector<int> expected = {4, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29};
  EXPECT_THAT(descriptors(full()), testing::UnorderedElementsAreArray(expected));
}

TEST(InheritanceTest, WhatIsCutShortOrTooLongIsRefused) {
  const auto bytes = encode(full());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_inheritance(ConstBytes{bytes}.first(size)).has_value()) << size;
  }
  auto longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_inheritance(longer).has_value());
}

TEST(InheritanceTest, AnotherLayoutIsRefusedByNameAndTheOldProgramStillFound) {
  Inheritance strange = full();
  strange.layouts.board += 1;
  const auto bytes = encode(strange);
  const auto refused = decode_inheritance(bytes);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(),
              HasSubstr("the state board has layout " + std::to_string(strange.layouts.board)));
  EXPECT_THAT(refused.error().message(), HasSubstr("only a restart"));
  EXPECT_EQ(program_to_return_to(bytes), 4);
  EXPECT_EQ(program_to_return_to(ConstBytes{bytes}.first(10)), -1);
}

TEST(InheritanceTest, EachLayoutCounts) {
  EXPECT_EQ(own_layouts(), (Layouts{ipc::kBoardVersion, ipc::kProtocolVersion, kInheritanceVersion}));
  EXPECT_EQ(misfit({3, 1, 1}, {3, 1, 1}), "");
  EXPECT_THAT(misfit({3, 1, 1}, {4, 1, 1}), HasSubstr("the state board has layout 3, this program knows 4"));
  EXPECT_THAT(misfit({3, 1, 1}, {3, 2, 1}), HasSubstr("what the processes say has layout 1, this program knows 2"));
  EXPECT_THAT(misfit({3, 1, 1}, {3, 1, 9}), HasSubstr("what the guardian leaves has layout 1, this program knows 9"));
}

TEST(InheritanceTest, TheVariableIsReadOnceAndOnlyAsANumberOfADescriptor) {
  ::setenv(kInheritanceVariable, "17", 1);
  EXPECT_EQ(inherited_descriptor(), 17);
  EXPECT_EQ(inherited_descriptor(), -1);
  for (const char* wrong : {"", "x", "17x", "-1", "2", "99999999999"}) {
    ::setenv(kInheritanceVariable, wrong, 1);
    EXPECT_EQ(inherited_descriptor(), -1) << wrong;
  }
  ::setenv(kFailureVariable, "the new engine: killed by signal 9", 1);
  EXPECT_EQ(inherited_failure(), "the new engine: killed by signal 9");
  EXPECT_EQ(inherited_failure(), "");
}

}  // namespace
}  // namespace baton::daemon
