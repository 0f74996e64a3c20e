#include "linux/pcap_handle.h"

#include <pcap/pcap.h>

#include <array>
#include <cerrno>

namespace baton::linux {
namespace {

constexpr int kWakeAfter_ms = 10;

struct CompiledFilter {
  bpf_program program{};
  ~CompiledFilter() { ::pcap_freecode(&program); }
};

Unexpected<Error> refused(int status, pcap* handle, const std::string& interface) {
  const bool right = status == PCAP_ERROR_PERM_DENIED || status == PCAP_ERROR_PROMISC_PERM_DENIED;
  const bool missing = status == PCAP_ERROR_NO_SUCH_DEVICE;
  if (right || missing) return fail("listen", right ? EPERM : ENODEV, interface);
  const std::string words = ::pcap_geterr(handle);
  return fail("listen: " + (words.empty() ? std::string{::pcap_statustostr(status)} : words), 0, interface);
}

}  // namespace

void PcapClose::operator()(pcap* handle) const { ::pcap_close(handle); }

Result<PcapHandle> open_pcap(const std::string& interface, const PcapOptions& options) {
  std::array<char, PCAP_ERRBUF_SIZE> words{};
  PcapHandle handle{::pcap_create(interface.c_str(), words.data())};
  if (!handle) return fail("listen: " + std::string{words.data()}, 0, interface);
  ::pcap_set_snaplen(handle.get(), options.snap);
  ::pcap_set_promisc(handle.get(), 0);
  ::pcap_set_immediate_mode(handle.get(), 1);
  ::pcap_set_timeout(handle.get(), kWakeAfter_ms);
  if (options.buffer != 0) ::pcap_set_buffer_size(handle.get(), options.buffer);
  ::pcap_set_tstamp_precision(handle.get(), PCAP_TSTAMP_PRECISION_NANO);
  if (const int status = ::pcap_activate(handle.get()); status < 0) return refused(status, handle.get(), interface);
  if (::pcap_datalink(handle.get()) != DLT_EN10MB) return fail("listen: it has no Ethernet frames", 0, interface);
  CompiledFilter filter;
  if (::pcap_compile(handle.get(), &filter.program, options.filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0 ||
      ::pcap_setfilter(handle.get(), &filter.program) != 0) {
    return fail("filter: " + std::string{::pcap_geterr(handle.get())}, 0, interface);
  }
  if (::pcap_setnonblock(handle.get(), 1, words.data()) != 0) {
    return fail("listen: " + std::string{words.data()}, 0, interface);
  }
  return handle;
}

}  // namespace baton::linux
