#include "linux/address_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::linux {
namespace {

using namespace std::chrono_literals;
using ports::AddressVerb;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Instant kNow{1000s};

AddressJob job(std::uint64_t ticket, AddressVerb verb, const char* prefix, Instant not_after = kNever) {
  AddressJob made;
  made.command.ticket = ticket;
  made.command.verb = verb;
  made.command.prefix = *Prefix::parse(prefix);
  made.command.not_after = not_after;
  made.ifindex = 3;
  return made;
}

std::vector<std::uint64_t> tickets(const std::vector<AddressJob>& jobs) {
  std::vector<std::uint64_t> list;
  for (const AddressJob& each : jobs) list.push_back(each.command.ticket);
  return list;
}

std::vector<std::uint64_t> take_all(AddressQueue& queue, std::vector<std::uint64_t>* too_late = nullptr) {
  std::vector<std::uint64_t> order;
  while (queue.has_commands()) {
    const auto batch = queue.take(kNow);
    for (const auto ticket : tickets(batch.jobs)) order.push_back(ticket);
    if (too_late != nullptr) {
      for (const auto ticket : tickets(batch.too_late)) too_late->push_back(ticket);
    }
  }
  return order;
}

TEST(AddressQueueTest, BatchesOfABurstGrowSoThatTheFirstAnswerComesSoon) {
  AddressQueue queue;
  for (std::uint64_t i = 0; i < 100; ++i) queue.push(job(i, AddressVerb::kInstall, "10.0.0.1/32"));
  std::vector<std::size_t> sizes;
  while (queue.has_commands()) sizes.push_back(queue.take(kNow).jobs.size());
  EXPECT_THAT(sizes, ElementsAre(1, 4, 16, 32, 32, 15));
  queue.push(job(1, AddressVerb::kInstall, "10.0.0.1/32"));
  queue.push(job(2, AddressVerb::kInstall, "10.0.0.2/32"));
  EXPECT_EQ(queue.take(kNow).jobs.size(), 1u) << "the next burst starts small again";
}

TEST(AddressQueueTest, RemovalAndInstallationOvertakeRefreshesOfOtherAddresses) {
  AddressQueue queue;
  queue.push(job(1, AddressVerb::kRefresh, "10.0.0.1/24"));
  queue.push(job(2, AddressVerb::kRefresh, "10.0.0.2/24"));
  queue.push(job(3, AddressVerb::kRemove, "10.0.0.3/24"));
  queue.push(job(4, AddressVerb::kInstall, "10.0.0.4/24"));
  EXPECT_THAT(take_all(queue), ElementsAre(3, 4, 1, 2));
}

TEST(AddressQueueTest, RefreshThatWasOvertakenByTheSameAddressIsDropped) {
  AddressQueue queue;
  queue.push(job(1, AddressVerb::kRefresh, "10.0.0.1/24"));
  queue.push(job(2, AddressVerb::kRemove, "10.0.0.1/24"));
  queue.push(job(3, AddressVerb::kRefresh, "10.0.0.2/24"));
  std::vector<std::uint64_t> too_late;
  EXPECT_THAT(take_all(queue, &too_late), ElementsAre(2, 3));
  EXPECT_THAT(too_late, ElementsAre(1));
}

TEST(AddressQueueTest, CommandsForOneAddressKeepTheirOrder) {
  AddressQueue queue;
  queue.push(job(1, AddressVerb::kRemove, "10.0.0.1/24"));
  queue.push(job(2, AddressVerb::kInstall, "10.0.0.1/24"));
  queue.push(job(3, AddressVerb::kRefresh, "10.0.0.1/24"));
  EXPECT_THAT(take_all(queue), ElementsAre(1, 2, 3));
}

TEST(AddressQueueTest, SameAddressOnAnotherInterfaceIsAnotherAddress) {
  AddressQueue queue;
  queue.push(job(1, AddressVerb::kRefresh, "10.0.0.1/24"));
  AddressJob other = job(2, AddressVerb::kRemove, "10.0.0.1/24");
  other.ifindex = 4;
  queue.push(other);
  EXPECT_THAT(take_all(queue), ElementsAre(2, 1));
}

TEST(AddressQueueTest, NotAfterIsChecked) {
  AddressQueue queue;
  queue.push(job(1, AddressVerb::kInstall, "10.0.0.1/24", kNow));
  queue.push(job(2, AddressVerb::kInstall, "10.0.0.2/24", kNow - 1ns));
  std::vector<std::uint64_t> too_late;
  EXPECT_THAT(take_all(queue, &too_late), ElementsAre(1));
  EXPECT_THAT(too_late, ElementsAre(2));
}

TEST(AddressQueueTest, ConversionIsDroppedOnceTheAddressIsToBeRemoved) {
  AddressQueue queue;
  queue.push(job(1, AddressVerb::kInstall, "2001:db8::1/64"));
  const auto batch = queue.take(kNow);
  queue.push_conversion(batch.jobs.front());
  queue.push(job(2, AddressVerb::kRemove, "2001:db8::1/64"));
  EXPECT_THAT(queue.take_conversions(), IsEmpty());
  EXPECT_THAT(take_all(queue), ElementsAre(2));
}

TEST(AddressQueueTest, ConversionsAreDoneInBatches) {
  AddressQueue queue;
  for (std::uint64_t i = 0; i < 40; ++i) queue.push_conversion(job(i, AddressVerb::kInstall, "2001:db8::1/64"));
  EXPECT_EQ(queue.take_conversions().size(), 32u);
  EXPECT_EQ(queue.take_conversions().size(), 8u);
  EXPECT_FALSE(queue.has_conversions());
}

}  // namespace
}  // namespace baton::linux
