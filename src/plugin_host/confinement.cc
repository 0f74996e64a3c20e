#include "plugin_host/confinement.h"

#include <dirent.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "plugin_api/plugin.h"
#include "posix/rights.h"

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;  // its shadow memory needs terabytes of address space
#else
constexpr bool kSanitized = false;
#endif

namespace baton::plugin_host {
namespace {

void limit(int resource, rlim_t value) {
  rlimit now{};
  ::getrlimit(static_cast<__rlimit_resource_t>(resource), &now);
  const rlimit wanted{std::min(value, now.rlim_max), std::min(value, now.rlim_max)};
  ::setrlimit(static_cast<__rlimit_resource_t>(resource), &wanted);
}

}  // namespace

Result<void> give_up_rights(std::uint32_t needs) {
  const std::initializer_list<int> raw = {CAP_NET_RAW};
  const bool keeps_raw = (needs & BATON_NEEDS_NET_RAW) != 0 && posix::missing_capabilities({CAP_NET_RAW}).empty();
  if (auto kept = keeps_raw ? posix::keep_only_capabilities(raw) : posix::keep_only_capabilities({}); !kept)
    return kept;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("forbid new rights", errno);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail("hide from other processes", errno);
  // Set before the exec, but a gain of rights would have cleared it.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return fail("end with the parent", errno);
  return {};
}

void set_limits(ipc::HostKind kind) {
  constexpr rlim_t kMiB = 1u << 20;
  // Room for a database client and its buffers; what leaks is ended long before (measure_growth), what runs away here.
  if (!kSanitized) limit(RLIMIT_AS, 1024 * kMiB);
  limit(RLIMIT_NOFILE, 256);
  limit(RLIMIT_CORE, 0);
  // Counted over all processes of the user: enough for every section to run a pipeline, too little for a fork bomb.
  limit(RLIMIT_NPROC, 1024);
  // A probe writes nothing of size. An act may: dumps, fragments.
  if (kind == ipc::HostKind::kProbe) limit(RLIMIT_FSIZE, 16 * kMiB);
}

Result<void> forbid_system_calls() {
  const std::unique_ptr<void, void (*)(void*)> filter{::seccomp_init(SCMP_ACT_ALLOW), &::seccomp_release};
  if (!filter) return fail("forbid system calls", ENOMEM);
  // Mounting, namespaces, other processes' memory, kernel code and keys, machine state: the ways out.
  static constexpr std::array<const char*, 37> kForbidden = {"mount",
                                                             "umount2",
                                                             "pivot_root",
                                                             "move_mount",
                                                             "open_tree",
                                                             "fsopen",
                                                             "fsmount",
                                                             "chroot",
                                                             "setns",
                                                             "unshare",
                                                             "ptrace",
                                                             "process_vm_readv",
                                                             "process_vm_writev",
                                                             "kexec_load",
                                                             "kexec_file_load",
                                                             "init_module",
                                                             "finit_module",
                                                             "delete_module",
                                                             "bpf",
                                                             "perf_event_open",
                                                             "userfaultfd",
                                                             "add_key",
                                                             "request_key",
                                                             "keyctl",
                                                             "reboot",
                                                             "swapon",
                                                             "swapoff",
                                                             "open_by_handle_at",
                                                             "name_to_handle_at",
                                                             "iopl",
                                                             "ioperm",
                                                             "settimeofday",
                                                             "clock_settime",
                                                             "adjtimex",
                                                             "sethostname",
                                                             "setdomainname",
                                                             "acct"};
  for (const char* name : kForbidden) {
    const int call = ::seccomp_syscall_resolve_name(name);
    // An architecture may lack a call; then it needs no forbidding.
    if (call != __NR_SCMP_ERROR) ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0);
  }
  const int loaded = ::seccomp_load(filter.get());
  if (loaded != 0) return fail("forbid system calls", -loaded);
  return {};
}

Growth measure_growth() {
  Growth growth;
  if (const std::unique_ptr<FILE, int (*)(FILE*)> file{std::fopen("/proc/self/statm", "re"), &std::fclose}) {
    unsigned long total = 0;
    unsigned long resident = 0;
    if (std::fscanf(file.get(), "%lu %lu", &total, &resident) == 2) {
      growth.memory = resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    }
  }
  if (const std::unique_ptr<DIR, int (*)(DIR*)> directory{::opendir("/proc/self/fd"), &::closedir}) {
    while (::readdir(directory.get()) != nullptr) ++growth.descriptors;
  }
  return growth;
}

}  // namespace baton::plugin_host
