#include "tests/sim/wire.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace baton::sim {
namespace {

constexpr std::size_t kEthernet = 14;
constexpr std::size_t kIpv6Header = 40;

std::uint16_t be16(ConstBytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void put16(Bytes& bytes, std::size_t at, std::uint32_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

std::uint32_t sum(ConstBytes bytes) {
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) total += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
  return total;
}

std::uint16_t fold(std::uint32_t total) {
  while (total > 0xFFFF) total = (total & 0xFFFF) + (total >> 16);
  return static_cast<std::uint16_t>(~total);
}

bool is_ipv6(ConstBytes frame, std::size_t ip) { return frame[ip] >> 4 == 6; }

std::uint32_t pseudo_sum(ConstBytes frame, std::size_t ip, std::size_t length) {
  const ConstBytes addresses = is_ipv6(frame, ip) ? frame.subspan(ip + 8, 32) : frame.subspan(ip + 12, 8);
  return sum(addresses) + 112 + static_cast<std::uint32_t>(length);
}

/// True if the message's checksum is good in one of the forms that a receiver takes.
bool checksum_good(ConstBytes frame) {
  const std::size_t message = message_offset(frame, false);
  const ConstBytes body = frame.subspan(message);
  const bool v2 = body[0] >> 4 == 2;
  const bool ipv6 = is_ipv6(frame, kEthernet);
  const std::size_t length = 8 + std::size_t{body[3]} * (ipv6 ? 16 : 4) + (v2 ? 8 : 0);
  if (length > body.size()) return false;
  const std::uint32_t plain = sum(body.first(length));
  if (!ipv6 && fold(plain) == 0) return true;
  return !v2 && fold(plain + pseudo_sum(frame, kEthernet, length)) == 0;
}

/// Makes the message's checksum right in the form that every receiver takes.
void renew_checksum(Bytes& frame) {
  const std::size_t message = message_offset(frame, false);
  put16(frame, message + 6, 0);
  const ConstBytes body = ConstBytes{frame}.subspan(message);
  std::uint32_t total = sum(body);
  if (is_ipv6(frame, kEthernet)) total += pseudo_sum(frame, kEthernet, body.size());
  put16(frame, message + 6, fold(total));
}

void renew_ip_checksum(Bytes& frame) {
  if (is_ipv6(frame, kEthernet)) return;
  put16(frame, kEthernet + 10, 0);
  const std::size_t length = (frame[kEthernet] & 0x0Fu) * 4u;
  put16(frame, kEthernet + 10, fold(sum(ConstBytes{frame}.subspan(kEthernet, length))));
}

Seen look_ip(ConstBytes packet) {
  Seen seen;
  const bool ipv6 = packet[0] >> 4 == 6;
  const std::size_t header = ipv6 ? kIpv6Header : (packet[0] & 0x0Fu) * 4u;
  const std::uint8_t protocol = ipv6 ? packet[6] : packet[9];
  seen.family = ipv6 ? Family::kIpv6 : Family::kIpv4;
  if (packet.size() < header + 8) return seen;
  if (protocol == 112) {
    seen.kind = FrameKind::kAdvert;
    seen.version = packet[header] >> 4;
    seen.vrid = packet[header + 1];
    seen.priority = packet[header + 2];
    seen.interval_units = seen.version == 2 ? packet[header + 5] : be16(packet, header + 4) & 0x0FFFu;
    seen.address = IpAddress::from_bytes(ipv6 ? packet.subspan(8, 16) : packet.subspan(12, 4));
  } else if (protocol == 58 && packet[header] == 136 && packet.size() >= header + 24) {
    seen.kind = FrameKind::kAnnouncement;
    seen.address = IpAddress::from_bytes(packet.subspan(header + 8, 16));
  }
  return seen;
}

}  // namespace

Seen look(ConstBytes frame, bool from_ip) {
  if (from_ip) return frame.size() < 20 ? Seen{} : look_ip(frame);
  if (frame.size() < kEthernet + 28) return {};
  const std::uint16_t type = be16(frame, 12);
  if (type == 0x0800 || type == 0x86DD) return look_ip(frame.subspan(kEthernet));
  Seen seen;
  if (type == 0x0806) {
    seen.kind = FrameKind::kAnnouncement;
    seen.address = IpAddress::from_bytes(frame.subspan(kEthernet + 14, 4));
  }
  return seen;
}

std::size_t message_offset(ConstBytes frame, bool from_ip) {
  const std::size_t ip = from_ip ? 0 : kEthernet;
  return ip + (is_ipv6(frame, ip) ? kIpv6Header : (frame[ip] & 0x0Fu) * 4u);
}

std::uint64_t address_id(const IpAddress& address) {
  const ConstBytes bytes = address.bytes();
  std::uint64_t id = 0;
  if (!address.is_ipv6()) {
    for (const std::uint8_t byte : bytes) id = id << 8 | byte;
    return id;
  }
  for (const std::uint8_t byte : bytes.last(6)) id = id << 8 | byte;
  return id | std::uint64_t{bytes[0]} << 48 | std::uint64_t{1} << 63;
}

std::string address_text(std::uint64_t id) {
  char buffer[64];
  const auto byte = [id](int shift) { return static_cast<unsigned>(id >> shift & 0xFF); };
  if (id >> 63 == 0) {
    std::snprintf(buffer, sizeof buffer, "%u.%u.%u.%u", byte(24), byte(16), byte(8), byte(0));
  } else {
    std::snprintf(buffer, sizeof buffer, "%02x..:%02x%02x:%02x%02x:%02x%02x", byte(48), byte(40), byte(32), byte(24),
                  byte(16), byte(8), byte(0));
  }
  return buffer;
}

std::uint64_t hash_bytes(ConstBytes bytes) {
  std::uint64_t hash = bytes.size();
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < 8; ++k) word = word << 8 | bytes[i + k];
    hash = (hash ^ word) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 31;
  }
  for (; i < bytes.size(); ++i) hash = (hash ^ bytes[i]) * 0x100000001B3;
  return hash ^ hash >> 31;
}

