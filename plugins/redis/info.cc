// INFO and positions: see info.h.
#include "redis/info.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace baton::redis {
namespace {

constexpr std::size_t kHistory = 40;
constexpr std::int64_t kMaximumReplicas = 64;

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

/// The value of NAME in "a=1,NAME=2".
std::string_view part(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=')
      return one.substr(name.size() + 1);
    text.remove_prefix(std::min(text.size(), one.size() + 1));
  }
  return {};
}

}  // namespace

std::optional<Position> Position::parse(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon != kHistory || text.find_first_not_of("0123456789abcdef") != colon) return std::nullopt;
  const auto offset = parse_number(std::string_view{text}.substr(colon + 1));
  if (!offset || *offset < 0) return std::nullopt;
  return Position{text.substr(0, colon), *offset};
}

Info::Info(const std::string& text) {
  std::string_view rest{text};
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const std::size_t colon = line.find(':');
    if (line.empty() || line.front() == '#' || colon == std::string_view::npos) continue;
    fields_.insert_or_assign(std::string{line.substr(0, colon)}, std::string{line.substr(colon + 1)});
  }
}

std::string Info::text(const std::string& field) const {
  const auto found = fields_.find(field);
  return found == fields_.end() ? std::string{} : found->second;
}

std::int64_t Info::number(const std::string& field, std::int64_t fallback) const {
  const auto found = fields_.find(field);
  return found == fields_.end() ? fallback : parse_number(found->second).value_or(fallback);
}

std::string Info::version() const { return has("valkey_version") ? text("valkey_version") : text("redis_version"); }

bool Info::at_least(int major, int minor) const {
  const std::string own = text("redis_version");  // Valkey says 7.2.4 here
  const std::size_t dot = own.find('.');
  if (dot == std::string::npos) return false;
  const std::int64_t first = parse_number(own).value_or(0);
  const std::int64_t second = parse_number(std::string_view{own}.substr(dot + 1)).value_or(0);
  return first > major || (first == major && second >= minor);
}

std::int64_t Info::keys() const {
  std::int64_t sum = 0;
  for (const auto& [name, value] : fields_) {
    if (name.starts_with("db") && value.starts_with("keys=")) sum += parse_number(part(value, "keys")).value_or(0);
  }
  return sum;
}

Position Info::position() const {
  // A replica's own count; ROLE would say -1 as soon as the link is down.
  const std::int64_t applied = replica() ? number("slave_repl_offset", -1) : -1;
  return {text("master_replid"), std::max<std::int64_t>(applied >= 0 ? applied : number("master_repl_offset", 0), 0)};
}

std::int64_t Info::received_not_applied() const {
  const std::int64_t received = number("slave_read_repl_offset", -1);
  return !replica() || received < 0 ? 0 : std::max<std::int64_t>(received - position().offset, 0);
}

std::optional<std::int64_t> Info::lacks(const Position& other) const {
  const Position own = position();
  if (other.history == own.history) return std::max<std::int64_t>(other.offset - own.offset, 0);
  // The history before the last promotion counts up to where it was left: second_repl_offset is the first byte that is
  // not part of it.
  const std::int64_t left_at = number("second_repl_offset", -1);
  if (other.history != text("master_replid2") || left_at < 0) return std::nullopt;
  return std::max<std::int64_t>(other.offset + 1 - left_at, 0);
}

bool Info::contains(const Position& other) const { return lacks(other) == 0; }

bool Info::holds(const Position& other) const {
  const std::int64_t missing = lacks(other).value_or(-1);
  return missing == 0 || missing == kPing;
}

bool Info::untouched_since_promotion() const {
  // Without a backlog Redis does not count.
  return primary() && number("repl_backlog_active", 0) != 0 &&
         number("second_repl_offset", -1) == number("master_repl_offset", -2) + 1;
}

std::vector<Info::Replica> Info::replicas() const {
  std::vector<Replica> all;
  const std::int64_t count = std::min(number("connected_slaves", 0), kMaximumReplicas);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string line = text("slave" + std::to_string(i));
    if (line.empty()) continue;
    all.push_back({std::string{part(line, "ip")}, parse_number(part(line, "port")).value_or(0),
                   std::string{part(line, "state")}, parse_number(part(line, "offset")).value_or(0)});
  }
  return all;
}

Info read_info(Client& client) { return Info{client.command({"INFO"}).text}; }

}  // namespace baton::redis
