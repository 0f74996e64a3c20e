// Any bytes as a netlink datagram: split, parsed, and given to the link table as events and as a dump.
#include <cstring>
#include <memory>

#include "linux/link_table.h"
#include "linux/route_message.h"

namespace {

using namespace baton;

class Nobody final : public linux::LinkFacts {
 public:
  void link_changed(const ports::LinkState&) override {}
  void address_changed(const ports::AddressFact& fact, int) override {
    if (fact.prefix.length > fact.prefix.address.max_prefix()) __builtin_trap();
  }
  void dump_begins() override {}
  void dump_ends() override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Aligned as the buffers of the sockets are, and exactly as long as the input, so that a read past the end is seen.
  const std::unique_ptr<std::uint8_t[]> aligned{new std::uint8_t[size]};
  if (size != 0) std::memcpy(aligned.get(), data, size);
  Nobody nobody;
  linux::LinkTable table{nobody, size % 2 == 0};
  table.watch(0, "eth0");
  table.watch(1, "eth1");
  table.expect_dump();
  table.apply_dump({});
  linux::Dump dump;
  linux::RouteMessageReader reader{ConstBytes{aligned.get(), size}};
  while (const auto message = reader.next()) {
    const linux::RouteMessage parsed = linux::parse_route_message(*message);
    table.apply(parsed);
    if (const auto* link = std::get_if<linux::LinkMessage>(&parsed)) dump.links.push_back(*link);
    if (const auto* address = std::get_if<linux::AddressMessage>(&parsed)) dump.addresses.push_back(*address);
  }
  dump.interrupted = reader.interrupted();
  table.tell_new();
  table.expect_dump();
  table.apply_dump(dump);
  return 0;
}
