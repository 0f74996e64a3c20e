#include "base/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <functional>

#include "base/check.h"

namespace baton {
namespace {

std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty() || value > max) return std::nullopt;
  return value;
}

std::optional<unsigned> parse_hex_octet(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size() || text.size() != 2) return std::nullopt;
  return value;
}

}  // namespace

IpAddress IpAddress::from_bytes(ConstBytes bytes) {
  CHECK(bytes.size() == 4 || bytes.size() == 16);
  IpAddress address;
  address.family_ = bytes.size() == 16 ? Family::kIpv6 : Family::kIpv4;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated{text};
  if (terminated.size() != text.size() || terminated.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::uint8_t, 16> raw{};
  if (inet_pton(AF_INET, terminated.c_str(), raw.data()) == 1) return from_bytes(ConstBytes{raw}.first(4));
  if (inet_pton(AF_INET6, terminated.c_str(), raw.data()) == 1) return from_bytes(raw);
  return std::nullopt;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_multicast() const { return is_ipv6() ? bytes_[0] == 0xFF : (bytes_[0] & 0xF0) == 0xE0; }

bool IpAddress::is_link_local() const {
  if (is_ipv6()) return bytes_[0] == 0xFE && (bytes_[1] & 0xC0) == 0x80;
  return bytes_[0] == 169 && bytes_[1] == 254;
}

bool IpAddress::is_loopback() const {
  if (!is_ipv6()) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(is_ipv6() ? AF_INET6 : AF_INET, bytes_.data(), buffer, sizeof buffer);
  return buffer;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Prefix{*address, address->max_prefix()};
  const auto length = parse_decimal(text.substr(slash + 1), address->max_prefix());
  if (!length) return std::nullopt;
  return Prefix{*address, static_cast<std::uint8_t>(*length)};
}

bool Prefix::contains(const IpAddress& other) const {
  if (other.family() != address.family()) return false;
  const ConstBytes mine = address.bytes();
  const ConstBytes theirs = other.bytes();
  const std::size_t whole = length / 8u;
  if (!std::equal(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(whole), theirs.begin())) return false;
  if (length % 8 == 0) return true;
  const int shift = 8 - length % 8;
  return mine[whole] >> shift == theirs[whole] >> shift;
}

std::string Prefix::text() const { return address.text() + "/" + std::to_string(length); }

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  MacAddress mac;
  for (std::size_t i = 0; i < 6; ++i) {
    if (i != 0 && text[i * 3 - 1] != ':') return std::nullopt;
    const auto octet = parse_hex_octet(text.substr(i * 3, 2));
    if (!octet) return std::nullopt;
    mac.bytes[i] = static_cast<std::uint8_t>(*octet);
  }
  return mac;
}

std::string MacAddress::text() const {
  char buffer[18];
  std::snprintf(buffer, sizeof buffer, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
                bytes[4], bytes[5]);
  return buffer;
}

std::size_t IpAddressHash::operator()(const IpAddress& address) const {
  const ConstBytes bytes = address.bytes();
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace baton
