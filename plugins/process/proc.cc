// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reads /proc: stat, status, cmdline, exe.
#include "proc.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <sstream>

#include "common/text_file.h"

namespace baton_process {
namespace {

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

std::string directory_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

/// Its program's path; after an upgrade without the " (deleted)" that the kernel adds.
std::string program_of(pid_t pid) {
  std::array<char, 4096> target;
  const ssize_t size = ::readlink((directory_of(pid) + "/exe").c_str(), target.data(), target.size());
  if (size <= 0) return {};
  std::string path{target.data(), static_cast<std::size_t>(size)};
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

std::string base_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

}  // namespace

std::optional<Process> process_of(pid_t pid) {
  const std::string stat = baton::plugin::read_text_file(directory_of(pid) + "/stat", 4096).text;
  // 12 (the name, which may hold ) and blanks) S 1 ...
  const std::size_t open = stat.find('(');
  const std::size_t close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  Process process{.pid = pid, .comm = stat.substr(open + 1, close - open - 1), .program = {}, .argument0 = {}};
  std::istringstream rest{stat.substr(close + 1)};
  rest >> process.state;
  constexpr int kFieldsBetween = 18;  // state is field 3, the start time field 22
  std::string passed;
  for (int i = 0; i < kFieldsBetween; ++i) rest >> passed;
  rest >> process.start;
  struct stat owner {};
  if (!rest || ::stat(directory_of(pid).c_str(), &owner) != 0) return std::nullopt;
  process.user = owner.st_uid;
  const std::string arguments = baton::plugin::read_text_file(directory_of(pid) + "/cmdline", 65536).text;
  process.argument0 = arguments.substr(0, arguments.find('\0'));
  process.program = program_of(pid);
  return process;
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> pids;
  const std::unique_ptr<DIR, DirectoryCloser> proc{::opendir("/proc")};
  if (proc == nullptr) return pids;
  while (const dirent* entry = ::readdir(proc.get())) {
    const std::string_view name{entry->d_name};
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc{} && end == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

bool is_called(const Process& process, const std::string& name) {
  if (name.starts_with('/')) return process.program.empty() ? process.argument0 == name : process.program == name;
  constexpr std::size_t kLongestComm = 15;
  if (name.size() <= kLongestComm) return process.comm == name;
  return process.comm == name.substr(0, kLongestComm) &&
         (base_of(process.argument0) == name || base_of(process.program) == name);
}

std::chrono::nanoseconds started_at(const Process& process) {
  timespec real{};
  timespec boot{};
  ::clock_gettime(CLOCK_REALTIME, &real);
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  const auto since_epoch =
      std::chrono::seconds{real.tv_sec - boot.tv_sec} + std::chrono::nanoseconds{real.tv_nsec - boot.tv_nsec};
  return since_epoch + std::chrono::nanoseconds{process.start * (1'000'000'000 / ::sysconf(_SC_CLK_TCK))};
}

bool others_are_hidden() {
  // Process 1 is always there.
  struct stat first {};
  return ::stat("/proc/1/stat", &first) != 0;
}

std::string words_of(const Process& process) { return std::to_string(process.pid) + " (" + process.comm + ")"; }

}  // namespace baton_process
