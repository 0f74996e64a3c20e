// The version of this build: the project's in CMakeLists.txt.
#pragma once

namespace baton {

extern const char* const kVersion;

}  // namespace baton
