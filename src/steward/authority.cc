#include "steward/authority.h"

#include <algorithm>

namespace baton::steward {
namespace {

bool in_group(const posix::PeerCredentials& credentials, gid_t group) {
  if (group == 0) return false;
  if (credentials.gid == group) return true;
  return std::find(credentials.groups.begin(), credentials.groups.end(), group) != credentials.groups.end();
}

}  // namespace

Authority authority_of(const posix::PeerCredentials& credentials, const AuthorityGroups& groups) {
  if (credentials.uid == 0 || in_group(credentials, groups.admin)) return Authority::kChange;
  if (in_group(credentials, groups.view)) return Authority::kRead;
  return Authority::kNone;
}

}  // namespace baton::steward
