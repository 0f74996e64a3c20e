#include "steward/peer_session.h"

namespace baton::steward {

PeerSession::PeerSession(std::string own_host, std::uint64_t own_session, Random random)
    : own_host_(std::move(own_host)), own_session_(own_session), random_(std::move(random)), challenge_(random_()) {}

PeerPacket PeerSession::make(std::vector<std::uint8_t> payload) {
  return {.sender = own_host_,
          .session = own_session_,
          .challenge = challenge_,
          .echo = heard_,
          .counter = ++counter_,
          .payload = std::move(payload)};
}

PeerSession::Verdict PeerSession::accept(Instant now, const PeerPacket& packet) {
  if (packet.session == peer_session_) {
    if (packet.counter <= peer_counter_) return Verdict::kReplay;
    peer_counter_ = packet.counter;
    heard_ = packet.challenge;
    // Of this session, and later than any before: it can only be new, whatever it echoes.
    return Verdict::kFresh;
  }
  if (packet.session == candidate_ && packet.echo == challenge_) {
    peer_session_ = packet.session;
    peer_counter_ = packet.counter;
    candidate_ = 0;
    heard_ = packet.challenge;
    return Verdict::kFresh;
  }
  if (packet.session == candidate_) {
    heard_ = packet.challenge;
  } else if (challenged_at_ == Instant{} || now - challenged_at_ >= kChallengePause) {
    // Not at each packet: a flood of recorded ones must not keep the true one from being echoed.
    candidate_ = packet.session;
    challenge_ = random_();
    challenged_at_ = now;
    heard_ = packet.challenge;
  }
  return Verdict::kGreeting;
}

}  // namespace baton::steward
