// Why an engine is silent: it hangs, or the host does not let it run. Killing the second kind helps nobody and would
// count as a death. Reads /proc; one object for one engine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace baton::daemon {

/// State letter of /proc/PID/stat; nullopt if the text is none. The name in it may contain anything.
std::optional<char> parse_process_state(std::string_view stat);
/// First number of /proc/PID/schedstat: nanoseconds on a processor.
std::optional<Nanos> parse_processor_time(std::string_view schedstat);

class Pulse {
 public:
  Pulse() = default;
  explicit Pulse(pid_t pid) : pid_(pid) {}

  /// Call while it is well, now and then.
  void note();
  /// It has been silent for `silent`: true if it waits for a processor and has had next to none since note().
  bool starved(Nanos silent) const;

 private:
  pid_t pid_ = -1;
  std::optional<Nanos> processor_time_;
};

}  // namespace baton::daemon
