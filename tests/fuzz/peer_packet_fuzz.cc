// Arbitrary bytes as a datagram of another host: nothing that is not signed is accepted, and what somebody signs who
// has the key is taken apart without a crash and packed again to the same bytes.
#include <algorithm>
#include <cstdlib>

#include "steward/peer_packet.h"

namespace {

using namespace baton;

constexpr std::size_t kTag = 32;
constexpr std::size_t kKeyAt = 5;  // behind magic and version

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<steward::PeerKey> keys{steward::PeerKey{"0123456789abcdef"},
                                                  steward::PeerKey{"fedcba9876543210"}};
  const ConstBytes bytes{data, size};
  // The fuzzer does not find a signature: 256 bits.
  require(!steward::open_packet(bytes, keys));
  if (size < kKeyAt + keys[0].id().size()) return 0;
  std::vector<std::uint8_t> signed_packet(bytes.begin(), bytes.end());
  std::copy(keys[1].id().begin(), keys[1].id().end(), signed_packet.begin() + kKeyAt);
  const auto tag = keys[1].tag(signed_packet);
  signed_packet.insert(signed_packet.end(), tag.begin(), tag.end());
  const auto packet = steward::open_packet(signed_packet, keys);
  if (!packet) return 0;
  require(!packet->sender.empty() && packet->session != 0 && signed_packet.size() <= steward::kMaxPeerPacket);
  if (packet->sender.size() > 32 || packet->payload.size() > steward::kMaxPeerPayload) return 0;
  require(steward::seal(*packet, keys[1]) == signed_packet);
  // One bit, and it is nobody's.
  signed_packet[signed_packet.size() - kTag - 1] ^= 1;
  require(!steward::open_packet(signed_packet, keys));
  return 0;
}
