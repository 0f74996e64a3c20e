// Runs baton-plugin-host for one question and believes its answer only as far as it decodes. Refuses to wait longer
// than kDescribeLimit and to read more than kMaxAnswer.
#include "ipc/module_catalog.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "config/values.h"
#include "ipc/host_order.h"
#include "ipc/plain_text.h"
#include "posix/clock.h"
#include "posix/file.h"
#include "posix/memfd.h"
#include "posix/program.h"

namespace baton::ipc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxAnswer = 1u << 20;
constexpr std::string_view kSuffix = ".so";

struct Printed {
  std::vector<std::uint8_t> bytes;
  bool late = false;
  bool too_much = false;
};

/// Everything until end of file, the limit or the deadline.
Printed read_all(int fd, Instant deadline) {
  Printed printed;
  std::array<std::uint8_t, 16384> buffer;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - posix::now()).count();
    pollfd ready{fd, POLLIN, 0};
    const int found = left > 0 ? ::poll(&ready, 1, static_cast<int>(left)) : 0;
    if (found < 0 && errno == EINTR) continue;
    if (found <= 0) {
      printed.late = true;
      return printed;
    }
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size <= 0) return printed;
    printed.bytes.insert(printed.bytes.end(), buffer.begin(), buffer.begin() + size);
    if (printed.bytes.size() > kMaxAnswer) {
      printed.too_much = true;
      return printed;
    }
  }
}

/// The end of the process: it has closed its output or is being killed. nullopt: it was not over in time.
std::optional<int> wait_until(posix::Child& child, Instant deadline) {
  while (true) {
    if (const auto status = child.reap()) return status;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - posix::now()).count();
    if (left <= 0) return std::nullopt;
    pollfd ended{child.pidfd(), POLLIN, 0};
    ::poll(&ended, 1, static_cast<int>(left));
  }
}

std::string first_line(const std::vector<std::uint8_t>& bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), '\n');
  return plain_text(std::string(bytes.begin(), end), 1024);
}

/// What the program prints for this question about `path`.
Result<std::vector<std::uint8_t>> ask(const std::string& program, const std::string& path, const HostOrder* order) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail("ask a module", errno, path);
  posix::Fd reader{ends[0]};
  posix::Fd writer{ends[1]};
  posix::Program question{.path = program,
                          .arguments = {},
                          .environment = {},
                          .descriptors = {{writer.get(), 1}, {writer.get(), 2}},
                          .user = {}};
  posix::Fd memory;
  if (order != nullptr) {
    auto sealed = posix::sealed_memfd("baton-settings", encode(*order));
    if (!sealed) return Unexpected<Error>{sealed.error()};
    memory = std::move(*sealed);
    question.arguments.emplace_back("--check-settings");
    question.descriptors.emplace_back(memory.get(), kOrderDescriptor);
  } else {
    question.arguments.emplace_back("--describe");
    question.arguments.push_back(path);
  }
  if (::geteuid() == 0) {
    auto user = posix::find_user("baton-check");
    if (!user) return fail("modules are asked as user baton-check", user.error().sys_errno);
    question.user = *user;
  }
  auto child = posix::start_program(question);
  if (!child) return Unexpected<Error>{child.error()};
  writer.reset();
  const Instant deadline = posix::now() + kDescribeLimit;
  Printed printed = read_all(reader.get(), deadline);
  auto status = printed.late || printed.too_much ? std::nullopt : wait_until(*child, deadline);
  const bool late = !status && !printed.too_much;
  // The group too: what the module has started does not stay. The child is not reaped yet, so the number is its own.
  if (!status) {
    ::kill(-child->pid(), SIGKILL);
    child->signal(SIGKILL);
    status = child->wait();
  }
  if (late) return fail(path + " did not answer within 3 s");
  if (printed.too_much) return fail(path + " answered with more than 1 MiB");
  if (WIFSIGNALED(*status)) {
    return fail(path + " crashed while it was asked: " + posix::describe_wait_status(*status));
  }
  const int code = WEXITSTATUS(*status);
  if (code == 126) return fail("start " + program + ": rights or descriptors could not be set");
  if (code == 127) {
    const std::string closed = posix::closed_directory(program);
    return fail("start " + program + ": " +
                (closed.empty() ? "it cannot be executed" : "user baton-check cannot enter " + closed));
  }
  const std::string sentence = first_line(printed.bytes);
  if (code == kHostRefused && !sentence.empty()) return fail(sentence);
  if (code == kHostLeft) return fail(path + " called exit() while it was asked");
  if (code != 0) return fail(path + " ended while it was asked: " + posix::describe_wait_status(*status));
  return std::move(printed.bytes);
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string nearest_names(const std::string& name, const std::vector<std::string>& names) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  if (const auto near = config::nearest(name, views)) return "; the nearest is " + std::string(*near);
  std::string list;
  for (const std::string& one : names) list += (list.empty() ? "" : ", ") + one;
  return list.empty() ? "; there is none at all" : "; there are " + list;
}

