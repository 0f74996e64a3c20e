// Receiving on all links: their packet sockets, and how often they are looked at. Under load the sockets are not waited
// for but looked at once per pause, so that a thousand adverts a second do not cost a thousand wake-ups. Protocol
// thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "linux/packet_socket.h"
#include "linux/sink.h"
#include "posix/fd.h"

namespace baton::linux {

class ReceivePath {
 public:
  static Result<std::unique_ptr<ReceivePath>> open(Nanos pause);

  /// Opens what is missing on the link's interface. 0 or the errno of the last socket that could not be opened.
  int attach(ports::LinkId link, int ifindex, bool ipv4, bool ipv6);
  /// The sockets come back open: closing them is slow (see packet_socket.h).
  std::vector<posix::Fd> detach(ports::LinkId link);

  /// Whether what other programs of this host send is heard, too, on all links. Sockets that are not needed any more
  /// come back open.
  std::vector<posix::Fd> hear_host(bool wanted);

  /// Readable when frames wait and are wanted now.
  int fd() const { return outer_.get(); }
  /// When frames are to be looked at although fd() is silent.
  std::optional<Instant> resume_at() const { return resume_at_; }

  /// Hands over all frames that wait, at most some thousands a call, and decides whether to pause.
  void drain(Instant now, NetworkSink& sink);

 private:
  explicit ReceivePath(Nanos pause, posix::Fd inner, posix::Fd outer)
      : pause_(pause), inner_(std::move(inner)), outer_(std::move(outer)) {}
  struct Taps {
    int ifindex = 0;
    std::array<posix::Fd, kTaps> sockets;
  };
  int open_tap(ports::LinkId link, Tap tap);
  posix::Fd& socket_of(Taps& taps, Tap tap) { return taps.sockets[static_cast<std::size_t>(tap)]; }
  void consider_pause(Instant now, std::size_t frames);
  void set_waited_for(bool waited_for);

  const Nanos pause_;
  posix::Fd inner_;  ///< epoll over the sockets
  posix::Fd outer_;  ///< epoll over inner_, silent during a pause
  std::map<ports::LinkId, Taps> taps_;
  bool hears_host_ = false;
  FrameReader reader_;
  std::optional<Instant> resume_at_;
  Instant measured_since_{};
  std::size_t measured_frames_ = 0;
  Nanos wanted_pause_{0};  ///< by the measured rate
};

}  // namespace baton::linux
