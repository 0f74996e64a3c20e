#include "posix/event_loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "posix/clock.h"
#include "posix/unix_socket.h"

namespace baton::posix {
namespace {

using std::chrono::milliseconds;

TEST(EventLoopTest, ADeadlineEndsTheWaitNotEarlierAndBarelyLater) {
  auto loop = EventLoop::create();
  const Instant deadline = now() + milliseconds{20};
  EXPECT_EQ(*loop->wait(deadline), 0U);
  EXPECT_GE(now(), deadline);
}

TEST(EventLoopTest, ADeadlineInThePastDoesNotWait) {
  auto loop = EventLoop::create();
  const Instant before = now();
  EXPECT_EQ(*loop->wait(before - milliseconds{5}), 0U);
  EXPECT_LT(now() - before, milliseconds{1000});
}

TEST(EventLoopTest, TheHandlerOfAReadyDescriptorIsCalled) {
  auto loop = EventLoop::create();
  auto pair = seqpacket_pair();
  int calls = 0;
  ASSERT_TRUE(loop->add(pair->first.get(), EPOLLIN, [&](std::uint32_t) { ++calls; }));
  ASSERT_EQ(::write(pair->second.get(), "x", 1), 1);
  ASSERT_TRUE(loop->turn(now() + milliseconds{1000}));
  EXPECT_EQ(calls, 1);
}

TEST(EventLoopTest, WhatWasRemovedInTheSameTurnIsNotCalled) {
  auto loop = EventLoop::create();
  auto one = seqpacket_pair();
  auto two = seqpacket_pair();
  int calls = 0;
  const auto handler = [&](std::uint32_t) {
    ++calls;
    loop->remove(one->first.get());
    loop->remove(two->first.get());
  };
  ASSERT_TRUE(loop->add(one->first.get(), EPOLLIN, handler));
  ASSERT_TRUE(loop->add(two->first.get(), EPOLLIN, handler));
  ASSERT_EQ(::write(one->second.get(), "x", 1), 1);
  ASSERT_EQ(::write(two->second.get(), "x", 1), 1);
  ASSERT_TRUE(loop->turn(now() + milliseconds{1000}));
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(loop->watches(one->first.get()));
}

// A descriptor number that is used again within a turn must not get the old one's event.
TEST(EventLoopTest, AReusedNumberDoesNotInheritAnEvent) {
  auto loop = EventLoop::create();
  auto one = seqpacket_pair();
  auto two = seqpacket_pair();
  auto quiet = seqpacket_pair();
  int wrong = 0;
  bool replaced = false;
  const auto replace = [&](Fd& other) {
    if (replaced) return;
    replaced = true;
    const int number = other.get();
    loop->remove(number);
    other.reset();
    other.reset(::dup2(quiet->first.get(), number));
    ASSERT_TRUE(loop->add(number, EPOLLIN, [&](std::uint32_t) { ++wrong; }));
  };
  ASSERT_TRUE(loop->add(one->first.get(), EPOLLIN, [&](std::uint32_t) { replace(two->first); }));
  ASSERT_TRUE(loop->add(two->first.get(), EPOLLIN, [&](std::uint32_t) { replace(one->first); }));
  ASSERT_EQ(::write(one->second.get(), "x", 1), 1);
  ASSERT_EQ(::write(two->second.get(), "x", 1), 1);
  ASSERT_TRUE(loop->turn(now() + milliseconds{1000}));
  EXPECT_TRUE(replaced);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace baton::posix
