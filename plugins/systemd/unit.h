// SPDX-License-Identifier: GPL-2.0-or-later
//
// unit.h: what systemd says about one unit, and how a person is told. Decides the words, asks nobody.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baton_systemd {

struct Unit {
  std::string name;
  std::string load_state;  // loaded, not-found, bad-setting, error, masked
  std::string load_error;
  std::string active_state;    // active, reloading, inactive, failed, activating, deactivating
  std::string sub_state;       // running, exited, listening, waiting, dead, auto-restart, ...
  std::string file_state;      // enabled, enabled-runtime, disabled, static, ...; empty: no file
  std::string result;          // success, exit-code, signal, timeout, ...; empty: this type of unit has none
  std::string type;            // of services: simple, oneshot, notify, ...
  std::uint64_t since_us = 0;  // CLOCK_REALTIME
  std::int32_t exit_code = 0;  // CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0: has not ended
  std::int32_t exit_status = 0;
  std::uint32_t main_pid = 0;
  std::uint32_t restarts = 0;
  bool job_pending = false;
  bool condition_tested = false;
  bool condition_met = true;
  std::string condition;  // the first that is not met, as in the unit file

  bool is_up() const { return active_state == "active" || active_state == "reloading"; }
  bool is_down() const { return active_state == "inactive" || active_state == "failed"; }
};

/// `web` -> `web.service`; what has a unit's suffix stays.
std::string complete_name(const std::string& name, const std::string& suffix = ".service");
/// Why systemd would refuse the name; empty: it would not.
std::string name_trouble(const std::string& name);
/// "exited with status 3", "was killed by SIGKILL", or "" while it runs or when it ended well.
std::string last_exit(const Unit& unit);
/// "web.service is active (running) since 2026-11-21 09:30:01 UTC", "web.service has failed since ...: result
/// exit-code, ..."
std::string describe(const Unit& unit);
/// What stands in the way of starting it at all, with the remedy; empty: nothing.
std::string load_trouble(const Unit& unit);
/// "2026-11-21 09:30:01 UTC"; "" for 0.
std::string time_words(std::uint64_t realtime_us);
/// "a, b and c"
std::string join(const std::vector<std::string>& words);

}  // namespace baton_systemd
