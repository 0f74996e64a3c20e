// SPDX-License-Identifier: GPL-2.0-or-later
//
// manager.h: one connection to systemd by D-Bus, for the length of one call. Root speaks to systemd's own socket and
// needs no bus; others use the system bus, where polkit decides. Every wait ends at the call's deadline. Throws
// baton::plugin::Failure with a typed result and a sentence. Never runs systemctl.
#pragma once

#include <systemd/sd-bus.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/trouble.h"
#include "plugin.hpp"
#include "unit.h"

namespace baton_systemd {

/// Causes of Trouble: missing, denied, timeout, refused, unit, job, condition, no-systemd, protocol.
using baton::plugin::Trouble;

class Manager {
 public:
  /// Connects. `call` must outlive it.
  explicit Manager(const baton::plugin::Call& call);

  /// Has systemd load the unit if it has not, and reads it.
  Unit unit(const std::string& name);
  /// Starts the unit, waits for the job until `reserve` before the deadline, and returns the unit read back.
  Unit start(const std::string& name, std::chrono::nanoseconds reserve);
  Unit stop(const std::string& name, std::chrono::nanoseconds reserve);
  void reset_failed(const std::string& name);
  /// As `systemctl is-enabled` has it.
  std::string file_state(const std::string& name);
  void enable(const std::string& name, bool runtime);
  void disable(const std::string& name, bool runtime);
  /// The unit that a timer starts.
  std::string triggered_by(const std::string& timer);
  /// Units that a target wants or requires and that have failed.
  std::vector<std::string> failed_members(const std::string& target);

 private:
  struct BusClose {
    void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
  };
  struct MessageFree {
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
  };
  using Message = std::unique_ptr<sd_bus_message, MessageFree>;

  static int properties_changed(sd_bus_message* message, void* self, sd_bus_error* error);
  static int job_removed(sd_bus_message* message, void* self, sd_bus_error* error);
  std::uint64_t remaining_us(const std::string& doing) const;
  void connect(const std::string& path, bool bus_client);
  void subscribe();
  Message request(const char* member);
  /// Sends it and waits; `doing` as in "start web.service", for sentences.
  Message ask(Message message, const std::string& doing);
  [[noreturn]] void refuse(int result, const sd_bus_error& error, const std::string& doing) const;
  std::string object_path(const std::string& name);
  std::string text(const std::string& path, const char* interface, const char* property);
  std::uint64_t number(const std::string& path, const char* interface, const char* property, char type);
  std::vector<std::string> texts(const std::string& path, const char* property);
  void read_service(const std::string& path, const char* interface, Unit* unit);
  std::string unmet_condition(const std::string& path);
  std::string run_job(const char* member, const std::string& name, const std::string& doing,
                      std::chrono::nanoseconds reserve);
  void reload();

  const baton::plugin::Call& call_;
  const int timeout_ms_;  // of the whole call, for sentences
  std::unique_ptr<sd_bus, BusClose> bus_;
  bool subscribed_ = false;
  bool condition_seen_ = false;  // that of the unit which the job is about was met
  std::string job_;              // the one that is waited for
  std::string job_result_;       // empty: not over
};

}  // namespace baton_systemd
