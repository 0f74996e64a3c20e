// Opening libpcap on one interface for batonctl: never promiscuous, each frame at once, Ethernet alone, and what the
// filter leaves out never leaves the kernel. Needs CAP_NET_RAW.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"

struct pcap;

namespace baton::linux {

struct PcapClose {
  void operator()(pcap* handle) const;
};
using PcapHandle = std::unique_ptr<pcap, PcapClose>;

struct PcapOptions {
  std::string filter;  ///< as pcap-filter(7) has it
  int snap = 0;        ///< bytes kept of a frame
  int buffer = 0;      ///< bytes of kernel memory; 0: libpcap's own default
};

/// Does not block; times in nanoseconds. Error: EPERM without the right, ENODEV without the interface, else 0 and what
/// libpcap says; the subject is the interface.
Result<PcapHandle> open_pcap(const std::string& interface, const PcapOptions& options);

}  // namespace baton::linux
