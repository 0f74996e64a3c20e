// Sending on all links: frames gather during a turn and leave by one sendmmsg a link; unicast leaves at once. What the
// kernel refuses is told once per change. Protocol thread.
#pragma once

#include <map>
#include <vector>

#include "linux/packet_socket.h"
#include "linux/sink.h"
#include "linux/unicast_socket.h"
#include "ports/ports.h"

namespace baton::linux {

class SendPath final : public ports::FramePort {
 public:
  explicit SendPath(UnicastSender unicast) : unicast_(std::move(unicast)) {}

  /// 0 or the errno.
  int attach(ports::LinkId link, int ifindex);
  /// The link's socket comes back open: closing it is slow (see packet_socket.h). What it had queued is gone.
  posix::Fd detach(ports::LinkId link);

  void send_frame(ports::LinkId link, ConstBytes frame) override;
  void send_unicast(ports::LinkId link, const IpAddress& source, const IpAddress& destination,
                    ConstBytes message) override;
  void flush() override;

  std::vector<ino_t> raw_inodes() const { return unicast_.inodes(); }
  bool has_errors() const { return !untold_.empty(); }
  void tell_errors(Instant now, NetworkSink& sink);

 private:
  struct Link {
    int ifindex = 0;
    posix::Fd socket;
    FrameQueue queue;
    int last_errno = 0;
    bool dirty = false;  ///< in to_send_
  };
  struct Untold {
    ports::LinkId link = 0;
    int sys_errno = 0;
  };
  void send_queue(ports::LinkId id, Link& link);
  void note(ports::LinkId id, Link& link, int sys_errno);

  UnicastSender unicast_;
  std::map<ports::LinkId, Link> links_;
  std::vector<ports::LinkId> to_send_;
  std::vector<Untold> untold_;
};

}  // namespace baton::linux
