// The stewards' own conversation (design section 8): UDP over every configured path to every other host, signed and
// protected against replay. Decides when to send, who is lost, and what is worth a line in the log; knows nothing of
// instances. A packet that is not a peer's costs a hash and a line a minute, and is never answered.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "posix/event_loop.h"
#include "posix/fd.h"
#include "steward/peer_report.h"
#include "steward/peer_session.h"

namespace baton::steward {

/// What is known of another host.
struct PeerView {
  std::string host;
  bool heard_ever = false;
  Instant heard_at{};     ///< the last fresh packet
  std::string path;       ///< the address that it came from
  std::size_t paths = 0;  ///< configured
  std::size_t alive = 0;  ///< heard of within kLostAfter, also copies
  std::string config_hash;
  std::uint8_t engine = 0;
  std::map<std::string, std::pair<PeerInstance, Instant>> instances;
  std::map<std::string, std::pair<bool, Instant>> checks;  ///< its relative ones
  bool lost = false;                                       ///< for people: not heard for kLostAfter
  std::uint64_t session = 0;                               ///< of its steward
  Wish wish;                                               ///< its last one of this host
  Instant wish_at{};
  WishAnswer answer;                 ///< its last one to this host
  std::optional<Nanos> clock_ahead;  ///< its wall clock against ours, give or take what a packet takes
  std::string trouble;               ///< why what comes from its addresses is refused; "" = it is not
};

class PeerChannel {
 public:
  static constexpr Nanos kInterval = std::chrono::seconds{1};
  static constexpr Nanos kBusyInterval = std::chrono::milliseconds{100};  ///< a lost message costs that long
  static constexpr Nanos kLostAfter = std::chrono::milliseconds{3500};

  explicit PeerChannel(posix::EventLoop& loop) : loop_(loop) {}
  ~PeerChannel();
  PeerChannel(const PeerChannel&) = delete;
  PeerChannel& operator=(const PeerChannel&) = delete;

  /// Keys, peers and port of a configuration; without a key there is no channel. Blocks for nothing.
  void configure(const config::Config& config);
  bool enabled() const { return !keys_.empty() && !peers_.empty(); }
  /// As the others know it: one number as long as this process lives.
  std::uint64_t session() const { return session_; }

  /// Sends what is due; `report`: what this host says of itself.
  /// `busy`: the others wait for the next one, too.
  void send(Instant now, const PeerReport& report, bool busy);
  /// The last report before the end; nobody can ask for it again.
  void say_goodbye(const PeerReport& report);
  /// Something changed that the others should know at once; however much that is, they hear of it fifty times a second.
  void hurry();
  std::optional<Instant> next_deadline() const;
  /// By host.
  const std::map<std::string, PeerView>& peers() const { return views_; }
  bool lost(const PeerView& view, Instant now) const {
    return !view.heard_ever || view.engine == kStopped || now - view.heard_at > kLostAfter;
  }

 private:
  struct Peer {
    std::vector<IpAddress> addresses;
    std::map<std::string, Instant> heard;  ///< by path
    std::optional<PeerSession> session;
    Instant complained{};
  };
  void open_sockets();
  void close_sockets();
  void on_readable(int fd);
  void note(PeerView& view, PeerReport report, Instant now) const;
  void on_packet(Instant now, const IpAddress& from, ConstBytes bytes);
  void send_to(const Peer& peer, ConstBytes bytes);
  Peer* peer_at(const IpAddress& address, std::string& host);

  posix::EventLoop& loop_;
  std::string own_host_;
  std::uint16_t port_ = 0;
  std::vector<PeerKey> keys_;
  std::map<std::string, Peer> peers_;
  std::map<std::string, PeerView> views_;
  posix::Fd v4_;
  posix::Fd v6_;
  std::uint64_t session_ = 0;
  Instant sent_at_{};
  Instant next_send_{};
};

}  // namespace baton::steward
