#include "posix/program.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string_view>

namespace baton::posix {
namespace {

constexpr int kNoRights = 126;
constexpr int kNotExecuted = 127;
/// What the kernel adds to the name of a file that is gone.
constexpr std::string_view kDeleted = " (deleted)";

std::string own_link() {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink("/proc/self/exe", target.data(), target.size());
  return {target.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

/// `numbers` of the child's descriptors, in two steps so that none is overwritten before it was copied.
bool place_descriptors(const std::vector<std::pair<int, int>>& descriptors) {
  int beyond = 3;
  for (const auto& [ours, theirs] : descriptors) beyond = std::max(beyond, theirs + 1);
  std::vector<std::pair<int, int>> copies;
  for (const auto& [ours, theirs] : descriptors) {
    const int copy = ::fcntl(ours, F_DUPFD_CLOEXEC, beyond);
    if (copy < 0) return false;
    copies.emplace_back(copy, theirs);
  }
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing < 0) return false;
  for (int standard = 0; standard <= 2; ++standard) {
    if (::dup2(nothing, standard) < 0) return false;
  }
  std::vector<int> keep;
  for (const auto& [copy, theirs] : copies) {
    if (::dup2(copy, theirs) < 0) return false;
    keep.push_back(theirs);
  }
  close_all_but(keep);
  return true;
}

bool take_rights(const Program& program, pid_t parent) {
  const std::initializer_list<int> none = {};
  const std::initializer_list<int> raw = {CAP_NET_RAW};
  if (program.user) {
    if (!drop_to_user(*program.user, program.raw_network ? raw : none)) return false;
  } else if (!program.same_rights && !keep_only_capabilities(none)) {
    return false;
  }
  if (program.user && program.raw_network && !pass_on_capability(CAP_NET_RAW)) return false;
  // The change of user has cleared it.
  die_with_parent(parent);
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

}  // namespace

Result<Child> start_program(const Program& program) {
  if (::access(program.path.c_str(), X_OK) != 0) return fail("execute", errno, program.path);
  std::vector<std::string> arguments{program.path};
  arguments.insert(arguments.end(), program.arguments.begin(), program.arguments.end());
  std::vector<std::string> environment = program.environment;
  const pid_t parent = ::getpid();
  return spawn([&] {
    reset_signals();
    ::setpgid(0, 0);
    if (!place_descriptors(program.descriptors) || !take_rights(program, parent)) return kNoRights;
    ::execve(program.path.c_str(), pointers(arguments).data(), pointers(environment).data());
    return kNotExecuted;
  });
}

bool own_program_replaced() { return own_link().ends_with(kDeleted); }

Result<std::string> own_program_path() {
  std::string link = own_link();
  if (link.empty()) return fail("find the own program", errno, "/proc/self/exe");
  if (link.ends_with(kDeleted)) link.resize(link.size() - kDeleted.size());
  return link;
}

Error execute(int program, std::vector<std::string> arguments, std::vector<std::string> environment) {
  ::execveat(program, "", pointers(arguments).data(), pointers(environment).data(), AT_EMPTY_PATH);
  return {"execute", errno, arguments.empty() ? "" : arguments.front()};
}

void set_inherited(std::span<const int> descriptors, bool inherited) {
  for (const int fd : descriptors) ::fcntl(fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

std::vector<std::string> environment_without(const std::string& name) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view{*entry}.starts_with(name + "=")) all.emplace_back(*entry);
  }
  return all;
}

}  // namespace baton::posix
