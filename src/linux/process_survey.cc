#include "linux/process_survey.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "linux/directory.h"
#include "linux/speakers.h"

namespace baton::linux {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDeleted = " (deleted)";

template <class T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string whole(const std::string& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::string directory_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

/// "NAME:\tVALUE" of /proc/PID/status.
std::string status_value(const std::string& status, const std::string& name) {
  std::istringstream lines{status};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return {};
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> pids;
  for (const std::string& name : names_in("/proc")) {
    if (const auto pid = parse_number<pid_t>(name)) pids.push_back(*pid);
  }
  return pids;
}

bool is_ours(const std::string& name) { return name.starts_with("baton"); }

SurveyedProcess look_at(pid_t pid, const std::string& status) {
  SurveyedProcess process;
  process.pid = pid;
  process.name = status_value(status, "Name");
  process.capabilities = parse_number<std::uint64_t>(status_value(status, "CapEff"), 16);
  std::error_code refused;
  const std::string program = fs::read_symlink(directory_of(pid) + "/exe", refused).string();
  std::ifstream maps{directory_of(pid) + "/maps"};
  process.readable = !refused && maps.good();
  process.old_program = program.ends_with(kDeleted);
  const std::string text{std::istreambuf_iterator<char>{maps}, {}};
  process.deleted_libraries = deleted_libraries(text);
  return process;
}

/// Inodes of the sockets that a process has open.
std::vector<ino_t> sockets_of(pid_t pid) {
  std::vector<ino_t> found;
  std::error_code none;
  const std::string directory = directory_of(pid) + "/fd";
  for (const std::string& name : names_in(directory)) {
    const std::string target = fs::read_symlink(directory + "/" + name, none).string();
    if (!target.starts_with("socket:[")) continue;
    if (const auto inode = parse_number<ino_t>(std::string_view{target}.substr(8, target.size() - 9))) {
      found.push_back(*inode);
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> deleted_libraries(std::string_view maps) {
  std::vector<std::string> found;
  while (!maps.empty()) {
    const std::size_t end = maps.find('\n');
    std::string_view line = maps.substr(0, end);
    maps.remove_prefix(end == std::string_view::npos ? maps.size() : end + 1);
    const std::size_t slash = line.find('/');
    if (!line.ends_with(kDeleted) || slash == std::string_view::npos) continue;
    line.remove_suffix(kDeleted.size());
    const std::string path{line.substr(slash)};
    // Neither shared memory nor temporary files: "/memfd:baton-board", "/dev/zero", "/SYSV00000000".
    if (path.find(".so") == std::string::npos || path.starts_with("/memfd:")) continue;
    if (std::find(found.begin(), found.end(), path) == found.end()) found.push_back(path);
  }
  return found;
}

std::vector<SurveyedProcess> survey_family(pid_t any) {
  std::map<pid_t, std::string> statuses;
  std::multimap<pid_t, pid_t> children;
  for (const pid_t pid : all_pids()) {
    const std::string status = whole(directory_of(pid) + "/status");
    if (const auto parent = parse_number<pid_t>(status_value(status, "PPid"))) children.emplace(*parent, pid);
    statuses[pid] = status;
  }
  pid_t first = any;
  for (;;) {
    const auto parent = parse_number<pid_t>(status_value(statuses[first], "PPid")).value_or(0);
    if (parent <= 1 || !is_ours(status_value(statuses[parent], "Name"))) break;
    first = parent;
  }
  std::vector<SurveyedProcess> family;
  std::vector<pid_t> waiting{first};
  while (!waiting.empty()) {
    const pid_t pid = waiting.front();
    waiting.erase(waiting.begin());
    if (statuses[pid].empty()) continue;  // gone meanwhile
    family.push_back(look_at(pid, statuses[pid]));
    const auto [begin, end] = children.equal_range(pid);
    for (auto child = begin; child != end; ++child) waiting.push_back(child->second);
  }
  return family;
}

std::optional<bool> in_this_network(pid_t pid) {
  std::error_code refused;
  const auto there = fs::read_symlink(directory_of(pid) + "/ns/net", refused);
  if (refused) return std::nullopt;
  const auto here = fs::read_symlink("/proc/self/ns/net", refused);
  if (refused) return std::nullopt;
  return there == here;
}

std::vector<RawSpeaker> raw_speakers(const std::vector<SurveyedProcess>& family) {
  std::vector<ino_t> sockets;
  for (const char* path : {"/proc/thread-self/net/raw", "/proc/thread-self/net/raw6"}) {
    std::ifstream table{path};
    const auto found = vrrp_sockets(table);
    sockets.insert(sockets.end(), found.begin(), found.end());
  }
  if (sockets.empty()) return {};
  std::vector<RawSpeaker> speakers;
  for (const pid_t pid : all_pids()) {
    const auto own = sockets_of(pid);
    const bool speaks = std::any_of(own.begin(), own.end(), [&](ino_t inode) {
      return std::find(sockets.begin(), sockets.end(), inode) != sockets.end();
    });
    if (!speaks) continue;
    const bool is_family = std::any_of(family.begin(), family.end(), [&](const auto& one) { return one.pid == pid; });
    if (!is_family) speakers.push_back({pid, status_value(whole(directory_of(pid) + "/status"), "Name")});
  }
  return speakers;
}

}  // namespace baton::linux
