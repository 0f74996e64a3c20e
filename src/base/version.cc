#include "base/version.h"

namespace baton {

const char* const kVersion = BATON_VERSION;

}  // namespace baton
