#include "ipc/host_order.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::ipc {
namespace {

using std::chrono::milliseconds;

HostOrder full_order() {
  HostOrder order;
  order.section = "shop";
  order.kind = HostKind::kAct;
  order.module_path = "/usr/lib/baton/plugins/http.so";
  order.module_file = "2049:1234:56789:1700000000.5";
  order.own_module = false;
  order.user = "baton-act";
  order.host_name = "host1";
  order.interval = milliseconds{1000};
  order.timeout = milliseconds{800};
  order.deadline = milliseconds{30000};
  order.ring_for = 4;
  order.needs = 1;
  order.incarnation = 0xFEDCBA9876543210;
  order.settings = {{"url", {"http://127.0.0.1/"}},
                    {"header", {"A: 1", "B: 2"}},
                    {"password", {std::string(100'000, 'x')}},
                    {"empty", {}}};
  return order;
}

TEST(HostOrderTest, ArrivesAsItWasWithLongSecrets) {
  const auto order = decode_order(encode(full_order()));
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(*order, full_order());
}

TEST(HostOrderTest, EveryCutAndEveryTrailingByteIsAnError) {
  HostOrder small = full_order();
  small.settings.erase(small.settings.begin() + 2);
  auto bytes = encode(small);
  ASSERT_LT(bytes.size(), 1000u);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_order(ConstBytes{bytes}.first(size)).has_value()) << size;
  }
  bytes.push_back(0);
  EXPECT_FALSE(decode_order(bytes).has_value());
}

TEST(HostOrderTest, CountsAndLengthsBeyondWhatIsThereAreErrors) {
  HostOrder order;
  auto bytes = encode(order);
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    auto wrong = bytes;
    std::fill_n(wrong.begin() + static_cast<std::ptrdiff_t>(at), 8, std::uint8_t{0xFF});
    const auto read = decode_order(wrong);
    if (!read) continue;  // a plain number: any value is one
    EXPECT_EQ(read->settings.size(), 0u) << at;
  }
}

TEST(HostOrderTest, AFleetArrivesInItsOrder) {
  HostOrder other = full_order();
  other.section = "mail";
  other.kind = HostKind::kProbe;
  const std::vector<HostOrder> fleet = {full_order(), other};
  const auto read = decode_fleet(encode_fleet(fleet));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, fleet);
  const auto none = decode_fleet(encode_fleet({}));
  ASSERT_TRUE(none.has_value());
  EXPECT_TRUE(none->empty());
  auto bytes = encode_fleet(fleet);
  bytes.pop_back();
  EXPECT_FALSE(decode_fleet(bytes).has_value());
}

}  // namespace
}  // namespace baton::ipc
