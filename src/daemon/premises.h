// What must be there before anything starts: users, capabilities, the lock, directories, the control socket. Each thing
// that is missing is named together with what to do about it.
#pragma once

#include <linux/capability.h>

#include <initializer_list>
#include <string>

#include "base/error.h"
#include "daemon/options.h"
#include "posix/fd.h"
#include "posix/rights.h"

namespace baton::daemon {

/// The engine works with these two alone.
inline constexpr std::initializer_list<int> kEngineCapabilities = {CAP_NET_ADMIN, CAP_NET_RAW};
/// The guardian passes rights on (NET_ADMIN, NET_RAW, DAC_READ_SEARCH), changes users and ends children. Its
/// directories are there as they should be (tmpfiles.d), or it is started with the right to make them so (CAP_CHOWN).
inline constexpr std::initializer_list<int> kGuardianCapabilities = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_SETUID,
                                                                     CAP_SETGID,    CAP_KILL,    CAP_DAC_READ_SEARCH};
/// Kept if it is there: with it the children's bounding sets shrink too.
inline constexpr int kWelcomeCapability = CAP_SETPCAP;

struct Users {
  posix::User engine;
  posix::User steward;
  posix::User scribe;
  gid_t view_gid = 0;
  gid_t admin_gid = 0;
};

struct Premises {
  Users users;
  posix::Fd lock;         ///< abstract socket @baton
  posix::Fd runtime_dir;  ///< owned by baton-engine
  posix::Fd state_dir;    ///< owned by baton-scribe
  posix::Fd control;      ///< listening
};

Result<Users> find_users();
/// Error: names the missing capabilities.
Result<void> check_capabilities();
/// Gives up all others; what a program before this one passed on, too.
Result<void> keep_guardian_capabilities();
/// In this order: capabilities, users, lock, directories, control socket; then gives up all other capabilities.
Result<Premises> prepare(const Options& options);

}  // namespace baton::daemon