/// Whether `path` stands in `directory`, links resolved.
bool stands_in(const std::string& directory, const std::string& path) {
  std::error_code trouble;
  const fs::path real_directory = fs::canonical(directory, trouble);
  if (trouble) return false;
  const fs::path real_path = fs::canonical(path, trouble);
  return !trouble && real_path.parent_path() == real_directory;
}

}  // namespace

CatalogPlaces find_places(const std::string& plugin_dir) {
  std::error_code trouble;
  const fs::path here = fs::read_symlink("/proc/self/exe", trouble).parent_path();
  CatalogPlaces places{plugin_dir, {}};
  const auto first = [](std::initializer_list<fs::path> candidates, const char* installed) {
    for (const fs::path& candidate : candidates) {
      if (exists(candidate.string())) return candidate.lexically_normal().string();
    }
    return std::string{installed};
  };
  if (places.plugin_dir.empty()) {
    places.plugin_dir = first({here / "../lib/baton/plugins"}, "/usr/lib/baton/plugins");
  }
  places.host_program = first({here / "baton-plugin-host", here / "../libexec/baton/baton-plugin-host"},
                              "/usr/libexec/baton/baton-plugin-host");
  return places;
}

Result<config::Module> ModuleCatalog::describe(const std::string& module) {
  if (const auto known = known_.find(module); known != known_.end()) return known->second;
  const auto find_out = [&]() -> Result<config::Module> {
    const bool is_path = module.starts_with('/');
    const std::string path = is_path ? module : places_.plugin_dir + "/" + module + std::string(kSuffix);
    if (!exists(path)) {
      const int error = errno;
      const std::string closed = error == EACCES ? posix::closed_directory(path) : std::string{};
      if (!closed.empty()) return fail("cannot look at " + path + ": this user cannot enter " + closed);
      if (error != ENOENT) return fail("cannot look at", error, path);
      if (is_path) return fail("there is no module " + path);
      return fail("there is no module " + module + " in " + places_.plugin_dir + nearest_names(module, names()));
    }
    auto printed = ask(places_.host_program, path, nullptr);
    if (!printed) return Unexpected<Error>{printed.error()};
    auto described = decode_module(*printed);
    if (!described) return fail(path + " describes itself in a way that cannot be read: " + described.error().subject);
    described->own = stands_in(places_.plugin_dir, described->path);
    return described;
  };
  return known_.emplace(module, find_out()).first->second;
}

Result<std::vector<config::ModuleComplaint>> ModuleCatalog::check_settings(const config::Module& module,
                                                                           const std::string& section,
                                                                           const std::string& host,
                                                                           const config::ModuleSettings& settings) {
  HostOrder order;
  order.section = section;
  order.host_name = host;
  order.module_path = module.path;
  order.own_module = module.own;
  order.settings = settings;
  auto printed = ask(places_.host_program, module.path, &order);
  if (!printed) return Unexpected<Error>{printed.error()};
  auto complaints = decode_complaints(*printed);
  if (!complaints) return fail(module.path + " complains in a way that cannot be read: " + complaints.error().what);
  return complaints;
}

std::vector<std::string> ModuleCatalog::names() {
  auto files = look();
  return files ? std::move(files->names) : std::vector<std::string>{};
}

Result<CatalogFiles> ModuleCatalog::look() const {
  CatalogFiles files;
  std::error_code trouble;
  for (const fs::directory_entry& entry : fs::directory_iterator(places_.plugin_dir, trouble)) {
    const std::string file = entry.path().filename().string();
    const bool is_module = file.ends_with(kSuffix);
    std::string name = is_module ? file.substr(0, file.size() - kSuffix.size()) : std::string{};
    if (is_module && config::is_valid_name(name)) {
      files.names.push_back(std::move(name));
    } else if (std::error_code odd; !entry.is_directory(odd)) {
      files.others.push_back(plain_text(std::string_view{file}, 255));
    }
  }
  if (trouble) return fail("look into the plugin directory", trouble.value(), places_.plugin_dir);
  std::sort(files.names.begin(), files.names.end());
  std::sort(files.others.begin(), files.others.end());
  return files;
}

}  // namespace baton::ipc
