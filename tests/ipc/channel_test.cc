#include "ipc/channel.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "posix/memfd.h"
#include "posix/unix_socket.h"

namespace baton::ipc {
namespace {

struct Ends {
  Channel engine;
  Channel scribe;
};

Ends make_ends(ChannelLimits limits = {}) {
  auto pair = posix::seqpacket_pair();
  return {Channel{std::move(pair->first), Process::kEngine, Process::kScribe, limits},
          Channel{std::move(pair->second), Process::kScribe, Process::kEngine, limits}};
}

TEST(ChannelTest, AMessageArrivesWhole) {
  Ends ends = make_ends();
  EXPECT_EQ(ends.engine.send(Intent{7, "web", "drain"}), SendStatus::kSent);
  const Incoming incoming = ends.scribe.receive();
  ASSERT_EQ(incoming.status, ReceiveStatus::kMessage);
  EXPECT_EQ(std::get<Intent>(incoming.message).ticket, 7U);
  EXPECT_EQ(ends.scribe.receive().status, ReceiveStatus::kNothing);
}

TEST(ChannelTest, DescriptorsTravelWithTheMessage) {
  auto pair = posix::seqpacket_pair();
  Channel guardian{std::move(pair->first), Process::kGuardian, Process::kEngine};
  Channel engine{std::move(pair->second), Process::kEngine, Process::kGuardian};
  const std::uint8_t text[] = {'h', 'i'};
  const auto memory = posix::sealed_memfd("test", text);
  ASSERT_TRUE(memory.has_value());
  const int fds[] = {memory->get()};
  guardian.send(Configuration{1}, fds);
  const Incoming incoming = engine.receive();
  ASSERT_EQ(incoming.fds.size(), 1U);
  EXPECT_EQ(posix::read_sealed(incoming.fds[0].get(), 10), (std::vector<std::uint8_t>{'h', 'i'}));
}

TEST(ChannelTest, WhatTheSocketDoesNotTakeWaitsInOrderAndThenIsDropped) {
  Ends ends = make_ends({.queue = 3});
  std::uint64_t sent = 0;
  while (ends.engine.send(Intent{sent, "", "x"}) == SendStatus::kSent) ++sent;
  ++sent;  // that one was queued
  EXPECT_EQ(ends.engine.send(Intent{sent++, "", "x"}), SendStatus::kQueued);
  EXPECT_EQ(ends.engine.send(Intent{sent++, "", "x"}), SendStatus::kQueued);
  EXPECT_EQ(ends.engine.send(Intent{999'999, "", "x"}), SendStatus::kDropped);
  EXPECT_EQ(ends.engine.dropped(), 1U);
  EXPECT_TRUE(ends.engine.wants_write());
  std::uint64_t expected = 0;
  while (expected < sent) {
    ends.engine.flush();
    const Incoming incoming = ends.scribe.receive();
    ASSERT_EQ(incoming.status, ReceiveStatus::kMessage) << expected;
    EXPECT_EQ(std::get<Intent>(incoming.message).ticket, expected++);
  }
  EXPECT_FALSE(ends.engine.wants_write());
}

TEST(ChannelTest, AClosedPeerIsSeenOnBothWays) {
  Ends ends = make_ends();
  ends.scribe.close();
  EXPECT_EQ(ends.engine.receive().status, ReceiveStatus::kClosed);
  EXPECT_EQ(ends.engine.send(Intent{}), SendStatus::kClosed);
}

TEST(ChannelTest, WhatWasSentBeforeTheEndIsStillRead) {
  Ends ends = make_ends();
  ends.engine.send(Intent{5, "", "x"});
  ends.engine.close();
  EXPECT_EQ(ends.scribe.receive().status, ReceiveStatus::kMessage);
  EXPECT_EQ(ends.scribe.receive().status, ReceiveStatus::kClosed);
}

TEST(ChannelTest, RubbishIsMalformed) {
  auto pair = posix::seqpacket_pair();
  Channel scribe{std::move(pair->second), Process::kScribe, Process::kEngine};
  ASSERT_EQ(::write(pair->first.get(), "rubbish", 7), 7);
  const Incoming incoming = scribe.receive();
  EXPECT_EQ(incoming.status, ReceiveStatus::kMalformed);
  EXPECT_FALSE(incoming.error.empty());
}

TEST(ChannelTest, AMessageOfAnotherDirectionIsMalformed) {
  auto pair = posix::seqpacket_pair();
  Channel scribe{std::move(pair->second), Process::kScribe, Process::kEngine};
  const auto bytes = encode(Terminate{});  // only the guardian may say that
  ASSERT_EQ(::write(pair->first.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(scribe.receive().status, ReceiveStatus::kMalformed);
}

TEST(ChannelTest, AMessageThatIsTooLongIsMalformed) {
  auto pair = posix::seqpacket_pair();
  Channel scribe{std::move(pair->second), Process::kScribe, Process::kEngine};
  const std::vector<std::uint8_t> bytes(kMaxMessage + 1);
  ASSERT_EQ(::write(pair->first.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(scribe.receive().status, ReceiveStatus::kMalformed);
}

}  // namespace
}  // namespace baton::ipc