Bytes unicast_packet(const IpAddress& source, const IpAddress& destination, ConstBytes message) {
  Bytes packet;
  if (source.is_ipv6()) {
    packet = {0x6C, 0, 0, 0, 0, 0, 112, 255};
    put16(packet, 4, static_cast<std::uint32_t>(message.size()));
  } else {
    packet = {0x45, 0xC0, 0, 0, 0, 0, 0x40, 0, 255, 112, 0, 0};
    put16(packet, 2, static_cast<std::uint32_t>(20 + message.size()));
  }
  const ConstBytes from = source.bytes(), to = destination.bytes();
  packet.insert(packet.end(), from.begin(), from.end());
  packet.insert(packet.end(), to.begin(), to.end());
  if (!source.is_ipv6()) put16(packet, 10, fold(sum(packet)));
  packet.insert(packet.end(), message.begin(), message.end());
  return packet;
}

bool spoil(Bytes& frame, Spoil way, std::uint8_t priority, std::uint64_t chance, std::uint8_t unknown_vrid) {
  const std::size_t message = message_offset(frame, false);
  const bool ipv6 = is_ipv6(frame, kEthernet);
  const bool v2 = frame[message] >> 4 == 2;
  frame[message + 2] = priority;
  renew_checksum(frame);
  switch (way) {
    case Spoil::kChecksum: {
      const std::size_t bit = chance % ((frame.size() - message) * 8);
      frame[message + bit / 8] = static_cast<std::uint8_t>(frame[message + bit / 8] ^ (1u << bit % 8));
      return !checksum_good(frame);
    }
    case Spoil::kHopLimit:
      frame[kEthernet + (ipv6 ? 7 : 8)] = static_cast<std::uint8_t>(chance % 255);
      renew_ip_checksum(frame);
      return true;
    case Spoil::kVersion:
      frame[message] = static_cast<std::uint8_t>((chance % 2 == 0 ? 0 : 4 + chance % 12) << 4 | 1);
      break;
    case Spoil::kType: frame[message] = static_cast<std::uint8_t>((frame[message] & 0xF0) | (2 + chance % 14)); break;
    case Spoil::kTruncate: {
      const std::size_t keep = chance % (frame.size() - message);
      frame.resize(message + keep);
      put16(frame, kEthernet + (ipv6 ? 4 : 2), static_cast<std::uint32_t>(ipv6 ? keep : keep + 20));
      renew_ip_checksum(frame);
      return true;
    }
    case Spoil::kZeroCount: {
      frame[message + 3] = 0;
      const std::size_t keep = 8 + (v2 ? 8 : 0);
      frame.resize(message + keep);
      put16(frame, kEthernet + (ipv6 ? 4 : 2), static_cast<std::uint32_t>(ipv6 ? keep : keep + 20));
      renew_ip_checksum(frame);
      break;
    }
    case Spoil::kUnknownVrid: frame[message + 1] = unknown_vrid; break;
    case Spoil::kNoInterval:
      if (v2) return false;
      put16(frame, message + 4, 0);
      break;
    case Spoil::kUnicast:
      frame[kEthernet + (ipv6 ? 39 : 19)] = static_cast<std::uint8_t>(100 + chance % 100);
      frame[kEthernet + (ipv6 ? 24 : 16)] = ipv6 ? 0xFE : 10;
      if (ipv6) frame[kEthernet + 25] = 0x80;
      renew_ip_checksum(frame);
      break;
    case Spoil::kSource:
      frame[kEthernet + (ipv6 ? 8 : 12)] = ipv6 ? 0xFF : 0xE1;
      renew_ip_checksum(frame);
      break;
    case Spoil::kFragment:
      if (ipv6) return false;
      frame[kEthernet + 6] = 0x20;
      renew_ip_checksum(frame);
      break;
    case Spoil::kCount: return false;
  }
  renew_checksum(frame);
  return true;
}

}  // namespace baton::sim
