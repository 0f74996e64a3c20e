// Arbitrary bytes as a serialized Config: never a crash, and what is accepted has exactly these bytes.
#include <algorithm>
#include <cstdlib>

#include "config/serialize.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = baton::config::deserialize({data, size});
  if (!config) return 0;
  const auto bytes = baton::config::serialize(*config);
  if (!std::equal(bytes.begin(), bytes.end(), data, data + size)) std::abort();
  return 0;
}
