// Texts of single values into values: durations, numbers, words, addresses. Each says what is wrong and what was
// probably meant. Pure; knows no keys and no places.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/error.h"
#include "base/time.h"
#include "config/codes.h"
#include "config/config.h"

namespace baton::config {

struct ValueError {
  Code code = Code::kBadValue;
  std::string message;
  std::string help;
};
template <class T>
using Value = Expected<T, ValueError>;

inline Unexpected<ValueError> bad_value(Code code, std::string message, std::string help = {}) {
  return Unexpected<ValueError>{ValueError{code, std::move(message), std::move(help)}};
}

/// yes, no, on, off, true, false.
Value<bool> parse_boolean(std::string_view text);
/// "250ms", "1.5s", "0"; units us ms s m h d; at most 365 days, whole nanoseconds.
Value<Nanos> parse_duration(std::string_view text);
/// Decimal digits within low..high.
Value<std::uint64_t> parse_integer(std::string_view text, std::uint64_t low, std::uint64_t high);
/// Index into `words`, which are separated by `|`.
Value<std::size_t> parse_word(std::string_view text, std::string_view words);
Value<std::string> parse_path(std::string_view text);
/// A Linux interface name.
Value<std::string> parse_interface(std::string_view text);
/// Usable as a host's address: not unspecified, multicast, loopback, broadcast or IPv4-mapped.
Value<IpAddress> parse_address(std::string_view text);
/// The same with a prefix length; the address is neither the prefix's network nor its broadcast address.
Value<Prefix> parse_prefix(std::string_view text);
/// "ADDRESS [min_ttl=N]".
Value<UnicastPeer> parse_unicast_peer(std::string_view text);
struct Listener {
  IpAddress address;
  std::uint16_t port = 0;
  bool operator==(const Listener&) const = default;
};
/// "127.0.0.1:9112" or "[::1]:9112": this host only, and a port that needs no rights.
Value<Listener> parse_listener(std::string_view text);
/// "NAME [required | prefer=N | gate] [relative]".
Value<CheckReference> parse_check(std::string_view text);

struct Budget {
  std::uint32_t count = 3;
  Nanos window = std::chrono::hours{1};
};
/// "3 per 1h".
Value<Budget> parse_budget(std::string_view text);

/// 1 to 32 characters of A-Z a-z 0-9 _ . -
bool is_valid_name(std::string_view name);

/// The candidate nearest to `word`, if it is near enough to have been meant; nullopt otherwise.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);
/// "did you mean `NAME`?" or "".
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

/// The words of `text` between blanks.
std::vector<std::string_view> split_words(std::string_view text);

}  // namespace baton::config
