#include "config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace baton::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanos;
};
constexpr auto kUnits = std::to_array<Unit>({{"us", 1'000},
                                             {"ms", 1'000'000},
                                             {"s", 1'000'000'000},
                                             {"m", 60'000'000'000},
                                             {"h", 3'600'000'000'000},
                                             {"d", 86'400'000'000'000}});
constexpr std::string_view kUnitHelp = "units are us, ms, s, m, h and d, for instance 1s or 250ms";
constexpr Nanos kLongest = std::chrono::hours{365 * 24};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string quoted(std::string_view text) { return "`" + std::string(text) + "`"; }

/// A comment behind a value is a frequent cause of a bad value.
std::string comment_help(std::string_view text, std::string help) {
  if (text.find(" #") != std::string_view::npos) return "a comment stands on a line of its own";
  return help;
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours. Short words only.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

Value<IpAddress> usable(std::string_view text, const IpAddress& address) {
  const auto refuse = [&](std::string_view kind) {
    return bad_value(Code::kUnusableAddress, quoted(text) + " is " + std::string(kind) + " address");
  };
  if (address.is_unspecified()) return refuse("the unspecified");
  if (address.is_multicast()) return refuse("a multicast");
  if (address.is_loopback()) return refuse("a loopback");
  const ConstBytes bytes = address.bytes();
  if (!address.is_ipv6() && (bytes[0] == 0 || bytes[0] >= 240)) return refuse("a reserved");
  const bool mapped = address.is_ipv6() && bytes[10] == 0xFF && bytes[11] == 0xFF &&
                      std::all_of(bytes.begin(), bytes.begin() + 10, [](std::uint8_t byte) { return byte == 0; });
  if (mapped) return refuse("an IPv4-mapped");
  return address;
}

Unexpected<ValueError> no_address(std::string_view text) {
  return bad_value(Code::kBadValue, quoted(text) + " is no IPv4 or IPv6 address",
                   comment_help(text, "names are not resolved: write the address in numbers"));
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; (begin = text.find_first_not_of(" \t", begin)) != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(" \t", begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

bool is_valid_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '.' || c == '-';
  };
  return !name.empty() && name.size() <= kMaxNameLength && std::all_of(name.begin(), name.end(), good);
}

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.empty() || word.size() > 64) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t apart = distance(word, candidate);
    if (apart < least && apart < candidate.size()) {
      least = apart;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto near = nearest(word, candidates);
  return near ? "did you mean " + quoted(*near) + "?" : std::string();
}

Value<bool> parse_boolean(std::string_view text) {
  if (text == "yes" || text == "on" || text == "true") return true;
  if (text == "no" || text == "off" || text == "false") return false;
  return bad_value(Code::kBadValue, quoted(text) + " is neither yes nor no", comment_help(text, "write yes or no"));
}

Value<Nanos> parse_duration(std::string_view text) {
  if (text == "0") return Nanos{0};
  const auto malformed = [&] {
    return bad_value(Code::kBadValue, quoted(text) + " is no time", comment_help(text, std::string(kUnitHelp)));
  };
  const auto number_end = static_cast<std::size_t>(
      std::find_if_not(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; }) - text.begin());
  const std::string_view number = text.substr(0, number_end);
  const std::string_view unit_text = text.substr(number_end);
  const std::size_t point = std::min(number.find('.'), number.size());
  const std::string_view whole = number.substr(0, point);
  const std::string_view fraction = point < number.size() ? number.substr(point + 1) : std::string_view{};
  if (whole.empty() || (point < number.size() && fraction.empty()) || fraction.find('.') != std::string_view::npos) {
    return malformed();
  }
  if (unit_text.empty()) {
    return bad_value(Code::kNoUnit, "the time " + quoted(text) + " has no unit",
                     "write " + std::string(text) + "s or " + std::string(text) + "ms; " + std::string(kUnitHelp));
  }
  const auto* unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == unit_text; });
  if (unit == kUnits.end()) return malformed();
  const auto too_long = [&] { return bad_value(Code::kOutOfRange, quoted(text) + " is longer than 365 days"); };
  if (whole.size() > 15) return too_long();
  std::int64_t nanos = 0;
  for (const char digit : whole) nanos = nanos * 10 + (digit - '0');
  if (nanos > kLongest.count() / unit->nanos) return too_long();
  nanos *= unit->nanos;
  std::int64_t place = unit->nanos;
  for (const char digit : fraction) {
    if (place % 10 != 0 && digit != '0')
      return bad_value(Code::kBadValue, quoted(text) + " is finer than a nanosecond");
    place /= 10;
    nanos += place * (digit - '0');
  }
  return Nanos{nanos};
}

