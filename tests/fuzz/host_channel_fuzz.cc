// Arbitrary bytes as what an act host and the engine say to each other, as an order and as a fleet of them: never a
// crash, and what decodes encodes to something that decodes to the same.
#include <cstdlib>

#include "ipc/host_channel.h"
#include "ipc/host_order.h"

namespace {

template <class Read>
void round_trip(baton::ConstBytes bytes, Read read) {
  const auto message = read(bytes);
  if (!message) return;
  const auto again = read(encode(*message));
  if (!again || !(*again == *message)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const baton::ConstBytes bytes{data, size};
  round_trip(bytes, baton::ipc::decode_request);
  round_trip(bytes, baton::ipc::decode_answer);
  round_trip(bytes, baton::ipc::decode_order);
  if (const auto fleet = baton::ipc::decode_fleet(bytes)) {
    const auto again = baton::ipc::decode_fleet(baton::ipc::encode_fleet(*fleet));
    if (!again || *again != *fleet) std::abort();
  }
  return 0;
}
