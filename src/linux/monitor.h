// The netlink socket that tells of changes, read on the protocol thread: reading events takes no lock of the kernel's,
// asking for a dump does and is the worker's part. Believes nobody but the kernel (F45). Lost events (ENOBUFS, F43)
// lead to a full dump.
#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "base/error.h"
#include "linux/link_table.h"
#include "posix/fd.h"

namespace baton::linux {

class Monitor {
 public:
  /// `buffer`: receive buffer in bytes.
  static Result<std::unique_ptr<Monitor>> open(int buffer);

  int fd() const { return socket_.get(); }

  struct Outcome {
    bool overrun = false;  ///< events were lost: dump
    bool more = false;     ///< the limit was reached; call again
  };
  /// Applies what waits, at most some thousands of messages.
  Outcome read(LinkTable& table);

 private:
  explicit Monitor(posix::Fd socket);

  static constexpr std::size_t kBatch = 16;
  static constexpr std::size_t kDatagram = 16384;
  posix::Fd socket_;
  std::unique_ptr<std::uint8_t[]> bytes_;  ///< pages that nothing was read into cost nothing
  std::vector<mmsghdr> headers_;
  std::vector<iovec> parts_;
  std::vector<sockaddr_nl> senders_;
};

}  // namespace baton::linux
