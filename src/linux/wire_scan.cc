#include "linux/wire_scan.h"

#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "linux/membership.h"
#include "linux/packet_socket.h"
#include "linux/pcap_handle.h"
#include "posix/clock.h"
#include "vrrp/frame.h"

namespace baton::linux {
namespace {

constexpr std::size_t kMostSenders = 1000;
constexpr int kSnapLength = 2048;  ///< an advert with 255 IPv4 addresses and more than any IPv6 one of 1500 bytes
constexpr std::size_t kFramesATurn = 1024;
constexpr const char* kFilter = "inbound and (ip proto 112 or ip6 proto 112)";

/// One interface while it is listened on.
struct Ear {
  std::string interface;
  PcapHandle incoming;
  posix::Fd outgoing;  ///< what other programs of this host send
  std::vector<posix::Fd> memberships;
};

Result<Ear> open_ear(const std::string& interface) {
  auto handle = open_pcap(interface, {.filter = kFilter, .snap = kSnapLength});
  if (!handle) return Unexpected<Error>{handle.error()};
  Ear ear;
  ear.interface = interface;
  ear.incoming = std::move(*handle);
  const int ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    // Without IPv6 there is nothing to join; what reaches the interface is heard all the same.
    if (auto socket = join_vrrp_group(ifindex, family)) ear.memberships.push_back(std::move(*socket));
  }
  auto outgoing = open_receive_socket(ifindex, Tap::kOutgoing);
  if (!outgoing) return Unexpected<Error>{outgoing.error()};
  ear.outgoing = std::move(*outgoing);
  return ear;
}

void read_incoming(Ear& ear, std::vector<HeardRouter>& heard) {
  for (std::size_t i = 0; i < kFramesATurn; ++i) {
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    if (pcap_next_ex(ear.incoming.get(), &header, &bytes) != 1) return;
    note_frame(heard, ear.interface, /*from_this_host=*/false, ConstBytes{bytes, header->caplen});
  }
}

HeardRouter& sender_of(std::vector<HeardRouter>& heard, const HeardRouter& wanted) {
  const auto same = std::find_if(heard.begin(), heard.end(), [&](const HeardRouter& one) {
    return one.interface == wanted.interface && one.vrid == wanted.vrid && one.source == wanted.source &&
           one.mac == wanted.mac && one.from_this_host == wanted.from_this_host;
  });
  if (same != heard.end()) return *same;
  if (heard.size() >= kMostSenders) return heard.back();
  heard.push_back(wanted);
  return heard.back();
}

/// Milliseconds for poll(), at least 1.
int milliseconds_until(Instant deadline, Instant now) {
  return static_cast<int>((deadline - now) / std::chrono::milliseconds{1}) + 1;
}

}  // namespace

void note_frame(std::vector<HeardRouter>& heard, const std::string& interface, bool from_this_host, ConstBytes frame) {
  const vrrp::ParsedFrame parsed = vrrp::parse_frame(frame);
  const auto* found = std::get_if<vrrp::VrrpFrame>(&parsed);
  if (found == nullptr) return;
  const auto peek = vrrp::peek(found->payload);
  if (!peek) return;
  HeardRouter key;
  key.interface = interface;
  key.family = found->envelope.source.family();
  key.vrid = peek->vrid;
  key.source = found->envelope.source;
  key.mac = found->source_mac;
  key.from_this_host = from_this_host;
  key.to_group = found->envelope.destination.is_multicast();
  HeardRouter& sender = sender_of(heard, key);
  if (sender.vrid != key.vrid || sender.source != key.source) return;  // one too many
  const auto advert = vrrp::decode(found->payload, found->envelope);
  if (!advert) {
    ++sender.bad;
    return;
  }
  ++sender.count;
  sender.priority = advert->priority.value();
  sender.version = static_cast<int>(advert->version);
  sender.interval = advert->max_advertise_interval;
}

WireScan scan_wire(const std::vector<std::string>& interfaces, Nanos duration) {
  WireScan scan;
  std::vector<Ear> ears;
  for (const std::string& interface : interfaces) {
    auto ear = open_ear(interface);
    if (ear) {
      ears.push_back(std::move(*ear));
    } else {
      scan.deaf.push_back(interface + ": " + ear.error().message());
    }
  }
  if (ears.empty()) return scan;
  std::vector<pollfd> waiting;
  for (const Ear& ear : ears) {
    waiting.push_back({pcap_get_selectable_fd(ear.incoming.get()), POLLIN, 0});
    waiting.push_back({ear.outgoing.get(), POLLIN, 0});
  }
  FrameReader reader;
  const Instant began = posix::now();
  for (Instant now = began; now < began + duration; now = posix::now()) {
    if (::poll(waiting.data(), waiting.size(), milliseconds_until(began + duration, now)) < 0 && errno != EINTR) break;
    for (Ear& ear : ears) {
      read_incoming(ear, scan.heard);
      reader.read(ear.outgoing.get(), kFramesATurn,
                  [&](ConstBytes frame) { note_frame(scan.heard, ear.interface, /*from_this_host=*/true, frame); });
    }
  }
  scan.listened = posix::now() - began;
  return scan;
}

}  // namespace baton::linux
