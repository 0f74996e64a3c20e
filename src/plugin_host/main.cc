// baton-plugin-host: runs the plugin of one [plugin] section. The guardian starts it without arguments and with the
// descriptors of ipc/host_order.h; batond's reader of the configuration and batonctl ask it single questions.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "ipc/host_order.h"
#include "ipc/module_catalog.h"
#include "log/log.h"
#include "plugin_host/confinement.h"
#include "plugin_host/descendants.h"
#include "plugin_host/describe.h"
#include "plugin_host/host.h"
#include "plugin_host/session.h"
#include "posix/memfd.h"
#include "posix/process.h"

namespace {

using namespace baton;
using namespace baton::plugin_host;

constexpr int kFailed = ipc::kHostRefused;
constexpr int kUsage = 2;
/// For loading a plugin, whose constructors run then; libraries may have to come from a slow disk.
constexpr unsigned kLoadSeconds = 10;

/// Where answers and errors of the single questions go. What plugin code prints must not look like either.
struct Outputs {
  posix::Fd answers;
  posix::Fd errors;

  int complain(const Error& error) const {
    ::dprintf(errors.get(), "%s\n", error.message().c_str());
    return kFailed;
  }
};

Outputs take_outputs() {
  Outputs outputs{posix::Fd{::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10)},
                  posix::Fd{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10)}};
  const posix::Fd nothing{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (nothing.valid()) ::dup2(nothing.get(), standard);
  }
  return outputs;
}

/// The plugin calls exit(): no answer of ours, whatever status it chose.
void end_for_plugin(int, void*) {
  end_descendants();
  ::_exit(ipc::kHostLeft);
}

Result<Library> load_in_time(const std::string& path) {
  ::alarm(kLoadSeconds);
  auto library = load_library(path);
  ::alarm(0);
  return library;
}

Result<ipc::HostOrder> read_order() {
  const auto bytes = posix::read_sealed(ipc::kOrderDescriptor, ipc::kMaxOrderSize);
  if (!bytes) return Unexpected<Error>{bytes.error()};
  return ipc::decode_order(*bytes);
}

/// In this order: rights, then limits, then system calls, and only then the first byte of the plugin.
Result<void> confine(ipc::HostKind kind, std::uint32_t needs) {
  if (auto given_up = give_up_rights(needs); !given_up) return given_up;
  set_limits(kind);
  if (kind == ipc::HostKind::kProbe) yield_to_others();
  return forbid_system_calls();
}

int serve_order(const ipc::HostOrder& order) {
  posix::set_process_name(("baton-" + order.section).c_str());
  posix::Fd work{ipc::kWorkDescriptor};
  posix::Fd bell{order.kind == ipc::HostKind::kProbe ? ipc::kBellDescriptor : -1};
  for (const int fd : {ipc::kOrderDescriptor, ipc::kWorkDescriptor, ipc::kBellDescriptor, ipc::kLogDescriptor}) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  ::close(ipc::kOrderDescriptor);
  if (const auto confined = confine(order.kind, order.needs); !confined) {
    log::error("plugin_host_failed", {{"plugin", order.section}}, confined.error().message());
    return kFailed;
  }
  const auto library = load_in_time(order.module_path);
  if (!library) {
    log::error("plugin_not_loaded", {{"plugin", order.section}}, library.error().message());
    if (order.kind == ipc::HostKind::kProbe) report_unloaded(order, work, std::move(bell), library.error());
    return kFailed;
  }
  if (order.kind == ipc::HostKind::kProbe) return run_probes(*library, order, std::move(work), std::move(bell));
  return run_acts(*library, order, std::move(work));
}

