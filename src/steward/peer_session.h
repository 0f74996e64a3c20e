// Which packets of one peer are new: no clock is trusted and no packet counts twice, even after a restart of either
// side. Each side sends a random challenge; a session that is not known yet counts only once it echoes the challenge
// that was made after it was first seen, so that a recorded packet of an earlier session never does. Pure; random
// numbers come in.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "steward/peer_packet.h"

namespace baton::steward {

class PeerSession {
 public:
  using Random = std::function<PeerNonce()>;
  enum class Verdict {
    kFresh,     ///< new, and from the peer as it is now: the payload counts
    kGreeting,  ///< a session that has yet to prove itself: answer it soon
    kCopy,      ///< of a packet that came a moment ago: the same by another path
    kReplay,    ///< an old one
  };

  PeerSession(std::string own_host, std::uint64_t own_session, Random random);

  /// The packet to send next.
  PeerPacket make(std::vector<std::uint8_t> payload);
  /// REQUIRES that the signature was right.
  Verdict accept(Instant now, const PeerPacket& packet);
  bool established() const { return peer_session_ != 0; }

 private:
  static constexpr Nanos kChallengePause = std::chrono::milliseconds{100};
  /// A copy may be so much later than the first; up to twice that is not told apart.
  static constexpr Nanos kCopyWindow = std::chrono::seconds{1};
  bool is_copy(Instant now, const PeerPacket& packet) const;
  void count(Instant now, const PeerPacket& packet);

  std::string own_host_;
  std::uint64_t own_session_;
  Random random_;
  PeerNonce challenge_;
  PeerNonce heard_{};  ///< the peer's challenge
  std::uint64_t counter_ = 0;
  std::uint64_t peer_session_ = 0;   ///< proven
  std::uint64_t peer_counter_ = 0;   ///< its greatest
  std::uint64_t candidate_ = 0;      ///< has been challenged
  std::uint64_t older_counter_ = 0;  ///< peer_counter_ as it was one or two windows ago
  std::uint64_t newer_counter_ = 0;  ///< the same at turned_at_
  Instant turned_at_{};
  Instant fresh_at_{};
  Instant challenged_at_{};
};

}  // namespace baton::steward
