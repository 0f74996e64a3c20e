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
    kReplay,    ///< seen already (also: the same packet by another path)
  };

  PeerSession(std::string own_host, std::uint64_t own_session, Random random);

  /// The packet to send next.
  PeerPacket make(std::vector<std::uint8_t> payload);
  /// REQUIRES that the signature was right.
  Verdict accept(Instant now, const PeerPacket& packet);
  bool established() const { return peer_session_ != 0; }

 private:
  static constexpr Nanos kChallengePause = std::chrono::milliseconds{100};

  std::string own_host_;
  std::uint64_t own_session_;
  Random random_;
  PeerNonce challenge_;
  PeerNonce heard_{};  ///< the peer's challenge
  std::uint64_t counter_ = 0;
  std::uint64_t peer_session_ = 0;  ///< proven
  std::uint64_t peer_counter_ = 0;  ///< its greatest
  std::uint64_t candidate_ = 0;     ///< has been challenged
  Instant challenged_at_{};
};

}  // namespace baton::steward