int serve() {
  log::use_pipe(ipc::kLogDescriptor);
  log::open({"plugin-host"});
  const auto order = read_order();
  if (!order) {
    log::error("plugin_host_failed", {}, order.error().message());
    return kFailed;
  }
  try {
    return serve_order(*order);
  } catch (const std::system_error& error) {
    // Threads are counted with the processes.
    const bool full = error.code() == std::errc::resource_unavailable_try_again;
    log::error("plugin_host_failed", {{"plugin", order->section}},
               std::string{error.what()} + (full ? "; user " + order->user + " has too many processes" : ""));
  } catch (const std::exception& error) {
    log::error("plugin_host_failed", {{"plugin", order->section}}, error.what());
  }
  return kFailed;
}

int describe(const std::string& path) {
  const bool for_people = ::isatty(STDOUT_FILENO) == 1;
  const Outputs outputs = take_outputs();
  if (auto able = become_asker(""); !able) return outputs.complain(able.error());
  if (auto confined = confine(ipc::HostKind::kProbe, 0); !confined) return outputs.complain(confined.error());
  const auto library = load_in_time(path);
  if (!library) return outputs.complain(library.error());
  return print_module(library->module, outputs.answers.get(), for_people) ? ipc::kHostDone : kFailed;
}

/// `verb`: nullopt = the module's look at its settings.
int answer(std::optional<PluginVerb> verb) {
  const auto order = read_order();
  Outputs outputs = take_outputs();
  ::close(ipc::kOrderDescriptor);
  if (!order) return outputs.complain(order.error());
  if (auto able = become_asker(order->user); !able) return outputs.complain(able.error());
  const ipc::HostKind kind = verb && *verb != PluginVerb::kProbe ? ipc::HostKind::kAct : ipc::HostKind::kProbe;
  if (auto confined = confine(kind, order->needs); !confined) return outputs.complain(confined.error());
  const auto library = load_in_time(order->module_path);
  if (!library) return outputs.complain(library.error());
  if (verb) return run_once(*library, *order, *verb, std::move(outputs.answers));
  Session session{*library, *order, "check"};
  return print_complaints(session.check_settings(), outputs.answers.get()) ? ipc::kHostDone : kFailed;
}

int usage() {
  std::fputs(
      "Usage: baton-plugin-host --describe FILE      what a plugin says of itself\n"
      "       baton-plugin-host --check-settings     (used by batond and batonctl)\n"
      "       baton-plugin-host --once VERB          (used by batonctl plugin test)\n"
      "Without arguments it is started by batond alone.\n",
      stderr);
  return kUsage;
}

/// A person's directory and umask, the guardian's shelter from the kernel's hunger for memory: none of it is the
/// plugin's.
void forget_the_starter() {
  if (::chdir("/") != 0) ::_exit(kFailed);
  ::umask(022);
  const posix::Fd score{::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)};
  // Refused where somebody has set it lower with rights that we lack: then it stays.
  if (score.valid()) static_cast<void>(::write(score.get(), "0", 1) == 1);
}

int run(int argc, char** argv, const std::string& file) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (argc == 1 && ::fcntl(ipc::kOrderDescriptor, F_GETFD) >= 0) return serve();
  if (mode == "--describe" && argc == 3) return describe(file);
  if (mode == "--check-settings" && argc == 2) return answer(std::nullopt);
  if (mode == "--once" && argc == 3) {
    const auto verb = verb_from(argv[2]);
    return verb ? answer(*verb) : usage();
  }
  return usage();
}

}  // namespace

int main(int argc, char** argv) {
  std::error_code nowhere;  // a relative path in a directory that is gone
  const std::string file = argc > 2 ? std::filesystem::absolute(argv[2], nowhere).string() : std::string{};
  forget_the_starter();
  // Its own process group, because that is what ends when a call is late.
  if (::getpgrp() != ::getpid()) ::setpgid(0, 0);
  // Plugin code sees this and nothing else of ours.
  ::clearenv();
  ::setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  ::setenv("LANG", "C.UTF-8", 1);
  adopt_orphans();
  ::on_exit(&end_for_plugin, nullptr);
  int status = kFailed;
  try {
    status = run(argc, argv, file);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "baton-plugin-host: %s\n", error.what());
  }
  end_descendants();
  ::_exit(status);
}
