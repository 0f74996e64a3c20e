#include "daemon/premises.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "posix/clock.h"
#include "posix/file.h"
#include "posix/unix_socket.h"

namespace baton::daemon {
namespace {

constexpr const char* kLockName = "baton";
constexpr Nanos kLockPatience = std::chrono::milliseconds{1500};

Result<posix::User> daemon_user(const std::string& name) {
  auto user = posix::find_user(name);
  if (user) return user;
  if (user.error().sys_errno != ENOENT) return user;
  return fail("there is no user " + name +
              "; create it with: useradd --system --user-group --no-create-home --shell "
              "/usr/sbin/nologin " +
              name);
}

Result<gid_t> daemon_group(const std::string& name) {
  auto group = posix::find_group(name);
  if (group) return group;
  if (group.error().sys_errno != ENOENT) return group;
  return fail("there is no group " + name + "; create it with: groupadd --system " + name);
}

/// The engine of a daemon that was just killed holds the lock until it has released its addresses: that is worth a
/// short wait.
Result<posix::Fd> take_lock() {
  const Instant limit = posix::now() + kLockPatience;
  while (true) {
    auto lock = posix::bind_abstract(kLockName);
    if (lock || lock.error().sys_errno != EADDRINUSE || posix::now() >= limit) return lock;
    ::poll(nullptr, 0, 20);
  }
}

}  // namespace

Result<Users> find_users() {
  Users users;
  for (auto [name, user] : {std::pair{"baton-engine", &users.engine}, std::pair{"baton-steward", &users.steward},
                            std::pair{"baton-scribe", &users.scribe}}) {
    auto found = daemon_user(name);
    if (!found) return Unexpected<Error>{found.error()};
    if (found->uid == 0) return fail("user must not be root", 0, name);
    *user = *found;
  }
  for (auto [name, group] : {std::pair{"baton-view", &users.view_gid}, std::pair{"baton-admin", &users.admin_gid}}) {
    auto found = daemon_group(name);
    if (!found) return Unexpected<Error>{found.error()};
    *group = *found;
  }
  return users;
}

Result<void> check_capabilities() {
  std::string missing;
  for (const std::string& name : posix::missing_capabilities(kGuardianCapabilities)) {
    missing += (missing.empty() ? "" : ", ") + name;
  }
  if (missing.empty()) return {};
  return fail("missing capability: " + missing + "; start batond as root, or give its service these capabilities");
}

Result<void> keep_guardian_capabilities() {
  if (!posix::missing_capabilities({kWelcomeCapability}).empty()) {
    return posix::keep_only_capabilities(kGuardianCapabilities);
  }
  return posix::keep_only_capabilities(
      {CAP_NET_ADMIN, CAP_NET_RAW, CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_DAC_READ_SEARCH, kWelcomeCapability});
}

Result<Premises> prepare(const Options& options) {
  if (auto able = check_capabilities(); !able) return Unexpected<Error>{able.error()};
  Premises premises;
  auto users = find_users();
  if (!users) return Unexpected<Error>{users.error()};
  premises.users = *users;
  auto lock = take_lock();
  if (!lock) {
    if (lock.error().sys_errno != EADDRINUSE) return Unexpected<Error>{lock.error()};
    return fail("another batond runs in this network namespace (it holds the abstract socket @baton)");
  }
  premises.lock = std::move(*lock);
  // The address journal lives in the runtime directory and is written by the engine; the control socket's door is
  // guarded by the steward, which asks the kernel who connected, so that a refusal can be explained.
  // Its group is ours, so that we can remove the socket without CAP_DAC_OVERRIDE.
  auto runtime = posix::prepare_directory(options.runtime_dir, {premises.users.engine.uid, ::getegid()}, 0775);
  if (!runtime) return Unexpected<Error>{runtime.error()};
  premises.runtime_dir = std::move(*runtime);
  auto state = posix::prepare_directory(options.state_dir, premises.users.scribe, 0750);
  if (!state) return Unexpected<Error>{state.error()};
  premises.state_dir = std::move(*state);
  auto control = posix::listen_stream(options.runtime_dir + "/control.sock", 0666, premises.users.view_gid);
  if (!control) return Unexpected<Error>{control.error()};
  premises.control = std::move(*control);
  if (auto kept = keep_guardian_capabilities(); !kept) return Unexpected<Error>{kept.error()};
  return premises;
}

}  // namespace baton::daemon
