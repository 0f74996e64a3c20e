// Reading the configuration in a process of its own: short-lived, unprivileged but for reading files (passwords),
// killed when it takes too long. What comes back are sealed memfds that the guardian passes on unread, and a few
// bounded facts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "config/config.h"
#include "daemon/options.h"
#include "log/log.h"
#include "posix/fd.h"
#include "posix/process.h"
#include "posix/rights.h"

namespace baton::daemon {

inline constexpr Nanos kConfigChildLimit = std::chrono::seconds{5};

/// Interfaces that the flight recorder listens on; those of further instances are left out.
inline constexpr std::size_t kMaxRecorded = 64;

/// What the guardian itself needs of a configuration.
struct ConfigFacts {
  log::Level log_level = log::Level::kInfo;
  std::uint32_t history_limit = 1000;
  std::string log_file;
  Nanos leaving_limit{0};  ///< daemon/stop_limit.h
  std::string watchdog;    ///< "" = none
  Nanos watchdog_timeout{0};
  Nanos recorder{0};                    ///< 0 = off
  std::vector<std::string> interfaces;  ///< of the instances, each once, at most kMaxRecorded
};

struct ConfigAnswer {
  bool valid = false;
  ConfigFacts facts;        ///< if valid
  posix::Fd configuration;  ///< if valid: config/serialize.h
  posix::Fd fleet;          ///< if valid: ipc::encode_fleet, with secrets: for the guardian alone
  posix::Fd for_steward;    ///< if valid: the same with the keys of the peer channel, for the steward alone
  posix::Fd report;         ///< JSON {"diagnostics":[...],"diff":[...]}
};

struct ConfigRequest {
  Options options;
  posix::User user;        ///< to run as
  int running = -1;        ///< memfd of the running configuration, for the diff; -1: none
  bool to_stderr = false;  ///< diagnostics as text for people; otherwise they are logged
};

/// What ConfigAnswer::configuration holds. Error: another version's, or none.
Result<config::Config> read_back(int configuration);

class ConfigChild {
 public:
  static Result<ConfigChild> start(const ConfigRequest& request);

  /// Readable when the answer is there or the child is dead.
  int fd() const { return channel_.get(); }
  pid_t pid() const { return child_.pid(); }
  /// Call when fd() is readable or the time is up: the answer, or why there is none. The child is gone afterwards.
  Result<ConfigAnswer> finish();

 private:
  ConfigChild(posix::Child child, posix::Fd channel) : child_(std::move(child)), channel_(std::move(channel)) {}
  posix::Child child_;
  posix::Fd channel_;
};

/// Start and finish, waiting at most kConfigChildLimit.
Result<ConfigAnswer> read_configuration(const ConfigRequest& request);
/// The same in this process, for `--check`: prints the diagnostics; true if the configuration is valid.
bool check_configuration(const Options& options);

}  // namespace baton::daemon
