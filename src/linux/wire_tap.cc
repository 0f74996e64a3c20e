#include "linux/wire_tap.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <cerrno>

namespace baton::linux {
namespace {

constexpr int kWakeAfter_ms = 10;
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

Unexpected<Error> refused(int status, pcap* handle, const std::string& interface) {
  const bool right = status == PCAP_ERROR_PERM_DENIED || status == PCAP_ERROR_PROMISC_PERM_DENIED;
  const bool missing = status == PCAP_ERROR_NO_SUCH_DEVICE;
  std::string what = right || missing ? "listen" : std::string{"listen: "} + ::pcap_geterr(handle);
  return fail(std::move(what), right ? EPERM : missing ? ENODEV : 0, interface);
}

}  // namespace

void WireTap::Close::operator()(pcap* handle) const { ::pcap_close(handle); }

Result<WireTap::Handle> WireTap::open_one(const std::string& interface, const char* direction, int buffer) {
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  Handle handle{::pcap_create(interface.c_str(), error.data())};
  if (!handle) return fail("listen: " + std::string{error.data()}, 0, interface);
  ::pcap_set_snaplen(handle.get(), static_cast<int>(ports::kSnapLength));
  ::pcap_set_promisc(handle.get(), 0);
  ::pcap_set_immediate_mode(handle.get(), 1);
  ::pcap_set_timeout(handle.get(), kWakeAfter_ms);
  ::pcap_set_buffer_size(handle.get(), buffer);
  ::pcap_set_tstamp_precision(handle.get(), PCAP_TSTAMP_PRECISION_NANO);
  if (const int status = ::pcap_activate(handle.get()); status < 0) return refused(status, handle.get(), interface);
  if (::pcap_datalink(handle.get()) != DLT_EN10MB) return fail("listen: it has no Ethernet frames", 0, interface);
  bpf_program program{};
  if (::pcap_compile(handle.get(), &program, (direction + std::string{kFilter}).c_str(), 1, PCAP_NETMASK_UNKNOWN) !=
      0) {
    return fail("filter: " + std::string{::pcap_geterr(handle.get())}, 0, interface);
  }
  const int set = ::pcap_setfilter(handle.get(), &program);
  ::pcap_freecode(&program);
  if (set != 0) return fail("filter: " + std::string{::pcap_geterr(handle.get())}, 0, interface);
  if (::pcap_setnonblock(handle.get(), 1, error.data()) != 0) {
    return fail("listen: " + std::string{error.data()}, 0, interface);
  }
  return handle;
}

Result<WireTap> WireTap::open(const std::string& interface, int buffer) {
  auto in = open_one(interface, "inbound", buffer);
  if (!in) return Unexpected<Error>{in.error()};
  auto out = open_one(interface, "outbound", buffer);
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
  for (const Handle& handle : handles_) {
    pcap_stat counted{};
    if (::pcap_stats(handle.get(), &counted) == 0) total += counted.ps_drop;
  }
  return total;
}

}  // namespace baton::linux
