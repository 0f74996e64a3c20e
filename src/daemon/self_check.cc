#include "daemon/self_check.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "base/version.h"
#include "daemon/config_child.h"
#include "daemon/inheritance.h"
#include "daemon/premises.h"
#include "ipc/module_catalog.h"
#include "ipc/state_board.h"
#include "posix/memfd.h"
#include "posix/program.h"

namespace baton::daemon {
namespace {

constexpr std::size_t kMaxWords = 4096;
constexpr int kNotExecuted = 127;
constexpr rlim_t kMostPrinted = 1u << 20;

/// What it printed last.
std::string tail_of(int fd) {
  std::array<char, kMaxWords> buffer;
  const off_t size = ::lseek(fd, 0, SEEK_END);
  const off_t from = std::max<off_t>(size - static_cast<off_t>(buffer.size()), 0);
  const ssize_t count = ::pread(fd, buffer.data(), buffer.size(), from);
  return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

int become(const SelfCheck::Request& request, int words) {
  posix::reset_signals();
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (::dup2(nothing, 0) < 0 || ::dup2(words, 1) < 0 || ::dup2(words, 2) < 0) return kNotExecuted;
  std::vector<int> keep = request.keep;
  keep.push_back(request.inheritance);
  posix::set_inherited(keep, true);
  keep.push_back(request.program);
  posix::close_all_but(keep);
  std::vector<std::string> environment = posix::environment_without(kInheritanceVariable);
  environment.push_back(kInheritanceVariable + ("=" + std::to_string(request.inheritance)));
  std::vector<std::string> arguments = request.arguments;
  arguments.emplace_back("--selfcheck");
  if (auto kept = posix::keep_across_exec(kGuardianCapabilities); !kept) return kNotExecuted;
  const rlimit most{kMostPrinted, kMostPrinted};  // a broken program may print without end
  ::setrlimit(RLIMIT_FSIZE, &most);
  const Error error = posix::execute(request.program, arguments, environment);
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return kNotExecuted;
}

/// The modules of the configuration in force as this program's plugin host sees them.
Result<void> check_modules(const Options& options, const std::vector<LeftHost>& hosts) {
  ipc::ModuleCatalog catalog{ipc::find_places(options.plugin_dir)};
  std::set<std::string> seen;
  for (const LeftHost& host : hosts) {
    if (host.unwanted_until || !seen.insert(host.order.module_path).second) continue;
    if (const auto module = catalog.describe(host.order.module_path); !module) {
      return fail("plugin " + host.order.section + ": " + module.error().message());
    }
  }
  return {};
}

Result<void> check_configuration_of(const Options& options, const Inheritance& all) {
  if (read_back(all.configuration)) return {};
  // Another version writes it down in another way: then it is read from the files, as at a reload.
  if (all.rolled_back) {
    return fail("it would read " + options.config_path + ", whose reload was rolled back: mend it and reload first");
  }
  if (check_configuration(options)) return {};
  return fail("the configuration in force cannot be taken over, and " + options.config_path + " is not valid");
}

Result<void> check_inheritance(const Options& options, int memory) {
  const auto bytes = posix::read_sealed(memory, kMaxInheritance);
  if (!bytes) return Unexpected<Error>{bytes.error()};
  const auto all = decode_inheritance(*bytes);
  if (!all) return Unexpected<Error>{all.error()};
  const auto board = posix::Mapping::read_only(all->board);
  if (!board) return Unexpected<Error>{board.error()};
  if (const auto reader = ipc::BoardReader::open(board->const_bytes()); !reader) {
    return Unexpected<Error>{reader.error()};
  }
  if (auto checked = check_configuration_of(options, *all); !checked) return checked;
  return check_modules(options, all->hosts);
}

Result<void> check_here(const Options& options) {
  if (auto able = check_capabilities(); !able) return able;
  const auto users = find_users();
  if (!users) return Unexpected<Error>{users.error()};
  // From here on nothing needs rights but files that are root's.
  if (auto dropped = posix::drop_to_user(users->steward, {CAP_DAC_READ_SEARCH}); !dropped) return dropped;
  if (const int memory = inherited_descriptor(); memory >= 0) return check_inheritance(options, memory);
  return check_configuration(options) ? Result<void>{} : fail(options.config_path + " is not valid");
}

}  // namespace

std::string version_in(const std::string& words, std::string& last) {
  std::size_t end = words.find_last_not_of(" \n\r\t");
  end = end == std::string::npos ? 0 : end + 1;
  const std::size_t newline = words.find_last_of('\n', end == 0 ? 0 : end - 1);
  const std::size_t from = newline == std::string::npos ? 0 : newline + 1;
  last = words.substr(from, end - std::min(from, end));
  const std::string_view answer{kSelfCheckAnswer};
  return last.starts_with(answer) ? last.substr(answer.size()) : std::string{};
}

Result<SelfCheck> SelfCheck::start(const Request& request) {
  posix::Fd words{::memfd_create("baton-selfcheck", MFD_CLOEXEC)};
  if (!words.valid()) return fail("make memory for the answer", errno);
  auto child = posix::spawn([&] { return become(request, words.get()); });
  if (!child) return Unexpected<Error>{child.error()};
  return SelfCheck{std::move(*child), std::move(words)};
}

Result<std::string> SelfCheck::finish() {
  const auto ended = child_.reap();
  if (!ended) {
    child_.signal(SIGKILL);
    child_.wait();
    return fail("it gave no answer within " + std::to_string(kSelfCheckLimit / std::chrono::seconds{1}) + " s");
  }
  std::string last;
  const std::string version = version_in(tail_of(words_.get()), last);
  if (WIFEXITED(*ended) && WEXITSTATUS(*ended) == 0 && !version.empty()) return version;
  std::string how = posix::describe_wait_status(*ended);
  if (WIFEXITED(*ended) && WEXITSTATUS(*ended) == 0) how = "it is no batond that knows how to take over";
  return fail(last.empty() || WIFSIGNALED(*ended) ? how : last);
}

int run_self_check(const Options& options) {
  posix::set_process_name("baton-check");
  if (auto checked = check_here(options); !checked) {
    std::fprintf(stderr, "%s\n", checked.error().message().c_str());
    return 1;
  }
  return std::printf("%s%s\n", kSelfCheckAnswer, kVersion) < 0 ? 1 : 0;
}

}  // namespace baton::daemon
