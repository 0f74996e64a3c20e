// Arbitrary bytes as a message of another process: never a crash, and what decodes encodes to something that decodes to
// the same.
#include <cstdlib>

#include "ipc/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = baton::ipc::decode({data, size});
  if (!message) return 0;
  const auto bytes = baton::ipc::encode(*message);
  const auto again = baton::ipc::decode(bytes);
  if (!again || again->index() != message->index() || baton::ipc::encode(*again) != bytes) std::abort();
  return 0;
}
