// Captures as files: blocks of the pcapng format (draft-ietf-opsawg-pcapng), version 1.0, big-endian, Ethernet,
// nanoseconds. Whoever writes a file appends the blocks in this order: head, interfaces, packets, statistics. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace baton::pcapng {

using Bytes = std::vector<std::uint8_t>;

/// Begins a file. `comment`: for people, up to 65535 bytes; "" = none.
void append_head(Bytes& file, std::string_view comment);
/// The first is interface 0. `snap`: bytes kept of a frame at most.
void append_interface(Bytes& file, std::string_view name, std::uint32_t snap);

struct Packet {
  std::uint32_t interface = 0;
  std::int64_t wall_clock_ns = 0;
  std::uint32_t length = 0;  ///< on the wire; at least bytes.size()
  bool outgoing = false;     ///< sent by this host
  ConstBytes bytes;          ///< from the Ethernet header on
  std::string_view comment = {};
};
void append_packet(Bytes& file, const Packet& packet);
/// What the kernel dropped on this interface before it could be written.
void append_statistics(Bytes& file, std::uint32_t interface, std::int64_t wall_clock_ns, std::uint64_t dropped);

}  // namespace baton::pcapng
