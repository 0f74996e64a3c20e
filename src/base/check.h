// CHECK: "we are wrong". Aborts in every build and prints where. For our own invariants only, never for input.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace baton {

[[noreturn]] inline void check_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, what);
  std::abort();
}

}  // namespace baton

#define CHECK(condition) ((condition) ? static_cast<void>(0) : ::baton::check_failed(#condition, __FILE__, __LINE__))
