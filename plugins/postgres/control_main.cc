// SPDX-License-Identifier: GPL-2.0-or-later
//
// baton-postgres-control: stops and starts one PostgreSQL server by pg_ctl for Baton's postgres plugin, where no
// systemd does. Runs as the server's user, beside Baton, so that the server does not end with it. Refuses to be root.
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "postgres/control_service.h"

namespace {

int usage() {
  std::fputs(
      "Usage: baton-postgres-control --socket PATH --data DIRECTORY --bin DIRECTORY [--log FILE] [--options TEXT]\n"
      "  --socket   where to take orders, from processes of the same user\n"
      "  --data     the server's data directory\n"
      "  --bin      where pg_ctl is, such as /usr/lib/postgresql/15/bin\n"
      "  --log      what the server says until it opens its own log (default: DIRECTORY/startup.log)\n"
      "  --options  for the server, such as \"-c config_file=/etc/postgresql/15/main/postgresql.conf\"\n",
      stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  baton_postgres::ServiceSettings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--socket")
      settings.socket = argv[i + 1];
    else if (name == "--data")
      settings.data_directory = argv[i + 1];
    else if (name == "--bin")
      settings.bin_directory = argv[i + 1];
    else if (name == "--log")
      settings.log_file = argv[i + 1];
    else if (name == "--options")
      settings.server_options = argv[i + 1];
    else
      return usage();
  }
  if (argc % 2 == 0 || settings.socket.empty() || settings.data_directory.empty() || settings.bin_directory.empty()) {
    return usage();
  }
  if (::geteuid() == 0) {
    std::fputs("baton-postgres-control: run it as the user of the server (postgres), not as root\n", stderr);
    return 1;
  }
  if (settings.log_file.empty()) settings.log_file = settings.data_directory + "/startup.log";
  return baton_postgres::serve(settings);
}
