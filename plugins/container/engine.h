// SPDX-License-Identifier: GPL-2.0-or-later
//
// engine.h: what is needed of a container engine's HTTP API (docker's, which podman answers as well) on its unix
// socket: inspect, start, unpause, stop. Every call ends at the deadline. Throws Trouble with a typed result and a
// sentence.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/http_request.h"
#include "common/trouble.h"
#include "plugin.hpp"

namespace baton_container {

/// Causes of Trouble: missing, denied, refused, timeout, ..., engine (it said no), body (no sense).
using baton::plugin::Trouble;

/// What the engine says of one container.
struct Container {
  std::string name;
  std::string id;
  std::string status;  // created, running, paused, restarting, removing, exited, stopped, dead
  std::string health;  // starting, healthy, unhealthy; empty: it has no health check
  std::string image;
  std::string started_at;  // as the engine writes it; empty: never
  std::string finished_at;
  std::string error;           // why it could not be started
  std::string restart_policy;  // no, on-failure, always, unless-stopped
  std::string health_output;   // first line that the last health check wrote
  std::int64_t health_exit = 0;
  std::int64_t failing_streak = 0;
  std::int64_t exit_code = 0;
  std::int64_t restarts = 0;
  bool out_of_memory = false;

  bool is_running() const { return status == "running"; }
  bool is_alive() const { return is_running() || status == "paused" || status == "restarting"; }
};

class Engine {
 public:
  /// `socket` may be empty: the first of docker's and podman's that is there. `call` must outlive it.
  Engine(baton::plugin::http::Client* client, const std::string& socket, const baton::plugin::Call& call);

  const std::string& socket() const { return socket_; }
  /// nullopt: there is none of that name.
  std::optional<Container> inspect(const std::string& name);
  void start(const std::string& name);
  void unpause(const std::string& name);
  /// Waits for it, but leaves `reserve` of the call's time. grace: until the engine kills it; nullopt: the container's
  /// own.
  void stop(const std::string& name, std::optional<std::chrono::nanoseconds> grace, std::chrono::nanoseconds reserve);

 private:
  baton::plugin::http::Outcome ask(const std::string& method, const std::string& path, const std::string& doing,
                                   std::chrono::nanoseconds reserve);
  /// POST with nothing to say; 304 (was so already) is as good as 204.
  void order(const std::string& name, const std::string& verb, const std::string& doing,
             std::chrono::nanoseconds reserve);

  baton::plugin::http::Client* client_;
  const baton::plugin::Call& call_;
  std::string socket_;
};

}  // namespace baton_container
