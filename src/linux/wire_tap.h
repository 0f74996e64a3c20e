// VRRP, ARP and ND of one interface for `batonctl tap`, by libpcap: both directions, each with a kernel filter and a
// buffer of its own, so that the direction of a frame is the kernel's word. Not promiscuous: what the engine does not
// get is not shown either. Needs CAP_NET_RAW.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "linux/pcap_handle.h"
#include "ports/capture.h"

namespace baton::linux {

class WireTap {
 public:
  /// `buffer`: bytes of kernel memory for each direction. Error: EPERM without the right; else what libpcap says.
  static Result<WireTap> open(const std::string& interface, int buffer);

  const std::string& interface() const { return interface_; }
  /// Readable when there are frames.
  std::array<int, 2> fds() const;
  /// Hands over at most `limit` frames of each direction of those that wait, by the kernel's time. Error: the interface
  /// is gone or down.
  Result<std::size_t> read(std::size_t limit, const std::function<void(const ports::CapturedFrame&)>& take);
  /// Frames that were left out since open(), because the buffer was full.
  std::uint64_t left_out() const;

 private:
  WireTap(std::string interface, PcapHandle in, PcapHandle out)
      : interface_(std::move(interface)), handles_{std::move(in), std::move(out)} {}

  std::string interface_;
  std::array<PcapHandle, 2> handles_;  ///< in, out
};

}  // namespace baton::linux
