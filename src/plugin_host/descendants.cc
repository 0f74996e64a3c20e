#include "plugin_host/descendants.h"

#include <dirent.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace baton::plugin_host {
namespace {

constexpr int kRounds = 10;
constexpr int kPauseMs = 10;

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
};

/// "PID (NAME) STATE PARENT ...", where NAME may hold anything. Zombies are nobody: they are gone already.
bool read_process(const char* number, Process& process) {
  const std::string path = std::string{"/proc/"} + number + "/stat";
  const std::unique_ptr<FILE, int (*)(FILE*)> file{std::fopen(path.c_str(), "re"), &std::fclose};
  if (!file) return false;
  std::array<char, 512> line{};
  if (std::fgets(line.data(), static_cast<int>(line.size()), file.get()) == nullptr) return false;
  const char* const after = std::strrchr(line.data(), ')');
  char state = 0;
  int parent = 0;
  if (after == nullptr || std::sscanf(after + 1, " %c %d", &state, &parent) != 2 || state == 'Z') return false;
  process.parent = parent;
  return std::from_chars(number, number + std::strlen(number), process.pid).ec == std::errc{};
}

std::vector<Process> all_processes() {
  std::vector<Process> processes;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory{::opendir("/proc"), &::closedir};
  if (!directory) return processes;
  while (const dirent* entry = ::readdir(directory.get())) {
    Process process;
    const char* const name = entry->d_name;
    if (*name >= '1' && *name <= '9' && read_process(name, process)) processes.push_back(process);
  }
  return processes;
}

/// Everything below this process.
std::vector<pid_t> descendants() {
  const std::vector<Process> processes = all_processes();
  std::vector<pid_t> below{::getpid()};
  for (std::size_t i = 0; i < below.size(); ++i) {
    for (const Process& process : processes) {
      if (process.parent == below[i]) below.push_back(process.pid);
    }
  }
  below.erase(below.begin());
  return below;
}

}  // namespace

void adopt_orphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

void end_descendants() {
  // Who forks while we look is found in the next round.
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<pid_t> below = descendants();
    if (below.empty()) break;
    for (const pid_t pid : below) ::kill(pid, SIGKILL);
    ::poll(nullptr, 0, kPauseMs);
    reap_ended();
  }
  reap_ended();
}

bool reap_ended() {
  pid_t ended = 0;
  do {
    ended = ::waitpid(-1, nullptr, WNOHANG | __WALL);
  } while (ended > 0);
  return ended == 0;  // not: there are no children
}

}  // namespace baton::plugin_host