Value<std::uint64_t> parse_integer(std::string_view text, std::uint64_t low, std::uint64_t high) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) {
    return bad_value(Code::kBadValue, quoted(text) + " is no whole number", comment_help(text, ""));
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value < low || value > high) {
    return bad_value(Code::kOutOfRange,
                     std::string(text) + " is not within " + std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

Value<std::size_t> parse_word(std::string_view text, std::string_view words) {
  std::vector<std::string_view> candidates;
  for (std::size_t begin = 0; begin <= words.size();) {
    const std::size_t end = std::min(words.find('|', begin), words.size());
    candidates.push_back(words.substr(begin, end - begin));
    begin = end + 1;
  }
  const auto found = std::find(candidates.begin(), candidates.end(), text);
  if (found != candidates.end()) return static_cast<std::size_t>(found - candidates.begin());
  std::string list;
  for (const std::string_view candidate : candidates) list += (list.empty() ? "" : ", ") + std::string(candidate);
  const std::string meant = did_you_mean(text, candidates);
  return bad_value(Code::kBadValue, quoted(text) + " is none of " + list, comment_help(text, meant));
}

Value<std::string> parse_path(std::string_view text) {
  if (!text.starts_with('/')) {
    return bad_value(Code::kBadValue, quoted(text) + " is no absolute path", "write the path from / on");
  }
  return std::string(text);
}

Value<std::string> parse_interface(std::string_view text) {
  const bool bad = text.empty() || text.size() > 15 || text == "." || text == ".." ||
                   text.find_first_of("/: \t%") != std::string_view::npos;
  if (bad) {
    return bad_value(Code::kBadValue, quoted(text) + " is no interface name",
                     comment_help(text, "an interface name has 1 to 15 characters without blanks, `/`, `:` and `%`"));
  }
  return std::string(text);
}

Value<IpAddress> parse_address(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (address) return usable(text, *address);
  if (const auto prefix = Prefix::parse(text)) {
    return bad_value(Code::kBadValue, quoted(text) + " has a prefix length where a plain address is expected",
                     "write " + prefix->address.text());
  }
  return no_address(text);
}

Value<Prefix> parse_prefix(std::string_view text) {
  const auto prefix = Prefix::parse(text);
  if (!prefix) {
    const std::size_t slash = text.find('/');
    if (slash != std::string_view::npos && IpAddress::parse(text.substr(0, slash))) {
      return bad_value(Code::kBadValue, quoted(text.substr(slash)) + " is no prefix length",
                       text.find(':') == std::string_view::npos ? "0 to 32" : "0 to 128");
    }
    return no_address(text);
  }
  const auto address = usable(text, prefix->address);
  if (!address) return Unexpected<ValueError>{address.error()};
  if (prefix->length == 0)
    return bad_value(Code::kUnusableAddress, quoted(text) + " claims the whole Internet as its link");
  if (prefix->address.is_ipv6() || prefix->length >= 31) return *prefix;
  std::uint32_t host_bits = 0;
  for (const std::uint8_t byte : prefix->address.bytes()) host_bits = host_bits << 8 | byte;
  const std::uint32_t mask = std::numeric_limits<std::uint32_t>::max() >> prefix->length;
  if ((host_bits & mask) == 0) return bad_value(Code::kUnusableAddress, quoted(text) + " is the network's own address");
  if ((host_bits & mask) == mask) return bad_value(Code::kUnusableAddress, quoted(text) + " is the broadcast address");
  return *prefix;
}

Value<UnicastPeer> parse_unicast_peer(std::string_view text) {
  const auto words = split_words(text);
  if (words.empty()) return no_address(text);
  const auto address = parse_address(words[0]);
  if (!address) return Unexpected<ValueError>{address.error()};
  UnicastPeer peer{.address = *address};
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (i > 1 || !words[i].starts_with("min_ttl=")) {
      return bad_value(Code::kBadValue, quoted(words[i]) + " is not expected here", "write ADDRESS min_ttl=N");
    }
    const auto ttl = parse_integer(words[i].substr(8), 1, 255);
    if (!ttl) return Unexpected<ValueError>{ttl.error()};
    peer.min_ttl = static_cast<std::uint8_t>(*ttl);
  }
  return peer;
}

Value<Listener> parse_listener(std::string_view text) {
  constexpr const char* kHelp = "write 127.0.0.1:9112, [::1]:9112 or off";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_value(Code::kBadValue, quoted(text) + " has no port", kHelp);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  if (!address || address->is_ipv6() != bracketed) {
    return bad_value(Code::kBadValue, quoted(text) + " is no ADDRESS:PORT", kHelp);
  }
  if (!address->is_loopback()) {
    return bad_value(
        Code::kBadValue, quoted(text) + " can be reached from elsewhere: metrics are served to this host only",
        "write 127.0.0.1 and let node_exporter's textfile collector or a proxy with a password carry them");
  }
  const auto port = parse_integer(text.substr(colon + 1), 1024, 65535);
  if (!port) return Unexpected<ValueError>{port.error()};
  return Listener{*address, static_cast<std::uint16_t>(*port)};
}

Value<CheckReference> parse_check(std::string_view text) {
  const auto words = split_words(text);
  if (words.empty() || !is_valid_name(words[0])) {
    return bad_value(Code::kBadValue, "the name of a [plugin] section is expected",
                     "write NAME [required | prefer=N | gate] [relative]");
  }
  CheckReference check{.plugin = std::string(words[0])};
  bool use_given = false;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const bool is_use = word == "required" || word == "gate" || word.starts_with("prefer=");
    if ((is_use && use_given) || (word == "relative" && check.relative) || (!is_use && word != "relative")) {
      return bad_value(Code::kBadValue, quoted(word) + " is not expected here",
                       "write NAME [required | prefer=N | gate] [relative]");
    }
    if (word == "relative") check.relative = true;
    if (!is_use) continue;
    use_given = true;
    if (word == "gate") check.use = CheckUse::kGate;
    if (!word.starts_with("prefer=")) continue;
    std::string_view number = word.substr(7);
    const bool negative = number.starts_with('-');
    if (negative) number.remove_prefix(1);
    const auto value = parse_integer(number, 1, 253);
    if (!value) return Unexpected<ValueError>{value.error()};
    check.use = CheckUse::kPrefer;
    check.prefer = static_cast<int>(*value) * (negative ? -1 : 1);
  }
  return check;
}

Value<Budget> parse_budget(std::string_view text) {
  const auto words = split_words(text);
  if (words.size() != 3 || words[1] != "per") {
    return bad_value(Code::kBadValue, quoted(text) + " is no budget", "write N per TIME, for instance 3 per 1h");
  }
  const auto count = parse_integer(words[0], 1, 1000);
  if (!count) return Unexpected<ValueError>{count.error()};
  const auto window = parse_duration(words[2]);
  if (!window) return Unexpected<ValueError>{window.error()};
  if (*window == Nanos{0}) return bad_value(Code::kOutOfRange, "the time of a budget cannot be 0");
  return Budget{static_cast<std::uint32_t>(*count), *window};
}

}  // namespace baton::config
