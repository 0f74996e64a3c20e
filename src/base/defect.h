// Seeded defects: `if (BATON_DEFECT(7)) ...` stands beside the line that it spoils and is constant false, unless the
// build has -DBATON_DEFECTS=ON; then the environment variable BATON_DEFECT chooses one. tests/sim/defects shows that
// the suites find them.
#pragma once

#ifdef BATON_DEFECTS

#include <cstdlib>

namespace baton {

inline int chosen_defect() {
  static const int number = [] {
    const char* text = std::getenv("BATON_DEFECT");
    return text == nullptr ? 0 : std::atoi(text);
  }();
  return number;
}

}  // namespace baton

#define BATON_DEFECT(number) (::baton::chosen_defect() == (number))

#else

#define BATON_DEFECT(number) false

#endif
