// What another program prints: never for longer, and never more, than is said.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"

namespace baton::cli {

struct Captured {
  std::string output;   ///< of both its outputs
  std::string trouble;  ///< "" = it ended well; otherwise why not: not installed, exit status, out of time, too much
};

struct CaptureLimits {
  Nanos patience = std::chrono::seconds{10};
  std::size_t bytes = 8u << 20;
};

/// `program`: a name, looked for where the system keeps its programs, whatever PATH says. It keeps the caller's rights.
Captured capture(const std::string& program, const std::vector<std::string>& arguments, CaptureLimits limits = {});

/// The absolute path of a system's program; "" if there is none.
std::string find_program(const std::string& name);

}  // namespace baton::cli
