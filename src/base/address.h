// IP and MAC addresses as values. Ordering is unsigned, in network byte order, as the VRRP tie-break wants it
// (RFC 9568 §6.4.3). No names are ever resolved here.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace baton {

enum class Family : std::uint8_t { kIpv4 = 4, kIpv6 = 6 };

/// An IPv4 or IPv6 address; the default is 0.0.0.0.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  /// REQUIRES 4 or 16 bytes.
  static IpAddress from_bytes(ConstBytes bytes);
  /// Strict dotted quad or RFC 4291 text, no zone, no prefix; nullopt for anything else.
  static std::optional<IpAddress> parse(std::string_view text);

  constexpr Family family() const { return family_; }
  constexpr bool is_ipv6() const { return family_ == Family::kIpv6; }
  /// 4 or 16 bytes, network order.
  ConstBytes bytes() const { return ConstBytes{bytes_}.first(is_ipv6() ? 16 : 4); }
  bool is_unspecified() const;
  bool is_multicast() const;
  /// fe80::/10 or 169.254.0.0/16.
  bool is_link_local() const;
  bool is_loopback() const;
  /// 32 or 128.
  constexpr std::uint8_t max_prefix() const { return is_ipv6() ? 128 : 32; }
  /// RFC 5952 text.
  std::string text() const;

  /// IPv4 sorts before IPv6; inside a family by unsigned bytes.
  constexpr auto operator<=>(const IpAddress&) const = default;

 private:
  Family family_ = Family::kIpv4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// An address with its prefix length, as `ip addr add` takes it: 10.0.0.50/24.
struct Prefix {
  IpAddress address;
  std::uint8_t length = 0;

  /// "ADDRESS" (full length) or "ADDRESS/LENGTH".
  static std::optional<Prefix> parse(std::string_view text);
  /// True if `other` lies inside this prefix.
  bool contains(const IpAddress& other) const;
  std::string text() const;

  auto operator<=>(const Prefix&) const = default;
};

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  static std::optional<MacAddress> parse(std::string_view text);
  bool is_zero() const { return *this == MacAddress{}; }
  std::string text() const;

  auto operator<=>(const MacAddress&) const = default;
};

/// For unordered containers.
struct IpAddressHash {
  std::size_t operator()(const IpAddress& address) const;
};

}  // namespace baton
