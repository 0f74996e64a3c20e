// A thread that waits for a call to be late. Then it says so on the plugin's behalf and ends the whole process group:
// SIGTERM, which this process ignores from then on, and SIGKILL after a short grace. Plugin code that hangs needs no
// cooperation; it may close every descriptor, since none is needed here. Plugin code that breaks this thread is caught
// by the engine's own limits.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "base/time.h"

namespace baton::plugin_host {

class Watchdog {
 public:
  static constexpr Nanos kGrace = std::chrono::milliseconds{200};

  /// `late` runs on the thread while the call still hangs; nothing else of this process runs any more then.
  static Watchdog& start(std::function<void()> late);
  ~Watchdog() = delete;  ///< lives as long as the process

  void arm(Nanos limit);
  /// The call is back. Does not return if it was late by a hair: then the thread is already ending the process.
  void disarm();

 private:
  enum class State { kIdle, kArmed, kLate };
  explicit Watchdog(std::function<void()> late) : late_(std::move(late)) {}
  void run();

  std::function<void()> late_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kIdle;  // this and the following: under mutex_
  std::uint64_t calls_ = 0;
  Nanos limit_{0};
};

}  // namespace baton::plugin_host
