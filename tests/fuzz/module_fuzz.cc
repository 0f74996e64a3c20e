// Arbitrary bytes as what a module says of itself and of its settings: never a crash, and what decodes encodes to
// something that decodes to the same.
#include <cstdlib>

#include "ipc/module_catalog.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const baton::ConstBytes bytes{data, size};
  if (const auto module = baton::ipc::decode_module(bytes)) {
    const auto again = baton::ipc::decode_module(baton::ipc::encode(*module));
    if (!again || !(*again == *module)) std::abort();
  }
  if (const auto complaints = baton::ipc::decode_complaints(bytes)) {
    const auto again = baton::ipc::decode_complaints(baton::ipc::encode(*complaints));
    if (!again || again->size() != complaints->size()) std::abort();
  }
  return 0;
}
