#include "cli/duration.h"

#include <array>
#include <charconv>

namespace baton::cli {

std::optional<Nanos> parse_duration(std::string_view text) {
  using namespace std::chrono_literals;
  struct Unit {
    std::string_view name;
    Nanos length;
  };
  static constexpr std::array kUnits{Unit{"d", 24h}, Unit{"h", 1h}, Unit{"m", 1min}, Unit{"s", 1s}, Unit{"ms", 1ms}};
  constexpr std::uint64_t kMaxCount = 10'000'000;  // keeps every product far from overflow
  if (text.empty()) return std::nullopt;
  Nanos total{0};
  std::size_t next_unit = 0;
  while (!text.empty()) {
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || count > kMaxCount) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::string_view name = text.substr(0, std::min(text.find_first_of("0123456789"), text.size()));
    while (next_unit < kUnits.size() && kUnits[next_unit].name != name) ++next_unit;
    if (next_unit == kUnits.size()) return std::nullopt;
    total += static_cast<std::int64_t>(count) * kUnits[next_unit++].length;
    text.remove_prefix(name.size());
  }
  return total;
}

}  // namespace baton::cli
