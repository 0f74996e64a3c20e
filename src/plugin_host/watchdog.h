// A thread that waits for a call to be late. Then it says so on the plugin's behalf and ends the whole process group:
// SIGTERM, which this process ignores from then on, and SIGKILL after a short grace. Plugin code that hangs needs no
// cooperation; plugin code that breaks this thread is caught by the engine's own limits.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "base/error.h"
#include "base/time.h"
#include "posix/fd.h"

namespace baton::plugin_host {

class Watchdog {
 public:
  static constexpr Nanos kGrace = std::chrono::milliseconds{200};

  /// `late` runs on the thread while the call still hangs; nothing else of this process runs any more then.
  static Result<Watchdog*> start(std::function<void()> late);
  ~Watchdog() = delete;  ///< lives as long as the process

  void arm(Nanos limit);
  /// The call is back. Does not return if it was late by a hair: then the thread is already ending the process.
  void disarm();

 private:
  enum State : int { kIdle, kArmed, kLate };
  Watchdog(posix::Fd timer, std::function<void()> late) : timer_(std::move(timer)), late_(std::move(late)) {}
  void run();

  posix::Fd timer_;
  std::function<void()> late_;
  std::atomic<int> state_{kIdle};
};

}  // namespace baton::plugin_host
