// The service manager: sd_notify's datagrams, sent by hand. Without NOTIFY_SOCKET everything here does nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "posix/fd.h"

namespace baton::daemon {

class Notifier {
 public:
  /// Reads NOTIFY_SOCKET and WATCHDOG_USEC from the environment.
  Notifier();
  /// "READY=1\nSTATUS=..." and the like. Never blocks; a message that cannot be sent is lost.
  void send(std::string_view assignments) const;
  /// There is somebody to tell.
  bool listens() const { return socket_.valid(); }
  /// How often WATCHDOG=1 is due: half of what the manager allows; nullopt: not asked for.
  std::optional<Nanos> watchdog_interval() const { return watchdog_; }

 private:
  posix::Fd socket_;
  std::string path_;
  std::optional<Nanos> watchdog_;
};

}  // namespace baton::daemon
