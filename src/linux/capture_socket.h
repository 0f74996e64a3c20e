// A packet socket that hears VRRP, ARP and ND of one interface, both ways. Who opens it needs CAP_NET_RAW; the filter
// is locked then, so whoever is given the descriptor can bind it to an interface and hear nothing else. VLAN-tagged
// copies and frames to other hosts' MAC addresses are left out, as the engine leaves them out.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "ports/capture.h"
#include "posix/fd.h"

namespace baton::linux {

/// Not bound to any interface: hears nothing yet.
Result<posix::Fd> open_capture_socket();

class CaptureSocket : public ports::CapturePort {
 public:
  /// `socket` of open_capture_socket().
  static Result<std::unique_ptr<CaptureSocket>> open(posix::Fd socket, std::string interface);
  ~CaptureSocket() override;

  int fd() const override { return socket_.get(); }
  bool attach() override;
  std::size_t read(std::size_t limit, const std::function<void(const ports::CapturedFrame&)>& take) override;
  Nanos delay() const override;
  std::uint64_t lost() override;

 private:
  class Blocks;
  CaptureSocket(posix::Fd socket, std::string interface, std::unique_ptr<Blocks> blocks);
  posix::Fd socket_;
  std::string interface_;
  std::unique_ptr<Blocks> blocks_;
};

}  // namespace baton::linux
