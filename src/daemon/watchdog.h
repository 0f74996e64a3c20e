// The watchdog device: it resets the host when nobody feeds it any more. The guardian opens it before anything may be
// promoted, and feeds it only while nothing here can be the writable one, or the engine's loop runs and what is the
// writable one holds its grant until after the next reset would come. What deserves food is decided from the state
// board alone (Feeder, pure); WatchdogDevice refuses a device that cannot keep the time.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "config/config.h"
#include "ipc/state_board.h"
#include "posix/fd.h"

namespace baton::daemon {

/// Which of this host's instances may be the writable one, and whether they may stay so.
class Feeder {
 public:
  explicit Feeder(Nanos timeout) : timeout_(timeout) {}

  /// How often to ask.
  Nanos interval() const { return std::min(timeout_ / 4, config::kWatchdogSlack); }
  /// Takes in what the board says at `now`. True: feed. Fed at `now`, the host is reset at now + timeout at the latest.
  bool deserves(const ipc::BoardReader& board, Instant now);
  /// Nothing here can be the writable one, as far as is known.
  bool nothing_writable() const { return writable_.empty(); }
  /// The configuration is another one: an instance that is no longer on the board is none of Baton's any more.
  void forget() { writable_.clear(); }
  /// For a guardian that goes on as another program.
  using Writable = std::map<std::string, Instant, std::less<>>;
  const Writable& writable() const { return writable_; }
  void inherit(Writable writable) { writable_ = std::move(writable); }

 private:
  Nanos timeout_;
  /// Until when each is granted. Outlives the engine that said so: its successor may know less.
  Writable writable_;
};

class WatchdogDevice {
 public:
  /// Opens and arms it. A plain file is taken for one and records how it is fed; it resets nobody.
  static Result<WatchdogDevice> open(const std::string& path, Nanos timeout);

  WatchdogDevice() = default;
  /// One that this process opened before it became this program: armed, and never closed in between.
  static WatchdogDevice inherit(posix::Fd fd, bool real, const std::string& path) {
    return {std::move(fd), real, path};
  }
  int fd() const { return fd_.get(); }
  bool armed() const { return fd_.valid(); }
  bool real() const { return real_; }
  Result<void> set_timeout(Nanos timeout);
  Result<void> feed();
  /// "Magic close": the host lives on without it.
  void disarm();
  /// Lets go of it armed: the host is reset when its time is up.
  void abandon() { fd_.reset(); }

 private:
  WatchdogDevice(posix::Fd fd, bool real, std::string path) : fd_(std::move(fd)), real_(real), path_(std::move(path)) {}
  Result<void> write(char what);
  posix::Fd fd_;
  bool real_ = false;
  std::string path_;
};

}  // namespace baton::daemon
