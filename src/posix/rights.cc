#include "posix/rights.h"

#include <cap-ng.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace baton::posix {
namespace {

std::string capability_name(int capability) {
  const char* name = capng_capability_to_name(static_cast<unsigned>(capability));
  std::string text = "CAP_";
  for (const char* c = name != nullptr ? name : "?"; *c != '\0'; ++c) {
    text += *c >= 'a' && *c <= 'z' ? static_cast<char>(*c - 'a' + 'A') : *c;
  }
  return text;
}

bool contains(std::initializer_list<int> list, int value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// Without CAP_SETPCAP the bounding set stays: harmless with no_new_privs, which every child sets.
void drop_bounding_set(std::initializer_list<int> kept) {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (!contains(kept, capability)) ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
}

}  // namespace

Result<User> find_user(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> buffer{};
  const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return fail("find user", error != 0 ? error : ENOENT, name);
  return User{entry.pw_uid, entry.pw_gid};
}

Result<gid_t> find_group(const std::string& name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(1 << 16);
  const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return fail("find group", error != 0 ? error : ENOENT, name);
  return entry.gr_gid;
}

std::vector<std::string> missing_capabilities(std::initializer_list<int> wanted) {
  std::vector<std::string> missing;
  capng_clear(CAPNG_SELECT_ALL);
  const bool known = capng_get_caps_process() == 0;
  for (const int capability : wanted) {
    if (!known || capng_have_capability(CAPNG_EFFECTIVE, static_cast<unsigned>(capability)) == 0) {
      missing.push_back(capability_name(capability));
    }
  }
  return missing;
}

Result<void> keep_only_capabilities(std::initializer_list<int> kept) {
  drop_bounding_set(kept);
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  capng_clear(CAPNG_SELECT_CAPS);
  for (const int capability : kept) {
    capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                 static_cast<unsigned>(capability));
  }
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) return fail("set capabilities", errno);
  return {};
}

Result<void> pass_on_capability(int capability) {
  capng_get_caps_process();
  capng_update(CAPNG_ADD, CAPNG_INHERITABLE, static_cast<unsigned>(capability));
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) return fail("set capabilities", errno);
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) return fail("pass on capability", errno);
  return {};
}

Result<void> keep_across_exec(std::initializer_list<int> capabilities) {
  if (::geteuid() == 0) return {};
  for (const int capability : capabilities) {
    if (auto passed = pass_on_capability(capability); !passed) return passed;
  }
  return {};
}

Result<void> drop_to_user(const User& user, std::initializer_list<int> kept, std::vector<gid_t> groups) {
  drop_bounding_set(kept);  // while we still may
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return fail("keep capabilities", errno);
  if (::setgroups(groups.size(), groups.data()) != 0) return fail("set groups", errno);
  if (::setresgid(user.gid, user.gid, user.gid) != 0) return fail("become group", errno, std::to_string(user.gid));
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return fail("become user", errno, std::to_string(user.uid));
  if (auto done = keep_only_capabilities(kept); !done) return done;
  if (::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return fail("lock capabilities", errno);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("forbid new rights", errno);
  return {};
}

}  // namespace baton::posix
