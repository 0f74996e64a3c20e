// SPDX-License-Identifier: GPL-2.0-or-later
//
// control_service.cc: one order at a time: "start MS" or "stop MS", answered by "ok", "failed WHY" or "refused WHY".
// The data directory and the programs are those of this process' own command line, never of an order.
#include "postgres/control_service.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace baton_postgres {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kOrderTime{1000};
constexpr std::int64_t kLongestOrder = 3'600'000;
constexpr int kReapEvery = 100;  // ms

volatile std::sig_atomic_t g_ended = 0;
void end(int) { g_ended = 1; }

int listen_on(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    std::fprintf(stderr, "baton-postgres-control: %s is too long for a socket\n", path.c_str());
    return -1;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // Only a socket of our own is replaced, never another file.
  struct stat found {};
  if (::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) ::unlink(path.c_str());
  ::umask(0177);
  if (listener < 0 || ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 8) != 0) {
    std::fprintf(stderr, "baton-postgres-control: cannot listen on %s: %s\n", path.c_str(), std::strerror(errno));
    if (listener >= 0) ::close(listener);
    return -1;
  }
  ::umask(0077);
  return listener;
}

bool may_order(int peer) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return false;
  return who.uid == 0 || who.uid == ::geteuid();
}

std::string read_order(int peer) {
  std::string line;
  const Clock::time_point until = Clock::now() + kOrderTime;
  while (line.find('\n') == std::string::npos && line.size() < 64) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    pollfd watched{peer, POLLIN, 0};
    if (left <= 0 || ::poll(&watched, 1, static_cast<int>(left)) <= 0) return {};
    std::array<char, 64> chunk{};
    const ssize_t count = ::read(peer, chunk.data(), chunk.size());
    if (count <= 0) return {};
    line.append(chunk.data(), static_cast<std::size_t>(count));
  }
  return line.substr(0, line.find('\n'));
}

/// What pg_ctl said: the last line of it.
std::string last_line(const std::string& text) {
  std::string last;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

/// Waits for pg_ctl. What it starts leaves it and stays; the pipe may stay open in it, so the end is the child's end.
std::string run_to_end(const std::vector<std::string>& words) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::string{"failed cannot make a pipe: "} + std::strerror(errno);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, 0);
    ::dup2(ends[1], 1);
    ::dup2(ends[1], 2);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
    ::execv(argv[0], argv.data());
    std::fprintf(stderr, "%s: %s\n", argv[0], std::strerror(errno));
    ::_exit(127);
  }
  ::close(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  std::string said;
  int status = 0;
  bool ended = child < 0;
  while (!ended) {
    for (int other = 0; !ended;) {
      const pid_t one = ::waitpid(-1, &other, WNOHANG);
      if (one <= 0) break;
      ended = one == child;
      if (ended) status = other;
    }
    std::array<char, 4096> chunk{};
    ssize_t count = 0;
    while ((count = ::read(ends[0], chunk.data(), chunk.size())) > 0)
      said.append(chunk.data(), static_cast<std::size_t>(count));
    if (!ended) ::poll(nullptr, 0, 5);
  }
  ::close(ends[0]);
  if (child < 0) return "failed cannot start pg_ctl";
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "ok";
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return "refused " + last_line(said);
  return "failed pg_ctl: " + last_line(said);
}

std::string obey(const ServiceSettings& settings, const std::string& order) {
  std::istringstream words{order};
  std::string verb;
  std::int64_t ms = 0;
  words >> verb >> ms;
  if ((verb != "start" && verb != "stop") || ms <= 0 || ms > kLongestOrder) return "refused an order that is none";
  const std::string seconds = std::to_string((ms + 999) / 1000);
  std::vector<std::string> argv{settings.bin_directory + "/pg_ctl", "-D", settings.data_directory, "-w", "-t", seconds};
  if (verb == "stop") {
    argv.insert(argv.end(), {"-m", "fast", "stop"});
    return run_to_end(argv);
  }
  argv.insert(argv.end(), {"-s", "-l", settings.log_file});
  if (!settings.server_options.empty()) argv.insert(argv.end(), {"-o", settings.server_options});
  argv.emplace_back("start");
  const std::string answer = run_to_end(argv);
  return answer.starts_with("failed") ? "failed pg_ctl could not start it; why, is in " + settings.log_file : answer;
}

}  // namespace

int serve(const ServiceSettings& settings) {
  struct sigaction ending {};
  ending.sa_handler = &end;
  ::sigaction(SIGTERM, &ending, nullptr);
  ::sigaction(SIGINT, &ending, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  // The server's parent when pg_ctl has ended: a postmaster that has died must not stay as a zombie, because none
  // starts beside it. When this process ends, init takes over; nothing ends with it.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const int listener = listen_on(settings.socket);
  if (listener < 0) return 1;
  while (g_ended == 0) {
    pollfd watched{listener, POLLIN, 0};
    const int ready = ::poll(&watched, 1, kReapEvery);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (ready <= 0) continue;
    const int peer = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer < 0) continue;
    const bool may = may_order(peer);
    const std::string order = may ? read_order(peer) : std::string{};
    const std::string answer = (may ? obey(settings, order) : std::string{"refused orders of another user"}) + "\n";
    if (::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL) < 0 && !order.empty()) {
      std::fprintf(stderr, "baton-postgres-control: nobody waited for `%s`\n",
                   answer.substr(0, answer.size() - 1).c_str());
    }
    ::close(peer);
  }
  ::unlink(settings.socket.c_str());
  return 0;
}

}  // namespace baton_postgres
