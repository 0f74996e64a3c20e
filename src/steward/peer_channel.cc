#include "steward/peer_channel.h"

#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "log/log.h"
#include "posix/clock.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kSendPause = 20ms;      ///< between two sends, however much there is to say
constexpr Nanos kComplaintPause = 60s;  ///< between two lines about the same host
constexpr int kMaxPacketsPerTurn = 256;

PeerNonce random_nonce() {
  PeerNonce nonce{};
  // The kernel has randomness long before a network: this does not wait.
  if (::getrandom(nonce.data(), nonce.size(), 0) != static_cast<ssize_t>(nonce.size())) nonce.fill(0);
  return nonce;
}

std::uint64_t random_session() {
  std::uint64_t session = 0;
  const PeerNonce nonce = random_nonce();
  std::memcpy(&session, nonce.data(), sizeof session);
  return session == 0 ? 1 : session;
}

posix::Fd open_socket(int family, std::uint16_t port) {
  posix::Fd socket{::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return {};
  const int on = 1;
  if (family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (family == AF_INET6) {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    size = sizeof address;
  } else {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    size = sizeof address;
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
    log::error("peer_port_taken", {{"port", std::to_string(port)}, {"errno", std::strerror(errno)}},
               "the hosts cannot talk to each other");
    return {};
  }
  return socket;
}

IpAddress address_of(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(storage);
    return IpAddress::from_bytes({address.sin6_addr.s6_addr, 16});
  }
  const auto& address = reinterpret_cast<const sockaddr_in&>(storage);
  return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&address.sin_addr), 4});
}

}  // namespace

PeerChannel::~PeerChannel() { close_sockets(); }

void PeerChannel::close_sockets() {
  for (posix::Fd* socket : {&v4_, &v6_}) {
    if (socket->valid()) loop_.remove(socket->get());
    socket->reset();
  }
}

void PeerChannel::open_sockets() {
  const auto any = [&](bool ipv6) {
    return std::any_of(peers_.begin(), peers_.end(), [&](const auto& peer) {
      return std::any_of(peer.second.addresses.begin(), peer.second.addresses.end(),
                         [&](const IpAddress& address) { return address.is_ipv6() == ipv6; });
    });
  };
  if (any(false)) v4_ = open_socket(AF_INET, port_);
  if (any(true)) v6_ = open_socket(AF_INET6, port_);
  for (posix::Fd* socket : {&v4_, &v6_}) {
    const int fd = socket->get();
    if (!socket->valid()) continue;
    if (!loop_.add(fd, EPOLLIN, [this, fd](std::uint32_t) { on_readable(fd); })) socket->reset();
  }
}

void PeerChannel::configure(const config::Config& config) {
  close_sockets();
  own_host_ = config.host;
  port_ = config.daemon.peer_port;
  if (session_ == 0) session_ = random_session();
  keys_.clear();
  for (const std::string& secret : config.daemon.peer_keys) keys_.emplace_back(secret);
  std::map<std::string, Peer> next;
  for (const config::Peer& peer : config.peers) {
    if (peer.host == own_host_) continue;
    Peer& entry = next[peer.host];
    // Who is known already stays known, whatever else has changed.
    if (const auto old = peers_.find(peer.host); old != peers_.end()) entry = std::move(old->second);
    entry.addresses = peer.addresses;
    if (!entry.session) entry.session.emplace(own_host_, session_, random_nonce);
  }
  peers_ = std::move(next);
  std::erase_if(views_, [&](const auto& view) { return !peers_.contains(view.first); });
  for (const auto& [host, peer] : peers_) {
    views_[host].host = host;
    views_[host].paths = peer.addresses.size();
  }
  if (enabled()) open_sockets();
  next_send_ = Instant{};
}

void PeerChannel::hurry() { next_send_ = std::min(next_send_, sent_at_ + kSendPause); }

std::optional<Instant> PeerChannel::next_deadline() const {
  if (!enabled()) return std::nullopt;
  return next_send_;
}

void PeerChannel::send(Instant now, const PeerReport& report, bool busy) {
  if (!enabled() || now < next_send_) return;
  sent_at_ = now;
  next_send_ = now + (busy ? kBusyInterval : kInterval);
  const auto parts = encode(report);
  for (auto& [host, peer] : peers_) {
    for (const auto& part : parts) send_to(peer, seal(peer.session->make(part), keys_.front()));
    PeerView& view = views_[host];
    view.alive = static_cast<std::size_t>(std::count_if(
        peer.heard.begin(), peer.heard.end(), [&](const auto& path) { return now - path.second <= kLostAfter; }));
  }
}

