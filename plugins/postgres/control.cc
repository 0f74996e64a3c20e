// SPDX-License-Identifier: GPL-2.0-or-later
//
// control.cc: the three ways to stop and start. Whatever they answer, what counts is whether the postmaster runs.
#include "postgres/control.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "common/command.h"
#include "common/words.h"
#include "systemd/manager.h"

namespace baton_postgres {
namespace {

using baton::plugin::Call;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kLook{20};

class Socket {
 public:
  Socket() : number_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

std::int64_t ms_of(nanoseconds time) {
  return std::max<std::int64_t>(std::chrono::duration_cast<milliseconds>(time).count(), 1);
}

/// One line, or what came until the deadline.
std::string read_line(int socket, Clock::time_point until) {
  std::string line;
  std::array<char, 512> chunk{};
  while (line.find('\n') == std::string::npos) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    if (left <= 0) return {};
    pollfd watched{socket, POLLIN, 0};
    if (::poll(&watched, 1, static_cast<int>(left)) <= 0) return {};
    const ssize_t count = ::read(socket, chunk.data(), chunk.size());
    if (count <= 0) break;
    line.append(chunk.data(), static_cast<std::size_t>(count));
  }
  return line.substr(0, line.find('\n'));
}

}  // namespace

bool Control::wait_until_gone(nanoseconds within) const {
  const Clock::time_point until = Clock::now() + within;
  while (data_.postmaster()) {
    if (Clock::now() >= until) return false;
    ::poll(nullptr, 0, static_cast<int>(kLook.count()));
  }
  return true;
}

bool Control::stop(const Call& call, nanoseconds within) const {
  const Clock::time_point until = Clock::now() + within;
  try {
    if (settings_.control == "systemd") by_systemd(call, false, within);
    if (settings_.control == "pg_ctl") by_service(call, "stop", within);
    if (settings_.control == "command") by_command(call, settings_.stop_command, within);
  } catch (const Trouble& trouble) {
    // "Not stopped in time" is for the caller to judge; everything else is no answer to that question.
    if (trouble.status() != Status::kTransient) throw;
  } catch (const baton::plugin::Failure& failure) {
    if (failure.status() != Status::kTransient) throw;
  }
  return wait_until_gone(std::max<nanoseconds>(until - Clock::now(), milliseconds{1}));
}

void Control::stop_at_once(const Call& call, nanoseconds within) const {
  const auto postmaster = data_.postmaster();
  if (!postmaster) return;
  const std::vector<pid_t> all = data_.server_processes(*postmaster);
  if (::kill(*postmaster, SIGQUIT) != 0 && errno != ESRCH) {
    throw Trouble(Status::kConfig, "control",
                  "cannot stop the server (process " + std::to_string(*postmaster) + "): " + std::strerror(errno));
  }
  const nanoseconds half = std::min<nanoseconds>(within, call.remaining()) / 2;
  if (wait_until_gone(half)) return;
  // Frozen, perhaps. Its backends may not outlive it: one of them could still write.
  for (const pid_t process : all) ::kill(process, SIGKILL);
  if (!wait_until_gone(half)) {
    throw Trouble(Status::kTransient, "control", "the server has not ended, not even when it was killed");
  }
}

void Control::start(const Call& call) const {
  if (data_.postmaster()) return;
  const nanoseconds within = call.remaining() * 9 / 10;
  if (settings_.control == "systemd") by_systemd(call, true, within);
  if (settings_.control == "pg_ctl") by_service(call, "start", within);
  if (settings_.control == "command") by_command(call, settings_.start_command, within);
}

void Control::by_service(const Call& call, const std::string& order, nanoseconds within) const {
  const std::string& path = settings_.control_socket;
  const Socket socket;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Trouble(Status::kConfig, "control", "control_socket " + path + " is too long for a socket");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw Trouble(Status::kConfig, "control",
                  "cannot " + order + " the server: baton-postgres-control does not listen on " + path + " (" +
                      std::strerror(errno) + ")");
  }
  const std::string request = order + " " + std::to_string(ms_of(within)) + "\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    throw Trouble(Status::kTransient, "control",
                  "baton-postgres-control took no order: " + std::string{std::strerror(errno)});
  }
  const Clock::time_point until = Clock::now() + std::min<nanoseconds>(within + within / 20, call.remaining());
  const std::string answer = read_line(socket.get(), until);
  if (answer == "ok") return;
  if (answer.empty()) {
    throw Trouble(
        Status::kTransient, "control",
        "baton-postgres-control has not answered `" + order + "` within " + std::to_string(ms_of(within)) + " ms");
  }
  throw Trouble(answer.starts_with("refused") ? Status::kConfig : Status::kTransient, "control",
                "cannot " + order + " the server: " + answer);
}

void Control::by_systemd(const Call& call, bool start, nanoseconds within) const {
  const nanoseconds reserve = std::max<nanoseconds>(call.remaining() - within, milliseconds{1});
  baton_systemd::Manager manager{call};
  const std::string unit = baton_systemd::complete_name(settings_.unit);
  if (start) {
    manager.start(unit, reserve);
  } else {
    manager.stop(unit, reserve);
  }
}

void Control::by_command(const Call&, const std::string& command, nanoseconds within) const {
  const auto words = baton::plugin::split_command(command);
  const auto result = baton::plugin::run_command({.argv = words.words, .environment = {}, .directory = "/"},
                                                 {.timeout = within, .grace = milliseconds{100}});
  if (result.succeeded()) return;
  const std::string said =
      result.end == baton::plugin::CommandEnd::kNotStarted ? result.start_trouble : result.first_line();
  throw Trouble(result.status(), "control",
                words.words.front() + " " + result.end_words() + (said.empty() ? "" : ": " + said));
}

}  // namespace baton_postgres
