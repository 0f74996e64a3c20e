// SPDX-License-Identifier: GPL-2.0-or-later
//
// control_service.h: the service of baton-postgres-control: a unix socket that takes `start` and `stop` from processes
// of the same user (and of root), for the one server that it was started for. Anything else is refused.
#pragma once

#include <string>
#include <vector>

namespace baton_postgres {

struct ServiceSettings {
  std::string socket;
  std::string data_directory;
  std::string bin_directory;
  std::string log_file;        ///< what the server says until it has a log of its own
  std::string server_options;  ///< for pg_ctl -o
};

/// Serves until SIGTERM or SIGINT; the server goes on running. Returns the exit status.
int serve(const ServiceSettings& settings);

}  // namespace baton_postgres
