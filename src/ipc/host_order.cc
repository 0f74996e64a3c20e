#include "ipc/host_order.h"

#include <sys/wait.h>

#include "ipc/long_fields.h"

namespace baton::ipc {
namespace {

constexpr std::uint32_t kMagic = 0x42504F31;  // "BPO1"
constexpr std::uint32_t kFleetMagic = 0x42504F46;
constexpr std::size_t kMaxOrders = 2048;
constexpr std::size_t kMaxSettings = 1024;
constexpr std::size_t kMaxValues = 1024;

}  // namespace

std::string_view host_kind_token(HostKind kind) { return kind == HostKind::kProbe ? "probe" : "act"; }

bool host_said_why(int wait_status, VerbStatus last) {
  if (!WIFEXITED(wait_status)) return false;
  const int code = WEXITSTATUS(wait_status);
  return (code == kHostRefused && last == VerbStatus::kConfig) || (code == kHostLate && last == VerbStatus::kTimeout);
}

std::vector<std::uint8_t> encode(const HostOrder& order) {
  LongWriter out;
  out.number(kMagic);
  out.text(order.section);
  out.number(static_cast<std::uint64_t>(order.kind));
  out.text(order.module_path);
  out.text(order.module_file);
  out.number(order.own_module ? 1 : 0);
  out.text(order.user);
  out.text(order.host_name);
  for (const Nanos time : {order.interval, order.timeout, order.deadline}) {
    out.number(static_cast<std::uint64_t>(time.count()));
  }
  out.number(order.ring_for);
  out.number(order.needs);
  out.number(order.incarnation);
  out.number(order.settings.size());
  for (const auto& [key, values] : order.settings) {
    out.text(key);
    out.number(values.size());
    for (const std::string& value : values) out.text(value);
  }
  return out.take();
}

Result<HostOrder> decode_order(ConstBytes bytes) {
  ByteReader in{bytes};
  if (bytes.size() > kMaxOrderSize || in.u64() != kMagic) return fail("read host order: not an order");
  HostOrder order;
  order.section = read_long_text(in);
  const std::uint64_t kind = in.u64();
  order.module_path = read_long_text(in);
  order.module_file = read_long_text(in);
  order.own_module = in.u64() == 1;
  order.user = read_long_text(in);
  order.host_name = read_long_text(in);
  for (Nanos* time : {&order.interval, &order.timeout, &order.deadline}) *time = Nanos{in.i64()};
  order.ring_for = static_cast<std::uint32_t>(in.u64());
  order.needs = static_cast<std::uint32_t>(in.u64());
  order.incarnation = in.u64();
  const std::uint64_t settings = in.u64();
  if (settings > kMaxSettings) return fail("read host order: too many settings");
  for (std::uint64_t i = 0; i < settings && in.ok(); ++i) {
    auto& [key, values] = order.settings.emplace_back();
    key = read_long_text(in);
    const std::uint64_t count = in.u64();
    if (count > kMaxValues) return fail("read host order: too many values", 0, key);
    for (std::uint64_t value = 0; value < count && in.ok(); ++value) values.push_back(read_long_text(in));
  }
  if (!in.ok() || in.remaining() != 0 || kind > 1) return fail("read host order: cut short or too long");
  order.kind = static_cast<HostKind>(kind);
  return order;
}

std::vector<std::uint8_t> encode_fleet(const std::vector<HostOrder>& orders) {
  LongWriter out;
  out.number(kFleetMagic);
  out.number(orders.size());
  for (const HostOrder& order : orders) out.bytes(encode(order));
  return out.take();
}

Result<std::vector<HostOrder>> decode_fleet(ConstBytes bytes) {
  ByteReader in{bytes};
  if (bytes.size() > kMaxFleetSize || in.u64() != kFleetMagic) return fail("read plugin hosts: not a list");
  const std::uint64_t count = in.u64();
  if (count > kMaxOrders) return fail("read plugin hosts: too many");
  std::vector<HostOrder> orders;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t size = in.u64();
    if (size > in.remaining()) return fail("read plugin hosts: cut short");
    auto order = decode_order(in.take(static_cast<std::size_t>(size)));
    if (!order) return Unexpected<Error>{order.error()};
    orders.push_back(std::move(*order));
  }
  if (!in.ok() || in.remaining() != 0) return fail("read plugin hosts: cut short or too long");
  return orders;
}

}  // namespace baton::ipc
