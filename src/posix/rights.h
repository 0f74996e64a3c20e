// Who a process is and what it may do: users and groups by name, capabilities, and giving them up for good.
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace baton::posix {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};
/// ENOENT if there is no such user.
Result<User> find_user(const std::string& name);
Result<gid_t> find_group(const std::string& name);

/// Capability numbers as in linux/capability.h. Names ("CAP_NET_RAW") of those not in the effective set.
std::vector<std::string> missing_capabilities(std::initializer_list<int> wanted);
/// Keeps exactly these, permitted and effective; nothing inheritable, ambient or, where allowed, in the bounding set.
Result<void> keep_only_capabilities(std::initializer_list<int> kept);
/// Lets the programs that this process executes have a capability that it has itself (inheritable and ambient).
Result<void> pass_on_capability(int capability);
/// Lets these survive execute() for a user that is not root; root has them anyway.
Result<void> keep_across_exec(std::initializer_list<int> capabilities);
/// Becomes `user` for good, with exactly these capabilities, no supplementary groups but `groups`, no_new_privs. One
/// thread. Clears the parent-death signal: ask again afterwards.
Result<void> drop_to_user(const User& user, std::initializer_list<int> kept, std::vector<gid_t> groups = {});

}  // namespace baton::posix
