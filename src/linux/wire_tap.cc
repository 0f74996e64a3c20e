#include "linux/wire_tap.h"

#include <pcap/pcap.h>

#include <algorithm>

namespace baton::linux {
namespace {

/// As the engine's sockets: no VLAN-tagged copies (last, because `vlan` moves all offsets behind it), and of ND what
/// announces, probes or routes.
constexpr const char* kFilter =
    " and (ip proto 112 or ip6 proto 112 or arp or (icmp6 and ip6[40] >= 134 and ip6[40] <= 136)) and not vlan";

struct Stored {
  std::int64_t wall_clock_ns;
  std::uint32_t length;
  bool outgoing;
  std::vector<std::uint8_t> bytes;
};

struct Collector {
  std::vector<Stored>& frames;
  bool outgoing;
};

void collect(u_char* user, const pcap_pkthdr* header, const u_char* bytes) {
  auto& into = *reinterpret_cast<Collector*>(user);
  // With PCAP_TSTAMP_PRECISION_NANO tv_usec holds nanoseconds.
  into.frames.push_back({std::int64_t{header->ts.tv_sec} * 1'000'000'000 + header->ts.tv_usec, header->len,
                         into.outgoing, std::vector<std::uint8_t>(bytes, bytes + header->caplen)});
}

}  // namespace

Result<WireTap> WireTap::open(const std::string& interface, int buffer) {
  const auto open_one = [&](const std::string& direction) {
    return open_pcap(interface, {.filter = direction + kFilter, .snap = ports::kSnapLength, .buffer = buffer});
  };
  auto in = open_one("inbound");
  if (!in) return Unexpected<Error>{in.error()};
  auto out = open_one("outbound");
  if (!out) return Unexpected<Error>{out.error()};
  return WireTap{interface, std::move(*in), std::move(*out)};
}

std::array<int, 2> WireTap::fds() const {
  return {::pcap_get_selectable_fd(handles_[0].get()), ::pcap_get_selectable_fd(handles_[1].get())};
}

Result<std::size_t> WireTap::read(std::size_t limit, const std::function<void(const ports::CapturedFrame&)>& take) {
  std::vector<Stored> frames;
  for (std::size_t way = 0; way < handles_.size(); ++way) {
    Collector collector{frames, way == 1};
    const int status =
        ::pcap_dispatch(handles_[way].get(), static_cast<int>(limit), &collect, reinterpret_cast<u_char*>(&collector));
    if (status == PCAP_ERROR) return fail("listen: " + std::string{::pcap_geterr(handles_[way].get())}, 0, interface_);
  }
  std::stable_sort(frames.begin(), frames.end(),
                   [](const Stored& a, const Stored& b) { return a.wall_clock_ns < b.wall_clock_ns; });
  for (const Stored& frame : frames) {
    take({.wall_clock_ns = frame.wall_clock_ns,
          .length = frame.length,
          .outgoing = frame.outgoing,
          .bytes = frame.bytes});
  }
  return frames.size();
}

std::uint64_t WireTap::left_out() const {
  std::uint64_t total = 0;
  for (const PcapHandle& handle : handles_) {
    pcap_stat counted{};
    if (::pcap_stats(handle.get(), &counted) == 0) total += counted.ps_drop;
  }
  return total;
}

}  // namespace baton::linux
