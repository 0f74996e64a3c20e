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

bool PeerSession::is_copy(Instant now, const PeerPacket& packet) const {
  return packet.counter > older_counter_ && now - fresh_at_ <= kCopyWindow;
}

void PeerSession::count(Instant now, const PeerPacket& packet) {
  if (now - turned_at_ >= kCopyWindow) {
    older_counter_ = newer_counter_;
    newer_counter_ = peer_counter_;
    turned_at_ = now;
  }
  peer_counter_ = packet.counter;
  fresh_at_ = now;
  heard_ = packet.challenge;
}

PeerSession::Verdict PeerSession::accept(Instant now, const PeerPacket& packet) {
  if (packet.session == peer_session_) {
    if (packet.counter <= peer_counter_) return is_copy(now, packet) ? Verdict::kCopy : Verdict::kReplay;
    count(now, packet);
    // Of this session, and later than any before: it can only be new, whatever it echoes.
    return Verdict::kFresh;
  }
  if (packet.session == candidate_ && packet.echo == challenge_) {
    peer_session_ = packet.session;
    peer_counter_ = older_counter_ = newer_counter_ = 0;
    candidate_ = 0;
    count(now, packet);
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
