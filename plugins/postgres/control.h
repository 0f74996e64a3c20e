// SPDX-License-Identifier: GPL-2.0-or-later
//
// control.h: stops and starts the local server by somebody who outlives this process: systemd, baton-postgres-control,
// or a command that asks somebody else. The server is never a descendant of the plugin: it would end with it.
#pragma once

#include <chrono>

#include "plugin.hpp"
#include "postgres/data_directory.h"
#include "postgres/settings.h"

namespace baton_postgres {

class Control {
 public:
  Control(const Settings& settings, const DataDirectory& data) : settings_(settings), data_(data) {}

  /// A fast stop: clients are disconnected, a checkpoint is written, standbys get all of it. True: it has stopped
  /// within the time. False: it is still stopping.
  bool stop(const baton::plugin::Call& call, std::chrono::nanoseconds within) const;
  /// As a crash would, for a fast stop that does not end: nothing that was acknowledged is lost. A server that does not
  /// even obey that is killed with all its processes.
  void stop_at_once(const baton::plugin::Call& call, std::chrono::nanoseconds within) const;
  void start(const baton::plugin::Call& call) const;

 private:
  void by_service(const baton::plugin::Call& call, const std::string& order, std::chrono::nanoseconds within) const;
  void by_systemd(const baton::plugin::Call& call, bool start, std::chrono::nanoseconds within) const;
  void by_command(const baton::plugin::Call& call, const std::string& command, std::chrono::nanoseconds within) const;
  bool wait_until_gone(std::chrono::nanoseconds within) const;

  const Settings& settings_;
  const DataDirectory& data_;
};

}  // namespace baton_postgres
