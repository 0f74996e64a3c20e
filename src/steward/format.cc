#include "steward/format.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

template <class... Arguments>
std::string format(const char* pattern, Arguments... arguments) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), pattern, arguments...);
  return buffer.data();
}

}  // namespace

std::string exact_duration(Nanos duration) {
  const long long microseconds = std::max(duration, Nanos{0}) / 1us;
  if (microseconds == 0) return "0 s";
  if (microseconds < 1000) return format("%lld us", microseconds);
  const long long milliseconds = microseconds / 1000;
  if (milliseconds < 1000) return format("%lld ms", milliseconds);
  if (milliseconds % 1000 == 0) return format("%lld s", milliseconds / 1000);
  std::string text = format("%lld.%03lld", milliseconds / 1000, milliseconds % 1000);
  while (text.back() == '0') text.pop_back();
  return text + " s";
}

std::string coarse_duration(Nanos duration) {
  const long long seconds = std::max(duration, Nanos{0}) / 1s;
  if (seconds < 60) return format("%llds", seconds);
  if (seconds < 3600) return format("%lldm%02llds", seconds / 60, seconds % 60);
  if (seconds < 86400) return format("%lldh%02lldm", seconds / 3600, seconds / 60 % 60);
  return format("%lldd%02lldh", seconds / 86400, seconds / 3600 % 24);
}

std::string utc_time(std::int64_t wall_clock_ns) {
  const std::time_t seconds = static_cast<std::time_t>(wall_clock_ns / 1'000'000'000);
  const long long milliseconds = wall_clock_ns / 1'000'000 % 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> buffer{};
  std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return buffer.data() + format(".%03lldZ", milliseconds);
}

}  // namespace baton::steward
