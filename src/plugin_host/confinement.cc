#include "plugin_host/confinement.h"

#include <dirent.h>
#include <linux/capability.h>
#include <sched.h>
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
constexpr bool kSanitized = true;  // its shadow memory is counted, and needs terabytes
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
  // Not RLIMIT_AS: programs that checks start may reserve far more address space than they ever use.
  if (!kSanitized) limit(RLIMIT_DATA, 1024 * kMiB);
  limit(RLIMIT_NOFILE, 256);
  limit(RLIMIT_CORE, 0);
  // Counted over all processes of the user: enough for every section to run a pipeline, too little for a fork bomb.
  limit(RLIMIT_NPROC, 1024);
  // A probe writes nothing of size. An act may: dumps, fragments.
  if (kind == ipc::HostKind::kProbe) limit(RLIMIT_FSIZE, 16 * kMiB);
}

void yield_to_others() {
  // A waking probe does not take the processor from a thread that is about to send an advert. Refused: no harm.
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_BATCH, &none);
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
  // A user namespace would be a new world with all rights. clone3() keeps its flags where no filter can look: libraries
  // fall back to clone() when it does not exist.
  constexpr scmp_datum_t kNamespaces =
      CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  for (scmp_datum_t flag = 1; flag <= kNamespaces; flag <<= 1) {
    if ((kNamespaces & flag) == 0) continue;
    ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                       SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
  }
  ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  // Calls of another architecture's numbering would go around all this.
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
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
