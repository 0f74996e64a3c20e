#include "daemon/pulse.h"

#include <charconv>
#include <string>

#include "posix/file.h"

namespace baton::daemon {
namespace {

std::string read_proc(pid_t pid, const char* name) {
  const auto bytes = posix::read_file("/proc/" + std::to_string(pid) + "/" + name, 4096);
  return bytes ? std::string{bytes->begin(), bytes->end()} : std::string{};
}

}  // namespace

std::optional<char> parse_process_state(std::string_view stat) {
  const std::size_t end = stat.rfind(')');
  if (end == std::string_view::npos || end + 2 >= stat.size()) return std::nullopt;
  return stat[end + 2];
}

std::optional<Nanos> parse_processor_time(std::string_view schedstat) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(schedstat.data(), schedstat.data() + schedstat.size(), value);
  if (error != std::errc{} || end == schedstat.data() + schedstat.size() || *end != ' ') return std::nullopt;
  return Nanos{value};
}

void Pulse::note() { processor_time_ = parse_processor_time(read_proc(pid_, "schedstat")); }

bool Pulse::starved(Nanos silent) const {
  // 'R' is running or waiting to run: an endless loop is the one that gets processor time.
  if (parse_process_state(read_proc(pid_, "stat")) != 'R') return false;
  const auto spent = parse_processor_time(read_proc(pid_, "schedstat"));
  return processor_time_ && spent && *spent - *processor_time_ < silent / 4;
}

}  // namespace baton::daemon
