// SPDX-License-Identifier: GPL-2.0-or-later
//
// engine.cc: docker's Engine API. Paths carry no version: docker then answers with the newest it has, whereas a fixed
// one is refused by engines that have outgrown it. Believes no field of an answer to have the type it should have.
#include "engine.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace baton_container {
namespace {

using baton::plugin::Status;
using Json = nlohmann::json;
namespace http = baton::plugin::http;

constexpr std::array<const char*, 2> kSockets{"/var/run/docker.sock", "/run/podman/podman.sock"};
constexpr std::size_t kLargestAnswer = 4U * 1024 * 1024;
constexpr std::size_t kLongestQuote = 120;

std::string user_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? "uid " + std::to_string(::geteuid()) : entry->pw_name;
}

/// The member, or null if there is none or `object` is no object.
const Json& member(const Json& object, const char* name) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

std::string text(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : std::string{};
}

std::int64_t number(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

/// One line for a sentence.
std::string quote(const std::string& words) {
  std::string line = words.substr(0, std::min(words.find('\n'), kLongestQuote));
  return line;
}

/// Engines write year 1 for "never".
std::string moment(std::string time) { return time.starts_with("0001-") ? std::string{} : time; }

Container read(const std::string& name, const Json& answer) {
  const Json& state = member(answer, "State");
  const Json& health = member(state, "Health");
  Container container;
  container.name = name;
  container.id = text(answer, "Id");
  container.status = text(state, "Status");
  container.health = text(health, "Status");
  if (container.health == "none") container.health.clear();
  container.image = text(member(answer, "Config"), "Image");
  container.started_at = moment(text(state, "StartedAt"));
  container.finished_at = moment(text(state, "FinishedAt"));
  container.error = text(state, "Error");
  container.restart_policy = text(member(member(answer, "HostConfig"), "RestartPolicy"), "Name");
  container.exit_code = number(state, "ExitCode");
  container.restarts = number(answer, "RestartCount");
  container.out_of_memory = member(state, "OOMKilled") == Json(true);
  container.failing_streak = number(health, "FailingStreak");
  const Json& log = member(health, "Log");
  if (log.is_array() && !log.empty()) {
    container.health_output = quote(text(log.back(), "Output"));
    container.health_exit = number(log.back(), "ExitCode");
  }
  return container;
}

std::string chosen(const std::string& socket) {
  if (!socket.empty()) return socket;
  for (const char* candidate : kSockets) {
    if (::access(candidate, F_OK) == 0) return candidate;
  }
  throw Trouble(Status::kConfig, "missing",
                std::string{"no container engine listens on this host: there is neither "} + kSockets[0] + " nor " +
                    kSockets[1] + "; start docker or podman.socket, or write `socket =`");
}

}  // namespace

Engine::Engine(http::Client* client, const std::string& socket, const baton::plugin::Call& call)
    : client_(client), call_(call), socket_(chosen(socket)) {
  if (::access(socket_.c_str(), W_OK) == 0) return;
  if (errno == EACCES) {
    throw Trouble(Status::kConfig, "denied",
                  user_name() + " may not use " + socket_ +
                      ": write `user = root` in the section, or give that user the "
                      "socket's group (see the manual of module container)");
  }
  if (errno == ENOENT) {
    throw Trouble(Status::kConfig, "missing",
                  "there is no socket " + socket_ + ": the container engine is not running");
  }
}

http::Outcome Engine::ask(const std::string& method, const std::string& path, const std::string& doing,
                          std::chrono::nanoseconds reserve) {
  http::Request request;
  request.method = method;
  request.url = "http://localhost" + path;
  request.unix_socket = socket_;
  request.maximum_body = kLargestAnswer;
  if (method == "POST") request.body = "";
  const auto left = call_.remaining() - reserve;
  if (left.count() <= 0) throw Trouble(Status::kTransient, "timeout", "no time left to " + doing);
  http::Outcome outcome = client_->perform(request, left);
  if (outcome.cause != http::Cause::kNone) {
    const bool lasting = outcome.cause == http::Cause::kLocal || outcome.cause == http::Cause::kMissing;
    throw Trouble(lasting ? Status::kConfig : Status::kTransient, http::token(outcome.cause),
                  "cannot " + doing + ": " + outcome.sentence);
  }
  return outcome;
}

std::optional<Container> Engine::inspect(const std::string& name) {
  const http::Outcome outcome = ask("GET", "/containers/" + name + "/json", "inspect " + name, {});
  if (outcome.status == 404) return std::nullopt;
  const Json answer = Json::parse(outcome.body, nullptr, /*allow_exceptions=*/false);
  if (outcome.status != 200) {
    const std::string said = quote(text(answer, "message"));
    throw Trouble(outcome.status == 403 ? Status::kConfig : Status::kTransient,
                  outcome.status == 403 ? "denied" : "engine",
                  "cannot inspect " + name + ": " + socket_ + " answers " + std::to_string(outcome.status) +
                      (said.empty() ? "" : ": " + said));
  }
  Container container = read(name, answer);
  if (answer.is_discarded() || container.status.empty()) {
    throw Trouble(Status::kTransient, "body",
                  "what answers at " + socket_ + " is no container engine: no State.Status in its answer for " + name);
  }
  return container;
}

void Engine::order(const std::string& name, const std::string& verb, const std::string& doing,
                   std::chrono::nanoseconds reserve) {
  const http::Outcome outcome = ask("POST", "/containers/" + name + "/" + verb, doing, reserve);
  if (outcome.status == 204 || outcome.status == 200 || outcome.status == 304) return;
  const std::string said = quote(text(Json::parse(outcome.body, nullptr, /*allow_exceptions=*/false), "message"));
  const bool lasting = outcome.status == 400 || outcome.status == 403 || outcome.status == 404;
  throw Trouble(
      lasting ? Status::kConfig : Status::kTransient,
      outcome.status == 403   ? "denied"
      : outcome.status == 404 ? "missing"
                              : "engine",
      "cannot " + doing + ": the engine answers " + std::to_string(outcome.status) + (said.empty() ? "" : ": " + said));
}

void Engine::start(const std::string& name) { order(name, "start", "start " + name, {}); }

void Engine::unpause(const std::string& name) { order(name, "unpause", "unpause " + name, {}); }

void Engine::stop(const std::string& name, std::optional<std::chrono::nanoseconds> grace,
                  std::chrono::nanoseconds reserve) {
  std::string verb = "stop";
  if (grace) verb += "?t=" + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*grace).count());
  order(name, verb, "stop " + name, reserve);
}

}  // namespace baton_container
