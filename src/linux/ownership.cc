// The kernel's release decides whether marks are kept; a kernel with the feature ported back is treated as an old one,
// which is safe.
#include "linux/ownership.h"

#include <sys/utsname.h>

#include <cstdlib>

namespace baton::linux {

bool kernel_keeps_marks() {
  utsname name{};
  if (::uname(&name) != 0) return false;
  char* rest = nullptr;
  const long major = std::strtol(name.release, &rest, 10);
  const long minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
  return major > 5 || (major == 5 && minor >= 18);
}

}  // namespace baton::linux
