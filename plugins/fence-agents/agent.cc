// Fence agents end with 0 for done (and for on), 2 for off, 1 for nearly all that is wrong: what it was stands in their
// words.
#include "fence-agents/agent.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>
#include <string_view>

#include "common/command.h"

namespace baton::fence_agents {
namespace {

using plugin::CommandEnd;
using plugin::CommandResult;
using plugin::Status;
using namespace std::chrono_literals;

constexpr int kExitOff = 2;

struct Meaning {
  std::string_view words;  ///< in small letters
  Status status;
  const char* cause;
};
constexpr std::array<Meaning, 13> kMeanings{{
    {"unable to connect/login", Status::kTransient, "login"},
    {"correct privileges", Status::kConfig, "privilege"},
    {"have to set login password", Status::kConfig, "auth"},
    {"authentication failed", Status::kConfig, "auth"},
    {"timed out waiting to power off", Status::kFatal, "not_off"},
    {"timed out waiting to power on", Status::kTransient, "not_on"},
    {"correct plug status", Status::kConfig, "plug"},
    {"existing machine", Status::kConfig, "plug"},
    {"vm uuid", Status::kConfig, "plug"},
    {"-h' for usage", Status::kConfig, "usage"},
    {"connection lost", Status::kTransient, "connection"},
    {"connection refused", Status::kTransient, "connection"},
    {"timed out", Status::kTransient, "timeout"},
}};

std::string small(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return text;
}

/// "2026-11-21 13:20:01,123 ERROR: Connection lost" without what comes before the message.
std::string message_of(const std::string& line) {
  for (const char* level : {"ERROR: ", "CRITICAL: ", "WARNING: "}) {
    const std::size_t at = line.find(level);
    if (at != std::string::npos) return line.substr(at + std::string_view{level}.size());
  }
  return line;
}

/// The line to show: the first error, else the first of any kind.
std::string telling_line(const CommandResult& result) {
  std::istringstream lines{result.error_output};
  std::string first;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("ERROR: ") != std::string::npos) return message_of(line);
    if (first.empty() && !line.empty()) first = message_of(line);
  }
  return first.empty() ? result.first_line() : first;
}

bool has_line(const std::string& text, std::string_view wanted) {
  std::istringstream lines{small(text)};
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.pop_back();
    if (line == wanted) return true;
  }
  return false;
}

Said failure(const CommandResult& result) {
  const std::string line = telling_line(result);
  Said said{.status = result.status(),
            .cause = result.cause(),
            .sentence = result.end_words() + (line.empty() ? "" : ": " + line)};
  if (result.end != CommandEnd::kExited) return said;
  const std::string words = small(result.error_output + result.output);
  for (const Meaning& meaning : kMeanings) {
    if (words.find(meaning.words) == std::string::npos) continue;
    said.status = meaning.status;
    said.cause = meaning.cause;
    return said;
  }
  // It may be any trouble on the way to the device: worth asking again, and never a proof.
  said.status = Status::kTransient;
  return said;
}

}  // namespace

std::string find_agent(const std::string& agent) {
  if (agent.starts_with('/')) return ::access(agent.c_str(), X_OK) == 0 ? agent : "";
  for (const char* directory : {"/usr/local/sbin/", "/usr/sbin/", "/usr/local/bin/", "/usr/bin/", "/sbin/"}) {
    const std::string path = directory + agent;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

Said Agent::run(const std::string& action, const std::string& host, std::chrono::nanoseconds timeout) const {
  plugin::Command command{.argv = {path_}, .environment = {"HOME=/nonexistent", "PYTHONDONTWRITEBYTECODE=1"}};
  for (const auto& [name, value] : members_.options_of(host)) command.input += name + "=" + value + "\n";
  command.input += "action=" + action + "\n";
  const auto grace = std::clamp<std::chrono::nanoseconds>(timeout / 10, 20ms, 1s);
  const CommandResult result = plugin::run_command(
      command, {.timeout = std::max<std::chrono::nanoseconds>(timeout - 2 * grace, 1ms), .grace = grace});
  const bool status = action == "status";
  const bool exited = result.end == CommandEnd::kExited;
  Said said;
  if (status && exited && result.exit_code == kExitOff && has_line(result.output, "status: off")) {
    said.power = Power::kOff;
  } else if (status && exited && result.exit_code == 0 && has_line(result.output, "status: on")) {
    said.power = Power::kOn;
  } else if (status && exited && (result.exit_code == 0 || result.exit_code == kExitOff)) {
    said = {.status = Status::kTransient,
            .cause = "status",
            .sentence = "gives a status that is neither on nor off: it " + result.end_words() + " and says '" +
                        result.first_line() + "'"};
  } else if (!result.succeeded()) {
    said = failure(result);
  }
  if (said.sentence.empty()) said.sentence = result.first_line();
  said.sentence = members_.without_secrets(said.sentence);
  return said;
}

}  // namespace baton::fence_agents