void PeerChannel::say_goodbye(const PeerReport& report) {
  constexpr int kCopies = 3;  // one may be lost
  const auto parts = encode(report);
  for (auto& [host, peer] : peers_) {
    for (const auto& part : parts) {
      for (int i = 0; i < kCopies; ++i) send_to(peer, seal(peer.session->make(part), keys_.front()));
    }
  }
}

void PeerChannel::send_to(const Peer& peer, ConstBytes bytes) {
  for (const IpAddress& address : peer.addresses) {
    const posix::Fd& socket = address.is_ipv6() ? v6_ : v4_;
    if (!socket.valid()) continue;
    // What cannot be sent now is said again in a second.
    if (address.is_ipv6()) {
      sockaddr_in6 to{};
      to.sin6_family = AF_INET6;
      to.sin6_port = htons(port_);
      std::memcpy(&to.sin6_addr, address.bytes().data(), 16);
      ::sendto(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to),
               sizeof to);
    } else {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port_);
      std::memcpy(&to.sin_addr, address.bytes().data(), 4);
      ::sendto(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to),
               sizeof to);
    }
  }
}

void PeerChannel::on_readable(int fd) {
  std::array<std::uint8_t, kMaxPeerPacket + 1> buffer;
  for (int i = 0; i < kMaxPacketsPerTurn; ++i) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got <= 0) return;
    on_packet(posix::now(), address_of(from), ConstBytes{buffer}.first(static_cast<std::size_t>(got)));
  }
}

PeerChannel::Peer* PeerChannel::peer_at(const IpAddress& address, std::string& host) {
  for (auto& [name, peer] : peers_) {
    if (std::find(peer.addresses.begin(), peer.addresses.end(), address) == peer.addresses.end()) continue;
    host = name;
    return &peer;
  }
  return nullptr;
}

void PeerChannel::on_packet(Instant now, const IpAddress& from, ConstBytes bytes) {
  std::string host;
  Peer* peer = peer_at(from, host);
  if (peer == nullptr) return;  // not even a hash for strangers
  PeerView& view = views_[host];
  const auto refuse = [&](const std::string& why) {
    view.trouble = why;
    if (peer->complained != Instant{} && now - peer->complained < kComplaintPause) return;
    peer->complained = now;
    log::warning("peer_refused", {{"peer", host}, {"address", from.text()}}, "a packet from it is refused: " + why);
  };
  const auto packet = open_packet(bytes, keys_);
  if (!packet) return refuse(packet.error().message());
  if (packet->sender != host) return refuse("it says that it is " + packet->sender);
  const PeerSession::Verdict verdict = peer->session->accept(now, *packet);
  if (verdict == PeerSession::Verdict::kGreeting) {
    hurry();
    return;
  }
  if (verdict == PeerSession::Verdict::kReplay) return;
  peer->heard[from.text()] = now;
  if (verdict == PeerSession::Verdict::kCopy) return;
  auto report = decode_peer_report(packet->payload);
  if (!report) return refuse(report.error().message());
  if (!view.heard_ever || now - view.heard_at > kLostAfter) {
    log::info("peer_heard", {{"peer", host}, {"address", from.text()}}, "the other host is heard");
    hurry();
  }
  view.trouble.clear();
  view.heard_ever = true;
  view.heard_at = now;
  view.path = from.text();
  view.session = packet->session;
  note(view, std::move(*report), now);
}

void PeerChannel::note(PeerView& view, PeerReport report, Instant now) const {
  view.config_hash = report.config_hash;
  view.engine = report.engine;
  for (PeerInstance& instance : report.instances) {
    const std::string name = instance.name;
    view.instances[name] = {std::move(instance), now};
  }
  for (const auto& [section, passes] : report.checks) view.checks[section] = {passes, now};
  if (report.wall_clock_ns) view.clock_ahead = Nanos{*report.wall_clock_ns - posix::wall_clock_ns()};
  std::erase_if(view.instances, [&](const auto& each) { return now - each.second.second > kLostAfter; });
  if (report.wish.of == own_host_) {
    view.wish = std::move(report.wish);
    view.wish_at = now;
  }
  for (WishAnswer& answer : report.answers) {
    if (answer.to == own_host_) view.answer = std::move(answer);
  }
}

}  // namespace baton::steward
