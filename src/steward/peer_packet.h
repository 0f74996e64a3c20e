// One datagram between the stewards of two hosts: header, payload, HMAC-SHA256 over both (design section 8). Whoever
// does not have one of the keys can neither make nor change one; whether it is new is peer_session.h's matter.
//
// All numbers big-endian:  "BTPC" | version 1 | key id 8 | sender: length 1, HOST | session 8 | challenge 16 | echo 16
// | counter 8 | payload length 2 | payload | tag 32
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace baton::steward {

/// What fits one frame of 1500 bytes; only a single instance with a long position goes beyond it, in fragments.
inline constexpr std::size_t kFramePayload = 1250;
inline constexpr std::size_t kMaxPeerPayload = 2048;
inline constexpr std::size_t kMaxPeerPacket = 2218;

using PeerNonce = std::array<std::uint8_t, 16>;

/// A shared secret. Several are good at the same time, so that it can be changed host by host: sent with the first.
class PeerKey {
 public:
  explicit PeerKey(std::string secret);
  /// The first 8 bytes of SHA-256 of the secret: says which key it was, and nothing about it.
  const std::array<std::uint8_t, 8>& id() const { return id_; }
  std::array<std::uint8_t, 32> tag(ConstBytes bytes) const;

 private:
  std::string secret_;
  std::array<std::uint8_t, 8> id_{};
};

struct PeerPacket {
  std::string sender;         ///< HOST
  std::uint64_t session = 0;  ///< of the sender, as long as its process lives; never 0
  PeerNonce challenge{};      ///< what the receiver is to echo
  PeerNonce echo{};           ///< the receiver's challenge as the sender knows it; zeros: not yet
  std::uint64_t counter = 0;  ///< grows with each packet of the session
  std::vector<std::uint8_t> payload;
  bool operator==(const PeerPacket&) const = default;
};

/// REQUIRES a payload and a sender that fit.
std::vector<std::uint8_t> seal(const PeerPacket& packet, const PeerKey& key);
/// Error: no packet of this version, an unknown key, a wrong tag. Nothing of it is looked at before the tag is right.
Result<PeerPacket> open_packet(ConstBytes bytes, const std::vector<PeerKey>& keys);

}  // namespace baton::steward
